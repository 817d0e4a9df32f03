"""What is kept of a file's header, as a child process that read it hands it over; nothing of pydicom is in it."""

import json
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from tune_ks.core.config import digest
from tune_ks.data.dicom.geometry import Geometry

NOT_OF_THE_IMAGE = ("maker", "series_hash", "recipe", "plan")  # fields of a header that its recipe does not hold


class Scale(NamedTuple):
    """How stored integers become intensities."""

    inverted: bool  # MONOCHROME1
    slope: float
    intercept: float
    padding: tuple[int, int] | None  # the stored values, from and to, that fill what was not measured


class Place(NamedTuple):
    """Where the pixels of a file lie, as long as the file has not changed."""

    offset: int  # bytes
    size: int  # bytes of the whole file
    modified_ns: int


class Stored(NamedTuple):
    """How one file stores its pixels."""

    rows: int
    columns: int
    allocated: int  # bits of a pixel's container
    bits: int  # of a value
    high_bit: int  # of the container, where the highest bit of the value lies
    signed: bool
    photometric: str  # as PhotometricInterpretation says it
    syntax: str  # UID of the transfer syntax
    scale: Scale
    place: Place | None  # None where pydicom must parse the file again, because it is not stored in the plainest way


class ImagePlan(NamedTuple):
    """How the pixels of a file become its canonical image."""

    stored: Stored | None  # None where the image is a slice of a volume
    geometry: Geometry

    @property
    def of_file(self) -> Stored:
        """How the file of one image stores it. ValueError for a slice of a volume, which is read with its volume."""
        if self.stored is None:
            raise ValueError("a slice of a volume has no file of its own")
        return self.stored


@dataclass(frozen=True)
class Header:
    """What a file says of its canonical image. NaN or "" where it is silent."""

    vendor: str  # a key of VENDORS
    maker: str  # what Manufacturer says
    model: str
    field_t: float
    tr_ms: float
    te_ms: float
    flip_deg: float
    acquired_width: float  # samples acquired along the image's width (AcquisitionMatrix)
    width: int  # pixels, after resampling to equal spacing
    height: int
    spacing_mm: float  # the same along both axes
    thickness_mm: float
    orientation: str  # canonical | unknown | raw
    scan_slices: float  # slices in the acquisition (ImagesInAcquisition)
    phase: str  # InPlanePhaseEncodingDirection in this orientation: ROW | COL | ""
    compressed: bool
    plane: str  # axial | sagittal | coronal, oblique ones by their nearest; ""
    is_localizer: bool  # ImageType says so
    series_hash: str  # of SeriesInstanceUID; "" without one. It stays in memory
    recipe: str  # 12 hexadecimal digits of every header value that the finished image and its acquisition depend on
    plan: ImagePlan = field(repr=False)


def with_recipe(header: Header, *made_from: Any) -> Header:
    """The header with its recipe: a hash of its values, and of what else its image is ``made_from``, as JSON."""
    values = {name: value for name, value in vars(header).items() if name not in NOT_OF_THE_IMAGE}
    return replace(header, recipe=digest(json.dumps([*made_from, values], sort_keys=True).encode()))
