"""What lies below a folder. Each folder is listed once, however many rows of a table name files in it."""

import os
from pathlib import Path

from tune_ks.data.layouts.base import FileStatus, file_status


class FolderTree:
    """The names below ``root`` as they are when they are first asked for. Paths are relative, with /."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.inside = os.path.realpath(root) + os.sep
        self.listed: dict[str, dict[str, os.DirEntry]] = {}  # folder -> name -> what the system says of it
        self.unlisted: set[str] = set()  # folders that may be entered and not listed: their files are looked at alone
        self.outside: dict[str, bool] = {}  # folder -> whether a link on the way leads out of the root

    def listing(self, folder: str) -> dict[str, os.DirEntry]:
        """The entries of a folder by name; none where it is absent, no folder, or cannot be listed."""
        if folder not in self.listed:
            self.listed[folder] = self._list(folder) if self.is_folder(folder) else {}
        return self.listed[folder]

    def exists(self, path: str) -> bool:
        """Whether there is such a name, be it of a file, a folder or a link."""
        folder, name = _divided(path)
        return not name or name in self.listing(folder) or self._is_reached_alone(folder, name)

    def is_folder(self, path: str) -> bool:
        folder, name = _divided(path)
        if not name:
            return True
        entry = self.listing(folder).get(name)
        if entry is None:
            return self._is_reached_alone(folder, name) and os.path.isdir(self._place(path))
        try:
            return entry.is_dir()
        except OSError:  # a link to itself: opening it as a file will say why
            return False

    def leaves(self, path: str) -> bool:
        """Whether the path leads out of the root by a link. The root itself does not lie in it."""
        folder, name = _divided(path)
        if not name:
            return True
        entry = self.listing(folder).get(name)
        if entry is not None and not entry.is_symlink():
            return self._folder_leaves(folder)
        if entry is None and not self._is_reached_alone(folder, name):
            return self._folder_leaves(folder)
        return not os.path.realpath(self._place(path)).startswith(self.inside)

    def status(self, path: str) -> FileStatus:
        """Size and time of a file; -1 where it is absent or cannot be reached."""
        return file_status(self._place(path), path) if self.exists(path) else FileStatus(path, -1, -1)

    def _folder_leaves(self, folder: str) -> bool:
        if not folder:
            return False
        if folder not in self.outside:
            self.outside[folder] = self.leaves(folder)
        return self.outside[folder]

    def _list(self, folder: str) -> dict[str, os.DirEntry]:
        try:
            with os.scandir(self._place(folder)) as entries:
                return {entry.name: entry for entry in entries}
        except OSError:
            self.unlisted.add(folder)
            return {}

    def _is_reached_alone(self, folder: str, name: str) -> bool:
        return folder in self.unlisted and os.path.lexists(os.path.join(self._place(folder), name))

    def _place(self, path: str) -> str:
        return os.path.join(self.root, path)


def plain(path: str) -> str:
    """The path without empty parts and '.': a/b, a//b and ./a/b are one file."""
    return "/".join([part for part in path.split("/") if part not in ("", ".")])


def _divided(path: str) -> tuple[str, str]:
    """The folder and the name of a path; of the root both are ""."""
    folder, _, name = plain(path).rpartition("/")
    return folder, name
