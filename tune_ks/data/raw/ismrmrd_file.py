"""An ISMRMRD file (Inati et al., Magn. Reson. Med. 2017): acquisitions, a readout each, put on their Cartesian grid.

Of a 2-D scan without contrasts, phases or sets. Repeated readouts of a line (averages) are averaged. Readouts of noise
or of calibration alone are left out. A line that was not acquired stays zero.

The table ``dataset/data`` has a row for each readout: ``head`` (numbers), ``traj`` (not used here) and ``data``, the
samples of all coils as float32 pairs. Heads and samples are read through h5py, a block of rows at a time.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from tune_ks.data.raw.header import read_header
from tune_ks.data.raw.volume import MAX_SLICES, RawVolume, own_dataset, require_shape
from tune_ks.data.unusable import UnusableFile

GROUP = "dataset"
MAX_READOUTS = 2**20
BLOCK = 64  # readouts that are read at once
BLOCK_BYTES = 64 * 2**20  # of their samples; fewer readouts are read at once where they are long
REVERSE = 22  # the flag of a readout that runs backwards; flags count from 1, as in the format's ismrmrd.h
LEFT_OUT = {  # flags of acquisitions that are no lines of the image
    19: "ACQ_IS_NOISE_MEASUREMENT",
    20: "ACQ_IS_PARALLEL_CALIBRATION",
    23: "ACQ_IS_NAVIGATION_DATA",
    24: "ACQ_IS_PHASECORR_DATA",
    26: "ACQ_IS_HPFEEDBACK_DATA",
    27: "ACQ_IS_DUMMYSCAN_DATA",
    28: "ACQ_IS_RTFEEDBACK_DATA",
    29: "ACQ_IS_SURFACECOILCORRECTIONSCAN_DATA",
    30: "ACQ_IS_PHASE_STABILIZATION_REFERENCE",
    31: "ACQ_IS_PHASE_STABILIZATION",
}
OF_HEAD = ("flags", "number_of_samples", "active_channels", "center_sample")  # what is used of a readout's head
STEP = "kspace_encode_step_1"  # counter of the lines
OTHERS = ("kspace_encode_step_2", "contrast", "phase", "repetition", "set")  # counters that a 2-D scan leaves at 0
COUNTERS = (STEP, "slice", *OTHERS)  # what is used of ``idx`` of the head


class IsmrmrdVolume(RawVolume):
    """An open file. Its heads are read at once, the samples of a slice when its k-space is asked for.

    UnusableFile says why it cannot serve.
    """

    def __init__(self, file: Any) -> None:
        self.header = read_header(own_dataset(file, f"{GROUP}/xml")[0])
        self.table = own_dataset(file, f"{GROUP}/data")
        _require_table(self.table)
        heads = _heads(self.table)
        self.rows = np.flatnonzero(~_has_flag(heads["flags"], *LEFT_OUT))  # of the table: the lines of the image
        if not len(self.rows):
            raise UnusableFile("it holds no line of an image")
        self.heads = {name: values[self.rows] for name, values in heads.items()}
        if _has_flag(self.heads["flags"], REVERSE).any():
            raise UnusableFile("its lines run in both directions (EPI)")
        self.shape = self._shape()
        self.columns = self.heads[STEP] + self.shape[3] // 2 - int(self.header.centre_line)
        self.starts = self.shape[2] // 2 - self.heads["center_sample"]
        self._require_on_grid()

    def kspace(self, number: int) -> np.ndarray:
        coils, _, columns = self.shape[1:]
        kspace = np.zeros(self.shape[1:], np.complex64)
        times = np.zeros(columns, np.int64)
        lines = np.flatnonzero(self.heads["slice"] == number)
        for line, pairs in zip(lines, self._pairs(self.rows[lines])):
            count = int(self.heads["number_of_samples"][line])
            if pairs.shape != (2 * coils * count,):
                raise UnusableFile("a line of it does not hold as many samples as its head says")
            start = self.starts[line]
            column = self.columns[line]
            kspace[:, start : start + count, column] += pairs.view(np.complex64).reshape(coils, count)
            times[column] += 1
        return kspace / np.maximum(times, 1).astype(np.float32)

    def _pairs(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """The samples in these rows of the table: float32, real and imaginary part in turn, one coil after another."""
        bytes_of_line = 8 * self.shape[1] * self.shape[2]
        most = max(1, min(BLOCK, BLOCK_BYTES // bytes_of_line))
        for block in _blocks(rows, most):
            yield from self.table.fields("data")[block]

    def _shape(self) -> tuple[int, int, int, int]:
        """(slices, coils, rows, columns)."""
        grid = self.header.encoded
        if math.isnan(grid.rows) or math.isnan(grid.columns) or math.isnan(self.header.centre_line):
            raise UnusableFile("its header does not say where the lines of k-space lie")
        if any(self.heads[name].any() for name in OTHERS):
            raise UnusableFile("it is no single 2-D scan (encoding step 2, contrast, phase, repetition or set)")
        slices = 1 + int(self.heads["slice"].max())
        coils = int(self.heads["active_channels"].max())
        return require_shape((min(slices, MAX_SLICES + 1), coils, int(grid.rows), int(grid.columns)))

    def _require_on_grid(self) -> None:
        """UnusableFile for a line beyond the grid, or of fewer coils than the others."""
        inside = (self.columns >= 0) & (self.columns < self.shape[3])
        inside &= (self.starts >= 0) & (self.starts + self.heads["number_of_samples"] <= self.shape[2])
        inside &= self.heads["active_channels"] == self.shape[1]
        if not inside.all():
            raise UnusableFile("a line of it lies outside the grid that its header gives")


def _blocks(rows: np.ndarray, most: int) -> Iterator[slice]:
    """Sorted rows of the table as slices: rows that follow one another are read at once, but no more than ``most``."""
    first = 0
    for place in range(1, len(rows) + 1):
        is_end = place == len(rows) or rows[place] != rows[place - 1] + 1
        if is_end or place - first == most:
            yield slice(int(rows[first]), int(rows[place - 1]) + 1)
            first = place


def _require_table(table: Any) -> None:
    """UnusableFile for a table that has not the columns of the format."""
    import h5py

    if table.ndim != 1 or not 0 < len(table) <= MAX_READOUTS:
        raise UnusableFile(f"it holds {table.size} acquisitions")
    head = _type_of(table.dtype, "head")
    numbers = [_type_of(head, name) for name in OF_HEAD]
    numbers += [_type_of(_type_of(head, "idx"), name) for name in COUNTERS]
    samples = h5py.check_vlen_dtype(_type_of(table.dtype, "data"))
    if any(kind.kind != "u" for kind in numbers) or samples != np.dtype("float32"):
        raise UnusableFile("its acquisitions are not of the ISMRMRD format")


def _type_of(kind: np.dtype, name: str) -> np.dtype:
    """The type of one column. UnusableFile where there is none of this name."""
    if name not in (kind.names or ()):
        raise UnusableFile("its acquisitions are not of the ISMRMRD format")
    return kind[name]


def _heads(table: Any) -> dict[str, np.ndarray]:
    """What is used of the heads of all readouts: name -> (readouts,), the counters and sizes as int64."""
    values: dict[str, list[np.ndarray]] = {name: [] for name in (*OF_HEAD, *COUNTERS)}
    for start in range(0, len(table), BLOCK):
        block = table.fields("head")[start : start + BLOCK]
        for name in OF_HEAD:
            values[name].append(block[name])
        for name in COUNTERS:
            values[name].append(block["idx"][name])
    flags = np.concatenate(values.pop("flags")).astype(np.uint64)
    return {"flags": flags} | {name: np.concatenate(blocks).astype(np.int64) for name, blocks in values.items()}


def _has_flag(flags: np.ndarray, *numbers: int) -> np.ndarray:
    """Whether a readout has any of these flags, which count from 1."""
    wanted = np.uint64(sum(1 << (number - 1) for number in numbers))
    return (flags & wanted) != 0
