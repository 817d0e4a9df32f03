"""The tables of docs/, as Markdown, from finished run folders: `python -m docs.tables TABLE RUN [RUN ...]`.

A new table is a file with a function Run -> list of Table, and a line in TABLES. The first line of the function's
docstring says which page shows it and which space it is of: the command's help prints that line.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from analysis.read.load import Run, load
from docs.tables.classical import classical
from docs.tables.comparators import comparator_tables
from docs.tables.corruptions import corruptions
from docs.tables.detection import detection
from docs.tables.hyper_recon import hyper_recon
from docs.tables.learning_recipe import members, networks
from docs.tables.lv_scar import lv_scar
from docs.tables.one_training import one_training
from docs.tables.pretraining import pretraining
from docs.tables.qsm import qsm
from docs.tables.rates import rates
from docs.tables.recipes import recipes
from docs.tables.reconstructions import reconstructions
from docs.tables.segmentation import segmentation
from docs.tables.table import Table

TABLES: dict[str, Callable[[Run], list[Table]]] = {
    "rates": rates,
    "recipes": recipes,
    "corruptions": corruptions,
    "one_training": one_training,
    "pretraining": pretraining,
    "reconstructions": reconstructions,
    "hyper_recon": hyper_recon,
    "members": members,
    "networks": networks,
    "comparators": comparator_tables,
    "segmentation": segmentation,
    "classical": classical,
    "detection": detection,
    "lv_scar": lv_scar,
    "qsm": qsm,
}


def lines(table: str, folders: list[Path]) -> Iterator[str]:
    """The text of one kind of table, run by run."""
    for folder in folders:
        yield f"### {folder.name}"
        yield from map(str, TABLES[table](load(folder)))
