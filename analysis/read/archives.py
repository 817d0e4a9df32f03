"""Archives of scores by several models, read as untrusted files: each array, and all files together, up to a limit."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

import numpy as np

from tune_ks.core.arrays import Archive
from tune_ks.core.storage import StoragePath

VALUE_BYTES = 256  # of a value for one image: a vendor of 64 letters


class Scored(Protocol):
    """What a file with scores holds."""

    @property
    def score(self) -> np.ndarray: ...


Content = TypeVar("Content")
Scores = TypeVar("Scores", bound=Scored)


def content_of(path: StoragePath, limit: int, unpack: Callable[[Archive], Content]) -> Content | None:
    """What ``unpack`` makes of a file of at most ``limit`` bytes; None where it is absent, torn or too large."""
    try:
        return unpack(Archive(path, limit))
    except (OSError, ValueError):
        return None


def within_limit(
    paths: Iterable[StoragePath], read: Callable[[StoragePath, int], Scores | None], limit: int
) -> Iterator[tuple[StoragePath, Scores | None]]:
    """Every file with what ``read`` makes of it. ``read`` is given the bytes that the scores of a file may have.

    ``limit``: the most bytes of the scores of all files together.
    """
    room = limit
    for path in paths:
        images = read(path, room)
        if images is not None:
            room -= images.score.nbytes
        yield path, images
