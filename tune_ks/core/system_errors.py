"""What to say of an exception that ends a command: of one of the system, where the user may put it right, how."""

import errno
import tempfile
from pathlib import Path

from tune_ks.core.printable import reason_of
from tune_ks.core.way_out import way_out

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # a full disk, a quota, a limit of a file's size
CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)  # of another user, or read-only


def message_of(error: Exception) -> str:
    """An exception in words. That of a full disk may name no file, and then the places that may be full are named."""
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
