"""A smaller cohort to choose a recipe on: the patients that a finished run does not test.

    python -m docs.untested_patients RUN ../shared/data/breast_patches FOLDER --series post_1

It copies the files of one series of the training and validation patients of RUN, and their rows of labels.csv, into a
new FOLDER for ``--data``. What is chosen on them, with any --split-seed, has not seen a test patient of RUN.
"""

import argparse
from pathlib import Path

import pandas as pd

from docs.few_patients import copy_patients, rows_of_series


def main() -> None:
    """Write the folder and say what is in it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run folder on the cohort")
    parser.add_argument("source", type=Path, help="the cohort, a folder with labels.csv")
    parser.add_argument("target", type=Path, help="a folder that does not exist yet")
    parser.add_argument("--series", required=True)
    args = parser.parse_args()
    rows = rows_of_series(args.source, args.series)
    print(copy_patients(args.source, rows, untested(args.run), args.target))


def untested(run: Path) -> set[str]:
    """The patients of a run's cohort.csv that train or validate."""
    cohort = pd.read_csv(run / "cohort.csv", dtype={"patient_id": str}, usecols=["patient_id", "split"])
    return set(cohort.loc[cohort["split"] != "test", "patient_id"])


if __name__ == "__main__":
    main()
