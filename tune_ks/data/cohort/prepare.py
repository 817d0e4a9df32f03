"""Canonical images -> the working size and one intensity scale, whatever kind of file they are of."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from tune_ks.data.cohort.percentiles import PERCENTILES, percentiles
from tune_ks.data.kspace import centre, to_image, to_kspace

MAX_VALUES = 2**24  # pixels that the percentiles of a series are taken from; of more, a regular subset is taken
CRASHED = "the decoder crashed or hung"
FLAT = "zero dynamic range"


class Small(NamedTuple):
    """An image at the working size."""

    pixels: np.ndarray  # (S, S) float32 in the file's intensity unit
    digest: str  # of its stored pixels


def pad_to_square(image: np.ndarray) -> np.ndarray:
    """(H, W) -> (N, N), N = max(H, W), zeros around the centred image."""
    height, width = image.shape
    side = max(height, width)
    top = (side - height) // 2
    left = (side - width) // 2
    return np.pad(image, ((top, side - height - top), (left, side - width - left)))


def crop_kspace(image: np.ndarray, side: int) -> np.ndarray:
    """(N, N) -> (side, side), side <= N: |F^-1 of the centre of F image| side/N, F orthonormal; the mean is kept.

    This is what a scanner gives that acquires fewer coefficients over the same field of view: pixels grow by N/side.
    The image is taken for a magnitude: values below zero come back positive. Never enlarges.
    """
    size = image.shape[0]
    if side > size:
        raise ValueError(f"an image of {size} pixels a side cannot be enlarged to {side}")
    if side == size:
        return image
    small = to_image(centre(to_kspace(image), side))
    return (np.abs(small) * (side / size)).astype(np.float32)


def write_scaled(
    images: str, rows: list[int], intensity: str, smalls: Iterable[tuple[int, Small | str]]
) -> list[dict[str, Any] | str]:
    """Write the images of one series, scaled to [0, 1], to their ``rows`` of a file.

    ``smalls`` are all of them in any order: the place of each in ``rows``, and its pixels or the reason why it cannot
    serve. Returns the facts of each (digest, low, high, mean, p75, p90), or that reason.
    """
    store = np.load(images, mmap_mode="r+", allow_pickle=False)
    stride = -(-len(rows) * store[0].size // MAX_VALUES) | 1  # odd, so that it does not stay in one column
    answers: list[dict[str, Any] | str] = [CRASHED] * len(rows)
    samples: list[np.ndarray] = []  # pixels of the series for its percentiles
    for i, small in smalls:
        if isinstance(small, str):
            answers[i] = small
            continue
        if rows[i] >= 0:
            store[rows[i]] = small.pixels
        facts: dict[str, Any] = {"digest": small.digest}
        if intensity == "series":
            samples.append(small.pixels.ravel()[::stride])
        else:
            facts |= _limits([small.pixels])
        answers[i] = facts
    of_series = _limits(samples) if samples else {}
    for i, row in enumerate(rows):
        answer = answers[i]
        if row >= 0 and not isinstance(answer, str):
            answers[i] = _scale(store, row, answer | of_series)
    return answers


def at_size(image: np.ndarray, digest: str, side: int) -> Small | str:
    """An image (H, W), padded to a square and cropped in k-space, or the reason why it cannot serve: it is flat."""
    small = crop_kspace(pad_to_square(image), side)
    return FLAT if small.min() == small.max() else Small(small, digest)


def _scale(store: np.ndarray, row: int, facts: dict[str, Any]) -> dict[str, Any] | str:
    """Scale one image of ``store`` so that low and high become 0 and 1. Its facts, or why it cannot serve."""
    low = facts["low"]
    high = facts["high"]
    if not high > low:
        return FLAT
    scaled = np.clip((store[row] - low) / (high - low), 0, 1)
    store[row] = scaled
    p75, p90 = percentiles([scaled], (75, 90))
    return facts | {"mean": float(scaled.mean(dtype=np.float64)), "p75": p75, "p90": p90}


def _limits(images: list[np.ndarray]) -> dict[str, float]:
    low, high = percentiles(images, PERCENTILES)
    return {"low": low, "high": high}
