"""Begin a run folder, or make sure that one which exists is the one that was asked for."""

import hashlib
import importlib.metadata
import json
import platform
from pathlib import Path
from typing import Any

from tune_ks import __version__
from tune_ks.data.cohort import Cohort, with_splits, write_table
from tune_ks.record import FORMAT, RunFolder
from tune_ks.space import Space
from tune_ks.storage import StoragePath, write_whole

PACKAGES = ("ray", "torch", "optuna", "numpy", "pandas", "pydicom")


def require_vendors(space: Space, vendors: list[str]) -> None:
    """ValueError where the space trains on a vendor that the cohort does not have."""
    absent = sorted({point.fixed["vendor"] for point in space.grid(vendors)} - set(vendors))
    if absent:
        raise ValueError(
            f"the space {space.name!r} trains on {', '.join(absent)}, and the cohort has {', '.join(vendors)} only"
        )


def default_run(runs: Path, space: Space, cohort: Cohort) -> Path:
    """The same question to the same cohort has the same folder, so the same command finds it again."""
    both = hashlib.sha256(f"{space.fingerprint()}/{cohort.fingerprint}".encode()).hexdigest()[:8]
    return runs / f"{space.name}-{both}"


def require_same(folder: RunFolder, space: Space, cohort: Cohort, split_seed: int) -> None:
    """ValueError that names what differs between the run folder and what was asked now."""
    found = folder.read_search()
    asked = {
        "search space": (found.get("space_fingerprint"), space.fingerprint(), f"space {found.get('space')!r}"),
        "cohort": (found.get("cohort", {}).get("fingerprint"), cohort.fingerprint, "other images, labels or settings"),
        "split_seed": (found.get("split_seed"), split_seed, "another split of the patients"),
    }
    for name, (was, now, meaning) in asked.items():
        if was != now:
            raise ValueError(
                f"{folder.root} belongs to another {name} ({meaning}): it has {was}, this command asks for {now}. "
                "Give another --run, or --fresh to set the old one aside"
            )


def set_aside(root: StoragePath) -> StoragePath:
    """Rename a run folder out of the way; nothing is deleted."""
    number = 1
    while (aside := root.with_name(f"{root.name}.before-{number}")).exists():
        number += 1
    return root.rename(aside)


def start_points(layout: str, synthetic: bool) -> list[dict[str, Any]]:
    """The sampling rates with which a sampler begins, and why.

    The source study's own choice was made on Duke's test scores: on Duke it would carry them into the search. Whatever
    has Duke's sheets is taken for Duke, but for the phantom that this program has just written in that layout.
    """
    full = {"sampling_rate": 1.0, "why": "full sampling"}
    if layout == "duke" and not synthetic:
        return [full]
    return [
        full,
        {"sampling_rate": 62 / 256, "why": "the source study's choice on GE, 0.242"},
        {"sampling_rate": 57 / 256, "why": "the source study's choice on Siemens, 0.222"},
    ]


def begin_run(folder: RunFolder, space: Space, cohort: Cohort, split_seed: int, command: str, synthetic: bool) -> None:
    """cohort.csv with its split, skipped.csv, and search.json last: a folder without it is not begun."""
    table = with_splits(cohort.table, split_seed)
    write_table(folder.cohort_csv, table)
    write_table(folder.skipped_csv, cohort.skipped)
    counts = table.groupby(["vendor", "split", "label"]).agg(images=("row", "size"), patients=("patient_id", "nunique"))
    values = {
        "format": FORMAT,
        "space": space.name,
        "question": space.question,
        "space_fingerprint": space.fingerprint(),
        "search": space.search,
        "split_seed": split_seed,
        "start_points": start_points(cohort.layout, synthetic) if space.search["sampler"] != "grid" else [],
        "cohort": {
            "fingerprint": cohort.fingerprint,
            "settings": vars(cohort.settings),
            "synthetic": synthetic,
            "layout": cohort.layout,
            "counts": counts.reset_index().to_dict("records"),
        },
        "versions": {"tune_ks": __version__, "python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in PACKAGES},
        "command": command,
    }
    write_whole(folder.search_json, json.dumps(values, indent=1).encode())
