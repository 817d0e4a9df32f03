"""One driver a run folder: RUN/driver.lock names the one that is at work, and keeps a second one out.

On one host, and over NFS 4, the operating system holds the lock (flock) and frees it when its process dies, however it
dies. Where hosts do not see each other's locks, and in an object store, a heartbeat in the file does: a driver that
beats within PATIENCE seconds is alive. Its limit: a host that is suspended, or cut off from the storage, for longer
than that is taken for dead; when it comes back it finds another's name in the file, and stops. And two drivers that
begin within the same second, on storage without locks, may both begin; the one whose name is overwritten stops.
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

from tune_ks.core.storage import StoragePath, write_whole

BEAT = 5.0  # seconds between two signs of life
PATIENCE = 20.0  # seconds without one after which a driver that holds no lock of ours is taken for dead


class RunBusy(ValueError):
    """Another driver works on this run folder; the message names it."""


class LockFile:
    """RUN/driver.lock: who holds it, said in its content, and, where the file system can, held by flock."""

    def __init__(self, root: StoragePath) -> None:
        """OSError when the run folder cannot be written."""
        self.root = root
        self.path = root / "driver.lock"
        self.me = {"host": socket.gethostname(), "pid": os.getpid(), "token": uuid.uuid4().hex}
        self.me["since"] = datetime.now(UTC).isoformat(timespec="seconds")
        self.descriptor = None
        if isinstance(root, Path):
            try:
                root.mkdir(parents=True, exist_ok=True)
                self.descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            except OSError as error:
                reason = f"the run folder {root} cannot be written ({error.strerror}): give another --run"
                raise OSError(reason) from error

    def take(self) -> None:
        """RunBusy when another driver is at work here."""
        found = self.holder()
        if not (self._flock(found) and found.get("host", self.me["host"]) == self.me["host"]):
            deadline = time.monotonic() + PATIENCE
            while found and time.monotonic() < deadline:
                time.sleep(BEAT / 5)
                now = self.holder()
                if now and now != found:
                    raise self.busy(now)
                found = now
        self.write({**self.me, "beat": 0})

    def holder(self) -> dict[str, Any]:
        """What the file says, opened anew each time: over NFS an open file may be read from a cache."""
        try:
            values = json.loads(self.path.read_bytes())
        except (FileNotFoundError, ValueError):  # released, or torn: its writer will write again
            return {}
        return values if isinstance(values, dict) else {}

    def is_mine(self) -> bool:
        """False when another driver has written its name, or another folder lies where this one was."""
        if self.descriptor is not None and not os.path.samestat(os.stat(self.path), os.fstat(self.descriptor)):
            return False
        return self.holder().get("token") in (self.me["token"], None)

    def write(self, values: dict[str, Any]) -> None:
        text = json.dumps(values).encode() if values else b""
        if self.descriptor is None:
            write_whole(self.path, text)
        else:  # into the very file that is locked
            os.pwrite(self.descriptor, text, 0)
            os.ftruncate(self.descriptor, len(text))
            os.fsync(self.descriptor)

    def release(self) -> None:
        with contextlib.suppress(OSError):
            if self.holder().get("token") == self.me["token"]:
                self.write({})
        if self.descriptor is not None:
            os.close(self.descriptor)  # frees the lock
            self.descriptor = None

    def busy(self, holder: dict[str, Any]) -> RunBusy:
        who = "process {pid} on {host}, since {since}".format(**{"pid": "?", "host": "?", "since": "?", **holder})
        return RunBusy(f"another search works in {self.root}: {who}. Wait for it, stop it, or give another --run")

    def _flock(self, found: dict[str, Any]) -> bool:
        """Whether the operating system holds the lock for us. RunBusy when it holds it for another."""
        if self.descriptor is None:
            return False
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise self.busy(found) from None
        except OSError:  # a file system without locks
            return False
        return True


@contextmanager
def driver_lock(root: StoragePath, say: Callable[[str], None], lost: Callable[[str], None]) -> Iterator[None]:
    """Hold ``root`` (made when it is not there) for this process. RunBusy when another driver has it.

    ``say`` is told when the storage goes away and comes back, ``lost`` when the folder is no longer this driver's.
    """
    lock = LockFile(root)
    done = threading.Event()
    try:
        lock.take()
        beat = threading.Thread(target=_beat, args=(lock, done, say, lost), daemon=True)
        beat.start()
        try:
            yield
        finally:
            done.set()
            beat.join()
    finally:
        lock.release()


def _beat(lock: LockFile, done: threading.Event, say: Callable[[str], None], lost: Callable[[str], None]) -> None:
    number, away = 0, False
    while not done.wait(BEAT):
        number += 1
        try:
            if not lock.is_mine():
                return lost(str(lock.busy(lock.holder())))
            lock.write({**lock.me, "beat": number})
        except OSError as error:
            if not away:
                say(f"{lock.root} cannot be written ({error.strerror or error}): waiting for it")
            away = True
        else:
            if away:
                say(f"{lock.root} is back")
            away = False
