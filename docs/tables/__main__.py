"""The tables of docs/, as Markdown, from finished run folders.

    python -m docs.tables TABLE RUN [RUN ...]

A cell "0.8 / 0.7" is the test metric in-domain / cross-domain; several in one cell are the seeds. "±" is the standard
error of a mean over the pairs that were averaged: it holds the scatter of trainings, not that of patients. Brackets are
90 % intervals over patients and trainings (analysis/statistics/estimate.py); bold where 0 lies outside.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from analysis.read.load import RunError
from docs.tables import TABLES, lines


def main(words: Sequence[str] | None = None) -> None:
    """Print the table of every run folder."""
    parser = argparse.ArgumentParser(
        prog="python -m docs.tables",
        description=__doc__,
        epilog=f"TABLE is one of:\n\n{_known()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("table", metavar="TABLE")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    arguments = parser.parse_args(words)
    if arguments.table not in TABLES:
        parser.error(f"there is no table {arguments.table!r}; give one of {', '.join(TABLES)}")
    try:
        for text in lines(arguments.table, arguments.runs):
            print(f"\n{text}", flush=True)
    except RunError as error:
        parser.error(str(error))


def _known() -> str:
    """A line a table: its name, the page that shows it, and what it holds."""
    first_lines = {name: (make.__doc__ or "").partition("\n")[0] for name, make in TABLES.items()}
    return "\n".join(f"    {name:16}{line}" for name, line in first_lines.items())


if __name__ == "__main__":
    main()
