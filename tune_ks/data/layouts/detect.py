"""A folder and its sheets -> the files that are asked for, each with patient, series, slice and label. Opens no DICOM.

Three layouts: Duke-Breast-Cancer-MRI as TCIA distributes it (with its three sheets), a folder with ``labels.csv``, and,
where labels are not needed, any folder of DICOM files with one folder a patient.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tune_ks.data.layouts.duke import BOXES, CLINICAL, MAPPING, SERIES, list_duke
from tune_ks.data.layouts.items import Item, Listing
from tune_ks.data.layouts.labels import LABELS, list_table, read_labels
from tune_ks.data.layouts.sheets import InputError

DUKE_FOLDER = "Duke-Breast-Cancer-MRI"

Stat = tuple[str, int, int]  # relative path, size in bytes, mtime in ns


@dataclass(frozen=True)
class Layout:
    """Which of the three layouts a folder has, and the sheets that say so."""

    kind: str  # duke | table | folder
    root: Path
    sheets: dict[str, Path]
    ignore: Path | None = None  # the cache, should it lie inside

    def files(self) -> list[Stat]:
        """Every file that this layout could read, by stat alone: relative path, size and mtime. Sheets excepted."""
        if self.kind == "table":
            return [_stat(self.root, path) for path in sorted({*read_labels(self.sheets["labels"])["path"]})]
        top = self.root / DUKE_FOLDER
        start = top if self.kind == "duke" and top.is_dir() else self.root
        sheets = {path.name for path in self.sheets.values()}
        return sorted(stat for stat in _walk(start, self.root, self.ignore) if stat[0] not in sheets)

    def sheet_digests(self) -> dict[str, str]:
        """Content of every sheet as a hash."""
        digests = {}
        for name, path in sorted(self.sheets.items()):
            with path.open("rb") as file:
                digests[name] = hashlib.file_digest(file, "sha256").hexdigest()
        return digests

    def listing(self, series: str | None, labels_required: bool, files: Iterable[Stat]) -> Listing:
        """The files of the series that was asked for. InputError when the sheets do not allow it."""
        if self.kind == "duke":
            return list_duke(self.sheets, series or SERIES, [path for path, *_ in files])
        if self.kind == "table":
            return list_table(self.root, self.sheets["labels"], series, labels_required)
        return _list_folder(series, [path for path, *_ in files])


def detect(root: Path, labels_required: bool, ignore: Path | None = None) -> Layout:
    """Which layout ``root`` has. InputError when it is no folder, or has none."""
    root = Path(root)
    if not root.exists():
        raise InputError(
            f"{root}: there is no such folder; give the folder that holds the DICOM files and their labels"
        )
    if not root.is_dir():
        raise InputError(f"{root} is a file, not a folder; give the folder that holds the DICOM files and their labels")
    ignore = Path(ignore).resolve() if ignore else None
    if (root / LABELS).is_file():
        return Layout("table", root, {"labels": root / LABELS}, ignore)
    stems = {"boxes": BOXES, "clinical": CLINICAL, "mapping": MAPPING}
    sheets = {name: sheet for name, stem in stems.items() if (sheet := _sheet(root, stem))}
    missing = [f"{stem}.xlsx" for name, stem in stems.items() if name not in sheets]
    if sheets and not missing:
        return Layout("duke", root, sheets, ignore)
    if not labels_required:
        return Layout("folder", root, {}, ignore)
    if sheets:
        why = " Without the mapping sheet nothing says which file is which sequence and slice." * (
            "mapping" not in sheets
        )
        raise InputError(
            f"{root} holds {', '.join(path.name for path in sheets.values())}, but not {', '.join(missing)} (or .csv)."
            f"{why} Download it from the Duke-Breast-Cancer-MRI page of TCIA and put it beside the others."
        )
    if not any(root.iterdir()):
        raise InputError(f"{root} is empty; give the folder that holds the DICOM files and their labels")
    names = sorted(path.name for path in root.iterdir())
    raise InputError(
        f"{root} has no labels: neither {LABELS} (columns path, patient_id, label) nor Duke's sheets ({BOXES},"
        f" {CLINICAL} and {MAPPING}, .xlsx or .csv). It holds {', '.join(names[:5])}{' ...' * (len(names) > 5)}"
    )


def _list_folder(series: str | None, paths: list[str]) -> Listing:
    """One folder a patient; the folders below it name the series. Files in the root itself have no patient."""
    items, left_out = [], Counter()
    for path in paths:
        folders = PurePosixPath(path).parts[:-1]
        if series is not None and series not in folders[1:]:
            left_out["another series"] += 1
            continue
        items.append(Item(path, folders[0] if folders else "unknown", series="/".join(folders[1:])))
    if series is not None and not items and paths:
        raise InputError(f"no folder below a patient's is called {series!r}, so no file belongs to that series")
    return Listing(items, [], left_out)


def _walk(start: Path, root: Path, ignore: Path | None) -> list[Stat]:
    """Every file below ``start``; hidden ones and ``ignore`` excepted. Links to folders are followed, once each."""
    found, seen, todo = [], set(), [(str(start), start.relative_to(root).as_posix())]
    ignored = os.path.realpath(ignore) if ignore else None
    while todo:
        folder, relative = todo.pop()
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen or (ignored and os.path.realpath(folder) == ignored):
            continue
        seen.add((status.st_dev, status.st_ino))
        prefix = "" if relative == "." else f"{relative}/"
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    todo.append((entry.path, prefix + entry.name))
                    continue
                try:
                    status = entry.stat()
                    found.append((prefix + entry.name, status.st_size, status.st_mtime_ns))
                except OSError:  # a link that leads nowhere: opening it will say so
                    found.append((prefix + entry.name, -1, -1))
    return found


def _stat(root: Path, path: str) -> Stat:
    try:
        status = os.stat(os.path.join(root, path))
    except (OSError, ValueError):
        return path, -1, -1
    return path, status.st_size, status.st_mtime_ns


def _sheet(root: Path, stem: str) -> Path | None:
    return next((root / (stem + end) for end in (".xlsx", ".csv") if (root / (stem + end)).is_file()), None)
