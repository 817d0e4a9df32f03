"""A folder of raw k-space, fastMRI's or ISMRMRD files, with the boxes of fastMRI+ in a CSV.

fastMRI+: Zhao et al., Sci. Data 2022. The boxes were drawn on images turned upside down: of an image of H rows, ``y``
counts from the last row upwards. Files that were looked at and have no box stand in the list beside it
(``knee_file_list.csv``).
"""

from pathlib import Path, PurePosixPath
from typing import ClassVar, NamedTuple

import pandas as pd

from tune_ks.data.layouts.base import FileStatus, Layout
from tune_ks.data.layouts.items import Item, Listing
from tune_ks.data.layouts.sheet_tables import read_table
from tune_ks.data.layouts.sheets import InputError, counted

COLUMNS = ("file", "slice", "study_level", "x", "y", "width", "height", "label")
LIST = "_file_list.csv"  # how the name of the list of all files that were looked at ends
BOXES = "boxes of "  # before a sheet's name: its key among the sheets
LISTS = "list "
RAW = (".h5", ".hdf5", ".mrd")
NOTHING = ("normal for age", "normal variant")  # study-level findings that say that nothing was found
SHOWN_LABELS = 8  # in a message


class Box(NamedTuple):
    """A rectangle of one slice, counted from 0: columns from ``x``, and ``y`` rows lie below it."""

    slice: int
    x: float
    y: float
    width: float
    height: float


class AnnotatedFile(NamedTuple):
    """A raw file, its boxes of the chosen findings, and whether such a finding was given of the study as a whole."""

    path: str
    boxes: list[Box]
    has_study_level: bool
    looked_at: bool = True  # False: nothing says of a slice whether it shows a finding


class FastMRI(Layout):
    """Recognised by a CSV in the root with the columns of fastMRI+. Raw files may lie in any folder below it."""

    recognised_by = f"fastMRI+ boxes (a CSV with the columns {', '.join(COLUMNS)})"
    holds_kspace: ClassVar[bool] = True

    @classmethod
    def find_sheets(cls, root: Path) -> dict[str, Path] | None:
        """Every CSV of boxes in the root, and every list of files beside it; None without boxes."""
        sheets = {}
        for path in sorted(root.glob("*.csv")):
            if path.name.endswith(LIST):
                sheets[LISTS + path.name] = path
            elif _names_columns(path):
                sheets[BOXES + path.name] = path
        return sheets if any(name.startswith(BOXES) for name in sheets) else None

    def files(self) -> list[FileStatus]:
        """Every raw file, by the ending of its name."""
        return [file for file in self.files_below(self.root) if file.path.lower().endswith(RAW)]

    def listing(self, series: str | None, labels_required: bool, files: list[FileStatus]) -> Listing:
        """An item for each raw file; its slices have labels of their own."""
        annotated, skipped = self.annotated("", files)
        return Listing(items=[Item(file.path, _stem(file.path)) for file in annotated], skipped=skipped)

    def annotated(self, finding: str, files: list[FileStatus]) -> tuple[list[AnnotatedFile], list[tuple[str, str]]]:
        """The files that were looked at, with their boxes of ``finding`` ("": of any), and the others with a reason.

        InputError where a sheet cannot be read, no box has that label, or two files have one name.
        """
        table = self._boxes()
        known = sorted(set(table["label"]))
        if finding and finding not in known:
            some = ", ".join(map(repr, known[:SHOWN_LABELS])) + (" ..." if len(known) > SHOWN_LABELS else "")
            raise InputError(f"--finding {finding!r}: no box has this label; there are {some}")
        looked_at = set(table["file"]) | self._listed()
        chosen = table[table["label"] == finding] if finding else table
        is_study_level = chosen["study_level"].str.lower() == "yes"
        says_nothing = chosen["label"].str.lower().isin(NOTHING)
        of_studies = set(chosen.loc[is_study_level & ~says_nothing, "file"])
        boxes: dict[str, list[Box]] = {}
        for name, rows in chosen[~is_study_level].groupby("file"):
            boxes[str(name)] = [Box(*row) for row in rows[list(Box._fields)].itertuples(index=False)]
        annotated = []
        skipped = []
        path_of: dict[str, str] = {}
        for file in files:
            stem = _stem(file.path)
            if stem in path_of:
                raise InputError(f"two files have one name, by which boxes know them: {path_of[stem]} and {file.path}")
            path_of[stem] = file.path
            if stem in looked_at:
                annotated.append(AnnotatedFile(file.path, boxes.get(stem, []), stem in of_studies))
            else:
                skipped.append((file.path, f"nobody looked at it: neither a box nor a list (*{LIST}) names it"))
        return annotated, skipped

    def _boxes(self) -> pd.DataFrame:
        """All rows of all sheets of boxes, numbers as numbers. InputError names a line that cannot be used."""
        tables = []
        for key, path in self.sheets.items():
            if key.startswith(BOXES):
                tables.append(_read_boxes(path))
        return pd.concat(tables, ignore_index=True)

    def _listed(self) -> set[str]:
        names = set()
        for key, path in self.sheets.items():
            if key.startswith(LISTS):
                table = read_table(path)
                names |= {_stem(name) for name in (table.columns[0], *table[table.columns[0]])}
        return names


def _read_boxes(path: Path) -> pd.DataFrame:
    table = read_table(path)
    table["file"] = [_stem(name) for name in table["file"]]
    is_box = table["study_level"].str.lower() != "yes"
    for name in Box._fields:
        numbers = pd.to_numeric(table[name], errors="coerce")
        least = 0 if name in ("slice", "x", "y") else 1e-9
        wrong = is_box & ~((numbers >= least) & (numbers < 1e6))
        if wrong.any():
            line = table.index[wrong][0]
            raise InputError(
                f"{path.name}: {name} of a box must be a number, not below 0; line {line}: {table[name][line]!r}"
                f" ({counted(int(wrong.sum()), 'such line')})"
            )
        table[name] = numbers.fillna(0)
    table["slice"] = table["slice"].astype(int)
    return table


def _names_columns(path: Path) -> bool:
    """Whether the first line of a CSV has all COLUMNS."""
    try:
        with path.open("rb") as file:
            line = file.readline(4096).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return False
    names = {name.strip().strip('"') for name in line.split(",")}
    return set(COLUMNS) <= names


def _stem(path: str) -> str:
    """The name of a raw file without its folder and its ending."""
    name = PurePosixPath(path).name
    for ending in RAW:
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return name
