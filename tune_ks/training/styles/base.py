"""The contract of a style: intensities of training images are changed at random, so that the network ignores them.

Every number is drawn from torch's global state, which is the training's own while it is applied, on the images' device.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from tune_ks.core.config import TrialConfig
from tune_ks.core.options import Member, Option, require
from tune_ks.data.dataset import Batch

STRENGTH = Option(
    "style_strength", None, "how strongly intensities are changed; left out, each style has its own", above=0
)
HALF = 0.5
SHARE = Option("style_share", HALF, "share of the training images whose intensities are changed", least=0, most=1)


class Style(ABC):
    """``strength`` is how strongly an image is changed, ``share`` the probability that it is.

    Images are real, in [0, 1], unless the style's registry says that it ``takes_coils``.

    ``commutes`` says whether a fixed mask can be applied to the images once, before training: where nothing is changed.
    """

    commutes = False

    def __init__(self, style_strength: float, style_share: float = HALF) -> None:
        self.strength = style_strength
        self.share = style_share

    def apply(self, batch: Batch) -> Batch:
        """The batch with some of its images changed; labels and targets stay."""
        image = batch.image
        chosen = torch.rand(len(image), 1, 1, 1, device=image.device) < self.share
        return batch._replace(image=torch.where(chosen, self.changed(image), image))

    @abstractmethod
    def changed(self, image: Tensor) -> Tensor:
        """(B, 1, S, S) images, all of them changed."""


class Unchanged(Style):
    """Intensities stay as they are; no number is drawn."""

    commutes = True

    def __init__(self) -> None:
        super().__init__(0.0, 0.0)

    def apply(self, batch: Batch) -> Batch:
        return batch

    def changed(self, image: Tensor) -> Tensor:
        return image


def uniform(image: Tensor, low: float, high: float) -> Tensor:
    """(B, 1, 1, 1) numbers, uniform in [low, high): one for each image."""
    return torch.empty(len(image), 1, 1, 1, device=image.device).uniform_(low, high)


def member(style: type[Style], default: float, most: float = math.inf) -> Member:
    """A line of the registry: a style whose ``style_strength`` is ``default`` where the config does not give it.

    ``most`` is the largest strength that has a meaning.
    """

    def build(style_strength: float | None, style_share: float) -> Style:
        return style(default if style_strength is None else style_strength, style_share)

    def check(config: TrialConfig, values: Mapping[str, Any]) -> None:
        strength = values["style_strength"]
        require(strength is None or strength <= most, "style_strength", f"at most {most:g}", strength)

    return Member(build, (STRENGTH, SHARE), check)
