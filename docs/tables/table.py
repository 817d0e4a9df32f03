"""One table of Markdown."""

from typing import NamedTuple


class Table(NamedTuple):
    """One table of Markdown: ``title`` above it and ``note`` below it may be empty."""

    heads: list[str]
    rows: list[list[str]]
    title: str = ""
    note: str = ""

    def __str__(self) -> str:
        lines = [self.heads, ["---"] * len(self.heads), *self.rows]
        table = "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
        return "\n\n".join(filter(None, [self.title, table, self.note]))
