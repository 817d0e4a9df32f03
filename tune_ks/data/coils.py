"""Images of several receiver coils: combined, compressed to a few, and brought to one square grid.

Coil c measures y_c = F (b_c x) of an image x seen through its sensitivity b_c. Their combination, the image that is
looked at, is the root of the sum of squares over coils (Roemer et al., Magn. Reson. Med. 1990).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tune_ks.data.kspace import to_image

COILS = 4  # to which more are compressed


class Compression(NamedTuple):
    """``matrix`` (coils, virtual coils) complex; None: the coils stay. ``energy`` is the share that is kept."""

    matrix: np.ndarray | None
    energy: float

    def apply(self, kspace: np.ndarray, count: int) -> np.ndarray:
        """(coils, rows, columns) -> (count, rows, columns); channels beyond the coils are zero."""
        if self.matrix is not None:
            coils, rows, columns = kspace.shape
            kspace = (self.matrix.conj().T @ kspace.reshape(coils, -1)).reshape(-1, rows, columns)
        more = count - len(kspace)
        return np.pad(kspace, ((0, more), (0, 0), (0, 0))) if more else kspace


def root_sum_of_squares(images: np.ndarray) -> np.ndarray:
    """(..., coils, rows, columns) complex -> (..., rows, columns) real."""
    return np.sqrt((np.abs(images) ** 2).sum(axis=-3))


def covariance_of(kspace: np.ndarray) -> np.ndarray:
    """(coils, rows, columns) -> (coils, coils): its sum over the slices of a volume is what ``compression`` needs."""
    flat = kspace.reshape(len(kspace), -1).astype(np.complex128)
    return flat @ flat.conj().T


def compression(covariance: np.ndarray, count: int = COILS) -> Compression:
    """Compress coils to the ``count`` virtual ones that hold most energy, those of the largest singular values.

    The singular value decomposition over coils of all samples of a volume (Buehrer et al., Magn. Reson. Med. 2007), by
    the eigenvectors of their covariance. A turn of the coils alone does not change the root of the sum of squares, so
    only the energy of what is left out is lost.
    """
    if len(covariance) <= count:
        return Compression(None, 1.0)
    values, vectors = np.linalg.eigh(covariance)
    total = values.sum()
    energy = float(values[-count:].sum() / total) if total > 0 else 1.0
    return Compression(vectors[:, ::-1][:, :count], energy)


def centred(values: np.ndarray, size: int, axis: int) -> np.ndarray:
    """Cut to the central ``size`` along ``axis``, or filled up with zeros: index n // 2 becomes size // 2."""
    n = values.shape[axis]
    if size <= n:
        start = n // 2 - size // 2
        return np.take(values, range(start, start + size), axis=axis)
    before = size // 2 - n // 2
    widths = [(0, 0)] * values.ndim
    widths[axis] = (before, size - n - before)
    return np.pad(values, widths)


def coil_images(kspace: np.ndarray, rows: int, side: int) -> np.ndarray:
    """k-space (coils, rows, columns) -> complex images (coils, side, side), ``side`` at most the columns.

    Along the readout the field of view is cut (it is usually oversampled), or filled with zeros, to ``rows`` pixels of
    their own size, as wide as that of the columns: pixels become square. Then the central (side, side) of k-space is
    taken. The lines that the scanner acquired, which are columns, are left out or kept whole, none is computed; a
    readout of fewer than ``side`` samples is filled up with zeros.
    """
    if rows != kspace.shape[-2]:
        kspace = _along_rows(centred(_along_rows(kspace, np.fft.ifft), rows, -2), np.fft.fft)
    kspace = centred(centred(kspace, side, -2), side, -1)
    return np.stack([to_image(of_coil) for of_coil in kspace])


def _along_rows(values: np.ndarray, transform: Callable[..., np.ndarray]) -> np.ndarray:
    shifted = np.fft.ifftshift(values, axes=-2)
    return np.fft.fftshift(transform(shifted, axis=-2, norm="ortho"), axes=-2)
