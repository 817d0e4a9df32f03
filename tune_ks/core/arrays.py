"""NumPy files of a run folder: written whole or not at all, read without trusting them.

No pickle either way, no memory that a file only claims, and one kind of error when it is read: a run folder may come
from anywhere, or be half a disk's last words. ValueError names the file and what is wrong.
"""

import io
import math
import zipfile

import numpy as np

from tune_ks.core.storage import StoragePath, write_whole

MAX_ARRAY_BYTES = 2**30  # of one array, unpacked; the largest one written is four previews of at most 4096 x 4096


def write_npz(path: StoragePath, **arrays: np.ndarray) -> None:
    """A compressed .npz."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_whole(path, buffer.getvalue())


def write_npy(path: StoragePath, array: np.ndarray) -> None:
    """A .npy."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    write_whole(path, buffer.getvalue())


def read_array(path: StoragePath) -> np.ndarray:
    """The array of a .npy file."""
    content = path.read_bytes()
    try:
        return _array(content)
    except Exception as error:  # numpy's reader fails in many ways over a damaged file
        raise ValueError(f"{path} is not a whole array ({type(error).__name__})") from None


def read_arrays(path: StoragePath, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The named arrays of a .npz file."""
    content = path.read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {name: _array(_member(archive, f"{name}.npy")) for name in names}
    except Exception as error:  # and so does that of archives
        raise ValueError(f"{path} does not hold {', '.join(names)} whole ({type(error).__name__})") from None


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > MAX_ARRAY_BYTES:  # no more than is stated there is ever unpacked
        raise ValueError(f"{name} is larger than {MAX_ARRAY_BYTES} bytes")
    return archive.read(name)


def _array(content: bytes) -> np.ndarray:
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(stream)
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(content) - stream.tell():
        raise ValueError("pickled, or of another size than its header says")
    return np.load(io.BytesIO(content), allow_pickle=False)
