"""Ray on this machine, for one search: its files closed to other users, its ports on loopback, and a token for them.

Whoever reaches a port of Ray's and knows its token can run code as this user. So nobody else may do either. Ray itself
asks for a token since version 2.59, writes it into a file that everyone may read, and listens on every interface.
"""

import logging
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray._private import ray_constants

from tune_ks.search.lean_ray import fewer_processes

OBJECT_STORE = 128 * 2**20  # bytes; no image passes through it
LONGEST_SOCKET = 103 if sys.platform == "darwin" else 107  # bytes that the path of a Unix socket may have
# what stands below the folder in which the search makes its own; the name is longer than any of Ray's sockets
BELOW = "/tune_ks_12345678/ray/session_2026-01-31_23-59-59_123456_1234567/sockets/plasma_store.123456789"
PLACES = ("/tmp", "/var/tmp", "/dev/shm")  # folders with a short path
LOGS = "session_latest/logs"


@contextmanager
def folder_of_ray() -> Iterator[str | None]:
    """A new folder for Ray's sockets and logs, which only this user can enter; removed at the end.

    None where RAY_TMPDIR says where they lie: they stay there, for those who look for a fault in Ray.
    """
    if os.environ.get("RAY_TMPDIR"):
        yield None
        return
    # Ray lets everybody into the folder that it is given, so that is one inside a closed one
    with tempfile.TemporaryDirectory(prefix="tune_ks_", dir=short_place(), ignore_cleanup_errors=True) as closed:
        yield os.path.join(closed, "ray")


def short_place() -> str:
    """A folder for temporary files below which Ray's sockets fit. ValueError where there is none."""
    room = LONGEST_SOCKET - len(BELOW)
    wanted = tempfile.gettempdir()
    for place in (wanted, *PLACES):
        if len(os.fsencode(place)) <= room and os.path.isdir(place) and os.access(place, os.W_OK | os.X_OK):
            return place
    raise ValueError(
        f"Ray needs a folder whose path has at most {room} letters, for its sockets: {wanted} is longer, and "
        f"{', '.join(PLACES)} cannot be written. Set TMPDIR or RAY_TMPDIR to one"
    )


def start_here(folder: str | None, **options: Any) -> None:
    """Start Ray on this machine, with its files in ``folder``. ValueError says why it did not start."""
    require_token_file()
    try:
        with on_loopback(), fewer_processes():
            ray.init(
                "local",  # because without an address Ray joins any cluster that runs on this machine
                include_dashboard=False,
                object_store_memory=OBJECT_STORE,
                log_to_driver=False,
                logging_level=logging.ERROR,
                _temp_dir=folder,
                **options,
            )
    except Exception as error:  # Ray raises Exception itself where a process of it does not answer in time
        raise ValueError(why_not_started(error)) from error


@contextmanager
def on_loopback() -> Iterator[None]:
    """Let Ray's processes listen on 127.0.0.1 alone, as they do on Windows and macOS; elsewhere Ray has no option."""
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def require_token_file() -> None:
    """Make the file of Ray's token, or close it to other users. Where that is not possible, the token has no file.

    A token that the user's environment names is left alone.
    """
    if os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH"):
        return
    try:
        path = Path.home() / ".ray" / "auth_token"
        if not path.exists():
            _write_token(path)
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except (OSError, RuntimeError):  # no home, or one that cannot be written: Ray's processes inherit this variable
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def _write_token(path: Path) -> None:
    """Write a new token, readable for this user only; where another search writes one just now, that one stays."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".auth_token.")  # of mode 0600
    try:
        with open(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
        if not path.exists():
            os.link(name, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(name)


def why_not_started(error: Exception) -> str:
    """What to say of an exception that ended Ray's start on this machine."""
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    place = os.environ.get("RAY_TMPDIR")
    if "AF_UNIX path length" in reason:
        hint = f"RAY_TMPDIR={place} is too long for the sockets in it: unset it, or name a folder with a shorter path"
    elif isinstance(error, PermissionError) and place:
        hint = f"RAY_TMPDIR={place} may hold files of another user: unset it, or name a folder of your own"
    elif isinstance(error, OSError):
        hint = "is there room, and may this user write there?"
    else:
        logs = f"Ray's logs are in {place}/ray/{LOGS}" if place else "with RAY_TMPDIR=FOLDER Ray's logs stay in FOLDER"
        hint = f"on a busy machine the same command may do; {logs}"
    return f"Ray did not start on this machine: {reason} ({hint})"
