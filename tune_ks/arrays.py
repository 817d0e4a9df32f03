"""NumPy files, whole or not at all, and never with pickle in them."""

import io

import numpy as np

from tune_ks.storage import StoragePath, write_whole


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
