"""NumPy files of a run folder: written whole or not at all, and read without trust in their content.

A run folder may come from anywhere, and a file in it may be truncated. Reading never unpickles, never allocates the
memory that a header only claims, and raises one kind of error: a ValueError that names the file and what is wrong.
"""

import io
import math
import zipfile

import numpy as np

from tune_ks.core.storage import StoragePath, open_whole, read_whole, write_whole
from tune_ks.core.way_out import damaged

MAX_ARRAY_BYTES = 2**30  # of one unpacked array; the largest one written is four previews of at most 4096 x 4096
HEADER_BYTES = 2**16  # the most that may stand before an array in a .npy file
OTHER_ARRAYS = 8  # of a .npz file, beside those that are asked for: scores.npz holds those of the yardsticks


def write_npz(path: StoragePath, **arrays: np.ndarray) -> None:
    """A compressed .npz file of named arrays."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_whole(path, buffer.getvalue())


def write_npy(path: StoragePath, array: np.ndarray) -> None:
    """A .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    write_whole(path, buffer.getvalue())


def read_array(path: StoragePath, limit: int = MAX_ARRAY_BYTES) -> np.ndarray:
    """The array of a .npy file, of at most ``limit`` bytes."""
    content = read_whole(path, limit + HEADER_BYTES)
    try:
        return _array(content)
    except Exception as error:  # numpy's reader raises many kinds of errors for a damaged file
        raise ValueError(damaged(path, f"not a whole array ({type(error).__name__})")) from None


def read_arrays(path: StoragePath, names: tuple[str, ...], limit: int = MAX_ARRAY_BYTES) -> dict[str, np.ndarray]:
    """The named arrays of a .npz file, each of at most ``limit`` bytes when it is unpacked.

    The file itself may be as large as so many arrays, and as a few others, are unpacked.
    """
    return Archive(path, (len(names) + OTHER_ARRAYS) * (limit + HEADER_BYTES)).read(names, limit)


class Archive:
    """A .npz file whose small arrays say how large the others may be: read once, and unpacked array by array.

    ``limit``: the most bytes of the file, which stays packed in memory. It is the caller's, who knows which arrays the
    file should hold; a limit of one array says nothing about the file.
    """

    def __init__(self, path: StoragePath, limit: int) -> None:
        self._path = path
        self._content = open_whole(path, limit)

    def read(self, names: tuple[str, ...], limit: int) -> dict[str, np.ndarray]:
        """The named arrays, each of at most ``limit`` bytes when it is unpacked. ValueError where one is not whole."""
        try:
            with zipfile.ZipFile(self._content) as archive:
                return {name: _array(_unpacked(archive, f"{name}.npy", limit)) for name in names}
        except Exception as error:  # zipfile's reader raises many kinds of errors too
            fault = f"it does not hold {', '.join(names)} whole ({type(error).__name__})"
            raise ValueError(damaged(self._path, fault)) from None

    def names(self) -> list[str]:
        """The names of all its arrays. ValueError where the file is damaged."""
        try:
            with zipfile.ZipFile(self._content) as archive:
                return [name.removesuffix(".npy") for name in archive.namelist()]
        except Exception as error:
            fault = f"it holds no arrays that can be read ({type(error).__name__})"
            raise ValueError(damaged(self._path, fault)) from None


def array_names(path: StoragePath, limit: int = MAX_ARRAY_BYTES) -> list[str]:
    """The names of the arrays of a .npz file of at most ``limit`` bytes."""
    return Archive(path, limit).names()


def _unpacked(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """One file of an archive. zipfile never unpacks more bytes than the archive states for it."""
    if archive.getinfo(name).file_size > limit + HEADER_BYTES:
        raise ValueError(f"{name} is larger than {limit} bytes")
    return archive.read(name)


def _array(content: bytes) -> np.ndarray:
    """The array of a .npy file's content. The header's size is compared with the content before memory is allocated."""
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(stream)
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(content) - stream.tell():
        raise ValueError("pickled, or of another size than its header says")
    return np.load(io.BytesIO(content), allow_pickle=False)
