"""The texts of a cache, beside its arrays: the table, the files that were skipped, and what else is known of it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import pandas as pd

from tune_ks.core.storage import write_whole
from tune_ks.core.tables import write_csv
from tune_ks.data.cohort.fingerprint import VERSION
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.cohort.table import write_table


class Reading(Protocol):
    """One reading of a folder, as far as the texts tell of it."""

    settings: CohortSettings
    image_size: int  # that was asked for
    skipped: list[tuple[str, str]]  # path and reason of files that cannot serve
    notes: list[str]

    @property
    def left_out(self) -> Mapping[str, int]:
        """Reason -> files left out on purpose."""


def write_texts(
    folder: Path, reading: Reading, table: pd.DataFrame, image_side: int, fingerprints: Mapping[str, str]
) -> None:
    """Write table.csv, skipped.csv and settings.json. ``fingerprints``: format -> fingerprint of the cohort."""
    facts = {
        "version": VERSION,
        "settings": reading.settings.facts(),
        "image_size": reading.image_size,
        "image_side": image_side,
        "fingerprints": dict(fingerprints),
        "left_out": dict(sorted(reading.left_out.items())),
        "notes": reading.notes,
    }
    write_table(folder / "table.csv", table)
    write_csv(folder / "skipped.csv", pd.DataFrame(sorted(reading.skipped), columns=["path", "reason"]))
    write_whole(folder / "settings.json", json.dumps(facts, indent=1).encode())
