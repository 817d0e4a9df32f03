"""A smaller cohort for slow networks: the first patients of each vendor, in the order of their ids.

    python benchmarks/few_patients.py ../shared/data/breast_patches FOLDER --patients 56 --series post_1

Copies their files of one series, and their lines of labels.csv, into a new FOLDER that ``--data`` takes. Which patients
those are is fixed by their ids, so before anything was trained.
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
    with (args.source / "labels.csv").open(newline="") as file:
        lines = [line for line in csv.DictReader(file) if line["series"] == args.series]
    chosen = first_patients(args.source, lines, args.patients)
    kept = [line for line in lines if line["patient_id"] in chosen]
    args.target.mkdir(parents=True)
    for line in kept:
        place = args.target / line["path"]
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(args.source / line["path"], place)
    with (args.target / "labels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(kept[0]))
        writer.writeheader()
        writer.writerows(kept)
    print(f"{len(kept)} images of {len(chosen)} patients in {args.target}")


def first_patients(source: Path, lines: list[dict[str, str]], count: int) -> set[str]:
    """The ``count`` lowest patient ids of each manufacturer."""
    one_file = {line["patient_id"]: line["path"] for line in lines}
    of_vendor: dict[str, list[str]] = {}
    for patient in sorted(one_file):
        vendor = str(dcmread(source / one_file[patient], specific_tags=["Manufacturer"]).Manufacturer)
        of_vendor.setdefault(vendor, []).append(patient)
    return {patient for patients in of_vendor.values() for patient in patients[:count]}


if __name__ == "__main__":
    main()
