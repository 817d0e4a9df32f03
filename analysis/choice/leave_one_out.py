"""Leave one vendor out: choose without a label of one vendor, then report on that vendor alone.

Of three or more vendors, one is trained on, one is held out, and the validation labels of all but the held-out one may
choose (Gulrajani and Lopez-Paz, In search of lost domain generalization, ICLR 2021). The run is cut down to what may be
seen, and the same curves, rules and intervals are computed on what is left.
"""

import dataclasses
from typing import NamedTuple

import pandas as pd

from analysis.choice.noninferior_run import prove
from analysis.choice.options import Options
from analysis.choice.rules import RULES
from analysis.choice.selection import Selection, select
from analysis.read.configurations import average_over_seeds, choosable
from analysis.read.load import Run, tidy
from analysis.statistics.bootstrap import TrialDraws
from analysis.statistics.intervals import metric_intervals
from analysis.statistics.uncertain_front import vendor_curves

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
    """Each other vendor held out in turn; empty with fewer than three vendors, or without validation scores of them."""
    records = [record for record in run.records.values() if record.config.vendor == vendor]
    others = sorted({name for record in records for name in record.test} - {vendor})
    found = []
    for held_out in others if len(others) > 1 else []:
        seen, part = _unseen(run, draws, vendor, held_out)
        table = average_over_seeds(seen.trials)
        table = table.merge(metric_intervals(table, part, {}), how="left")
        table = choosable(table)
        if table["val_cross_domain"].isna().all() or table["test_cross_domain"].isna().all():
            continue
        trials = seen.trials[seen.trials["configuration"].isin(table["configuration"])]
        curves = {split: vendor_curves(trials, part, vendor, split) for split in ("val", "test")}
        proof = prove(seen, table, part, curves["val"], vendor, options.margin)
        choices = [select(table, vendor, r, options, split="val", curves=curves["val"], proof=proof) for r in rules]
        choices = [_named(s, held_out, SAW) for s in choices if "val_cross_domain" in s.columns_read]
        oracles = [
            _named(select(table, vendor, s.rule, options, split="test", curves=curves["test"]), held_out, "oracle")
            for s in choices
            if not RULES[s.rule].needs_proof
        ]
        found.append(LeftOut(held_out, table, part, [_drawn(run, s) for s in choices], oracles))
    return found


def _unseen(run: Run, draws: dict[str, TrialDraws], vendor: str, held_out: str) -> tuple[Run, dict[str, TrialDraws]]:
    """One source vendor's trials without the held-out vendor's validation, and tested on it and the source only."""

    def seen(split: str, other: str) -> bool:
        return other != held_out if split == "val" else other in (vendor, held_out)

    records = {
        key: dataclasses.replace(
            record,
            val={v: s for v, s in record.val.items() if seen("val", v)},
            test={v: s for v, s in record.test.items() if seen("test", v)},
        )
        for key, record in run.records.items()
        if record.config.vendor == vendor
    }
    cohort = run.cohort
    if len(cohort):
        roles = cohort["split"].where(cohort["split"] == "test", "val")  # other vendors' train patients serve as val
        cohort = cohort[[seen(split, other) for split, other in zip(roles, cohort["vendor"])]]
    part = {key: {role: d for role, d in draws.get(key, {}).items() if seen(*role)} for key in records}
    return dataclasses.replace(run, records=records, trials=tidy(records), cohort=cohort), part


def _named(selection: Selection, held_out: str, saw: str) -> Selection:
    return selection._replace(saw=saw, held_out=held_out)


def _drawn(run: Run, selection: Selection) -> Selection:
    """A sampler that learns from scores may have read every vendor's: then the rates know the held-out one."""
    sampler = (run.search.get("search") or {}).get("sampler", "grid")
    if sampler == "grid":
        return selection
    words = f"the rates were drawn by {sampler}, which may have read the validation scores of {selection.held_out}"
    return selection._replace(note="; ".join(filter(None, (selection.note, words))))
