"""The function that a reading calls to say how far it is."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]  # stage, files done, files in all
