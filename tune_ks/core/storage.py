"""Where files lie and how they are written: a folder of a file system, or a prefix of an object store (s3://...).

A local path is a plain pathlib.Path. An ObjectPath has the methods of one that run folders and their readers use, on
pyarrow's file systems; pyarrow is imported when the first one is touched.
"""

import io
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

REQUESTS = 16  # at once, where many objects are read or written
SCHEMES = ("s3", "gs")  # what pyarrow opens with the credentials of the environment
Item, Result = TypeVar("Item"), TypeVar("Result")


class Status(NamedTuple):
    """The part of os.stat_result that an object has."""

    st_size: int  # bytes
    st_mtime_ns: int


@dataclass(frozen=True, order=True)
class ObjectPath:
    """One name in an object store: SCHEME://BUCKET/PREFIX/NAME?OPTIONS. It has no __fspath__: it is no local file.

    There are no folders in a store: one exists when a name below it does, making one is nothing to do. A name is
    replaced by one PUT (or one multipart upload), which readers see whole or not at all; a listing shows what was
    written before it began (S3 since 2020, Google's store, MinIO). OPTIONS are pyarrow's: endpoint_override=HOST:PORT,
    scheme=http, region=NAME.
    """

    scheme: str
    inside: str  # bucket/prefix/name
    options: str = ""

    @classmethod
    def parse(cls, url: str) -> "ObjectPath":
        """ValueError for a scheme that is not known, no bucket, or credentials, which belong in the environment."""
        scheme, _, rest = url.partition("://")
        inside, _, options = rest.partition("?")
        parts = [part for part in inside.split("/") if part]
        if scheme not in SCHEMES:
            raise ValueError(f"{url}: storage must be a path, or a URL of {', '.join(SCHEMES)}; got {scheme!r}")
        if not parts or rest.startswith("/") or ".." in parts:
            raise ValueError(f"{scheme}://{inside} must be {scheme}://BUCKET/PREFIX")
        if "@" in parts[0] or re.search(r"(access|secret|session)_", options):
            raise ValueError(
                f"a {scheme}:// URL is written into records and logs, so it must not hold credentials: give them in "
                "the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) or in ~/.aws/credentials"
            )
        return cls(scheme, "/".join(parts), options)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.inside}" + (f"?{self.options}" if self.options else "")

    def __truediv__(self, name: str) -> "ObjectPath":
        parts = [part for part in str(name).split("/") if part]
        return self._at("/".join([self.inside, *parts]))

    def _at(self, inside: str) -> "ObjectPath":
        return ObjectPath(self.scheme, inside, self.options)

    @property
    def name(self) -> str:
        return self.inside.rpartition("/")[2]

    @property
    def stem(self) -> str:
        return Path(self.name).stem

    @property
    def parent(self) -> "ObjectPath":
        return self._at(self.inside.rpartition("/")[0] or self.inside)

    def with_name(self, name: str) -> "ObjectPath":
        return self.parent / name

    def resolve(self) -> "ObjectPath":
        """Itself: every URL is absolute."""
        return self

    def exists(self) -> bool:
        return self._info().type.name != "NotFound"

    def is_dir(self) -> bool:
        return self._info().type.name == "Directory"

    def is_file(self) -> bool:
        return self._info().type.name == "File"

    def stat(self) -> Status:
        info = self._info()
        if info.type.name == "NotFound":
            raise FileNotFoundError(f"there is no {self}")
        return Status(info.size or 0, info.mtime_ns or 0)

    def open(self, mode: str = "rb") -> BinaryIO:
        """The object for reading. FileNotFoundError where it is absent."""
        if mode != "rb":
            raise ValueError(f"an object is opened for reading only and written whole, got mode {mode!r}")
        return self._store().open_input_file(self.inside)

    def read_bytes(self) -> bytes:
        with self._store().open_input_stream(self.inside, compression=None) as file:
            return file.read()

    def read_text(self) -> str:
        return self.read_bytes().decode()

    def write_bytes(self, data: bytes) -> None:
        """One PUT. A process that dies before its end leaves the old object."""
        view = memoryview(data)  # fails here, not in an upload, where the data are no bytes
        with self._store().open_output_stream(self.inside, compression=None) as file:
            file.write(view)

    def unlink(self, missing_ok: bool = False) -> None:
        try:
            self._store().delete_file(self.inside)
        except FileNotFoundError:
            if not missing_ok:
                raise

    def rename(self, target: "ObjectPath") -> "ObjectPath":
        """Copy every object below this name, then delete them: a store knows no other way.

        Empty marks of the folders may stay behind: pyarrow writes one where it deletes the last object of a folder.
        """
        store = self._store()
        for path in self._below(recursive=True):
            store.copy_file(path.inside, (target / path.inside.removeprefix(self.inside)).inside)
        self.clear()
        return target

    def clear(self) -> None:
        """Delete every object below this name."""
        for path in self._below(recursive=True):
            path.unlink(missing_ok=True)

    def iterdir(self) -> Iterator["ObjectPath"]:
        """What lies directly below, objects and folders, in order of name."""
        yield from self._below(recursive=False, folders=True)

    def glob(self, pattern: str) -> Iterator["ObjectPath"]:
        """As pathlib's, for patterns without **: one listing for all of them."""
        wanted = pattern.split("/")
        first = next((i for i, part in enumerate(wanted) if set(part) & set("*?[")), len(wanted) - 1)
        base = self / "/".join(wanted[:first])
        for path in base._below(recursive=first < len(wanted) - 1, folders=True):
            parts = path.inside.removeprefix(base.inside).strip("/").split("/")
            if len(parts) == len(wanted) - first and all(map(fnmatchcase, parts, wanted[first:])):
                yield path

    def _below(self, recursive: bool, folders: bool = False) -> list["ObjectPath"]:
        from pyarrow.fs import FileSelector

        selector = FileSelector(self.inside, recursive=recursive, allow_not_found=True)
        infos = self._store().get_file_info(selector)
        return [self._at(info.path) for info in sorted(infos, key=lambda i: i.path) if folders or info.is_file]

    def _info(self) -> Any:
        return self._store().get_file_info(self.inside)

    def _store(self) -> Any:
        return _store(self.scheme, self.inside.split("/")[0], self.options)


