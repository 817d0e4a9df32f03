"""What a section is made of: paragraphs, tables, figures, images. A part is plain values; its template draws it.

A part is any object with the name of its ``template``, which meets the part under the name ``part``. A section that
needs to draw something else brings a class and a template of that kind.
"""

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple, Protocol
from zlib import crc32

import numpy as np
import pandas as pd
from PIL import Image

from tune_ks.core.rate_words import rate_words

MANY_ROWS = 24  # a longer table scrolls in a box of its own
NOISE = 1e-6  # a smaller number is a rounding error and is shown as 0.000
LONG_WORD = 24  # letters: a longer word may break
WIDE_TEXT = 72  # letters: a longer text gets a wide column
DASH = "–"  # noqa: RUF001 - what is shown for a value that is missing


class Part(Protocol):
    """Values that a template draws."""

    template: ClassVar[str]  # a file of analysis/report/templates


@dataclass(frozen=True)
class Paragraph:
    """A text; nothing is drawn where it is empty. ``kind`` is a class of report.css: small, seen or warning.

    ``about`` is shown when a reader points at the text.
    """

    text: str
    kind: str = ""
    about: str = ""
    template: ClassVar[str] = "paragraph.html"


@dataclass(frozen=True)
class Heading:
    """A heading inside a section."""

    text: str
    template: ClassVar[str] = "heading.html"


@dataclass(frozen=True)
class Panels:
    """Lists of parts, side by side where there is room, else below each other; an empty list is left out."""

    panels: Sequence[Sequence[Part]]
    template: ClassVar[str] = "panels.html"


@dataclass(frozen=True)
class Details:
    """Parts that are shown when a reader opens their summary."""

    summary: str
    parts: Sequence[Part]
    kind: str = ""  # a class of report.css
    template: ClassVar[str] = "details.html"


@dataclass(frozen=True)
class Figure:
    """A figure that the page's script draws, with what it shows in words."""

    name: str  # id of the element, and name of the file that a reader saves
    plotly_json: str  # the figure itself
    alt: str
    height: int = 420  # pixels
    title: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)  # of the HTML element, for the page's scripts
    template: ClassVar[str] = "figure.html"


@dataclass(frozen=True)
class Picture:
    """An (H, W) uint8 image in the page itself."""

    pixels: np.ndarray
    alt: str
    name: str = ""  # id of the element
    template: ClassVar[str] = "image.html"

    kind: str = ""  # classes of report.css

    @property
    def src(self) -> str:
        """What an <img> element can hold."""
        return data_uri(self.pixels)


@dataclass(frozen=True)
class Pictures:
    """Pictures of one size in a row, two of them side by side on a phone."""

    pictures: Sequence[Picture]
    template: ClassVar[str] = "pictures.html"


class Column(NamedTuple):
    """The head of a table's column."""

    name: str
    numeric: bool
    whole: bool = False  # all its numbers are whole, and one is above 1

    @property
    def of_rates(self) -> bool:
        """Whether its numbers are sampling rates: ``rate``, ``realised rate``, ``low-pass rate`` ..."""
        return self.name == "rate" or (self.name.endswith(" rate") and not self.name.endswith(" the rate"))


class Cell(NamedTuple):
    """One value of a table."""

    text: str  # as it is shown
    value: str | None = None  # what sorting and the CSV read; None: the text
    kind: str = ""  # classes of report.css


class Row(NamedTuple):
    """One row of a table."""

    cells: list[Cell]
    chosen: bool
    attributes: Mapping[str, str]  # of the HTML element, for the page's scripts


@dataclass(frozen=True)
class Table:
    """A table that sorts and saves as NAME.csv; nothing is drawn where it has no rows."""

    name: str
    title: str
    columns: list[Column]
    rows: list[Row]
    template: ClassVar[str] = "table.html"

    @property
    def label(self) -> str:
        """The name for those who hear the page."""
        return self.title or self.name.replace("-", " ")

    @property
    def long(self) -> bool:
        """Whether the table scrolls in a box of its own."""
        return len(self.rows) > MANY_ROWS


