"""Test-time augmentation: the output is the mean over the restored image, its two mirrors and its half turn.

A scanner measures once, so the views are of the restored image x' = R(M F x), never of x: mirrors of x would be other
measurements. For a mask of lines and the Fourier transform that is the same, |F^-1 M F .| commutes with each of the
views. A map of logits is turned back before the mean.
"""

from collections.abc import Sequence

from torch import Tensor

from tune_ks.core.config import TrialConfig
from tune_ks.data.dataset import Batch
from tune_ks.training.pack import Entering, Network, Passed, classify_together

VIEWS = ((-1,), (-2,), (-2, -1))  # beside the image itself: the axes that are mirrored


def views_of(config: TrialConfig) -> int:
    """How many views of an image the classifier scores."""
    return 1 + len(VIEWS) if config.test_time == "flips" else 1


def outputs_over_views(
    networks: Sequence[Network], batch: Batch, rates: Sequence[Tensor], passed: Sequence[Passed]
) -> list[Tensor]:
    """The output of each network, averaged over the views where its config asks for them.

    ``passed`` is the pass of the images themselves. The classifiers of a pack run as one for each view.
    """
    outputs = [of_network.output for of_network in passed if of_network.output is not None]  # all: none is unclassified
    positions = [position for position, network in enumerate(networks) if views_of(network.config) > 1]
    for axes in VIEWS:
        entering = []
        for position in positions:
            image = passed[position].restored.image.flip(axes)
            entering.append(Entering(networks[position], image, rates[position], batch.acquisition))
        for position, output in zip(positions, classify_together(entering), strict=True):
            outputs[position] = outputs[position] + (output.flip(axes) if output.dim() == 4 else output)
    for position in positions:
        outputs[position] = outputs[position] / (1 + len(VIEWS))
    return outputs
