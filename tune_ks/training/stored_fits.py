"""What a harmonisation fits to each stored image, in files beside the images: fitted once for all processes and runs.

A file holds the fits of IMAGES consecutive images. Its name is a hash of their pixels and of the harmonisation, so that
other images or other options have other files, and nothing has to be looked up in a file before it is believed. Files
are written whole (open_cohort removes what a killed process left of one), so that a killed process loses the images of
one file at most. There is no lock: processes that fit at the same time take the files in random order and so share the
work. Where two fit the same, both write the same bytes.
"""

import contextlib
import hashlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tune_ks.core.arrays import read_array, write_npy
from tune_ks.data.dataset import Images
from tune_ks.model.harmonisations.base import Harmonisation
from tune_ks.model.harmonisations.fits_each_image import FitsEachImage

VERSION = 1  # of what is kept; a change of the code that moves any fit raises it
IMAGES = 64  # of one file

_remembered: set[tuple] = set()  # files of images and harmonisations whose fits this process has read already


class Fitted(NamedTuple):
    """How many images of a file this process knows the fits to, and how many images the file holds."""

    done: int
    total: int


def recall_fits(name: str, harmonisation: Harmonisation, images: Images) -> None:
    """Let this process know the fits to all images of the file of ``images``; those that no process kept are computed.

    ``name`` is that of the harmonisation in its config. Nothing is done for one that fits nothing to an image, and for
    images that are computed.
    """
    for _ in recalled_fits(name, harmonisation, images):
        pass


def recalled_fits(name: str, harmonisation: Harmonisation, images: Images) -> Iterator[Fitted]:
    """``recall_fits`` that yields before the first image, and after each: many take minutes, and somebody waits."""
    if not isinstance(harmonisation, FitsEachImage) or images.file is None:
        return
    of_process = (name, harmonisation.identity(), str(images.file), images.file.stat().st_mtime_ns)
    if of_process in _remembered:
        return
    total = len(images.of_file)
    starts = list(range(0, total, IMAGES))
    random.Random().shuffle(starts)  # not by the random numbers of a training
    done = 0
    yield Fitted(done, total)
    for start in starts:
        pixels = np.array(images.of_file[start : start + IMAGES])
        path = images.file.with_name(fits_name(name, harmonisation, pixels))
        fits = _read(path, len(pixels))
        if fits is None:
            of_images = []
            for place in range(len(pixels)):
                of_images.append(harmonisation.fits_of(pixels[place : place + 1]))
                yield Fitted(done + place + 1, total)
            _write(path, np.concatenate(of_images))
        else:
            harmonisation.remember(pixels, fits)
        done += len(pixels)
        yield Fitted(done, total)
    _remembered.add(of_process)


def images_to_fit(name: str, harmonisation: FitsEachImage, file: Path) -> int:
    """How many images of the array ``file`` (N, S, S) have no fits beside it yet."""
    pixels = np.load(file, mmap_mode="r", allow_pickle=False)
    chunks = [pixels[start : start + IMAGES] for start in range(0, len(pixels), IMAGES)]
    return sum(len(chunk) for chunk in chunks if not file.with_name(fits_name(name, harmonisation, chunk)).exists())


def fits_name(name: str, harmonisation: FitsEachImage, pixels: np.ndarray) -> str:
    """Name of the file with the fits to these images (n, H, W)."""
    content = hashlib.sha256(repr((VERSION, name, harmonisation.identity(), pixels.shape)).encode())
    content.update(np.ascontiguousarray(pixels, np.float32).tobytes())
    return f"fits-{content.hexdigest()[:24]}.npy"


def _read(path: Path, count: int) -> np.ndarray | None:
    """The fits to ``count`` images; None where the file is not there, or damaged."""
    try:
        fits = read_array(path)
    except (OSError, ValueError):
        return None
    return fits if fits.ndim and len(fits) == count else None


def _write(path: Path, fits: np.ndarray) -> None:
    # a folder that cannot be written, or a full disk: the fits are computed again, and no training fails
    with contextlib.suppress(OSError):
        write_npy(path, fits)
