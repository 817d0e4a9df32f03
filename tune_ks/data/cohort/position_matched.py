"""Negatives at the positions of the positives, so that the slice position alone does not predict the label."""

import math

import numpy as np

from tune_ks.core.seeding import generator
from tune_ks.data.cohort.candidates import Candidate
from tune_ks.data.layouts.sheets import InputError

MAX_BINS = 10


def unmatched_negatives(candidates: list[Candidate]) -> list[Candidate]:
    """Negatives to drop, so that the slice positions of each vendor's negatives are spread as those of its positives.

    Between the first and the last positive of a vendor the positions are divided into bins that hold equally many
    positives; the same number of negatives, drawn at random with a fixed seed, is kept in every bin. There are as many
    bins as possible, up to MAX_BINS, with at least half as many negatives as positives in each. A vendor without images
    of both classes keeps all. The choice depends on the positions and labels of that vendor only.
    """
    images_by_vendor: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        if candidate.is_image:
            images_by_vendor.setdefault(candidate.header.vendor, []).append(candidate)
    dropped: list[Candidate] = []
    for vendor, images in sorted(images_by_vendor.items()):
        dropped += _unmatched_of_vendor(vendor, images)
    return dropped


def _unmatched_of_vendor(vendor: str, images: list[Candidate]) -> list[Candidate]:
    _require_positions(images)
    positives = [image for image in images if image.item.label == 1]
    negatives = [image for image in images if image.item.label == 0]
    if not positives or not negatives:
        return []
    kept = _matched(_positions(positives), _positions(negatives), generator(0, "position_matched", vendor))
    return [negative for i, negative in enumerate(negatives) if i not in kept]


def _positions(candidates: list[Candidate]) -> np.ndarray:
    return np.array([candidate.position for candidate in candidates])


def _require_positions(candidates: list[Candidate]) -> None:
    if any(math.isnan(candidate.position) for candidate in candidates):
        raise InputError(
            "negatives = 'position_matched' needs the slice number of every file, and some have none;"
            " give them in the column 'slice' of labels.csv, or use negatives = 'all'"
        )


def _matched(positive: np.ndarray, negative: np.ndarray, rng: np.random.Generator) -> set[int]:
    """Positions of both classes -> indices of the negatives to keep."""
    bins = _fill_bins(positive, negative)
    share = min(map(len, bins))
    kept: set[int] = set()
    for indices in bins:
        kept |= set(rng.permutation(indices)[:share].tolist())
    return kept


def _fill_bins(positive: np.ndarray, negative: np.ndarray) -> list[np.ndarray]:
    """The indices of the negatives in each bin."""
    for n_bins in range(min(MAX_BINS, len(positive)), 1, -1):
        bins = _indices_by_bin(positive, negative, n_bins)
        if min(map(len, bins)) >= len(positive) / n_bins / 2:
            return bins
    return _indices_by_bin(positive, negative, 1)


def _indices_by_bin(positive: np.ndarray, negative: np.ndarray, n_bins: int) -> list[np.ndarray]:
    """The indices of the negatives in each of ``n_bins`` bins that hold equally many positives."""
    edges = np.quantile(positive, np.linspace(0, 1, n_bins + 1))
    between = (negative >= edges[0]) & (negative <= edges[-1])
    bin_of = np.where(between, np.searchsorted(edges[1:-1], negative, side="right"), -1)
    return [np.flatnonzero(bin_of == number) for number in range(n_bins)]
