"""What systems answer differently or lack: processors, memory, locks, signals. No other file asks a system for these.

Linux has all of it; macOS has no processor affinity and counts memory in bytes; Windows has neither fcntl nor resource,
fewer signals and no owners of files; a container may have no /dev/shm. Each function here says what it does then.
"""

import contextlib
import os
import re
import signal
import sys
from pathlib import Path

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

# of os.open: follow no link, do not wait for a pipe, leave the file to no child process; 0 where the system lacks it
NOT_FOLLOWED = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC"))
# of a closed terminal; None where there is no such signal
HANGUP: signal.Signals | None = getattr(signal, "SIGHUP", None)

STATUS = Path("/proc/self/status")  # of Linux


def usable_cores() -> int:
    """Cores that this process may use; those of the machine where the system cannot say it (macOS), 1 at least."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return machine_cores()


def machine_cores() -> int:
    """Cores of the machine, which Ray counts; 1 where the system does not say it."""
    return os.cpu_count() or 1


def busy_cores() -> float:
    """Cores that programs kept busy in the last minute, on average; 0 where the system does not say it (Windows)."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return 0.0


def peak_memory_mib() -> int | None:
    """Peak memory of this process in MiB; None where the system does not say it.

    Linux says it in /proc, in KiB: there getrusage also counts the process that started this one, which may have been
    larger. On macOS getrusage counts bytes.
    """
    with contextlib.suppress(OSError):
        said = re.search(r"VmHWM:\s*(\d+) kB", STATUS.read_text())
        if said:
            return int(said[1]) // 1024
    if resource is None:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit_bytes = 1 if sys.platform == "darwin" else 1024
    return peak * unit_bytes // 2**20


def limit_memory(count: int) -> None:
    """Let this process allocate at most ``count`` bytes, mapped files not counted; no limit where there is none."""
    if resource is not None:
        with contextlib.suppress(OSError, ValueError):  # macOS may refuse it
            resource.setrlimit(resource.RLIMIT_DATA, (count, count))


def write_at_start(descriptor: int, content: bytes) -> None:
    """Make ``content`` all that an open file holds, on the disk too."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
    os.ftruncate(descriptor, len(content))
    os.fsync(descriptor)


def user_name_of_files() -> str:
    """What tells this user's temporary files from those of others: the user's number, or "" where there is none."""
    return str(os.getuid()) if hasattr(os, "getuid") else ""


def is_private(folder: Path) -> bool:
    """Whether only this user may enter the folder; True where files have no owners and modes (Windows)."""
    if not hasattr(os, "getuid"):
        return True
    status = folder.stat()
    return status.st_uid == os.getuid() and not status.st_mode & 0o077


def ignore_signals(*numbers: signal.Signals | None) -> None:
    """Ignore these signals from now on, also in processes that are started later; None is one that there is not."""
    for number in numbers:
        if number is not None:
            signal.signal(number, signal.SIG_IGN)
