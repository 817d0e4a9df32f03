"""One driver a run folder: RUN/driver.lock names the one that is at work, and keeps a second one out.

On one host, and over NFS 4, the operating system holds the lock (flock) and frees it when its process dies, however it
dies. Where hosts do not see each other's locks, a heartbeat in the file does: a driver of another host that beats
within PATIENCE seconds is alive. Its limit: a host that is suspended, or cut off from the storage, for longer than
that is taken for dead; when it comes back it finds another's name in the file, and stops.
"""

import contextlib
import fcntl
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

BEAT = 5.0  # seconds between two signs of life
PATIENCE = 20.0  # seconds without one after which a driver of another host is taken for dead


class RunBusy(ValueError):
    """Another driver works on this run folder; the message names it."""


@contextmanager
def driver_lock(root: Path, say: Callable[[str], None], lost: Callable[[str], None]) -> Iterator[None]:
    """Hold ``root`` (made when it is not there) for this process. RunBusy when another driver has it.

    ``say`` is told when the storage goes away and comes back, ``lost`` when the folder is no longer this driver's.
    """
    path = root / "driver.lock"
    try:
        root.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise OSError(f"the run folder {root} cannot be written ({error.strerror}): give another --run") from error
    try:
        _take(descriptor, path)
        me = {"host": socket.gethostname(), "pid": os.getpid(), "since": _now(), "token": uuid.uuid4().hex}
        _write(descriptor, {**me, "beat": 0})
        done = threading.Event()
        beat = threading.Thread(target=_beat, args=(descriptor, path, me, done, say, lost), daemon=True)
        beat.start()
        try:
            yield
        finally:
            done.set()
            beat.join()
            with contextlib.suppress(OSError):
                if _is_mine(descriptor, path, me):
                    _write(descriptor, {})
    finally:
        os.close(descriptor)  # frees the lock


def _take(descriptor: int, path: Path) -> None:
    found = _read(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if found.get("host", socket.gethostname()) == socket.gethostname():
            return  # whoever of this host wrote it is dead, or has ended
    except BlockingIOError:
        raise _busy(path, found) from None
    except OSError:  # a file system without locks: the heartbeat alone tells
        pass
    deadline = time.monotonic() + PATIENCE
    while found and time.monotonic() < deadline:
        time.sleep(BEAT / 5)
        now = _read(path)
        if now and now != found:
            raise _busy(path, now)
        found = now


def _busy(path: Path, holder: dict[str, Any]) -> RunBusy:
    who = "process {pid} on {host}, since {since}".format(**{"pid": "?", "host": "?", "since": "?", **holder})
    return RunBusy(f"another search works in {path.parent}: {who}. Wait for it, stop it, or give another --run")


def _beat(
    descriptor: int,
    path: Path,
    me: dict[str, Any],
    done: threading.Event,
    say: Callable[[str], None],
    lost: Callable[[str], None],
) -> None:
    number, away = 0, False
    while not done.wait(BEAT):
        number += 1
        try:
            if not _is_mine(descriptor, path, me):
                return lost(str(_busy(path, _read(path))))
            _write(descriptor, {**me, "beat": number})
        except OSError as error:
            if not away:
                say(f"{path.parent} cannot be written ({error.strerror}): waiting for it")
            away = True
        else:
            if away:
                say(f"{path.parent} is back")
            away = False


def _is_mine(descriptor: int, path: Path, me: dict[str, Any]) -> bool:
    same = os.path.samestat(os.stat(path), os.fstat(descriptor))
    return same and _read(path).get("token") in (me["token"], None)


def _read(path: Path) -> dict[str, Any]:
    """What the file says, opened anew each time: over NFS an open file may be read from a cache."""
    try:
        values = json.loads(path.read_bytes())
    except ValueError:  # empty: released; torn: its writer will write again
        return {}
    return values if isinstance(values, dict) else {}


def _write(descriptor: int, values: dict[str, Any]) -> None:
    text = json.dumps(values).encode() if values else b""
    os.pwrite(descriptor, text, 0)
    os.ftruncate(descriptor, len(text))
    os.fsync(descriptor)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
