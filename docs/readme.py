"""The tables of means in README.md and the pages of docs/, rewritten from run folders.

    python -m docs.readme real_patches=runs/post_1 quick=runs/quick

A page holds such a table between the lines <!-- table: NAME --> and <!-- end -->. A cell is the mean over the seeds of
the test metric, in-domain / cross-domain; full sampling stands in the rows of every mask.
"""

import argparse
import re
from pathlib import Path

import pandas as pd

from analysis.read.load import load
from docs.tables.cells import SCORES, pair, rate_name
from docs.tables.table import Table

ROOT = Path(__file__).parents[1]
BLOCK = r"(<!-- table: {name} -->\n).*?(<!-- end -->)"


def overview(trials: pd.DataFrame) -> Table:
    """A row for each vendor trained on and mask, a column for each rate."""
    rates = sorted(trials["sampling_rate"].unique())
    rows = []
    for vendor, of_vendor in trials.groupby("vendor"):
        full = of_vendor[of_vendor["full"]]
        for mask, of_mask in of_vendor[~of_vendor["full"]].groupby("mask"):
            means = pd.concat([of_mask, full]).groupby("sampling_rate")[SCORES].mean()
            cells = [pair(*means.loc[rate]) if rate in means.index else "" for rate in rates]
            rows.append([f"{vendor}, {mask}", *cells])
    return Table(["trained on, mask", *map(rate_name, rates)], rows)


def rewrite(root: Path, name: str, table: Table) -> list[Path]:
    """Put a table into every page below ``root`` that has a place for it: those pages, in order of their names."""
    changed = []
    for page in (root / "README.md", *sorted((root / "docs").glob("*.md"))):
        text = page.read_text()
        found = re.search(BLOCK.format(name=name), text, re.DOTALL)
        if found:
            page.write_text(f"{text[: found.start()]}{found[1]}\n{table}\n\n{found[2]}{text[found.end() :]}")
            changed.append(page)
    return changed


def main() -> None:
    """Rewrite the tables that are named, each from its run folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="+", metavar="NAME=RUN")
    for given in parser.parse_args().tables:
        name, _, run = given.partition("=")
        pages = rewrite(ROOT, name, overview(load(Path(run)).trials))
        if not pages:
            parser.error(f"no page has the line <!-- table: {name} -->")
        print(f"{name}: {', '.join(page.name for page in pages)}")


if __name__ == "__main__":
    main()
