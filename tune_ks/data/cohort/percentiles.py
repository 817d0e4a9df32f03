"""numpy's percentiles of many pixels, to the last bit, without sorting them: five times faster.

The bits of a float32 that is not negative, read as an integer, rise with the number. So their upper half puts every
pixel into one of 32,640 bins in order; only the bins that hold a wanted rank are sorted.
"""

import math
from collections.abc import Sequence

import numpy as np

PERCENTILES = (1.0, 99.0)  # of a volume's pixels: they become 0 and 1
SMALLEST = 4096  # of fewer pixels numpy's own is as fast
BINS = 0x7F80  # upper half of the bits of infinity; those of NaN and of negative numbers are larger


def percentiles(images: Sequence[np.ndarray], shares: Sequence[float]) -> list[float]:
    """``np.percentile`` of all float32 pixels of the images together; ``shares`` in percent."""
    if sum(image.size for image in images) >= SMALLEST:
        ranked = _Ranked(images)
        if ranked.in_order:
            return [_between(ranked, share / 100 * (ranked.size - 1)) for share in shares]
    together = np.concatenate([image.ravel() for image in images])
    return [float(value) for value in np.percentile(together, shares)]


class _Ranked:
    """Pixels in bins; only the bins that are asked for are sorted.

    It works image by image, so that the pixels stay in the processor's cache.
    """

    def __init__(self, images: Sequence[np.ndarray]) -> None:
        self.images = images
        self.size = sum(image.size for image in images)
        counts = np.zeros(BINS, np.int64)
        self.in_order = True
        for image in images:
            of_image = np.bincount(_bins(image).ravel(), minlength=BINS)
            if len(of_image) > BINS:
                self.in_order = False
                return
            counts += of_image
        self.ends = counts.cumsum()  # the ranks below ``ends[b]`` lie in bin b or before it
        self.sorted: dict[int, np.ndarray] = {}

    def value(self, rank: int) -> np.float32:
        """The value that ``rank`` others precede in order."""
        number = int(np.searchsorted(self.ends, rank, side="right"))
        if number not in self.sorted:
            self.sorted[number] = np.sort(np.concatenate([image[_bins(image) == number] for image in self.images]))
        inside = self.sorted[number]
        return inside[rank - (int(self.ends[number]) - len(inside))]


def _bins(image: np.ndarray) -> np.ndarray:
    """The bin of every pixel. 0.0 is added because the bits of -0.0 are those of a large number."""
    return (image + np.float32(0)).view(np.uint32) >> 16


def _between(ranked: _Ranked, position: float) -> float:
    """The value at a position between two ranks, linearly interpolated in the way that numpy does it."""
    rank = math.floor(position)
    part = np.float64(position - rank)
    low = ranked.value(rank)
    high = ranked.value(min(rank + 1, ranked.size - 1))
    difference = high - low  # rounded to float32
    if part >= 0.5:
        return float(high - difference * (1 - part))
    return float(low + difference * part)
