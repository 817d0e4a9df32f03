"""A file of fastMRI (Zbontar et al., arXiv:1811.08839): HDF5 with ``kspace`` and ``ismrmrd_header``.

``kspace`` is complex (slices, coils, rows, columns), or (slices, rows, columns) of the single-coil challenge. Lines
that were not acquired are stored as zeros. The attribute ``patient_id``, a pseudonym of fastMRI, leaves this module as
a hash, so that files of one patient stay in one split.
"""

import hashlib
from typing import Any

import numpy as np

from tune_ks.data.raw.header import MAX_TEXT, read_header
from tune_ks.data.raw.volume import RawVolume, own_dataset, require_shape
from tune_ks.data.unusable import UnusableFile


class FastMRIVolume(RawVolume):
    """An open file. UnusableFile says why it cannot serve."""

    def __init__(self, file: Any) -> None:
        if "mask" in file:
            raise UnusableFile("it is undersampled already (it holds a mask), so a rate would be no share of its lines")
        if "ismrmrd_header" not in file:
            raise UnusableFile("it has no ismrmrd_header")
        self.stored = own_dataset(file, "kspace")
        self.header = read_header(own_dataset(file, "ismrmrd_header")[()])
        shape = self.stored.shape
        if self.stored.dtype.kind != "c" or len(shape) not in (3, 4):
            raise UnusableFile("its kspace is not complex (slices, coils, rows, columns)")
        self.shape = require_shape(shape if len(shape) == 4 else (shape[0], 1, *shape[1:]))
        self.series = _text(file.attrs.get("acquisition", ""))
        patient = _text(file.attrs.get("patient_id", ""))
        self.patient = hashlib.sha256(patient.encode()).hexdigest()[:12] if patient else ""

    def kspace(self, number: int) -> np.ndarray:
        return self.stored[number].astype(np.complex64, copy=False).reshape(self.shape[1:])


def _text(value: Any) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text if len(text) <= MAX_TEXT and text.isprintable() else ""
