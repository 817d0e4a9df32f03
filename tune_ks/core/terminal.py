"""The console of all commands: rich's, made safe.

Texts from elsewhere hold nothing that a terminal would obey, and words outlive the terminal.
"""

from collections.abc import Iterable
from typing import IO, cast

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from tune_ks.core.lasting_words import output
from tune_ks.core.printable import printable


class SafeConsole(Console):
    """rich's console, which prints every text as ``printable`` has it; its own colours and movements stay.

    Where standard output takes no more words, it is no terminal any more, and goes on in a log of the run folder.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(printable(segment.text), segment.style)

    @property
    def file(self) -> IO[str]:
        """Where it writes: the file that it was given, else standard output and after it the log."""
        return self._file or cast("IO[str]", output)

    @file.setter
    def file(self, new_file: IO[str]) -> None:
        self._file = new_file

    @property
    def is_terminal(self) -> bool:
        return not self._is_lost and super().is_terminal

    @property
    def is_interactive(self) -> bool:
        """Whether a live table may be redrawn in place."""
        return not self._is_lost and self._is_interactive

    @is_interactive.setter
    def is_interactive(self, value: bool) -> None:
        self._is_interactive = value

    @property
    def _is_lost(self) -> bool:
        return getattr(self, "_file", None) is None and output.is_lost
