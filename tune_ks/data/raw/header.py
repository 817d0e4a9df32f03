"""The ISMRMRD header of a raw file (XML) -> the few values that are used of it.

Only the elements named here are read. So neither subjectInformation nor studyInformation nor institutionName, which
identify a person or a place, leave the file.
"""

import math
from typing import NamedTuple
from xml.etree import ElementTree

from tune_ks.data.unusable import UnusableFile

MAX_BYTES = 2**20  # real headers have some 10 KB
SYSTEM = "acquisitionSystemInformation"
SEQUENCE = "sequenceParameters"
FOV = "fieldOfView_mm"
MAX_TEXT = 64  # characters of the maker's and the model's name


class Grid(NamedTuple):
    """A matrix and its field of view. Rows run along the readout (x), columns along the phase encoding (y)."""

    rows: float
    columns: float
    rows_mm: float
    columns_mm: float


class RawHeader(NamedTuple):
    """What a file says of its scan; numbers are NaN, texts "" where it does not say."""

    maker: str
    model: str
    field_t: float
    tr_ms: float
    te_ms: float
    flip_deg: float
    thickness_mm: float
    encoded: Grid
    reconstructed: Grid
    trajectory: str
    centre_line: float  # the step of phase encoding that is DC


def read_header(text: bytes | str) -> RawHeader:
    """UnusableFile where ``text`` is no ISMRMRD header, or its k-space does not lie on a Cartesian grid."""
    content = text.encode() if isinstance(text, str) else bytes(text)
    if len(content) > MAX_BYTES or b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise UnusableFile("its ISMRMRD header is too large, or defines entities")
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError):
        raise UnusableFile("its ISMRMRD header is no XML") from None
    header = RawHeader(
        maker=_text(root, SYSTEM, "systemVendor"),
        model=_text(root, SYSTEM, "systemModel"),
        field_t=_number(root, SYSTEM, "systemFieldStrength_T"),
        tr_ms=_number(root, SEQUENCE, "TR"),
        te_ms=_number(root, SEQUENCE, "TE"),
        flip_deg=_number(root, SEQUENCE, "flipAngle_deg"),
        thickness_mm=_number(root, "encoding", "reconSpace", FOV, "z"),
        encoded=_grid(root, "encodedSpace"),
        reconstructed=_grid(root, "reconSpace"),
        trajectory=_text(root, "encoding", "trajectory"),
        centre_line=_number(root, "encoding", "encodingLimits", "kspace_encoding_step_1", "center"),
    )
    if header.trajectory not in ("", "cartesian"):
        raise UnusableFile("its k-space is not sampled on a Cartesian grid")
    if not header.encoded.rows_mm > 0 or not header.encoded.columns_mm > 0:
        raise UnusableFile("its header does not give the field of view")
    return header


def _grid(root: ElementTree.Element, name: str) -> Grid:
    return Grid(
        rows=_number(root, "encoding", name, "matrixSize", "x"),
        columns=_number(root, "encoding", name, "matrixSize", "y"),
        rows_mm=_number(root, "encoding", name, FOV, "x"),
        columns_mm=_number(root, "encoding", name, FOV, "y"),
    )


def _text(root: ElementTree.Element, *path: str) -> str:
    """The text of the first element at ``path``, whatever its namespace; "" where there is none."""
    element = root.find("/".join(f"{{*}}{name}" for name in path))
    text = "" if element is None else (element.text or "").strip()
    return text if len(text) <= MAX_TEXT and text.isprintable() else ""


def _number(root: ElementTree.Element, *path: str) -> float:
    try:
        number = float(_text(root, *path))
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan
