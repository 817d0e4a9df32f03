"""A folder that is written whole or not at all.

It is written as a scratch folder beside its place. A process that is killed while it writes leaves the scratch folder,
which may hold images of patients: the next process that comes by removes it. So the process that writes holds a lock on
the file OWNER in it, which the system frees when the process ends.
"""

import contextlib
import errno
import os
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tune_ks.core.file_locks import lock_file
from tune_ks.core.storage import name_beside

OWNER = ".owner"  # names the machine whose process writes the folder
RANDOM = re.compile(r"\.(.+)\.[a-z0-9_]{8}")  # of name_beside, and of tempfile, which earlier versions used
UNTOUCHED_S = 24 * 3600.0  # after which a scratch folder of another machine, or without a lock, counts as abandoned


@contextlib.contextmanager
def whole_folder(target: Path, is_there: Callable[[], bool]) -> Iterator[Path]:
    """A scratch folder beside ``target``. It becomes ``target`` when the ``with`` ends well, else it is removed.

    Where ``target`` appeared meanwhile and ``is_there()`` says that it is whole, another process was faster: then its
    folder stays, and the scratch folder is removed. Scratch folders of this target that were abandoned are removed.
    An error of the system names a file by its place in ``target``.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(target.parent, lambda name: name == target.name)
    scratch = name_beside(target)
    try:
        scratch.mkdir(mode=0o700)
        with _owned(scratch):
            yield scratch
        (scratch / OWNER).unlink()
        scratch.chmod(0o755)
        try:
            scratch.rename(target)
        except OSError:
            if is_there():
                return
            if target.exists():
                reason = "another process wrote it meanwhile: give a new one"
                raise FileExistsError(errno.EEXIST, reason, str(target)) from None
            raise
    except OSError as error:
        if error.errno:
            error.filename = _as_target(error.filename, scratch, target)
        raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _as_target(name: object, scratch: Path, target: Path) -> object:
    """A file of the scratch folder, which the user has never seen, as the file that it was to be."""
    if name is None:  # of a write into an open file
        return str(target)
    path = Path(str(name))
    return str(target / path.relative_to(scratch)) if path.is_relative_to(scratch) else name


def remove_abandoned(folder: Path, is_ours: Callable[[str], bool]) -> None:
    """Remove scratch folders and files that killed processes left in ``folder``, where ``is_ours`` knows the name."""
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(folder)):
            name = RANDOM.fullmatch(entry.name)
            if name and is_ours(name[1]) and not entry.is_symlink() and _is_abandoned(Path(entry.path)):
                if entry.is_dir():
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    os.unlink(entry.path)


@contextlib.contextmanager
def _owned(scratch: Path) -> Iterator[None]:
    """Hold the lock of a scratch folder, where the file system has locks."""
    with open(scratch / OWNER, "w") as file:
        lock_file(file.fileno())
        file.write(socket.gethostname())
        file.flush()
        yield


def _is_abandoned(scratch: Path) -> bool:
    """Whether no process writes it any more, as far as this machine can know."""
    try:
        with open(scratch / OWNER, "r+") as file:
            locked = lock_file(file.fileno())
            if locked is False:
                return False
            if locked and file.read() == socket.gethostname():
                return True
    except OSError:  # killed before it had an owner, of an earlier version, a file, or gone meanwhile
        pass
    return _last_change(scratch) < time.time() - UNTOUCHED_S


def _last_change(path: Path) -> float:
    """When a file, or anything directly in a folder, was last written."""
    try:
        inside = list(path.iterdir()) if path.is_dir() else []
        return max(file.stat().st_mtime for file in (path, *inside))
    except OSError:  # it goes just now
        return time.time()
