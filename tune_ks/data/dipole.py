"""The dipole model of magnetic susceptibility, in any number of spatial dimensions (NumPy).

An object of susceptibility chi in a field B0 along the unit vector b0 changes the field by a convolution:

    F field = D F chi,     D(k) = 1/3 - (k . b0)^2 / |k|^2,     k_i = n_i / (N_i v_i),     D(0) = 0

field and chi in ppm, v_i the voxel size along axis i (Marques and Bowtell, Concepts Magn. Reson. B 25, 2005; Salomir et
al., 2003). Axes are those of the array. For objects that do not vary along one axis, only k = 0 along it counts: D over
the other axes, with the components of b0 along them, is exact. So a 2-D slice with two components of a 3-D b0 is a
whole model, whose b0 may be shorter than 1.
"""

from collections.abc import Sequence

import numpy as np

VOXEL = ("voxel_x_mm", "voxel_y_mm", "voxel_z_mm")  # along a row, along a column, across the slices
# columns of the table of a cohort of maps, and of its Batch's acquisition; B0 as b0_in_image_axes gives it
GEOMETRY = (*VOXEL, "b0_x", "b0_y", "b0_z")
GAMMA_MHZ_PER_T = 42.577478518  # of the proton, over 2 pi (CODATA 2018)
PADDING = 2  # times the side: without it the field of an object would come back in from the other side
THRESHOLD = 0.2  # of the truncated division: the usual one (Shmueli et al., MRM 62, 2009)


def dipole_kernel(shape: Sequence[int], voxel_mm: Sequence[float], b0: Sequence[float]) -> np.ndarray:
    """D(k) of ``shape``, in the order of numpy.fft: k = 0 at index 0 of every axis."""
    along_b0 = np.zeros(shape)
    length2 = np.zeros(shape)
    for axis, (size, spacing) in enumerate(zip(shape, voxel_mm, strict=True)):
        frequency = np.fft.fftfreq(size, spacing)
        frequency = frequency.reshape([-1 if other == axis else 1 for other in range(len(shape))])
        along_b0 += frequency * b0[axis]
        length2 += frequency**2
    length2.flat[0] = 1.0
    kernel = 1 / 3 - along_b0**2 / length2
    kernel.flat[0] = 0.0
    return kernel


def dipole_field(chi: np.ndarray, voxel_mm: Sequence[float], b0: Sequence[float], padding: int = PADDING) -> np.ndarray:
    """The field in ppm of ``chi`` in ppm. ``padding`` 1: the object goes on periodically."""
    return _convolved(chi, dipole_kernel(_padded(chi.shape, padding), voxel_mm, b0))


def truncated_division(
    field: np.ndarray,
    voxel_mm: Sequence[float],
    b0: Sequence[float],
    threshold: float = THRESHOLD,
    padding: int = PADDING,
) -> np.ndarray:
    """Thresholded k-space division (TKD): chi = F^-1 (F field / D), with |D| raised to ``threshold``; chi(0) = 0.

    Shmueli et al., MRM 62:1510, 2009.
    """
    kernel = dipole_kernel(_padded(field.shape, padding), voxel_mm, b0)
    sign = np.where(kernel < 0, -1.0, 1.0)
    inverse = 1 / np.where(np.abs(kernel) < threshold, sign * threshold, kernel)
    inverse.flat[0] = 0.0
    return _convolved(field, inverse)


def ppm_of_hz(hz: np.ndarray, field_t: float) -> np.ndarray:
    """A change of frequency in Hz -> of the field in ppm: Hz 1e6 / (gamma B0)."""
    return hz / (GAMMA_MHZ_PER_T * field_t)


def hz_of_ppm(ppm: np.ndarray, field_t: float) -> np.ndarray:
    """The inverse of ``ppm_of_hz``."""
    return ppm * (GAMMA_MHZ_PER_T * field_t)


def b0_in_image_axes(orientation: Sequence[float]) -> tuple[float, float, float]:
    """The unit vector of B0 along an image's (x, y, z): x along a row, y along a column, z across the slices.

    ``orientation`` are the six numbers of DICOM's ImageOrientationPatient: the directions, in the patient's axes, of a
    row and of a column. B0 lies along the patient's axis from feet to head, as in every scanner with a closed bore; in
    the axes of an oblique image it has three components. Of b0 and -b0, which give the same field, this is the one
    whose last component that is not 0 is positive. ValueError for directions that are no unit vectors at right angles.
    """
    row = np.asarray(orientation[:3], float)
    column = np.asarray(orientation[3:], float)
    is_whole = len(orientation) == 6
    if not is_whole or not np.allclose([row @ row, column @ column, row @ column], [1, 1, 0], atol=1e-3):
        raise ValueError(
            f"the orientation must be two unit vectors at right angles, of a row and of a column; got {orientation}"
        )
    components = np.array([row[2], column[2], np.cross(row, column)[2]])
    components = np.where(np.abs(components) < 1e-6, 0.0, components)
    last = components[np.flatnonzero(components)[-1]]
    x, y, z = components * np.sign(last) / np.linalg.norm(components) + 0.0  # no -0.0
    return float(x), float(y), float(z)


def _padded(shape: Sequence[int], padding: int) -> tuple[int, ...]:
    return tuple(size * padding for size in shape)


def _convolved(values: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Real ``values``, filled with zeros to the size of the kernel, times the kernel in k-space; cut to their size."""
    axes = tuple(range(values.ndim))
    product = kernel * np.fft.fftn(values, kernel.shape, axes)
    return np.fft.ifftn(product, axes=axes).real[tuple(slice(size) for size in values.shape)]
