"""How files of a run folder are read and written, in a folder of a file system or in an object store (s3://...).

A local path is a plain pathlib.Path, a name in a store an ObjectPath with the same methods. Content passes through two
functions: read_whole reads every file, write_whole writes every file, whole or not at all. The only other open file is
the driver's lock (tune_ks.core.lock). Local files are opened as tune_ks.core.regular_files says.
"""

import errno
import io
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import BinaryIO, TypeVar

from tune_ks.core.object_path import ObjectPath
from tune_ks.core.regular_files import LARGEST, read_regular, require_no_link

REQUESTS = 16  # at the same time, when many objects are read or written
StoragePath = Path | ObjectPath
Item = TypeVar("Item")
Result = TypeVar("Result")


def storage_path(place: str | StoragePath) -> StoragePath:
    """A path or URL as a Path or an ObjectPath. ValueError for a URL that cannot serve."""
    if isinstance(place, ObjectPath):
        return place
    return ObjectPath.parse(str(place)) if "://" in str(place) else Path(place)


def sorted_glob(folder: StoragePath, pattern: str) -> list[StoragePath]:
    """The paths directly below a folder whose names fit, sorted by name; [] where there is no such folder."""
    return sorted(folder.glob(pattern), key=lambda path: path.name)


def read_whole(path: StoragePath, limit: int = LARGEST) -> bytes:
    """The content of one file. FileNotFoundError when it is absent, ValueError when it is no file or too large.

    ``limit``: the most bytes that it may have.
    """
    return path.read_bytes(limit) if isinstance(path, ObjectPath) else read_regular(path, limit)


def open_whole(path: StoragePath, limit: int = LARGEST) -> BinaryIO:
    """The content of one file as a seekable file in memory, the same for both kinds of path."""
    return io.BytesIO(read_whole(path, limit))


_REQUIRED: ContextVar[StoragePath | None] = ContextVar("required", default=None)


@contextmanager
def never_created(root: StoragePath) -> Iterator[None]:
    """FileNotFoundError where the folder ``root`` is gone: now, and at every write_whole within this context.

    A write of several files takes a while, in which the folder can disappear. It is then not made again.
    """
    _require_folder(root)
    token = _REQUIRED.set(root)
    try:
        yield
    finally:
        _REQUIRED.reset(token)


def _require_folder(root: StoragePath | None) -> None:
    if isinstance(root, Path) and not root.is_dir():
        raise FileNotFoundError(errno.ENOENT, "the run folder is not there", str(root))


def write_whole(path: StoragePath, data: bytes | Callable[[BinaryIO], None], sync: bool = True) -> None:
    """Write one file whole or not at all; its folder is made when it is absent.

    ``data`` is the content, or a function that writes it to an open file; after its error the old file stays.
    ``sync=False`` leaves out the fsync, for a file that a power cut may take (a checkpoint) but a killed process not.
    """
    if isinstance(path, ObjectPath):
        path.write_bytes(_in_memory(data) if callable(data) else data)
        return
    _require_folder(_REQUIRED.get())
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacement(path) as temporary, open(temporary, "wb") as file:  # new, and so no link
        if callable(data):
            data(file)
        else:
            file.write(data)
        if sync:
            file.flush()
            os.fsync(file.fileno())


def _in_memory(write: Callable[[BinaryIO], None]) -> memoryview:
    """What ``write`` writes. A store would keep the beginning of a stream whose rest has failed."""
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getbuffer()


def copy_whole(source: StoragePath, target: StoragePath, limit: int = LARGEST) -> None:
    """Write the content of ``source``, of at most ``limit`` bytes, as ``target``."""
    write_whole(target, read_whole(source, limit))


@contextmanager
def replacement(path: Path, mode: int = 0o644) -> Iterator[Path]:
    """An empty temporary file beside ``path``, for its new content.

    At the end it gets the permissions ``mode`` and takes the place of ``path`` in one step. After an error it is
    deleted, and ``path`` stays as it was. The errors of a folder that is closed to this user, and of a full disk, name
    ``path``.
    """
    temporary = name_beside(path)  # known before the file is made, so that a signal at any moment leaves none
    try:
        temporary.touch(mode=0o600, exist_ok=False)
        yield temporary
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and error.errno and error.filename in (None, str(temporary)):
            error.filename = str(path)  # not the temporary file, which the user has never seen
        raise


def name_beside(path: Path) -> Path:
    """A new name beside ``path`` for what will take its place."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}")


def read_each(root: StoragePath, read: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """``read`` of every item, in order; many at the same time where ``root`` is in a store, whose answers take time."""
    if not isinstance(root, ObjectPath):
        yield from map(read, items)
        return
    with ThreadPoolExecutor(REQUESTS) as pool:
        yield from pool.map(read, items)


def put_folder(local: Path, target: StoragePath) -> None:
    """Make ``target`` hold the files below a local folder and no others: for libraries that write local files only."""
    if isinstance(target, ObjectPath):
        target.clear()
    else:
        if target.is_symlink():
            require_no_link(target)
        shutil.rmtree(target, ignore_errors=True)

    def put(path: Path) -> None:
        write_whole(target / path.relative_to(local).as_posix(), read_whole(path), sync=False)

    files = [path for path in sorted(local.rglob("*")) if path.is_file()]
    with ThreadPoolExecutor(REQUESTS) as pool:
        list(pool.map(put, files))


def without_place(text: str, root: StoragePath) -> str:
    """A message without the place of ``root``: reports are passed on, and must not say where the run lay."""
    if not isinstance(root, ObjectPath):
        return text.replace(f"{root}/", "")
    places = [f"{root.scheme}://{root.path}/", f"{root.path}/"]
    if root.options:
        places.append(f"?{root.options}")
    for place in places:
        text = text.replace(place, "")
    return text
