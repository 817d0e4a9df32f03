"""The texts of a cache, beside its arrays: the table, the files that were skipped, and what else is known of it."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from tune_ks.core.storage import write_whole
from tune_ks.core.tables import write_csv
from tune_ks.data.cohort.fingerprint import VERSION
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.cohort.table import write_table


def write_texts(
    folder: Path,
    table: pd.DataFrame,
    settings: CohortSettings,
    *,
    image_size: int,
    image_side: int,
    fingerprints: Mapping[str, str],
    skipped: Iterable[tuple[str, str]],
    left_out: Mapping[str, int],
    notes: list[str],
) -> None:
    """Write table.csv, skipped.csv and settings.json. ``skipped``: path and reason of the files that cannot serve."""
    facts = {
        "version": VERSION,
        "settings": settings.facts(),
        "image_size": image_size,
        "image_side": image_side,
        "fingerprints": dict(fingerprints),
        "left_out": dict(sorted(left_out.items())),
        "notes": notes,
    }
    write_table(folder / "table.csv", table)
    write_csv(folder / "skipped.csv", pd.DataFrame(sorted(skipped), columns=["path", "reason"]))
    write_whole(folder / "settings.json", json.dumps(facts, indent=1).encode())
