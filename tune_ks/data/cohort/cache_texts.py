"""The texts of a cache, beside its arrays: the table, the files that were skipped, and what else is known of it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tune_ks.core.storage import write_whole
from tune_ks.core.tables import write_csv
from tune_ks.data.cohort.fingerprint import VERSION
from tune_ks.data.cohort.reasons import Account
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.cohort.table import write_table


class Decoded(NamedTuple):
    """What is known of the arrays of a cache."""

    table: pd.DataFrame  # a row for each image; see Cohort
    side: int  # of the images, in pixels
    fingerprints: Mapping[str, str]  # format -> fingerprint of the cohort


def write_texts(folder: Path, settings: CohortSettings, image_size: int, account: Account, decoded: Decoded) -> None:
    """Write table.csv, skipped.csv and settings.json. ``image_size`` is what was asked for."""
    facts = {
        "version": VERSION,
        "settings": settings.facts(),
        "image_size": image_size,
        "image_side": decoded.side,
        "fingerprints": dict(decoded.fingerprints),
        "left_out": dict(sorted(account.left_out.items())),
        "notes": account.notes,
    }
    write_table(folder / "table.csv", decoded.table)
    write_csv(folder / "skipped.csv", pd.DataFrame(sorted(account.skipped), columns=["path", "reason"]))
    write_whole(folder / "settings.json", json.dumps(facts, indent=1).encode())
