"""The console of all commands: rich's, which prints texts from elsewhere without what a terminal would obey."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from tune_ks.core.printable import printable


class SafeConsole(Console):
    """rich's console, which prints every text as ``printable`` has it; its own colours and movements stay."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(printable(segment.text), segment.style)
