"""One run, computed: average seeds -> fronts -> choices -> what is known of each. Writes nothing."""

from typing import Any, NamedTuple

import pandas as pd

from analysis.choice.crossfit import CrossFit
from analysis.choice.crossfit import cross_fit as cross_fit_of
from analysis.choice.finalists import finalists
from analysis.choice.leave_one_out import leave_one_vendor_out
from analysis.choice.noninferior import Proof
from analysis.choice.noninferior_run import prove
from analysis.choice.optimism import Optimism, optimism
from analysis.choice.selection import NO_ORACLE, RULES, Options, Selection, candidates, select
from analysis.read.configurations import average_over_seeds, choosable, families
from analysis.read.load import Run, RunError
from analysis.results import sentences
from analysis.results.clinic import Clinic, clinic, no_clinic
from analysis.statistics.hanley_mcneil import Counts, count_intervals
from analysis.statistics.intervals import metric_intervals
from analysis.statistics.measures import MEASURES, Measure
from analysis.statistics.pareto import THREE, TWO, ParetoFront, pareto_front
from analysis.statistics.resampling import TrialDraws, trial_draws
from analysis.statistics.uncertain_front import Curves, UncertainFront, uncertain_front, vendor_curves
from tune_ks.core.storage import StoragePath


class Analysis(NamedTuple):
    """What one run says; everything the report and the terminal draw from."""

    run: Run
    rule: str
    options: Options
    configurations: pd.DataFrame  # one row a configuration, seeds averaged, with test intervals
    selections: dict[str, Selection]  # source vendor -> the choice
    others: list[Selection]  # the same rule on each family and on test scores, and the other rules
    fronts: dict[str, tuple[ParetoFront, ParetoFront]]  # vendor -> two and three objectives
    split: dict[str, str]  # vendor -> the split its fronts and choice are of: val, or test where there is no val
    baselines: pd.DataFrame
    warnings: list[str]
    selection_json: StoragePath
    report: StoragePath | None  # None when none was asked for
    curves: dict[str, dict[str, Curves]] = {}  # noqa: RUF012 - read only; vendor -> split -> the fitted curves
    uncertain_fronts: dict[str, UncertainFront] = {}  # noqa: RUF012 - vendor -> of the split that chose
    proofs: dict[str, Proof] = {}  # noqa: RUF012 - vendor -> what the data prove (noninferior)
    draws: dict[str, TrialDraws] = {}  # noqa: RUF012 - key -> its metrics on resampled patients
    from_counts: pd.DataFrame = pd.DataFrame()  # what test patients' counts alone allow; empty when none were given
    clinic: Clinic | None = None  # of the choices
    optimism: list[Optimism] = []  # noqa: RUF012 - honest choices against the oracle of the same rule
    cross_fits: dict[str, CrossFit] = {}  # noqa: RUF012 - vendor -> the choice repeated on halves; {} unless asked for

    @property
    def measure(self) -> Measure:
        """What all scores here are."""
        return self.options.measure


def require_settings(rule: str, options: Options) -> None:
    """RunError for an unknown rule or an option out of range; cheap, so that it can be asked before a long search."""
    if rule not in RULES:
        raise RunError(f"rule must be one of {', '.join(RULES)}, got {rule!r}")
    for name in ("epsilon", "tolerance", "margin"):
        value = getattr(options, name)
        if not 0 <= value <= 1:
            raise RunError(f"{name} is a difference of the metric and must be in [0, 1], got {value}")


