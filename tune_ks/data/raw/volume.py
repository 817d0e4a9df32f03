"""One raw file as a volume: k-space of every coil, (slices, coils, rows, columns), read a slice at a time."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np

from tune_ks.data.limits import MAX_SIDE
from tune_ks.data.raw.header import RawHeader
from tune_ks.data.unusable import UnusableFile

MAX_SLICES = 2048
MAX_COILS = 256
MAX_SLICE_BYTES = 2**30  # k-space of one slice as complex64; 64 coils of 1024 x 1024 samples are half of it


class RawVolume(ABC):
    """Rows run along the readout, columns along the phase encoding: a column is a line that the scanner acquires.

    ``series`` is the name of the acquisition, ``patient`` a hash that tells patients apart; "" where nothing says it.
    """

    header: RawHeader
    shape: tuple[int, int, int, int]  # slices, coils, rows, columns
    series: str = ""
    patient: str = ""

    @abstractmethod
    def kspace(self, number: int) -> np.ndarray:
        """(coils, rows, columns) complex64 of slice ``number``, from 0, DC at rows // 2 and columns // 2."""

    def slices(self) -> Iterator[np.ndarray]:
        for number in range(self.shape[0]):
            yield self.kspace(number)


def require_shape(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """The shape, where it is within the limits. UnusableFile says what is not."""
    slices, coils, rows, columns = shape
    fits = 0 < slices <= MAX_SLICES and 0 < coils <= MAX_COILS and 1 < rows <= MAX_SIDE and 1 < columns <= MAX_SIDE
    if not fits or 8 * coils * rows * columns > MAX_SLICE_BYTES:
        raise UnusableFile(f"its k-space has an unlikely shape {shape}")
    return slices, coils, rows, columns


def own_dataset(file: Any, name: str) -> Any:
    """A dataset whose values lie in this file. UnusableFile for a link to another: a file must not open others."""
    import h5py

    place = ""
    for part in name.split("/"):
        place = f"{place}/{part}"
        if not isinstance(file.get(place, getlink=True), h5py.HardLink):
            raise UnusableFile(f"its {name} is no dataset of this file")
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset) or dataset.external or dataset.is_virtual:
        raise UnusableFile(f"its {name} is no dataset of this file")
    return dataset


def digest_of(kspace: np.ndarray) -> str:
    """16 hexadecimal digits of one slice as it is stored."""
    digest = hashlib.sha256(repr(kspace.shape).encode())
    digest.update(np.ascontiguousarray(kspace, dtype="<c8").data)
    return digest.hexdigest()[:16]
