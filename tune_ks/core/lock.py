"""One driver per run folder: RUN/driver.lock names the driver at work, and a second driver is refused.

On one host, and over NFS 4, the operating system locks the file and frees it when the driver's process ends, however
it ends. Where hosts do not see each other's locks, and in an object store, a heartbeat decides: a driver rewrites the
file every BEAT seconds, and a driver whose file has not changed for PATIENCE seconds is taken for dead.

The heartbeat has two limits. A host that is suspended, or cut off from the storage, for longer than PATIENCE is taken
for dead; when it comes back it finds another driver's name in the file and stops. And of two drivers that begin within
the same second, on storage without locks, both may begin; the one whose name is overwritten stops.

filelock gives the operating system's lock. Its lease does not replace the heartbeat: it cannot write to an object
store, does not name the time, gives up for good when the storage is away for longer than the lease, and never takes
over the empty driver.lock that a finished driver of version 0.1.0 left.
"""

import contextlib
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

from tune_ks.core.file_locks import lock_file
from tune_ks.core.regular_files import open_regular
from tune_ks.core.run_folder import read_json
from tune_ks.core.storage import StoragePath, write_whole
from tune_ks.core.system import write_at_start

BEAT = 5.0  # seconds between two heartbeats
PATIENCE = 20.0  # seconds without a heartbeat after which a driver whose lock we cannot see is taken for dead


class RunBusy(ValueError):
    """Another driver works on this run folder; the message names it."""


class LockFile:
    """RUN/driver.lock: its content names the holder; where the file system can, the operating system locks it too."""

    def __init__(self, root: StoragePath) -> None:
        """OSError when the run folder cannot be written, ValueError when another thing than a file has the name."""
        self.root = root
        self.path = root / "driver.lock"
        self.holder = {  # as this driver writes itself
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "token": uuid.uuid4().hex,
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        self.descriptor: int | None = None  # of the open file; None in an object store
        if isinstance(root, Path):
            try:
                root.mkdir(parents=True, exist_ok=True)
                self.descriptor = open_regular(root / self.path.name, os.O_RDWR | os.O_CREAT)
            except OSError as error:
                reason = f"the run folder {root} cannot be written ({error.strerror}): give another one"
                raise OSError(reason) from error

    def take(self) -> None:
        """RunBusy when another driver is at work here."""
        before = self.read()
        locked = self._lock_descriptor(before)
        is_of_this_host = before.get("host", self.holder["host"]) == self.holder["host"]
        if not (locked and is_of_this_host):
            self._require_no_heartbeat(before)
        self.beat(0)

    def read(self) -> dict[str, Any]:
        """The holder that the file names, {} when it names none.

        The file is opened anew each time: over NFS, reading an open file may give old content from a cache.
        """
        try:
            return read_json(self.path)
        except (FileNotFoundError, ValueError):  # released, or a part of what its writer will write again
            return {}

    def beat(self, number: int) -> None:
        """Write this driver as the holder; the number makes the content differ from the heartbeat before."""
        self._write(json.dumps({**self.holder, "beat": number}).encode())

    def is_mine(self) -> bool:
        """False when the file names another driver, or another folder lies where this one was."""
        if self.descriptor is not None and not os.path.samestat(os.lstat(str(self.path)), os.fstat(self.descriptor)):
            return False
        return self.read().get("token") in (self.holder["token"], None)

    def release(self) -> None:
        """Empty the file, unless it names another driver, and free the lock."""
        with contextlib.suppress(OSError):
            if self.read().get("token") == self.holder["token"]:
                self._write(b"")
        if self.descriptor is not None:
            os.close(self.descriptor)  # frees the lock of the operating system
            self.descriptor = None

    def busy(self, holder: dict[str, Any]) -> RunBusy:
        """The error that names ``holder``."""
        driver = f"process {holder.get('pid', '?')} on {holder.get('host', '?')}, since {holder.get('since', '?')}"
        return RunBusy(
            f"another search works in {self.root}: {driver}. Wait for it, stop it, or give another run folder"
        )

    def _lock_descriptor(self, holder: dict[str, Any]) -> bool:
        """Whether the operating system locks the file for this driver. RunBusy when it does so for another."""
        if self.descriptor is None:
            return False
        locked = lock_file(self.descriptor)
        if locked is False:
            raise self.busy(holder)
        return bool(locked)

    def _require_no_heartbeat(self, holder: dict[str, Any]) -> None:
        """Watch the file for PATIENCE seconds, or until it is released. RunBusy when a driver writes to it."""
        deadline = time.monotonic() + PATIENCE
        while holder and time.monotonic() < deadline:
            time.sleep(BEAT / 5)
            current = self.read()
            if current and current != holder:
                raise self.busy(current)
            holder = current

    def _write(self, content: bytes) -> None:
        if self.descriptor is None:
            write_whole(self.path, content)
        else:  # into the file that is locked: a replaced file would have no lock
            write_at_start(self.descriptor, content)


@contextmanager
def driver_lock(root: StoragePath, say: Callable[[str], None], lost: Callable[[str], None]) -> Iterator[None]:
    """Hold ``root`` for this process; the folder is made when it is absent. RunBusy when another driver holds it.

    ``say`` gets a message when the storage goes away and when it comes back, ``lost`` when the folder is no longer
    this driver's.
    """
    lock = LockFile(root)
    done = threading.Event()
    try:
        lock.take()
        heartbeat = threading.Thread(target=_keep_beating, args=(lock, done, say, lost), daemon=True)
        heartbeat.start()
        try:
            yield
        finally:
            done.set()
            heartbeat.join()
    finally:
        lock.release()


def _keep_beating(
    lock: LockFile, done: threading.Event, say: Callable[[str], None], lost: Callable[[str], None]
) -> None:
    """Write a heartbeat every BEAT seconds until ``done`` is set or the folder is lost."""
    number = 0
    away = False
    while not done.wait(BEAT):
        number += 1
        try:
            if not lock.is_mine():
                lost(str(lock.busy(lock.read())))
                return
            lock.beat(number)
        except OSError as error:
            if not away:
                say(f"{lock.root} cannot be written ({error.strerror or error}): waiting for it")
            away = True
        else:
            if away:
                say(f"{lock.root} is back")
            away = False
