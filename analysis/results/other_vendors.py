"""The vendors behind each cross-domain mean: which are in it, which are left out and why, and every one on its own."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.choice.selection import Selection
from analysis.read.configurations import keys_of_full
from analysis.read.load import Run
from analysis.results.sentences import ends_words
from analysis.statistics.bootstrap import TrialDraws
from analysis.statistics.estimate import estimate
from analysis.statistics.measures import Measure
from analysis.statistics.training_noise import seeds_of, training_noise
from tune_ks.core.domains import FEWEST, OtherVendors
from tune_ks.core.record import SPLITS, TrialRecord, mean_of_defined

SPLIT_WORDS = {"val": "validation", "test": "test"}
WITH = "patients with a tumour"
COLUMNS = [
    *("trained on", "scored on", WITH, "patients without", "in the validation mean"),
    *("in the test mean", "rate", "value", "low", "high", "full sampling", "difference", "its low", "its high"),
]
YES, NO = "yes", "no"


def other_vendors_table(
    run: Run, table: pd.DataFrame, draws: Mapping[str, TrialDraws], selections: dict[str, Selection]
) -> pd.DataFrame:
    """COLUMNS, a row a source vendor and other vendor: whether it is in the means, and the chosen rate's test metric.

    Patients are test patients; "difference" is to full sampling on the same patients, with its interval over patients
    and trainings. Sources whose mean is of one vendor and leaves out none have no row: the mean itself says it.
    """
    rows = []
    for source, selection in selections.items():
        means = means_of(run, source)
        if len(_named(means)) < 2:
            continue
        of_source = table[table["vendor"] == source]
        patients = _record_of(run, source).patients or {}
        for vendor in _named(means):
            counts = patients.get(f"test {vendor}")
            row: dict[str, Any] = {"trained on": source, "scored on": vendor}
            if counts is not None:
                row |= {WITH: counts.with_tumour, "patients without": counts.without}
            for split, word in SPLIT_WORDS.items():
                row[f"in the {word} mean"] = YES if vendor in means[split].counted else NO
            rows.append(row | _scored(run, of_source, draws, selection, vendor))
    return pd.DataFrame(rows, columns=COLUMNS)


def means_of(run: Run, source: str) -> dict[str, OtherVendors]:
    """Split -> the vendors of the cross-domain mean of the models trained on ``source``.

    A vendor is in it if it is in that of any trial, so that one trial without a value hides none.
    """
    means = {}
    for split in SPLITS:
        counted: set[str] = set()
        left_out: dict[str, str] = {}
        all_small = False
        for record in run.records.values():
            if record.config.vendor == source:
                others = record.others(split)
                counted.update(others.counted)
                left_out |= others.left_out
                all_small = all_small or others.all_small
        left_out = {vendor: why for vendor, why in sorted(left_out.items()) if vendor not in counted}
        means[split] = OtherVendors(tuple(sorted(counted)), left_out, all_small)
    return means


def warnings(run: Run, sources: list[str], measure: Measure) -> list[str]:
    """The vendors that a cross-domain mean leaves out, by name and reason."""
    lines = []
    for source in sources:
        for split, others in means_of(run, source).items():
            for vendor, why in others.left_out.items():
                said = measure.patient_words(why)
                lines.append(f"{source}: {vendor} is not in the cross-domain {SPLIT_WORDS[split]} mean: {said}.")
            patients = measure.patient_words("patients of each class")
            if others.all_small and len(others.counted) > 1:
                lines.append(
                    f"{source}: no other {measure.domains.one} has {FEWEST} {SPLIT_WORDS[split]} "
                    f"{patients}, so all that have a value are in the cross-domain mean: {_listed(others.counted)}."
                )
    return lines


def sentences(run: Run, table: pd.DataFrame, measure: Measure) -> list[str]:
    """For each source vendor of the table: over which vendors its means are, and the chosen rate on every one."""
    lines = []
    for source, rows in table.groupby("trained on", sort=False):
        means = means_of(run, str(source))
        named = [f"{SPLIT_WORDS[split]} {_mean_words(mean, measure)}" for split, mean in means.items()]
        lines.append(f"{source}, cross-domain means: {'; '.join(named)}.")
        lines += [f"  {_on_one(row, measure)}" for row in rows.to_dict("records")]
    return lines


def _mean_words(mean: OtherVendors, measure: Measure) -> str:
    words = f"over {_listed(mean.counted)}" if mean.counted else f"over no {measure.domains.one}"
    return f"{words}, without {_listed(tuple(mean.left_out))}" if mean.left_out else words


def _on_one(row: dict[str, Any], measure: Measure) -> str:
    """One vendor: its patients, the metric of the chosen rate, and the difference to full sampling."""
    title = measure.title
    patients = ""
    if not math.isnan(row[WITH]):
        counts = f"{row[WITH]:.0f} test patients with a tumour, {row['patients without']:.0f} without"
        patients = f" ({measure.patient_words(counts)})"
    words = f"on {row['scored on']}{patients}"
    if math.isnan(row["value"]):
        return f"{words}: no test {title}."
    words += f": test {title} {row['value']:.3f}{ends_words(row['low'], row['high'], '.3f')} at the chosen rate"
    if not math.isnan(row["difference"]):
        ends = ends_words(row["its low"], row["its high"], "+.3f")
        words += f", {row['full sampling']:.3f} at full sampling, difference {row['difference']:+.3f}{ends}"
    return f"{words}; not in the mean." if row["in the test mean"] == NO else f"{words}."


def _listed(names: tuple[str, ...]) -> str:
    """A, B and C."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _named(means: dict[str, OtherVendors]) -> list[str]:
    """Every vendor that any of the means is of or leaves out."""
    names: set[str] = set()
    for others in means.values():
        names.update(others.counted, others.left_out)
    return sorted(names)


def _record_of(run: Run, source: str) -> TrialRecord:
    return next(record for record in run.records.values() if record.config.vendor == source)


def _scored(
    run: Run, table: pd.DataFrame, draws: Mapping[str, TrialDraws], selection: Selection, vendor: str
) -> dict[str, float]:
    """The chosen rate on the test patients of one other vendor, with and against full sampling."""
    chosen = list(selection.keys)
    if not chosen:
        return {}
    row = {"rate": selection.rate, "value": _mean(run, chosen, vendor)}
    # "in_domain" of that vendor: its own patients, whatever vendor was trained on
    noise = training_noise(table, draws, vendor, "test", "in_domain")
    seeds = seeds_of(chosen, draws, vendor, "test", "in_domain")
    ends = estimate(seeds, noise=noise).interval()
    row |= {"low": ends.low, "high": ends.high}
    full = keys_of_full(table, chosen)
    if full and selection.rate != 1:
        row["full sampling"] = _mean(run, full, vendor)
        row["difference"] = row["value"] - row["full sampling"]
        of_full = seeds_of(full, draws, vendor, "test", "in_domain")
        ends = estimate(seeds, of_full, noise).interval()
        row |= {"its low": ends.low, "its high": ends.high}
    return row


def _mean(run: Run, keys: list[str], vendor: str) -> float:
    """The test metric on one vendor, the mean over trainings."""
    return mean_of_defined(run.records[key].test.get(vendor, math.nan) for key in keys)
