"""What would do about an error: the end of every message about a damaged file, a full disk or a closed folder."""

import errno
import tempfile
from pathlib import Path

from tune_ks.core.config import is_key, is_weights
from tune_ks.core.storage import StoragePath

ORIGIN = "put the whole file back from a copy of the run folder; without one, begin another run folder"
BY_NAME = {
    "search.json": ORIGIN,
    "cohort.csv": ORIGIN,
    "selection.json": "run the analysis again, which writes it anew",
}
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # a full disk, a quota, a limit of a file's size
CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)  # of another user, or read-only
EVALUATED = ("external", "corruptions", "explained")  # folders of files that evaluate and predict write


def message_of(error: Exception) -> str:
    """What to say of an error that ends a command; where the user may put it right, how.

    That of a full disk may name no file, and then the places that may be full are named.
    """
    reason = reason_of(error)
    if not isinstance(error, OSError):
        return reason
    if error.errno in NO_ROOM and error.filename is None:
        places = f"the run folder, of the cache or of {tempfile.gettempdir()}"
        return f"{reason}: is the disk of {places} full, or a limit there (a quota, `ulimit -f`) reached?"
    if error.errno in NO_ROOM:
        return f"{reason}. Make room there, or lift the limit (a quota, `ulimit -f`); the same command goes on"
    if error.errno in CLOSED and error.filename is not None:
        return f"{reason}. Give another place, or copy the folder to one that is open to this user"
    if error.errno == errno.ENOENT and error.filename is not None:
        return f"{reason}{way_out(Path(str(error.filename)))}"
    return reason


def reason_of(error: Exception) -> str:
    """An error in words: of one of the system the file and what is wrong with it, without Python's number."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def damaged(path: StoragePath, fault: str) -> str:
    """A message about a file: its path, what is wrong with it, and where it is of a run folder what would do."""
    return f"{path}: {fault}{way_out(path)}"


def fault_of(error: Exception) -> str:
    """What is wrong with a file, where the message names the file already."""
    return "it is missing" if isinstance(error, FileNotFoundError) else str(error)


def way_out(path: StoragePath) -> str:
    """What would do about a file of a run folder, after a semicolon; "" for any other file."""
    words = _words(path)
    return f"; {words}" if words else ""


def _words(path: StoragePath) -> str:
    """Nothing where only the name of a folder is that of a run folder's: a user's images may lie in trials/ too."""
    folder = path.parent
    if folder.parent.name == "trials" and is_key(folder.name):
        return f"without the folder {folder.name} the trial begins anew"
    if folder.parent.name == "weights" and is_weights(folder.name):
        return f"without the folder {folder.name} the search copies it anew from the run of --init-from"
    if folder.name in EVALUATED and (folder.parent / "search.json").exists():
        return "remove it, and evaluate that folder of images again"
    return BY_NAME.get(path.name, "")
