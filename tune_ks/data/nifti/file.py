"""One NIfTI file (.nii, .nii.gz), opened within limits -> where its voxels lie, and the voxels slice by slice.

Of the header the numbers alone are read: no text (descrip, aux_file, intent_name) and no extension, which may hold a
whole DICOM header, leaves the file. nibabel parses the first 540 bytes and reads the voxels.
"""

import gzip
import math
import re
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from tune_ks.data.limits import MAX_DEFLATION, MAX_EXTENSION_BYTES, MAX_SIDE, MAX_VOLUME_BYTES, mebibytes
from tune_ks.data.unusable import UnusableFile, guarded

HEADER_BYTES = {348: b"n+1", 540: b"n+2"}  # of NIfTI-1 and NIfTI-2 -> how its field magic begins
GZIP = b"\x1f\x8b"  # how a gzip file begins, whatever its name
MM_OF_UNIT = {1: 1000.0, 3: 0.001}  # code of xyzt_units -> millimetres: metres, microns; all others are millimetres
SIZES = "numbers of up to 64 bits"

# Files of BreastDCEDL, whose writer saved arrays (slices, rows, columns) with the identity in place of an affine
STACKED = re.compile(r"_(spy1|spy2|duke)_(vis\d+_)?(dce_)?((acq|aqc)_?\d+|mask)\.nii(\.gz)?", re.IGNORECASE)


class Volume(NamedTuple):
    """Where the voxels of one file lie and what they mean."""

    path: Path
    shape: tuple[int, int, int]
    dtype: np.dtype  # as stored
    offset: int  # bytes before the first voxel
    slope: float  # value = slope * stored + intercept
    intercept: float
    affine: np.ndarray | None  # (4, 4) index -> millimetres to the right, front and head; None where the file has none
    voxel_mm: tuple[float, float, float]  # 1 mm of a stack, which does not say it
    # whether the file is a stack: its axes are (slices, rows, columns), and ``shape`` is (columns, rows, slices)
    is_stack: bool = False


def read_volume(path: Path) -> Volume:
    """The header of one file. UnusableFile for what is no volume of real numbers, or is not as long as it says."""
    return guarded(lambda: _read_volume(path))


def slices_of(volume: Volume, axis: int, indices: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
    """(index along ``axis``, the plane there as float32 with the other two axes in the order of the file).

    In rising order of the index. Along the last axis one plane after the other is read; along another axis, and of a
    stack, where the planes lie scattered, all voxels are read first, as they are stored. UnusableFile where they
    cannot be.
    """
    from nibabel.arrayproxy import ArrayProxy  # here, because a training reads no NIfTI

    with _opened(volume.path) as stream:
        order = "C" if volume.is_stack else "F"
        voxels: Any = ArrayProxy(stream, (volume.shape, volume.dtype, volume.offset), mmap=False, order=order)
        if axis != 2 or volume.is_stack:
            voxels = _read(lambda: voxels.get_unscaled())
        for index in sorted(indices):
            place: list[Any] = [slice(None)] * 3
            place[axis] = index
            plane = _read(lambda: np.asarray(voxels[tuple(place)]))  # noqa: B023 (called at once)
            yield index, _in_unit_of_file(plane, volume)


def same_grid(first: Volume, second: Volume) -> bool:
    """Whether the voxels of both lie at the same places: same shape, and corners that are less than half a voxel off.

    Where one of them has no affine, the shape decides.
    """
    if first.shape != second.shape:
        return False
    if first.affine is None or second.affine is None:
        return True
    corners = np.array(np.meshgrid(*[(0, count - 1) for count in first.shape], [1])).reshape(4, -1)
    apart = np.linalg.norm(((first.affine - second.affine) @ corners)[:3], axis=0)
    return bool(apart.max() < min(first.voxel_mm) / 2)


def _read_volume(path: Path) -> Volume:
    size = _size_of(path)
    with _opened(path) as stream:
        start = stream.read(max(HEADER_BYTES))
        is_compressed = isinstance(stream, gzip.GzipFile)
    volume = _volume(path, _parsed(start))
    count = math.prod(volume.shape) * volume.dtype.itemsize
    if count > MAX_VOLUME_BYTES:
        raise UnusableFile(f"too large for one volume ({mebibytes(count)}, the limit is {mebibytes(MAX_VOLUME_BYTES)})")
    if volume.offset + count > (size * MAX_DEFLATION if is_compressed else size):
        raise UnusableFile("truncated")
    return volume


def _size_of(path: Path) -> int:
    try:
        status = path.stat()  # before it is opened: opening a named pipe would wait for ever
    except FileNotFoundError:
        raise UnusableFile("no such file") from None
    except OSError as error:
        raise UnusableFile(f"cannot be opened ({type(error).__name__})") from None
    if not stat.S_ISREG(status.st_mode):
        raise UnusableFile("not a file")
    if status.st_size == 0:
        raise UnusableFile("empty file")
    return status.st_size


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO | gzip.GzipFile]:
    """The content of a file, inflated as it is read where it is compressed."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise UnusableFile(f"cannot be opened ({type(error).__name__})") from None
    with file:
        start = file.read(len(GZIP))
        file.seek(0)
        if start == GZIP:
            with gzip.open(file) as inflated:
                yield inflated
        else:
            yield file


def _parsed(start: bytes) -> Any:
    """nibabel's header of a file that begins with these bytes. Its checks are off: they write values of it to a log."""
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    for form in (Nifti1Header, Nifti2Header):
        length = form.template_dtype.itemsize
        stated = {int.from_bytes(start[:4], order) for order in ("little", "big")}
        if length in stated and len(start) >= length:
            header = form(start[:length], check=False)
            if bytes(header["magic"]).startswith(HEADER_BYTES[length]):
                return header
    raise UnusableFile("not a NIfTI file (.nii or .nii.gz in one piece)")


