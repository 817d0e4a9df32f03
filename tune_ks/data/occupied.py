"""The band of stored k-space that holds anything: measured by vendor and series when a cohort is read.

Scanners fill outer k-space with zeros, and images are resampled: the outer lines of the stored image are then (nearly)
empty. A sampling rate counts them all the same.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

ENERGY = 0.99  # share of the energy beyond DC that the occupied band holds
FULLY_OCCUPIED = 0.9  # share of the lines from which on nothing is said about empty ones
IMAGES = 256  # of a vendor and series that are looked at, evenly spread


class Band(NamedTuple):
    """One vendor's series: ``share`` of the lines lies in the band |k| <= ``reach`` lines."""

    vendor: str
    series: str
    share: float
    reach: float
    side: int  # lines of stored k-space
    spacings_mm: tuple[float, float] | None  # least and largest of the stored image; None where a file does not say
    of_coils: bool = False  # the lines are those of raw k-space, so that each was acquired unless it is zero

    def sentence(self) -> str:
        """One line for the terminal; k_max is the largest |k| of the band, in 1/mm."""
        where = f"{self.vendor} ({self.series})" if self.series else self.vendor
        text = (
            f"k-space of {where}: {ENERGY:.0%} of the energy beyond DC lies within |k| <= {self.reach:.0f} of "
            f"{self.side // 2} lines, {self.share:.0%} of the stored lines; {self._in_mm()}"
        )
        if self.share <= FULLY_OCCUPIED and self.of_coils:
            text += f"; the lines beyond hold the other {1 - ENERGY:.0%}, and a rate counts them all the same"
        elif self.share <= FULLY_OCCUPIED:
            text += "; the lines beyond are (nearly) empty, so a rate is no share of acquired k-space"
        return text

    def _in_mm(self) -> str:
        if self.spacings_mm is None:
            return "pixel spacing unknown, so k_max is not known in 1/mm"
        finest, coarsest = self.spacings_mm
        texts = []
        for lines in (self.reach, self.side / 2):
            ends = [f"{lines / (self.side * spacing):.3g}" for spacing in (coarsest, finest)]
            texts.append(" to ".join(dict.fromkeys(ends)))
        return f"k_max {texts[0]} of {texts[1]} 1/mm"


def occupied_bands(table: pd.DataFrame, images_npy: Path) -> Iterator[Band]:
    """For each vendor and series of a cohort's table, and its images (N, S, S) by row; lines are columns."""
    return bands_of(table, np.load(images_npy, mmap_mode="r", allow_pickle=False))


def bands_of(table: pd.DataFrame, pixels: np.ndarray) -> Iterator[Band]:
    """As ``occupied_bands``, of images (N, S, S) or (N, coils, S, S) in memory."""
    side = pixels.shape[-1]
    distance = np.abs(np.arange(side) - side // 2).astype(float)
    for (vendor, series), images in table.groupby(["vendor", "series"]):
        rows = images["row"].to_numpy()
        chosen = rows[np.linspace(0, len(rows) - 1, min(IMAGES, len(rows))).round().astype(int)]
        reach = band_radius(line_energy(pixels, chosen), distance)
        spacing = images["spacing_mm"]
        known = spacing.notna().all()
        yield Band(
            vendor=str(vendor),
            series=str(series),
            share=float((distance <= reach).mean()),
            reach=reach,
            side=side,
            spacings_mm=(float(spacing.min()), float(spacing.max())) if known else None,
            of_coils=np.iscomplexobj(pixels),
        )


def acquired_lines(kspace: np.ndarray) -> np.ndarray:
    """k-space (..., rows, columns) -> (columns,) bool: the lines that hold anything. Others were stored as zeros."""
    return (kspace != 0).any(axis=tuple(range(kspace.ndim - 1)))


def line_energy(pixels: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(S,) mean energy of each line of k-space, DC at S // 2, over the images ``rows``."""
    energy = np.zeros(pixels.shape[-1])
    for row in rows:
        image = pixels[row]
        wide = np.complex128 if np.iscomplexobj(image) else np.float64
        spectrum = np.fft.fft(np.asarray(image, wide), axis=-1, norm="ortho")
        energy += (np.abs(spectrum) ** 2).mean(axis=tuple(range(image.ndim - 1))) / len(rows)
    return np.fft.fftshift(energy)


def band_radius(energy: np.ndarray, distance: np.ndarray) -> float:
    """The smallest distance from DC within which ENERGY of the energy beyond DC lies."""
    order = distance.argsort(axis=None)
    outwards = distance.flat[order]
    within = np.where(outwards > 0, energy.flat[order], 0.0).cumsum()
    if within[-1] <= 0:
        return 0.0
    return float(outwards[np.searchsorted(within, ENERGY * within[-1] * (1 - 1e-12))])
