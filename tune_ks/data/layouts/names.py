"""Names in a table -> names on disk: separators, letter case and composed letters differ between systems."""

import re
import unicodedata
from collections.abc import Iterable

from tune_ks.data.layouts.folder_tree import FolderTree

DRIVE = re.compile(r"[A-Za-z]:")  # of Windows


class NamesOnDisk:
    """Finds the files of a folder by paths that another system wrote."""

    def __init__(self, tree: FolderTree) -> None:
        self.tree = tree
        self.names_in: dict[str, dict[str, list[str]]] = {}  # folder -> name without case and composition -> its names

    def written(self, path: str) -> str:
        """``path`` as the disk writes it, or as it is where no file fits, or several do.

        A path that exists stays as it is. Else backslashes become slashes, and a part may differ from the name on disk
        in letter case (``.DCM``) and in how its letters are composed (NFC of Windows and Linux, NFD of macOS).
        """
        if is_absolute_or_climbs(path) or self.tree.exists(path):
            return path
        path = path.replace("\\", "/")
        if is_absolute_or_climbs(path):
            return path
        place = ""
        for part in path.split("/"):
            if part in ("", "."):
                continue
            name = self._name(place, part)
            if name is None:
                return path
            place = f"{place}/{name}" if place else name
        return place

    def _name(self, folder: str, part: str) -> str | None:
        """The name in ``folder`` that ``part`` means."""
        if folder not in self.names_in:
            self.names_in[folder] = _names_by_form(self.tree.listing(folder))
        names = self.names_in[folder].get(_form(part), [])
        if part in names:
            return part
        return names[0] if len(names) == 1 else None


def is_absolute_or_climbs(path: str) -> bool:
    """Whether a path of a table names a place of its own, or leads upward."""
    has_drive = DRIVE.match(path) is not None
    return path.startswith("/") or ".." in path.split("/") or has_drive or "\0" in path


def _names_by_form(listing: Iterable[str]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for name in listing:
        names.setdefault(_form(name), []).append(name)
    return names


def _form(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