def _volume(path: Path, header: Any) -> Volume:
    offset = float(header["vox_offset"])
    if not 0 <= offset - header.template_dtype.itemsize <= MAX_EXTENSION_BYTES:
        raise UnusableFile("damaged (vox_offset)")
    slope, intercept = header.get_slope_inter()
    affine = _affine(header)
    unit = MM_OF_UNIT.get(int(header["xyzt_units"]) & 7, 1.0)
    if affine is not None:
        affine = np.diag([unit, unit, unit, 1.0]) @ affine
        sizes = np.linalg.norm(affine[:3, :3], axis=0)
    else:
        sizes = np.abs(np.asarray(header["pixdim"][1:4], float)) * unit
    if not (np.isfinite(sizes).all() and (sizes > 0).all()):
        raise UnusableFile("the voxel size cannot be read")
    is_stack = affine is not None and np.array_equal(affine, np.eye(4)) and bool(STACKED.search(path.name))
    shape = _shape(header)
    return Volume(
        path=path,
        shape=(shape[2], shape[1], shape[0]) if is_stack else shape,
        dtype=_real_dtype(header),
        offset=int(offset),
        slope=1.0 if slope is None else float(slope),
        intercept=0.0 if intercept is None else float(intercept),
        affine=None if is_stack else affine,
        voxel_mm=tuple(sizes.tolist()),
        is_stack=is_stack,
    )


def _shape(header: Any) -> tuple[int, int, int]:
    """Three sizes. Further axes must have length 1."""
    axes = int(header["dim"][0])
    sizes = [int(size) for size in header["dim"][1 : axes + 1]] if 1 <= axes <= 7 else []
    if not sizes or min(sizes) < 1:
        raise UnusableFile("damaged (dim)")
    while len(sizes) > 3 and sizes[-1] == 1:
        sizes.pop()
    if len(sizes) != 3:
        raise UnusableFile(f"not one volume ({len(sizes)} axes); each time and each echo needs a file of its own")
    if max(sizes) > MAX_SIDE:
        raise UnusableFile(f"absurd size ({' x '.join(map(str, sizes))} voxels, the limit is {MAX_SIDE} a side)")
    return sizes[0], sizes[1], sizes[2]


def _real_dtype(header: Any) -> np.dtype:
    dtype = header.get_data_dtype()
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise UnusableFile(f"not a volume of real {SIZES} (colours or complex numbers)")
    return dtype


def _affine(header: Any) -> np.ndarray | None:
    """The sform, else the qform, else None: without either nothing says how the patient lies in the volume."""
    if int(header["sform_code"]) > 0:
        affine = header.get_sform()
    elif int(header["qform_code"]) > 0:
        affine = header.get_qform()
    else:
        return None
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) == 0:
        raise UnusableFile("the affine cannot be read")
    return np.asarray(affine, float)


def _read(read: Callable[[], np.ndarray]) -> np.ndarray:
    try:
        return read()
    except (EOFError, OSError, ValueError, zlib.error):  # of gzip and nibabel: it ends too early, or was damaged
        raise UnusableFile("truncated or damaged voxels") from None


def _in_unit_of_file(stored: np.ndarray, volume: Volume) -> np.ndarray:
    values = stored.astype(np.float64) * volume.slope + volume.intercept
    with np.errstate(over="ignore"):
        values = values.astype(np.float32)
    if not np.isfinite(values).all():
        raise UnusableFile("voxels that are no finite numbers")
    return values
