"""A corruption of tune_ks.training.corruptions as an augmentation: training images get worse at random.

A network that is trained so is trained for that corruption: its score on images corrupted in the same way
(``evaluate --corruptions``) says nothing about images that are worse in another way. The report says so.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from tune_ks.core.config import TrialConfig
from tune_ks.core.options import Member, Option, require
from tune_ks.model.members import named
from tune_ks.training.corruptions import CORRUPTIONS
from tune_ks.training.corruptions.base import SEVERITIES, Corruption, corrupted
from tune_ks.training.styles.base import SHARE, STRENGTH, Style

HIGHEST_SEVERITY = 3.0
SEEDS = 2**31
CORRUPTION = Option("corruption", None, "of the style of that name: which corruption", str)


class Corrupted(Style):
    """An image at a severity that is uniform in 1 ... ``style_strength``, with a new seed each time."""

    def __init__(self, corruption: Corruption, style_strength: float, style_share: float) -> None:
        super().__init__(style_strength, style_share)
        self.corruption = corruption

    def changed(self, image: Tensor) -> Tensor:
        count = len(image)
        severities = torch.randint(1, int(self.strength) + 1, (count,)).tolist()  # drawn and read on the host
        seeds = torch.randint(SEEDS, (count,)).tolist()
        worse = []
        for position, (severity, seed) in enumerate(zip(severities, seeds, strict=True)):
            worse.append(corrupted(self.corruption, severity, image[position : position + 1], [seed]))
        return torch.cat(worse)


def build(corruption: str | None, style_strength: float | None, style_share: float) -> Corrupted:
    """``corruption``: a name in CORRUPTIONS."""
    strength = HIGHEST_SEVERITY if style_strength is None else style_strength
    return Corrupted(named(CORRUPTIONS, "corruption", str(corruption)), strength, style_share)


def check(config: TrialConfig, values: Mapping[str, Any]) -> None:
    """ValueError where no corruption is named, or the strength is no severity."""
    named(CORRUPTIONS, "corruption", str(values["corruption"]))
    strength = values["style_strength"]
    is_severity = strength is None or (strength == int(strength) and 1 <= strength <= SEVERITIES)
    require(is_severity, "style_strength", f"the highest severity, a whole number from 1 to {SEVERITIES}", strength)


MEMBER = Member(build, (CORRUPTION, STRENGTH, SHARE), check)
