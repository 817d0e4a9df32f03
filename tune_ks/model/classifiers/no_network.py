"""No network: nothing is trained, and the answer is that of the yardstick that source validation chooses.

A trial with it takes seconds, so it tells whether a rate matters at all before any network is trained. Its scores come
from tune_ks.evaluation.without_network; this member holds no parameters and answers nothing by itself.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from tune_ks.core.config import TrialConfig
from tune_ks.core.options import require
from tune_ks.model.classifiers.base import Network

NAME = "no_network"
UNTRAINED = ("rate_from", "rate_start", "init_from")  # fields of a training that must not be given
AS_IT_IS = {  # fields that act on what a network is given or gives -> the value without any effect
    "augment": "none",
    "style": "none",
    "mask_jitter": 0.0,
    "test_time": "none",
    "standardise": "none",
    "average": 0.0,
    "restarts": 0,
}


class NoNetwork(nn.Module):
    """The place of a network in the pipeline."""

    def forward(self, image: Tensor, acquisition: Tensor, condition: Tensor) -> Tensor:
        raise RuntimeError(f"the classifier {NAME!r} answers nothing: its trials are scored by a yardstick")


def check(config: TrialConfig, values: Mapping[str, Any]) -> None:
    """ValueError for what has an effect on a network alone, so that nobody believes it had one here."""
    of_none = f"where the classifier is {NAME!r}, which nothing trains"
    require(config.epochs == 0, "epochs", f"0 {of_none}", config.epochs)
    for name in UNTRAINED:
        require(getattr(config, name) is None, name, f"None {of_none}", getattr(config, name))
    for name, value in AS_IT_IS.items():
        require(getattr(config, name) == value, name, f"{value!r} {of_none}", getattr(config, name))


MEMBER = Network(NoNetwork, (), check)
