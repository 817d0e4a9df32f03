"""The function that long work calls to say how far it is."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]  # stage, what is done (files, patients, images), and how much there is


def silent(stage: str, done: int, total: int) -> None:
    """The progress that nobody looks at."""
