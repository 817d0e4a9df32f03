"""Segmentation of volumes: which part of an organ is scarred? The metric is the mean Dice of the scars of the volumes.

A volume is S consecutive images of S x S pixels, the slices of one patient. They are sampled slice by slice, all with
the same mask, and the network sees them as one.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from tune_ks.core.config import TrialConfig
from tune_ks.core.options import Member, require
from tune_ks.core.record import ONE_FIXED_MASK
from tune_ks.data.dataset import Batch, Images, Splits
from tune_ks.model.classifiers import VOLUME_SEGMENTERS
from tune_ks.model.classifiers.cascade import stages_of
from tune_ks.training.tasks.base import Task, takes
from tune_ks.training.tasks.segmentation import LEVELS, dice

ORGAN = 0  # the channels of a target
LESION = 1


class Volume(Task):
    """The parts of a cascade, each trained towards the organ or its lesion t in a volume; their losses are added:

        L = sum over parts of  BCE(p, t) + 1 - (2 sum p t + 1) / (sum p + sum t + 1),     p = sigmoid(logit)

    The sums are over a volume. The first of two stages learns the organ. The score is the Dice of the lesion that most
    of the views of the last stage vote for.
    """

    metric = "dice"
    target = "volume"
    group = "volume"

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        logit = by_volume(output)
        truth = by_volume(batch.target)
        total = output.new_zeros(())
        for of_stage, channel in zip(in_stages(logit), channels_of(logit), strict=True):
            target = truth[:, channel : channel + 1].expand_as(of_stage)
            views = of_stage.shape[1]
            entropy = functional.binary_cross_entropy_with_logits(of_stage, target)
            predicted = of_stage.sigmoid()
            overlap = (predicted * target).sum(-1)
            share = (2 * overlap + 1) / (predicted.sum(-1) + target.sum(-1) + 1)
            total = total + views * (entropy + (1 - share).mean())
        return total

    @staticmethod
    def score(output: Tensor, batch: Batch) -> Tensor:
        """(B,): at the middle slice of each volume its Dice, NaN where it has no lesion; NaN at the other slices."""
        predicted = voted_lesion(output)
        drawn = by_volume(batch.target)[:, LESION]
        of_volumes = dice((predicted * drawn).sum(1), predicted.sum(1), drawn.sum(1))
        slices = output.shape[-1]
        scores = torch.full((len(of_volumes), slices), torch.nan, device=output.device)
        scores[:, slices // 2] = of_volumes
        return scores.flatten()

    @staticmethod
    def answers(output: Tensor) -> dict[str, Tensor]:
        """``mask`` (B, S, S) bool of each slice, and its number of ``lesion_pixels`` (B,)."""
        mask = voted_lesion(output).reshape(len(output), *output.shape[-2:]) > 0
        return {"mask": mask, "lesion_pixels": mask.sum((1, 2))}

    @classmethod
    def channels(cls, network: Mapping[str, Any]) -> tuple[str, ...]:
        """Every view of every stage."""
        stages = ("organ", "lesion")[-network["stages"] :]
        return tuple(f"{stage}, view along axis {view}" for stage in stages for view in range(network["views"]))

    @classmethod
    def trivial(cls, splits: Splits) -> dict[str, dict[str, float]]:
        """The test Dice of one fixed scar for all volumes, by vendor.

        That is the mean scar of the training volumes, thresholded where it fits the training volumes best.
        """
        drawn = lesions_of(splits.train)
        mean = drawn.mean(0)
        levels = mean.max() * torch.arange(LEVELS) / LEVELS
        cuts = [(mean > level).float() for level in levels]
        of_cuts = torch.stack([_dice_of_cut(drawn, cut).nanmean() for cut in cuts])
        best = cuts[int(of_cuts.argmax())]
        of_vendor = {}
        for vendor, images in splits.test.items():
            of_vendor[vendor] = _dice_of_cut(lesions_of(images), best).nanmean().item()
        return {ONE_FIXED_MASK: of_vendor}


def by_volume(values: Tensor) -> Tensor:
    """(V S, C, S, S) values of slices -> (V, C, S^3) of volumes."""
    count, channels, side, _ = values.shape
    slices = values.reshape(count // side, side, channels, side * side)
    return slices.transpose(1, 2).flatten(2)


def in_stages(logit: Tensor) -> list[Tensor]:
    """(V, parts, S^3) logits of a cascade -> (V, views, S^3) of each of its stages."""
    return list(logit.chunk(stages_of(logit.shape[1]), dim=1))


def channels_of(logit: Tensor) -> list[int]:
    """(V, parts, S^3) logits of a cascade -> the channel of the target that each of its stages learns."""
    return [ORGAN, LESION][-stages_of(logit.shape[1]) :]


def voted(logit: Tensor) -> Tensor:
    """(V, views, S^3) logits -> (V, S^3) of 0 and 1: 1 where more than half of the views say so."""
    return (2 * (logit > 0).sum(1) > logit.shape[1]).float()


def voted_lesion(output: Tensor) -> Tensor:
    """(V S, parts, S, S) logits of a cascade -> (V, S^3) of 0 and 1: the lesion by the vote of the last stage.

    It is not cut at the organ of the first stage, which early on takes scar for something else than wall.
    """
    return voted(in_stages(by_volume(output))[-1])


def lesions_of(images: Images) -> Tensor:
    """(V, S^3) float: the lesion of every volume."""
    if len(images) == 0:
        return torch.empty(0, images.side**3)
    return by_volume(images.target(torch.arange(len(images))))[:, LESION].float()


def _dice_of_cut(drawn: Tensor, cut: Tensor) -> Tensor:
    """(V,) Dice of the mask ``cut`` (S^3,) in every volume of ``drawn`` (V, S^3)."""
    return dice((drawn * cut).sum(1), cut.sum(), drawn.sum(1))


def check(config: TrialConfig, values: Mapping[str, Any]) -> None:
    """ValueError where the network sees no volumes, or slices of one volume would be changed in different ways."""
    takes(VOLUME_SEGMENTERS)(config, values)
    jitter = config.mask_jitter
    require(jitter == 0, "mask_jitter", "0 for volumes, whose slices share one mask", jitter)
    require(config.style == "none", "style", "'none' for volumes, whose slices stay alike", config.style)


MEMBER = Member(Volume, (), check)
