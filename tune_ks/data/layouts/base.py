"""The interface of a layout, which recognises a folder by its content and lists the files to read, unopened."""

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

from tune_ks.data.layouts.items import Listing


class FileStatus(NamedTuple):
    """What is known of a file without opening it. Size and time are -1 where it cannot be reached."""

    path: str  # relative to the root, with /
    size: int  # bytes
    mtime_ns: int
    ctime_ns: int = -1  # also of a file whose content was changed and whose time was set back


@dataclass(frozen=True)
class Layout(ABC):
    """The layout of one folder. A new layout is a subclass in a file of its own and one line in ``detect.LAYOUTS``."""

    has_labels: ClassVar[bool] = True  # whether it says which images are positive
    recognised_by: ClassVar[str] = ""  # what a folder must hold, for the message that no layout was recognised
    holds_maps: ClassVar[bool] = False  # field maps with their true answer, in place of DICOM images
    holds_kspace: ClassVar[bool] = False  # raw k-space of several coils, in place of DICOM images
    of_source_study: ClassVar[bool] = False  # whether the source study chose its rates by test scores of such a cohort
    holds_volumes: ClassVar[bool] = False  # whether its files are NIfTI volumes, in place of DICOM images
    middle: ClassVar[float] = 1.0  # share of a volume's slices, about the middle one, that become images

    kind: str  # its name in LAYOUTS
    root: Path
    sheets: dict[str, Path]  # name -> file
    ignore: Path | None = None  # a folder that holds no data: the cache, where it lies inside ``root``
    domain_columns: tuple[str, ...] = ()  # names of the column that gives Item.domain; the first that is there counts

    @classmethod
    @abstractmethod
    def find_sheets(cls, root: Path) -> dict[str, Path] | None:
        """The sheets of ``root`` by name where it has this layout, else None."""

    @classmethod
    def message_if_incomplete(cls, root: Path) -> str:
        """For a folder that has a part of this layout: the message that says which part it lacks. Else ""."""
        return ""

    @abstractmethod
    def listing(self, series: str | None, labels_required: bool, files: list[FileStatus]) -> Listing:
        """The files of one series, chosen among ``files``. InputError when the sheets do not allow it."""

    def files(self) -> list[FileStatus]:
        """Every file that this layout may read, in order of path. Sheets are no such files."""
        return self.files_below(self.root)

    def files_below(self, start: Path) -> list[FileStatus]:
        """Every file below the folder ``start``, which is ``root`` or lies in it; sheets excepted."""
        sheets = {path.name for path in self.sheets.values()}
        return sorted(file for file in _walk(start, self.root, self.ignore) if file.path not in sheets)

    def sheet_digests(self) -> dict[str, str]:
        """Name of each sheet -> hash of its content."""
        digests = {}
        for name, path in sorted(self.sheets.items()):
            with path.open("rb") as file:
                digests[name] = hashlib.file_digest(file, "sha256").hexdigest()
        return digests


def shown(path: str) -> str:
    """A file's name as text, whatever its bytes: those that are no UTF-8 are written as \\xe9."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def file_status(path: str | os.PathLike, relative: str) -> FileStatus:
    """Size and time of one file. -1 for both where it cannot be reached: opening it will say why."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return FileStatus(relative, -1, -1)
    return FileStatus(relative, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _walk(start: Path, root: Path, ignore: Path | None) -> Iterator[FileStatus]:
    """Every file below ``start``, hidden ones and those of ``ignore`` excepted. Links to folders are followed once."""
    ignored = os.path.realpath(ignore) if ignore else None
    seen: set[tuple[int, int]] = set()
    folders = [(str(start), start.relative_to(root).as_posix())]
    while folders:
        folder, relative = folders.pop()
        try:
            if not _is_new(folder, seen) or os.path.realpath(folder) == ignored:
                continue
            entries = _visible_entries(folder)
        except OSError:  # it cannot be read, or is gone: it is named like a file that cannot be opened
            yield FileStatus(relative, -1, -1)
            continue
        prefix = "" if relative == "." else f"{relative}/"
        for entry in entries:
            if _is_folder(entry):
                folders.append((entry.path, prefix + entry.name))
            else:
                yield file_status(entry.path, prefix + entry.name)


def _is_folder(entry: os.DirEntry) -> bool:
    """False also for a link to itself, or to a name that no system knows: opening it as a file will say why."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_new(folder: str, seen: set[tuple[int, int]]) -> bool:
    """Whether this folder was not walked yet under this or another name; it is then noted in ``seen``."""
    status = os.stat(folder)
    identity = (status.st_dev, status.st_ino)
    if identity in seen:
        return False
    seen.add(identity)
    return True


def visible_names(folder: Path) -> list[str]:
    """The names in a folder, in order, hidden ones excepted; none where it is no folder, or cannot be listed."""
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError:
        return []


def _visible_entries(folder: str) -> list[os.DirEntry]:
    with os.scandir(folder) as entries:
        return [entry for entry in entries if not entry.name.startswith(".")]