def compute(run: Run, rule: str, options: Options, patients: dict[str, Counts] | None = None) -> Analysis:
    """Everything but the files: nothing is written. The metric is the run's, whatever ``options`` holds."""
    measure = MEASURES[run.metric]
    if patients and not measure.of_classes:
        raise RunError(f"--patients gives intervals of an AUC from counts; the metric of {run.root} is {measure.title}")
    options = options._replace(measure=measure)
    table = average_over_seeds(run.trials)
    base = measure.yardstick.table(run)
    draws = trial_draws(run)
    if len(table):
        above = {source: measure.yardstick.draws(run, base, source) for source in table["vendor"].unique()}
        table = table.merge(metric_intervals(table, draws, above), on="configuration", how="left")
    counted = count_intervals(table, run.records, patients, options.margin) if patients else pd.DataFrame()
    table = table.fillna(table[["configuration"]].merge(counted, how="left")) if len(counted) else table
    selections, fronts, split, others, gaps = {}, {}, {}, [], []
    fitted, uncertain, proofs = {}, {}, {}
    for vendor in sorted(table["vendor"].unique()) if len(table) else []:
        own = table[table["vendor"] == vendor]
        candidate = choosable(own)
        points, split[vendor] = candidates(candidate)
        fronts[vendor] = tuple(pareto_front(points, objectives, measure.chance) for objectives in (TWO, THREE))
        trials = run.trials[run.trials["configuration"].isin(candidate["configuration"])]
        fitted[vendor] = {s: vendor_curves(trials, draws, vendor, s) for s in ("val", "test")}
        trained = candidate["realised_rate"].to_numpy(float)
        front = uncertain_front(fitted[vendor][split[vendor]], trained, measure.chance)
        if front is not None:
            uncertain[vendor] = front
        proofs[vendor] = prove(run, candidate, draws, fitted[vendor]["val"], vendor, options.margin)
        selections[vendor] = select(
            candidate, vendor, rule, options, curves=fitted[vendor][split[vendor]], proof=proofs[vendor]
        )
        others += _others(own, candidate, vendor, rule, options, split[vendor], fitted[vendor], proofs[vendor])
        mine = [selections[vendor], *(s for s in others if s.vendor == vendor)]
        gaps += _optimism(mine, candidate, draws, options)
        for left in leave_one_vendor_out(run, draws, vendor, _peeking(rule), options):
            others += [*left.choices, *left.oracles]
            gaps += _optimism([*left.choices, *left.oracles], left.table, left.draws, options)
    return Analysis(
        run=run,
        rule=rule,
        options=options,
        configurations=table,
        selections=selections,
        others=others,
        fronts=fronts,
        split=split,
        baselines=base,
        warnings=[
            *run.warnings,
            *sentences.warnings(run, table, selections, base),
            *sentences.from_counts(counted, table, selections, patients or {}, options.margin),
        ],
        selection_json=run.root / "selection.json",
        report=None,
        curves=fitted,
        uncertain_fronts=uncertain,
        proofs=proofs,
        draws=draws,
        from_counts=counted,
        optimism=gaps,
        clinic=clinic(run, table, selections) if measure.of_classes else no_clinic(),
    )


def cross_fits(analysis: Analysis, repeats: int) -> dict[str, CrossFit]:
    """Vendor -> its choice repeated on ``repeats`` halvings of the held-out patients."""
    table, run = analysis.configurations, analysis.run
    own = {vendor: choosable(table[table["vendor"] == vendor]) for vendor in analysis.selections}
    return {v: cross_fit_of(run, part, v, analysis.rule, analysis.options, repeats) for v, part in own.items()}


def _others(
    own: pd.DataFrame,
    candidate: pd.DataFrame,
    vendor: str,
    rule: str,
    options: Options,
    split: str,
    fitted: dict[str, Curves],
    proof: Proof,
) -> list[Selection]:
    found = [
        select(candidate, vendor, name, options, curves=fitted[split], proof=proof) for name in RULES if name != rule
    ]
    names = families(own)
    if len(names) > 1:
        for name in names:
            part = own[(own["family"] == name) | own["full"].astype(bool)]
            if set(part["configuration"]) == set(candidate["configuration"]):
                continue  # the one learned family: chosen from already, and with its curves
            found.append(select(part, vendor, rule, options, family=name))
    if split == "val" and candidate["test_in_domain"].notna().any():
        found += [
            select(candidate, vendor, name, options, split="test", curves=fitted["test"])
            for name in _peeking(rule)
            if name not in NO_ORACLE
        ]
    return found


def _peeking(rule: str) -> list[str]:
    """The rules whose choice by other labels is shown beside: the one asked for, and one that reads other vendors."""
    return list(dict.fromkeys([rule, "cross_domain"]))


def _optimism(
    found: list[Selection], table: pd.DataFrame, draws: dict[str, TrialDraws], options: Options
) -> list[Optimism]:
    """Each honest choice with the oracle of the same rule."""
    oracles = {s.rule: s for s in found if s.oracle and s.family == "learned"}
    honest = [s for s in found if not s.oracle and s.family == "learned" and s.rule in oracles]
    each = [optimism(s, oracles[s.rule], table, draws, options) for s in honest]
    return [one for one in each if one is not None]


def finalists_of(analysis: Analysis) -> dict[str, list[dict[str, Any]]]:
    """Vendor -> the configs, without seeds, of its choice and the neighbours in rate."""
    table, records = analysis.configurations, analysis.run.records
    return {v: finalists(table[table["vendor"] == v], s, records) for v, s in analysis.selections.items()}
