"""Regular files, the only kind of file of a run folder that is opened.

A run folder may come from anywhere. In it, a link leads to another file of this user, a pipe waits for ever, and a
device never ends. So a file is opened without following a link and without waiting, is asked what it is, and is read up
to a limit. The run folder itself may be a link, as to a larger disk.
"""

import errno
import os
import stat
from pathlib import Path

from tune_ks.core.system import NOT_FOLLOWED

LARGEST = 4 * 2**30  # bytes of one file; the largest ones are checkpoints and weights
KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFDIR: "a folder",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class NotRegular(ValueError):
    """What stands in the place of a file is a link, a pipe, a folder or a device, or is too large."""


def read_regular(path: Path, limit: int = LARGEST) -> bytes:
    """The content of a regular file. FileNotFoundError when it is absent, NotRegular when it is no such file."""
    descriptor = open_regular(path, os.O_RDONLY)
    with os.fdopen(descriptor, "rb") as file:
        require_within(path, os.fstat(descriptor).st_size, limit)
        return file.read()


def open_regular(path: Path, flags: int, mode: int = 0o644) -> int:
    """The descriptor of a regular file, opened with os.open's flags. NotRegular where it is no such file."""
    try:
        descriptor = os.open(path, flags | NOT_FOLLOWED, mode)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):  # a link, a socket or a pipe, a folder
            raise _not_regular(path) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _not_regular(path)
    return descriptor


def without_links(path: Path) -> Path:
    """The absolute path with every link followed. A link that leads to itself stays: opening the file says why.

    Path.resolve() raises a RuntimeError there, up to Python 3.12.
    """
    return Path(os.path.realpath(path))


def require_within(path: object, size: int, limit: int) -> None:
    """NotRegular where a file has more bytes than the limit."""
    if size > limit:
        raise NotRegular(f"{path} is too large to be what its name says: {size} bytes, at most {limit} are read")


def require_regular(path: Path) -> None:
    """NotRegular where something else than a regular file has this name. It is not opened."""
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise _not_regular(path)


def require_no_link(folder: Path) -> None:
    """NotRegular where the folder, or an entry of it, is a link: what is written there would land elsewhere."""
    if folder.is_symlink():
        raise _not_regular(folder)
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        links = sorted(entry.path for entry in entries if entry.is_symlink())
    if links:
        raise _not_regular(Path(links[0]))


def _not_regular(path: Path) -> NotRegular:
    kind = KINDS.get(stat.S_IFMT(os.lstat(path).st_mode), "no file")
    return NotRegular(f"{path} is {kind}. A run folder holds files and folders only: remove it, or put a copy there")
