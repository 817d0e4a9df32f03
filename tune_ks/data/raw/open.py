"""A raw file, opened by what it holds."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tune_ks.data.layouts.sheets import InputError
from tune_ks.data.raw.fastmri import FastMRIVolume
from tune_ks.data.raw.ismrmrd_file import GROUP, IsmrmrdVolume
from tune_ks.data.raw.volume import RawVolume
from tune_ks.data.unusable import UnusableFile


@contextmanager
def open_volume(path: Path) -> Iterator[RawVolume]:
    """The volume of a fastMRI or an ISMRMRD file. UnusableFile says why a file cannot serve."""
    h5py = _h5py()
    try:
        with h5py.File(path, "r") as file:
            if "kspace" in file:
                yield FastMRIVolume(file)
            elif GROUP in file:
                yield IsmrmrdVolume(file)
            else:
                raise UnusableFile("neither fastMRI (kspace) nor ISMRMRD (dataset/xml) is in it")
    except (OSError, RuntimeError, LookupError, ValueError, TypeError) as error:  # of a damaged file
        if isinstance(error, UnusableFile | InputError):  # they say more
            raise
        raise UnusableFile("it cannot be read as an HDF5 file") from error


def _h5py() -> Any:
    """The package, imported only where a raw file is read. InputError where it is not installed."""
    try:
        import h5py
    except ImportError:
        raise InputError(
            "raw k-space files are read by the package h5py, which is not installed: pip install 'tune_ks[kspace]'"
        ) from None
    return h5py
