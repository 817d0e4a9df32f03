"""Outlines by the brightness of pixels: what the classical methods share.

Each was published for a region that a reader had drawn (the myocardium) and with seeds or remote tissue that a reader
had chosen. Here nobody draws anything. A method is given the image alone, and its settings are fitted to the source
vendor: of every combination of

    the method's own setting
    the region            all of the image, or the pixels where any training mask lies, the same ones for every image
    the pieces            all that is outlined, or its largest connected piece (4 neighbours)

the one with the highest mean Dice on the validation images is taken (on the training images where validation shows no
tumour). Test images choose nothing.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from tune_ks.evaluation.yardsticks.base import Scores, Seen, Yardstick

Outline = Callable[[np.ndarray, np.ndarray, float], np.ndarray]  # image (S, S), region (S, S) bool, setting -> bool


class Setting(NamedTuple):
    """How a method is applied to every image."""

    value: float  # of the method's own setting
    region: np.ndarray  # (S, S) bool
    largest: bool  # whether only the largest connected piece is kept


def outlining(outline: Outline, values: Sequence[float], pieces: Sequence[bool] = (False, True)) -> Yardstick:
    """A yardstick of a method with its own settings ``values``; ``pieces`` are the values of Setting.largest."""

    def fit(train: Seen, val: Seen) -> Scores:
        regions = _regions(train)
        settings = [Setting(*values) for values in itertools.product(values, regions, pieces)]
        best = _best(outline, settings, val if (val.label == 1).any() else train)
        return lambda images: dice_of(outline, best, images)

    return Yardstick("mask", fit)


def dice_of(outline: Outline, setting: Setting, images: Seen) -> np.ndarray:
    """(n,) Dice coefficients; NaN where an image has no tumour."""
    coefficients = []
    for chunk, targets in zip(images.chunks(), images.targets(), strict=True):
        for image, target in zip(chunk, targets, strict=True):
            coefficients.append(_dice(applied(outline, setting, image), target) if target.any() else np.nan)
    return np.array(coefficients)


def applied(outline: Outline, setting: Setting, image: np.ndarray) -> np.ndarray:
    """(S, S) image -> (S, S) bool, true where a tumour is said to be."""
    outlined = outline(image, setting.region, setting.value)
    return largest_piece(outlined) if setting.largest else outlined


def largest_piece(outlined: np.ndarray) -> np.ndarray:
    """The largest piece of pixels that are neighbours along an axis; the first in reading order of equal ones."""
    pieces, count = labelled_pieces(outlined)
    if count < 2:
        return outlined
    return pieces == np.bincount(pieces.ravel())[1:].argmax() + 1


def labelled_pieces(outlined: np.ndarray) -> tuple[np.ndarray, int]:
    """(S, S) the number of the piece that each pixel belongs to, 0 outside, and how many pieces there are."""
    from scipy.ndimage import label

    return label(outlined)


def _best(outline: Outline, settings: Sequence[Setting], images: Seen) -> Setting:
    """The setting with the highest mean Dice, the first of equal ones."""
    means = [np.nanmean(dice_of(outline, setting, images)) for setting in settings]
    return settings[int(np.argmax(means))]


def _regions(train: Seen) -> list[np.ndarray]:
    """All of the image, and the pixels where any training mask lies."""
    lies = np.logical_or.reduce([targets.any(0) for targets in train.targets()])
    return [np.ones_like(lies), lies]


def _dice(outlined: np.ndarray, target: np.ndarray) -> float:
    return 2 * (outlined & target).sum() / (outlined.sum() + target.sum())