StoragePath = Path | ObjectPath


def storage_path(place: "str | StoragePath") -> StoragePath:
    """A path or URL as a Path or an ObjectPath. ValueError for a URL that cannot serve."""
    if isinstance(place, ObjectPath):
        return place
    return ObjectPath.parse(place) if "://" in str(place) else Path(place)


def write_whole(path: StoragePath, data: bytes, sync: bool = True) -> None:
    """Write a file whole or not at all: temporary file beside it, fsync, rename; one PUT in an object store.

    ``sync=False`` leaves out the fsync, for what a power cut may take (a checkpoint) but a killed process must not.
    """
    if isinstance(path, ObjectPath):
        path.write_bytes(data)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def open_whole(path: StoragePath) -> BinaryIO:
    """A file's bytes as a seekable file in memory, the same for either kind of path."""
    return io.BytesIO(path.read_bytes())


def read_each(root: StoragePath, read: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """``read`` of each item, in order; many at once where ``root`` is in a store, which answers each after a while."""
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
        shutil.rmtree(target, ignore_errors=True)

    def put(path: Path) -> None:
        write_whole(target / path.relative_to(local).as_posix(), path.read_bytes(), sync=False)

    with ThreadPoolExecutor(REQUESTS) as pool:
        list(pool.map(put, [path for path in sorted(local.rglob("*")) if path.is_file()]))


def without_place(text: str, root: StoragePath) -> str:
    """A message without the place of ``root``: a report travels, and where its run lay is nobody's business."""
    if isinstance(root, ObjectPath):
        for said in (f"{root.scheme}://{root.inside}/", f"{root.inside}/", f"?{root.options}"):
            text = text.replace(said, "")
        return text
    return text.replace(f"{root}/", "")


@lru_cache(maxsize=8)  # a store holds its connections
def _store(scheme: str, bucket: str, options: str) -> Any:
    try:
        from pyarrow.fs import FileSystem
    except ImportError as error:
        raise ValueError(f"{scheme}:// needs pyarrow: pip install pyarrow") from error
    if scheme == "s3":  # a small object is then one PUT instead of the three requests of a multipart upload
        options = "&".join(filter(None, [options, "allow_delayed_open=true"]))
    return FileSystem.from_uri(f"{scheme}://{bucket}" + (f"?{options}" if options else ""))[0]
