"""Names in a table -> names on disk: separators, letter case and composed letters differ between systems."""

import os
import re
import unicodedata
from pathlib import Path, PurePosixPath


class NamesOnDisk:
    """Finds files below ``root`` by paths that another system wrote."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.names_in: dict[str, dict[str, list[str]]] = {}  # folder -> name without case and composition -> its names

    def written(self, path: str) -> str:
        """``path`` as the disk writes it, or as it is where no file fits, or several do.

        A path that exists stays as it is. Else backslashes become slashes, and a part may differ from the name on disk
        in letter case (``.DCM``) and in how its letters are composed (NFC of Windows and Linux, NFD of macOS).
        """
        if os.path.lexists(os.path.join(self.root, path)):
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
            self.names_in[folder] = _names_by_form(os.path.join(self.root, folder))
        names = self.names_in[folder].get(_form(part), [])
        if part in names:
            return part
        return names[0] if len(names) == 1 else None


def is_absolute_or_climbs(path: str) -> bool:
    """Whether a path of a table names a place of its own, or leads upward."""
    pure = PurePosixPath(path)
    has_drive = re.match(r"[A-Za-z]:", path) is not None
    return pure.is_absolute() or ".." in pure.parts or has_drive or "\0" in path


def _names_by_form(folder: str) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    try:
        for name in os.listdir(folder):
            names.setdefault(_form(name), []).append(name)
    except OSError:  # it is not there, or cannot be read: nothing is found in it
        pass
    return names


def _form(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
