"""One run, analysed: load -> average seeds -> fronts -> choose -> selection.json and report.html."""

import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from analysis import sentences
from analysis.clinic import Clinic, clinic, no_clinic
from analysis.configurations import average_over_seeds, choosable, families
from analysis.crossfit import CrossFit
from analysis.crossfit import cross_fit as cross_fit_of
from analysis.curves_of_run import Curves, UncertainFront, uncertain_front, vendor_curves
from analysis.finalists import finalists
from analysis.hanley_mcneil import Counts, count_intervals
from analysis.intervals import metric_intervals
from analysis.leave_one_out import leave_one_vendor_out
from analysis.load import SCORES, Run, RunError, load
from analysis.measures import MEASURES, Measure
from analysis.noninferior import Proof
from analysis.optimism import Optimism, optimism
from analysis.pareto import THREE, TWO, ParetoFront, pareto_front
from analysis.prove import prove
from analysis.resampling import TrialDraws, trial_draws
from analysis.selection import EPSILON, MARGIN, NO_ORACLE, RULES, TOLERANCE, Options, Selection, candidates, select
from tune_ks.storage import StoragePath, write_whole

FORMAT = 1  # of selection.json


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


def analyse(
    run: str | StoragePath,
    rule: str = "epsilon",
    epsilon: float = EPSILON,
    tolerance: float = TOLERANCE,
    images: bool = True,
    report: bool = True,
    margin: float = MARGIN,
    patients: dict[str, Counts] | None = None,
    cross_fit: int = 0,
    metric: str | None = None,
) -> Analysis:
    """Analyse a run folder; write RUN/selection.json and, unless told not to, RUN/report.html.

    ``rule`` is a key of RULES; ``epsilon`` and ``tolerance`` are differences of the metric in [0, 1]; ``images=False``
    keeps the previews out of the report; ``patients`` are the test patients by vendor ("" for all) of results that came
    without per-image scores; ``cross_fit`` repeats the choice on that many halvings of the held-out patients;
    ``metric`` says which records, where a folder holds those of several. RunError when the folder or an argument can't
    serve; whatever is wrong inside the folder becomes a warning.
    """
    options = Options(epsilon, tolerance, margin)
    require_settings(rule, options)
    if cross_fit < 0:
        raise RunError(f"cross_fit is a number of repeats and must be 0 or more, got {cross_fit}")
    analysis = compute(load(run, metric), rule, options, patients)
    if cross_fit:
        analysis = analysis._replace(cross_fits=_cross_fits(analysis, cross_fit))
    write_whole(analysis.selection_json, selection_text(analysis).encode())
    if not report:
        return analysis
    from analysis.report import write_report  # plotly is a second to load: not for those who want no page

    return analysis._replace(report=write_report(analysis, images=images))


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


def _cross_fits(analysis: Analysis, repeats: int) -> dict[str, CrossFit]:
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


def selection_text(analysis: Analysis) -> str:
    """selection.json: per vendor the rule, rate, scores, columns read; the same input gives the same bytes."""
    run = analysis.run
    values = {
        "format": FORMAT,
        "metric": run.metric,
        "rule": analysis.rule,
        "choices": [
            _plain(selection, analysis.measure) for selection in analysis.selections.values()
        ],  # one a source vendor
        "others": [_plain(selection, analysis.measure) for selection in analysis.others],
        "optimism": [one._asdict() for one in analysis.optimism],
        "cross_fits": {vendor: _cross_fit(found) for vendor, found in analysis.cross_fits.items()},
        "clinic": {n: t.to_dict("records") if n != "absent" else t for n, t in analysis.clinic._asdict().items()},
        "fronts": {vendor: _fronts(pair, analysis.split[vendor]) for vendor, pair in analysis.fronts.items()},
        "trials": {
            "finished": len(run.trials),
            "failed": len(run.failures),
            "stopped": len(run.stopped),
            "unreadable": len(run.unreadable),
            "pending": len(run.pending),
        },
        "cohort_fingerprint": (run.search.get("cohort") or {}).get("fingerprint"),
        "warnings": analysis.warnings,
    }
    # to the last bit, unlike the figures: a rounded rate would be another question, with another key
    return json.dumps(_json(values) | {"finalists": finalists_of(analysis)}, indent=1) + "\n"


def finalists_of(analysis: Analysis) -> dict[str, list[dict[str, Any]]]:
    """Vendor -> the configs, without seeds, of its choice and the neighbours in rate."""
    table, records = analysis.configurations, analysis.run.records
    return {v: finalists(table[table["vendor"] == v], s, records) for v, s in analysis.selections.items()}


def _plain(selection: Selection, measure: Measure) -> dict[str, Any]:
    """The choice as JSON: the metrics beside the rate, full sampling's below, intervals where there are any."""
    values, full = selection.values, selection.full_sampling
    return {
        "vendor": selection.vendor,
        "rule": selection.rule,
        "parameters": selection.parameters,
        "family": selection.family,
        "rate": selection.rate,
        "interval": selection.interval,
        "not_worse": selection.not_worse,
        **{name: values.get(name, math.nan) for name in SCORES},
        "difference_to_full_sampling": {d: values.get(f"difference_{d}", math.nan) for d in TWO},
        "intervals": _intervals(values),
        "seeds": int(values["seeds"]) if values else 0,
        "seed_sd": {
            name: values[f"{name}_sd"] for name in SCORES if not math.isnan(values.get(f"{name}_sd", math.nan))
        },
        "full_sampling": {**{name: full[name] for name in SCORES}, "intervals": _intervals(full)} if full else None,
        "distinct_rate": values.get("distinct_rate", math.nan),
        "configuration": selection.configuration,
        "keys": selection.keys,
        "columns_read": selection.columns_read,
        "oracle": selection.oracle,
        "saw": selection.saw,
        "held_out": selection.held_out or None,
        "whose_labels": sentences.whose_labels(selection, measure),
        "note": selection.note,
    }


def _cross_fit(found: CrossFit) -> dict[str, Any]:
    return found._asdict() | {"rates": found.rates.to_dict("records")}


def _intervals(values: dict[str, float]) -> dict[str, tuple[float, float]]:
    names = [name.removesuffix("_low") for name in values if name.endswith("_low")]
    return {n: (values[f"{n}_low"], values[f"{n}_high"]) for n in names if not math.isnan(values[f"{n}_low"])}


def _fronts(pair: tuple[ParetoFront, ParetoFront], split: str) -> dict[str, Any]:
    found: dict[str, Any] = {"split": split}
    for name, front in zip(("two_objectives", "three_objectives"), pair):
        rates = front.points["realised_rate"].tolist() if len(front.points) else []
        found[name] = {
            "objectives": list(front.objectives),
            "rates": rates,
            "hypervolume": front.hypervolume,
            "left_out": front.left_out,
        }
    return found


def _json(value: Any) -> Any:
    """Plain JSON values; NaN becomes null, floats are cut to 6 digits so that a last bit moves no file."""
    if isinstance(value, Mapping):
        return {str(name): _json(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value