def table(
    frame: pd.DataFrame,
    name: str,
    title: str = "",
    chosen: pd.Series | None = None,
    filtered: pd.DataFrame | None = None,
) -> Table:
    """A DataFrame as a Table; what is missing is a dash, and ``chosen`` marks rows.

    Numbers are shown to three decimals, or as whole ones where all of the column are; sampling rates as
    ``1/8 (R = 8)``. The CSV has six digits of them.
    ``filtered``, a row for each of the frame's, holds what the page's filters ask a row for: its columns become data
    attributes.
    """
    columns = [_column(str(label), frame[label]) for label in frame]
    marked = [False] * len(frame) if chosen is None else chosen.tolist()
    rows = []
    attributes = [{}] * len(frame) if filtered is None else _attributes(filtered)
    for values, mark, asked in zip(frame.itertuples(index=False), marked, attributes):
        cells = [_cell(value, column) for value, column in zip(values, columns)]
        rows.append(Row(cells, bool(mark), asked))
    return Table(name, title, columns, rows)


def _column(name: str, values: pd.Series) -> Column:
    numeric = pd.api.types.is_numeric_dtype(values)
    known = values.dropna().astype(float) if numeric else pd.Series(dtype=float)
    whole = bool((known % 1 == 0).all() and (known.abs() > 1).any())
    return Column(name, numeric, whole)


def _attributes(filtered: pd.DataFrame) -> list[dict[str, str]]:
    """data-NAME of each row; a value that is missing is empty."""
    texts = {}
    for name in filtered:
        texts[f"data-{name}"] = ["" if pd.isna(value) else str(value) for value in filtered[name]]
    return pd.DataFrame(texts).to_dict("records")


def number(value: float | None) -> str:
    """Three decimals, or a dash."""
    return DASH if value is None or math.isnan(value) else f"{value:.3f}"


def slug(text: str) -> str:
    """A text as an id: letters and digits, the rest as hyphens; beyond ASCII a checksum keeps two texts apart."""
    letters = "".join(letter if letter.isascii() and letter.isalnum() else " " for letter in text)
    name = "-".join(letters.split()) or "unnamed"
    return name if text.isascii() else f"{name}-{crc32(text.encode()):08x}"


def data_uri(pixels: np.ndarray) -> str:
    """(H, W) uint8 -> a grey PNG as what an <img> element can hold. ValueError for anything else."""
    if pixels.ndim != 2 or pixels.dtype != np.uint8:
        raise ValueError(f"a grey PNG needs a (H, W) uint8 array, got {pixels.shape} {pixels.dtype}")
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def _cell(value: object, column: Column) -> Cell:
    numeric = column.numeric
    missing = value is None or (not isinstance(value, (list, tuple)) and pd.isna(value))
    if missing:
        return Cell(DASH, value="", kind="" if numeric else "text")
    if not numeric:
        return Cell(str(value), kind=_text_kind(str(value)))
    if isinstance(value, float):
        return Cell(
            rate_words(value) if column.of_rates and 0 < value <= 1 else _shown(value, column.whole),
            value=f"{value:.6g}",
        )
    return Cell(str(value))


def _shown(value: float, whole: bool) -> str:
    """A number with three decimals; without any in a column of counts, with two digits where three decimals hide it."""
    if whole:
        return f"{value:.0f}"
    return f"{value:.2g}" if NOISE < abs(value) < 0.001 else f"{value:.3f}"


def _text_kind(text: str) -> str:
    """The class that gives a text the width that it needs."""
    longest = max((len(word) for word in text.split()), default=0)
    if longest > LONG_WORD:
        return "text long"
    if len(text) < LONG_WORD:
        return "text near"
    return "text wide" if len(text) > WIDE_TEXT else "text"
