"""What makes two cohorts the same: hashes of their content, the same on every machine."""

import json
from typing import Any

import pandas as pd

from tune_ks.core.config import digest
from tune_ks.data.cohort.candidates import Candidate
from tune_ks.data.cohort.settings import CohortSettings

VERSION = 2  # of what a cache holds; a change of the reader that changes any number raises it


def fingerprints(table: pd.DataFrame, candidates: list[Candidate], settings: CohortSettings) -> dict[str, str]:
    """Format -> hash of the content alone, without what differs between machines or with the image size.

    Format 1 covers the table's paths, patients, vendors, series, labels, splits and digests of the stored pixels. A
    split that labels.csv gives is content. Format 2 also covers all that makes images of these pixels: the header's
    values, the files that count only in the percentiles, and VERSION.
    """
    facts = table[["path", "patient_id", "vendor", "series", "label", "split", "digest"]].astype(object)
    rows = facts.where(facts.notna(), None).to_numpy().tolist()
    rows = [_whole_numbers(row) for row in rows]
    content = [settings.facts(), rows]
    files = []
    for candidate in candidates:
        if candidate.facts is not None:
            item = candidate.item
            files.append([item.path, item.patient_id, item.series, candidate.facts["digest"], candidate.header.recipe])
    return {
        "1": digest(json.dumps(content, sort_keys=True).encode()),
        "2": digest(json.dumps([VERSION, *content, sorted(files)], sort_keys=True).encode()),
    }


def _whole_numbers(row: list[Any]) -> list[Any]:
    """Labels are floats where one of the cohort's labels is unknown, else integers: the hash must not differ."""
    return [int(cell) if isinstance(cell, float) else cell for cell in row]
