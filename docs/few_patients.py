"""A smaller cohort for slow networks: the first patients of each vendor, in the order of their ids.

    python -m docs.few_patients ../shared/data/breast_patches FOLDER --patients 56 --series post_1

It copies these patients' files of one series, and their rows of labels.csv, into a new FOLDER for ``--data``. The ids
alone choose the patients, so nothing that was trained can influence the choice.
"""

import argparse
import csv
import shutil
from pathlib import Path

from pydicom import dcmread


def main() -> None:
    """Write the folder and say what is in it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="a folder with labels.csv")
    parser.add_argument("target", type=Path, help="a folder that does not exist yet")
    parser.add_argument("--patients", type=int, default=56, help="of each vendor")
    parser.add_argument("--series", required=True)
    args = parser.parse_args()
    rows = rows_of_series(args.source, args.series)
    chosen = first_patients(args.source, rows, args.patients)
    print(copy_patients(args.source, rows, chosen, args.target))


def rows_of_series(source: Path, series: str) -> list[dict[str, str]]:
    """The rows of ``source``/labels.csv that are of one series."""
    with (source / "labels.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["series"] == series]


def copy_patients(source: Path, rows: list[dict[str, str]], patients: set[str], target: Path) -> str:
    """Write the files and the rows of labels.csv of these ``patients`` into a new folder; says what is in it."""
    kept = [row for row in rows if row["patient_id"] in patients]
    target.mkdir(parents=True)
    for row in kept:
        place = target / row["path"]
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / row["path"], place)
    with (target / "labels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(kept[0]))
        writer.writeheader()
        writer.writerows(kept)
    return f"{len(kept)} images of {len(patients)} patients in {target}"


def first_patients(source: Path, rows: list[dict[str, str]], count: int) -> set[str]:
    """The ``count`` lowest patient ids of each manufacturer."""
    file_of_patient = {row["patient_id"]: row["path"] for row in rows}
    by_vendor: dict[str, list[str]] = {}
    for patient in sorted(file_of_patient):
        file = dcmread(source / file_of_patient[patient], specific_tags=["Manufacturer"])
        by_vendor.setdefault(str(file.Manufacturer), []).append(patient)
    return {patient for patients in by_vendor.values() for patient in patients[:count]}


if __name__ == "__main__":
    main()
