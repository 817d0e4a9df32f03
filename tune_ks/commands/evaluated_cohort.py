"""Notes the cohort that results of an evaluation belong to, so that another folder of the same name replaces none.

Beside NAME.csv lies NAME_cohort.json with the cohort's fingerprint: no path, and no name.
"""

from typing import Any

from tune_ks.core.run_folder import read_json, write_json
from tune_ks.core.storage import StoragePath

FINGERPRINT = "fingerprint"


def require_same_cohort(csv: StoragePath, cohort: Any) -> None:
    """ValueError where the results in ``csv`` are of another cohort; results of the same one may be written again.

    Earlier versions wrote no fingerprint: their results are taken for another cohort's.
    """
    if not csv.exists():
        return
    note = _note_beside(csv)
    known = read_json(note).get(FINGERPRINT) if note.exists() else None
    if known != cohort.fingerprint:
        whose = "of another cohort" if known else "of an earlier version, which does not say of which cohort"
        raise ValueError(f"{csv} holds results {whose}: give these another --name, or move the file away")


def note_cohort(csv: StoragePath, cohort: Any) -> None:
    """Write beside the results in ``csv`` which cohort they are of."""
    write_json(_note_beside(csv), {FINGERPRINT: cohort.fingerprint})


def _note_beside(csv: StoragePath) -> StoragePath:
    return csv.parent / f"{csv.name.removesuffix('.csv')}_cohort.json"
