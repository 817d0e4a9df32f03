"""ObjectPath: the name of a file in an object store (s3://..., gs://...), with the methods of pathlib.Path.

It stands on pyarrow's file systems; pyarrow is imported when a store is first asked. universal-pathlib with s3fs does
not replace it: a store that does not answer is no OSError there, so nothing would wait for it; a glob sends one
request per folder; renaming a folder moves nothing; and str() of a path loses the address of the store.
"""

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any, BinaryIO, NamedTuple

from tune_ks.core.regular_files import LARGEST, require_within

SCHEMES = ("s3", "gs")  # pyarrow opens them with the credentials of the environment
GOOGLE_SECONDS = 10  # for which ask_once tries again


class Status(NamedTuple):
    """The part of os.stat_result that an object has."""

    st_size: int  # bytes
    st_mtime_ns: int


@dataclass(frozen=True, order=True)
class ObjectPath:
    """SCHEME://BUCKET/PREFIX/NAME?OPTIONS. It has no __fspath__, because it is no local file.

    A store has no folders: a folder exists when a name below it does, and needs no mkdir. A name is replaced by one
    PUT (or one multipart upload), so readers get the old object or the new one, never a part. A listing includes all
    that was written before it began (S3 since 2020, Google's store, MinIO). OPTIONS are pyarrow's:
    endpoint_override=HOST:PORT, scheme=http, region=NAME.
    """

    scheme: str
    path: str  # BUCKET/PREFIX/NAME
    options: str = ""

    @classmethod
    def parse(cls, url: str) -> "ObjectPath":
        """ValueError for an unknown scheme, a missing bucket, or credentials, which belong in the environment."""
        scheme, _, rest = url.partition("://")
        path, _, options = rest.partition("?")
        parts = _parts(path)
        if scheme not in SCHEMES:
            raise ValueError(f"{url}: storage must be a path, or a URL of {', '.join(SCHEMES)}; got {scheme!r}")
        if not parts or rest.startswith("/") or ".." in parts:
            raise ValueError(f"{scheme}://{path} must be {scheme}://BUCKET/PREFIX")
        if "@" in parts[0] or re.search(r"(access|secret|session)_", options):
            raise ValueError(
                f"a {scheme}:// URL is written into records and logs, so it must not hold credentials: give them in "
                "the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) or in ~/.aws/credentials"
            )
        return cls(scheme, "/".join(parts), options)

    def __str__(self) -> str:
        url = f"{self.scheme}://{self.path}"
        return f"{url}?{self.options}" if self.options else url

    def __truediv__(self, name: str) -> "ObjectPath":
        return self._at("/".join([self.path, *_parts(str(name))]))

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name

    @property
    def stem(self) -> str:
        return PurePosixPath(self.path).stem

    @property
    def parent(self) -> "ObjectPath":
        """The folder of this name; of a bucket, the bucket itself."""
        folder, separator, _ = self.path.rpartition("/")
        return self._at(folder) if separator else self

    @property
    def store(self) -> tuple[str, str, str]:
        """Scheme, bucket and options: what a connection depends on."""
        return self.scheme, self.path.split("/")[0], self.options

    def with_name(self, name: str) -> "ObjectPath":
        return self.parent / name

    def resolve(self) -> "ObjectPath":
        """The same path: every URL is absolute."""
        return self

    def ask_once(self) -> None:
        """Ask the store for this name, whatever it answers. OSError where it does not answer.

        pyarrow tries 10 times at S3, which is 100 seconds of silence, and at Google's store for 15 minutes. That is
        right while a search runs, and too long for the first question: here it is 3 times, which a copy of its S3 file
        system does, and ``GOOGLE_SECONDS``.
        """
        if self.scheme == "s3":
            store = copy.copy(_open_store(*self.store))
        else:
            limits = [] if "retry_limit_seconds" in self.options else [f"retry_limit_seconds={GOOGLE_SECONDS}"]
            store = _open_store(*self.store, *limits)
        store.get_file_info(self.path)

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
        """The object for reading. FileNotFoundError when it is absent."""
        if mode != "rb":
            raise ValueError(f"an object is opened for reading only and written whole, got mode {mode!r}")
        return self._store().open_input_file(self.path)

    def read_bytes(self, limit: int = LARGEST) -> bytes:
        """The whole object. FileNotFoundError when it is absent, ValueError when it has more than ``limit`` bytes."""
        with self._store().open_input_file(self.path) as file:
            require_within(self, file.size(), limit)
            return file.read()

    def read_text(self) -> str:
        return self.read_bytes().decode()

    def write_bytes(self, data: bytes | memoryview) -> None:
        """Replace the object by one PUT. A process that dies before its end leaves the old object."""
        view = memoryview(data)  # data of another type fail here, before the upload
        with self._store().open_output_stream(self.path, compression=None) as file:
            file.write(view)

    def unlink(self, missing_ok: bool = False) -> None:
        try:
            self._store().delete_file(self.path)
        except FileNotFoundError:
            if not missing_ok:
                raise

    def rename(self, target: "ObjectPath") -> "ObjectPath":
        """Copy every object below this name, then delete them: a store has no other way.

        Empty folder markers may remain: pyarrow writes one where it deletes the last object of a folder.
        """
        store = self._store()
        for source in self._below(recursive=True):
            store.copy_file(source.path, (target / source.path.removeprefix(self.path)).path)
        self.clear()
        return target

    def clear(self) -> None:
        """Delete every object below this name."""
        for path in self._below(recursive=True):
            path.unlink(missing_ok=True)

    def iterdir(self) -> Iterator["ObjectPath"]:
        """The objects and folders directly below, in order of name."""
        yield from self._below(recursive=False, folders=True)

    def glob(self, pattern: str) -> Iterator["ObjectPath"]:
        """As pathlib's, for patterns without **. It sends one listing, however many folders match."""
        patterns = pattern.split("/")
        literal = _literal_parts(patterns)
        base = self / "/".join(patterns[:literal])
        wanted = patterns[literal:]
        for path in base._below(recursive=len(wanted) > 1, folders=True):
            parts = _parts(path.path.removeprefix(base.path))
            if len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted)):
                yield path

    def _at(self, path: str) -> "ObjectPath":
        return ObjectPath(self.scheme, path, self.options)

    def _below(self, recursive: bool, folders: bool = False) -> list["ObjectPath"]:
        """The objects below this name, and the folders where ``folders``, in order of name."""
        from pyarrow.fs import FileSelector

        selector = FileSelector(self.path, recursive=recursive, allow_not_found=True)
        infos = self._store().get_file_info(selector)
        return [self._at(info.path) for info in sorted(infos, key=lambda info: info.path) if folders or info.is_file]

    def _info(self) -> Any:
        return self._store().get_file_info(self.path)

    def _store(self) -> Any:
        return _store(*self.store)


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _literal_parts(patterns: list[str]) -> int:
    """How many of the first parts name a folder without a wildcard; the last part is always matched."""
    for count, part in enumerate(patterns[:-1]):
        if set(part) & set("*?["):
            return count
    return len(patterns) - 1


def _open_store(scheme: str, bucket: str, *options: str) -> Any:
    """pyarrow's file system of a bucket; of the options "" counts as none."""
    try:
        from pyarrow.fs import FileSystem
    except ImportError as error:
        raise ValueError(f"{scheme}:// needs pyarrow: pip install pyarrow") from error
    given = [option for option in options if option]
    if scheme == "s3":
        given.append("allow_delayed_open=true")  # a small object is one PUT, not the three requests of an upload
    query = f"?{'&'.join(given)}" if given else ""
    return FileSystem.from_uri(f"{scheme}://{bucket}{query}")[0]


_store = lru_cache(maxsize=8)(_open_store)  # a store keeps its connections
