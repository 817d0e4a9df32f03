"""A planted truth: images whose label lies in chosen k-space lines and nowhere else.

On such images the right mask is known: it keeps the planted lines. A low-pass mask below them sees no label at all, so
its AUC is 0.5 up to chance, and a learned mask that learns finds the lines.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tune_ks.core.seeding import generator

Band = tuple[int, int]  # the lines first <= |k| <= last, counted from DC


@dataclass(frozen=True)
class Plant:
    """What is planted. ``bands`` hold the label; a vendor's ``blocked`` bands are empty in all of its images.

    In every band each image gets noise of its own, as strong as ``level`` times the image's standard deviation, and
    ``contrast`` times as strong where the label is 1. The noise has random phases, so the label is in the energy of the
    lines, in no pixel and no other line.
    """

    bands: tuple[Band, ...] = ((19, 21),)
    level: float = 0.5
    contrast: float = 1.5
    blocked: Mapping[str, tuple[Band, ...]] = field(default_factory=dict)


def planted(images: np.ndarray, vendors: np.ndarray, plant: Plant, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(n, S, S) images and (n,) vendors -> (n, S, S) float32 images and their new (n,) labels, 0 or 1 by a fair coin.

    Lines are columns of k-space, the last axis. What the images held in the planted lines is removed. ValueError for a
    band that is empty, holds DC, or lies beyond the images' k-space.
    """
    side = images.shape[-1]
    distance = np.abs(np.arange(side) - side // 2)
    in_bands = lines_of(plant.bands, side)
    label = generator(seed, "plant", "label").permutation(np.arange(len(images)) % 2)
    noise = generator(seed, "plant", "noise").standard_normal(images.shape)
    result = np.empty(images.shape, np.float32)
    for number, image in enumerate(images):
        kspace = _to_lines(image) * ~in_bands
        texture = _to_lines(noise[number]) * in_bands
        strength = plant.level * image.std() / np.sqrt(in_bands.mean())
        kspace = kspace + texture * strength * (plant.contrast if label[number] else 1.0)
        for first, last in plant.blocked.get(vendors[number], ()):
            kspace[:, (distance >= first) & (distance <= last)] = 0
        result[number] = _from_lines(kspace)
    return result, label


def lines_of(bands: tuple[Band, ...], side: int) -> np.ndarray:
    """(S,) bool, true at the lines of the bands; DC is at S // 2."""
    distance = np.abs(np.arange(side) - side // 2)
    chosen = np.zeros(side, bool)
    for first, last in bands:
        if not 0 < first <= last < side // 2:
            raise ValueError(f"a band must lie within 1 to {side // 2 - 1} lines of DC, got {first} to {last}")
        chosen |= (distance >= first) & (distance <= last)
    return chosen


def _to_lines(image: np.ndarray) -> np.ndarray:
    """(S, S) -> its Fourier transform along the last axis, DC at S // 2, energy kept."""
    return np.fft.fftshift(np.fft.fft(np.fft.ifftshift(image, axes=-1), norm="ortho"), axes=-1)


def _from_lines(kspace: np.ndarray) -> np.ndarray:
    """The real image of ``_to_lines``."""
    return np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(kspace, axes=-1), norm="ortho"), axes=-1).real
