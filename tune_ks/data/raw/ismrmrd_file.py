"""An ISMRMRD file (Inati et al., Magn. Reson. Med. 2017): acquisitions, a readout each, put on their Cartesian grid.

Of a 2-D scan without contrasts, phases or sets. Repeated readouts of a line (averages) are averaged. Readouts of noise
or of calibration alone are left out. A line that was not acquired stays zero.
"""

import math
from typing import Any

import numpy as np

from tune_ks.data.dicom.file import UnusableFile
from tune_ks.data.raw.header import read_header
from tune_ks.data.raw.volume import MAX_SLICES, RawVolume, own_dataset, require_shape

GROUP = "dataset"
MAX_READOUTS = 2**20
LEFT_OUT = (  # flags of acquisitions that are no lines of the image
    "ACQ_IS_NOISE_MEASUREMENT",
    "ACQ_IS_PARALLEL_CALIBRATION",
    "ACQ_IS_NAVIGATION_DATA",
    "ACQ_IS_PHASECORR_DATA",
    "ACQ_IS_DUMMYSCAN_DATA",
    "ACQ_IS_RTFEEDBACK_DATA",
    "ACQ_IS_HPFEEDBACK_DATA",
    "ACQ_IS_SURFACECOILCORRECTIONSCAN_DATA",
    "ACQ_IS_PHASE_STABILIZATION_REFERENCE",
    "ACQ_IS_PHASE_STABILIZATION",
)
OTHERS = ("kspace_encode_step_2", "contrast", "phase", "repetition", "set")  # counters that a 2-D scan leaves at 0


class IsmrmrdVolume(RawVolume):
    """All lines of a file in memory. UnusableFile says why it cannot serve."""

    def __init__(self, file: Any, ismrmrd: Any) -> None:
        own_dataset(file, f"{GROUP}/xml")
        own_dataset(file, f"{GROUP}/data")
        dataset = ismrmrd.Dataset(file.filename, GROUP, mode="r")
        try:
            self.header = read_header(dataset.read_xml_header())
            count = dataset.number_of_acquisitions()
            if not 0 < count <= MAX_READOUTS:
                raise UnusableFile(f"it holds {count} acquisitions")
            lines = [dataset.read_acquisition(number) for number in range(count)]
        finally:
            dataset.close()
        flags = [getattr(ismrmrd, name) for name in LEFT_OUT if hasattr(ismrmrd, name)]
        lines = [line for line in lines if not any(line.is_flag_set(flag) for flag in flags)]
        if not lines:
            raise UnusableFile("it holds no line of an image")
        if any(line.is_flag_set(ismrmrd.ACQ_IS_REVERSE) for line in lines):
            raise UnusableFile("its lines run in both directions (EPI)")
        self.filled = self._on_grid(lines)
        self.shape = self.filled.shape

    def kspace(self, number: int) -> np.ndarray:
        return self.filled[number]

    def _on_grid(self, lines: list[Any]) -> np.ndarray:
        """(slices, coils, rows, columns) complex64."""
        grid = self.header.encoded
        if math.isnan(grid.rows) or math.isnan(grid.columns) or math.isnan(self.header.centre_line):
            raise UnusableFile("its header does not say where the lines of k-space lie")
        if any(getattr(line.idx, name) for line in lines for name in OTHERS):
            raise UnusableFile("it is no single 2-D scan (encoding step 2, contrast, phase, repetition or set)")
        slices = 1 + max(line.idx.slice for line in lines)
        coils = max(line.active_channels for line in lines)
        shape = require_shape((min(slices, MAX_SLICES + 1), coils, int(grid.rows), int(grid.columns)))
        kspace = np.zeros(shape, np.complex64)
        times = np.zeros((shape[0], shape[3]), np.int64)
        for line in lines:
            column = line.idx.kspace_encode_step_1 + shape[3] // 2 - int(self.header.centre_line)
            start = shape[2] // 2 - line.center_sample
            samples = line.data
            fits = 0 <= column < shape[3] and 0 <= start <= shape[2] - samples.shape[1] and len(samples) == coils
            if not fits:
                raise UnusableFile("a line of it lies outside the grid that its header gives")
            kspace[line.idx.slice, :, start : start + samples.shape[1], column] += samples
            times[line.idx.slice, column] += 1
        return kspace / np.maximum(times, 1)[:, None, None, :].astype(np.float32)
