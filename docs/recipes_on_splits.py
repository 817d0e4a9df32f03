"""Recipes compared on several splits of the same patients, as Markdown: every split, and the mean over them.

    python -m docs.recipes_on_splits RUN [RUN ...]

Each RUN searched one space with another --split-seed. A row is a recipe, that is the settings that differ within a run.
Cells show the AUC in every run, mean over its seeds, and then the mean over runs with its 90 % interval (as in
docs/splits.py): on validation and on test images of the vendor trained on, and on test images of the others. "- first"
is the difference to the first row, taken within a split, bold where 0 lies outside.
"""

import argparse
from pathlib import Path

import numpy as np

from analysis.read.load import Run, load
from docs.splits import summary, test_to_train
from docs.tables.table import Table

SCORES = {"validation": "val_in_domain", "test": "test_in_domain", "other vendors": "test_cross_domain"}
Recipe = tuple[str, ...]  # the values of the settings that differ, as words; "" where a config has none


def recipes_on_splits(runs: list[Run]) -> list[Table]:
    """A table for each vendor that was trained on."""
    settings = differing(runs[0])
    return [of_vendor(runs, vendor, settings) for vendor in sorted(runs[0].trials["vendor"].unique())]


def differing(run: Run) -> list[str]:
    """The settings, the seed and the vendor aside, of which two trials of a run have different values."""
    configs = [record.config.non_default() for record in run.records.values()]
    names = sorted({name for config in configs for name in config} - {"seed", "vendor"})
    return [name for name in names if len({str(config.get(name, "")) for config in configs}) > 1]


def of_vendor(runs: list[Run], vendor: str, settings: list[str]) -> Table:
    """The recipes that every run has, sorted by their settings."""
    scores = [aucs(run, vendor, settings) for run in runs]
    recipes = sorted(set.intersection(*(set(of_run) for of_run in scores)))
    ratio = float(np.mean([test_to_train(run.cohort, vendor) for run in runs]))
    rows = []
    for recipe in recipes:
        cells = []
        for score in SCORES:
            mine = [of_run[recipe][score] for of_run in scores]
            change = [of_run[recipe][score] - of_run[recipes[0]][score] for of_run in scores]
            cells.append(summary(mine, ratio))
            cells.append(summary(change, ratio, "+.3f", difference=True) if recipe != recipes[0] else "")
        rows.append([*recipe, *cells])
    heads = [head for score in SCORES for head in (f"{score} AUC", f"{score} - first")]
    return Table([*settings, *heads], rows, title=f"Trained on {vendor}")


def aucs(run: Run, vendor: str, settings: list[str]) -> dict[Recipe, dict[str, float]]:
    """recipe -> name of a score -> its mean over the seeds."""
    of_recipe: dict[Recipe, list[str]] = {}
    for key, record in run.records.items():
        config = record.config.non_default()
        if record.config.vendor == vendor:
            of_recipe.setdefault(tuple(str(config.get(name, "")) for name in settings), []).append(key)
    trials = run.trials.set_index("key")
    return {
        recipe: {score: float(trials.loc[keys, column].mean()) for score, column in SCORES.items()}
        for recipe, keys in of_recipe.items()
    }


def main() -> None:
    """Print the tables of the run folders together."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    for table in recipes_on_splits([load(folder) for folder in parser.parse_args().runs]):
        print(f"\n{table}", flush=True)


if __name__ == "__main__":
    main()
