"""Where the numbers come from: the cohort, its counts, the versions and the command."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.report.parts import Paragraph, Part, table
from analysis.report.sections.base import Section
from analysis.results.compute import Analysis
from analysis.statistics.measures import Measure

UNKNOWN = "Unknown: this run folder has no search.json that can be read."


def parts(analysis: Analysis) -> Sequence[Part]:
    """Patients and images by vendor, split and class; then all that search.json says."""
    search = analysis.run.search
    words = analysis.measure.domains.of
    counts = _counts((search.get("cohort") or {}).get("counts"), analysis.run.cohort, analysis.measure)
    heads = counts.rename(columns=words)
    counted = table(heads, "cohort", words("Patients and images by vendor, split and class"))
    if not search:
        return [Paragraph(UNKNOWN), counted]
    entries = [(name, text) for name, text in _flat(search) if not name.startswith("cohort.counts")]
    frame = pd.DataFrame(entries, columns=["what", "is"])
    return [counted, table(frame, "provenance", "Cohort fingerprint, versions, command")]


def _counts(counts: Any, cohort: pd.DataFrame, measure: Measure) -> pd.DataFrame:
    """search.json's counts; of a run without them, those of cohort.csv."""
    usable = isinstance(counts, list) and counts and all(isinstance(row, dict) for row in counts)
    if usable:
        frame = pd.DataFrame(counts)
    elif cohort.empty:
        return pd.DataFrame()
    else:
        groups = cohort.groupby(["vendor", "split", "label"], dropna=False)
        frame = groups.agg(patients=("patient_id", "nunique"), images=("row", "size")).reset_index()
    if "label" in frame:
        classes = {label: measure.class_words(label) or "labelled" for label in (0, 1)}
        frame["label"] = frame["label"].map(classes).fillna("not labelled")
    return frame.rename(columns={"label": "class"})


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested objects as (dotted name, text)."""
    entries: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            entries += _flat(value, f"{prefix}{name}.")
        else:
            entries.append((f"{prefix}{name}", str(value)))
    return entries


SECTION = Section("Provenance", parts)
