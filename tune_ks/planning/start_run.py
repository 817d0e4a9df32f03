"""Begin a run folder, or make sure that one which exists is the one that was asked for."""

import hashlib
import importlib.metadata
import json
import platform
from pathlib import Path
from typing import Any

from tune_ks import __version__
from tune_ks.core.record import FORMAT, migrated
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.storage import StoragePath, write_whole
from tune_ks.data.cohort.cohort import Cohort
from tune_ks.data.cohort.table import with_splits, write_table
from tune_ks.planning.space import Space

ASKED = ("space", "question", "space_fingerprint", "search", "command")  # in search.json, of one search space
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


def require_same(folder: RunFolder, space: Space, cohort: Cohort, split_seed: int, extend: bool = False) -> None:
    """ValueError that names what differs between the run folder and what was asked now.

    A space that was asked here before goes on; with ``extend`` a new one may join.
    """
    found = folder.read_search()
    migrated(found)  # refuses another format
    spaces = [lines.get("space_fingerprint") for lines in (found, *found.get("earlier", []))]
    same = {
        "another cohort (other images, labels, tumour masks or settings)": (
            found.get("cohort", {}).get("fingerprint"),
            cohort.fingerprint,
        ),
        "another split_seed (another split of the patients)": (found.get("split_seed"), split_seed),
    }
    for what, (was, now) in same.items():
        if was != now:
            raise ValueError(
                f"{folder.root} belongs to {what}: it has {was}, this command asks for {now}. "
                "Give another --run, or --fresh to set the old one aside"
            )
    if space.fingerprint() not in spaces and not extend:
        raise ValueError(
            f"{folder.root} belongs to another search space (space {found.get('space')!r}): it has {spaces[0]}, this "
            f"command asks for {space.fingerprint()}. Give --extend to add it to what is there, another --run, or "
            "--fresh to set the old one aside"
        )


def extend_run(folder: RunFolder, space: Space, command: str) -> None:
    """Let the run folder answer another space too: search.json names it, and the ones before it under ``earlier``."""
    found = folder.read_search()
    if found.get("space_fingerprint") == space.fingerprint():
        return
    before = {name: found.get(name) for name in ASKED}
    earlier = [lines for lines in found.get("earlier", []) if lines["space_fingerprint"] != space.fingerprint()]
    values = {**found, **_asked(space, command), "earlier": [*earlier, before]}
    write_whole(folder.search_json, json.dumps(values, indent=1).encode())


def note(folder: RunFolder, name: str, values: Any) -> None:
    """One more field of search.json, which says how a search goes on."""
    found = folder.read_search()
    if found.get(name) != values:
        write_whole(folder.search_json, json.dumps({**found, name: values}, indent=1).encode())


def _asked(space: Space, command: str) -> dict[str, Any]:
    values = (space.name, space.question, space.fingerprint(), space.search, command)
    return dict(zip(ASKED, values, strict=True))


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
        **_asked(space, command),
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
    }
    write_whole(folder.search_json, json.dumps(values, indent=1).encode())
