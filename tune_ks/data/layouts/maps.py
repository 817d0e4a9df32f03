"""A folder of field maps with maps.csv: for each file the patient, the domain, and the geometry of its slice."""

from pathlib import Path
from typing import ClassVar, NamedTuple

import pandas as pd

from tune_ks.data.dipole import VOXEL, b0_in_image_axes
from tune_ks.data.layouts.base import FileStatus, Layout
from tune_ks.data.layouts.folder_tree import FolderTree
from tune_ks.data.layouts.items import SPLITS, Item, Listing
from tune_ks.data.layouts.names import is_absolute_or_climbs
from tune_ks.data.layouts.sheet_tables import read_table
from tune_ks.data.layouts.sheets import InputError, require_columns
from tune_ks.data.vendors import named_vendor

MAPS = "maps.csv"
COLUMNS = ("path", "patient_id", "domain", "field_t", *VOXEL, "orientation")
SIX_NUMBERS = "six numbers, the directions of a row and of a column as in DICOM's ImageOrientationPatient"


class MapLine(NamedTuple):
    """A row of maps.csv: a file, and what is known of its slice."""

    item: Item
    field_t: float
    geometry: tuple[float, ...]  # in the order of GEOMETRY


class Maps(Layout):
    """A folder with ``maps.csv``, whose files hold a field map and the susceptibility map that a network is to find.

    A file is a .npz of two arrays (rows, columns) of float32: ``field_hz`` and ``chi_ppm``. The direction of B0 comes
    from the column ``orientation``, by b0_in_image_axes; it is never assumed. A column ``split`` may give the split.
    """

    recognised_by = f"{MAPS} (columns {', '.join(COLUMNS)})"
    holds_maps: ClassVar[bool] = True

    @classmethod
    def find_sheets(cls, root: Path) -> dict[str, Path] | None:
        """``maps.csv`` under the name "maps"."""
        path = root / MAPS
        return {"maps": path} if path.is_file() else None

    def files(self) -> list[FileStatus]:
        """The files that ``maps.csv`` names, whether or not they are there."""
        tree = FolderTree(self.root)
        return sorted(tree.status(line.item.path) for line in self.lines())

    def listing(self, series: str | None, labels_required: bool, files: list[FileStatus]) -> Listing:
        """Every file of the sheet; there is one series."""
        return Listing(items=[line.item for line in self.lines()])

    def lines(self) -> list[MapLine]:
        """The rows of ``maps.csv`` in order of path. InputError for one that cannot be used."""
        sheet = self.sheets["maps"]
        table = read_table(sheet)
        require_columns(sheet, table.columns, *COLUMNS)
        if table.empty:
            raise InputError(f"{sheet.name} has no rows; it needs a row for each file")
        if table["path"].duplicated().any():
            raise InputError(f"{sheet.name} lists {table['path'][table['path'].duplicated()].iloc[0]} more than once")
        self._refuse_outside(table)
        lines = []
        for number, row in table.iterrows():
            try:
                lines.append(_line(row))
            except ValueError as error:
                raise InputError(f"{sheet.name}: line {number}: {error}") from None
        _require_whole_splits(sheet, lines)
        return sorted(lines, key=lambda line: line.item.path)

    def _refuse_outside(self, table: pd.DataFrame) -> None:
        tree = FolderTree(self.root)
        for path in table["path"]:
            if is_absolute_or_climbs(path) or tree.leaves(path):
                raise InputError(f"{MAPS} names {path!r}, which leaves the folder; give paths of files in it")


def _line(row: pd.Series) -> MapLine:
    """ValueError says which cell cannot be used."""
    for name in ("path", "patient_id"):
        if not row[name]:
            raise ValueError(f"no {name}")
    split = row.get("split", "")
    if split not in (*SPLITS, ""):
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, or empty; got {split!r}")
    if not row["orientation"]:
        raise ValueError(f"no orientation, and without it B0 has no direction in the image; give {SIX_NUMBERS}")
    numbers = [_number("orientation", text, SIX_NUMBERS) for text in row["orientation"].split()]
    voxel = [_positive(name, row[name]) for name in VOXEL]
    item = Item(row["path"], row["patient_id"], label=1, split=split, sheet_vendor=named_vendor(row["domain"]))
    return MapLine(item, _positive("field_t", row["field_t"]), (*voxel, *b0_in_image_axes(numbers)))


def _positive(name: str, text: str) -> float:
    number = _number(name, text, "a number above 0")
    if not 0 < number < float("inf"):
        raise ValueError(f"{name} must be a number above 0, got {text!r}")
    return number


def _number(name: str, text: str, allowed: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{name} must be {allowed}, got {text!r}") from None


def _require_whole_splits(sheet: Path, lines: list[MapLine]) -> None:
    """InputError where some files have a split and others none, or a patient lies in two."""
    splits: dict[str, set[str]] = {}
    for line in lines:
        splits.setdefault(line.item.patient_id, set()).add(line.item.split)
    divided = sorted(patient for patient, names in splits.items() if len(names) > 1)
    if divided:
        raise InputError(f"{sheet.name} divides the patient {divided[0]} between splits ({len(divided)} such patients)")
    if len({names == {""} for names in splits.values()}) > 1:
        raise InputError(f"{sheet.name} gives a split for some patients only; give it for all, or for none")
