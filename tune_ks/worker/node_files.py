"""Large files of the driver's machine on every node that needs them: opened by their path, or fetched once per node.

Trials map a file into memory, so a node holds it once, however many trials it runs. A job never carries a file.
"""

import hashlib
import os
import tempfile
import uuid
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tune_ks.core.file_locks import one_process_at_a_time
from tune_ks.core.storage import replacement
from tune_ks.core.system import is_private, user_name_of_files

CHUNK = 32 * 2**20  # bytes of one message
AHEAD = 2  # messages that are requested at once
SCRATCH = "TUNE_KS_SCRATCH"  # names the folder for fetched files; without it, one in the node's temporary folder


class SharedFile(NamedTuple):
    """A file of the driver's machine, as a job describes it. Ray sends this to the workers, never the content."""

    path: str  # on the driver's machine
    size: int  # bytes
    copy_name: str  # file name of a copy on another node: the same for the same content of the same path
    server: str | None = None  # name of the actor that reads it; None where no worker runs on another machine


@contextmanager
def shared(paths: Mapping[int | str, Path], cluster: bool) -> Iterator[dict[str, SharedFile]]:
    """Describe every file for a job, by its label.

    On a ``cluster`` the server is an actor on this machine, which lives as long as the context; otherwise it is None.
    """
    files = {str(label): _describe(path.resolve()) for label, path in paths.items()}
    if not cluster:
        yield files
        return
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    name = f"tune_ks-files-{uuid.uuid4().hex[:12]}"
    options = {"name": name, "num_cpus": 0, "max_concurrency": 4, "scheduling_strategy": here}
    server: Any = ray.remote(_Server).options(**options).remote({file.copy_name: file.path for file in files.values()})
    try:
        yield {label: file._replace(server=name) for label, file in files.items()}
    finally:
        ray.kill(server)


def on_this_node(file: SharedFile) -> Path:
    """Path of the file on this node. Where the driver's path is not visible, the first process to ask fetches a copy.

    Without a server the driver's path is returned as it is: opening it then raises FileNotFoundError.
    """
    path = Path(file.path)
    if _is_whole(path, file) or not file.server:
        return path
    copy = scratch_folder() / file.copy_name
    with one_process_at_a_time(copy.with_suffix(".lock")):
        if not _is_whole(copy, file):
            _fetch(file, copy)
    return copy


def masks_name(size: int) -> str:
    """Label of the tumour masks of the images of this size, among the files of ``shared``."""
    return f"masks {size}"


def scratch_folder() -> Path:
    """The folder for copies on this node. Only this user may read it, because the images are of patients."""
    named = os.environ.get(SCRATCH)
    folder = Path(named) if named else Path(tempfile.gettempdir()) / f"tune_ks-{user_name_of_files()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not is_private(folder):
        raise PermissionError(f"{folder} must belong to this user and be closed to others (mode 700): set {SCRATCH}")
    return folder


class _Server:
    """Reads parts of the files that it was started with; it can read no others."""

    def __init__(self, paths: dict[str, str]) -> None:
        self.paths = paths

    def read(self, name: str, offset: int, count: int) -> np.ndarray:
        return np.fromfile(self.paths[name], np.uint8, count, offset=offset)


def _describe(path: Path) -> SharedFile:
    status = path.stat()
    identity = f"{path}\0{status.st_size}\0{status.st_mtime_ns}"
    name = hashlib.sha256(identity.encode(errors="surrogateescape")).hexdigest()[:16] + path.suffix
    return SharedFile(str(path), status.st_size, name)


def _fetch(file: SharedFile, copy: Path) -> None:
    """Copy the file, whole or not at all, without holding more of it in memory than a few messages."""
    assert file.server is not None  # else the file is on this node
    server = ray.get_actor(file.server)
    offsets = iter(range(0, file.size, CHUNK))
    requested: deque[Any] = deque()  # messages in order, not yet written

    def request_next() -> None:
        offset = next(offsets, None)
        if offset is not None:
            requested.append(server.read.remote(file.copy_name, offset, CHUNK))

    with replacement(copy, mode=0o600) as temporary:
        with open(temporary, "wb") as target:
            for _ in range(AHEAD):
                request_next()
            while requested:
                target.write(memoryview(ray.get(requested.popleft())))
                request_next()
        if not _is_whole(temporary, file):
            raise OSError(f"{file.path} changed while it was fetched: {file.size} bytes were expected")


def _is_whole(path: Path, file: SharedFile) -> bool:
    try:
        return path.stat().st_size == file.size
    except OSError:
        return False
