"""Leave one vendor out: choose without a label of one vendor, then report on that vendor alone.

Of three or more vendors, one is trained on, one is held out, and the validation labels of all but the held-out one may
choose (Gulrajani and Lopez-Paz, In search of lost domain generalization, ICLR 2021). The run is cut down to what may be
seen, and the same curves, rules and intervals are computed on what is left.
"""

import dataclasses
from typing import NamedTuple

import pandas as pd

from analysis.choice.candidates import candidates_of
from analysis.choice.options import Options
from analysis.choice.rules import RULES
from analysis.choice.selection import Selection
from analysis.read.configurations import average_over_seeds
from analysis.read.load import Run
from analysis.read.trial_rows import tidy
from analysis.statistics.bootstrap import TrialDraws
from analysis.statistics.intervals import metric_intervals
from tune_ks.core.domains import sources_of

SAW = "leave-one-vendor-out"


class LeftOut(NamedTuple):
    """One vendor held out of the choice of one source vendor."""

    held_out: str
    table: pd.DataFrame  # configurations that may be chosen; cross-domain val: all but the held-out, test: only it
    draws: dict[str, TrialDraws]
    choices: list[Selection]  # of the rules that read another vendor's labels
    oracles: list[Selection]  # the same rules on test scores


def leave_one_vendor_out(
    run: Run, draws: dict[str, TrialDraws], vendor: str, rules: list[str], options: Options
) -> list[LeftOut]:
    """The choices of ``rules`` with each other vendor held out in turn.

    A vendor that the cross-domain mean leaves out is not held out. Empty with fewer than three vendors, or where the
    other vendors have no validation scores.
    """
    records = [record for record in run.records.values() if record.config.vendor == vendor]
    others = sorted({name for record in records for name in record.others("test").counted})
    if len(others) < 2:
        return []
    left_out = [_hold_out(run, draws, vendor, held_out, rules, options) for held_out in others]
    return [left for left in left_out if left is not None]


def _hold_out(
    run: Run, draws: dict[str, TrialDraws], vendor: str, held_out: str, rules: list[str], options: Options
) -> LeftOut | None:
    """The choices without one vendor; None where nothing is left to choose by or to report on."""
    seen, seen_draws = _without_vendor(run, draws, vendor, held_out)
    table = average_over_seeds(seen.trials)
    table = table.merge(metric_intervals(table, seen_draws), how="left")
    candidates = candidates_of(seen, table, seen_draws, vendor, options)
    if candidates.table["val_cross_domain"].isna().all() or candidates.table["test_cross_domain"].isna().all():
        return None
    choices, oracles = [], []
    for rule in rules:
        if "cross_domain" not in RULES[rule].columns:
            continue
        choices.append(candidates.choose(rule)._replace(saw=SAW, held_out=held_out))
        if not RULES[rule].needs_proof:
            oracles.append(candidates.oracle(rule)._replace(held_out=held_out))
    return LeftOut(held_out, candidates.table, seen_draws, choices, oracles)


def _without_vendor(
    run: Run, draws: dict[str, TrialDraws], vendor: str, held_out: str
) -> tuple[Run, dict[str, TrialDraws]]:
    """The trials of one source vendor, without the held-out vendor's validation, tested on it and the source only."""

    def seen(split: str, other: str) -> bool:
        return other != held_out if split == "val" else other in (*sources_of(vendor), held_out)

    records, seen_draws = {}, {}
    for key, record in run.records.items():
        if record.config.vendor != vendor:
            continue
        val = {other: score for other, score in record.val.items() if seen("val", other)}
        test = {other: score for other, score in record.test.items() if seen("test", other)}
        records[key] = dataclasses.replace(record, val=val, test=test)
        seen_draws[key] = {role: drawn for role, drawn in draws.get(key, {}).items() if seen(*role)}
    cohort = run.cohort
    if len(cohort):
        roles = cohort["split"].where(cohort["split"] == "test", "val")  # other vendors' train patients serve as val
        cohort = cohort[[seen(split, other) for split, other in zip(roles, cohort["vendor"])]]
    return dataclasses.replace(run, records=records, trials=tidy(records), cohort=cohort), seen_draws
