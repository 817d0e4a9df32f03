"""selection.json: the choices of an analysis, for programs."""

import json
import math
from collections.abc import Mapping
from typing import Any

from analysis.choice.crossfit import CrossFit
from analysis.choice.optimism import Optimism
from analysis.choice.selection import Selection
from analysis.choice.verdict import Verdict
from analysis.read.load import Run
from analysis.read.trial_rows import SCORES
from analysis.results import comparators, sentences, versus_lowpass_words
from analysis.results.clinic import Clinic
from analysis.results.compute import Analysis, finalists_of
from analysis.results.fitness import Fitness
from analysis.results.json_values import json_values
from analysis.results.read_by_rules import read_table
from analysis.results.versus_lowpass import VersusLowpass
from analysis.statistics.measures import Measure
from analysis.statistics.pareto import TWO, ParetoFront
from tune_ks.core.domain_words import VENDOR

FORMAT = 1  # of selection.json
DIGITS = 6  # decimals of its numbers


def selection_text(analysis: Analysis, made_with: Mapping[str, Any]) -> str:
    """selection.json: per vendor the rule, rate, scores, columns read; the same input gives the same bytes.

    ``made_with`` are the settings of the analysis, with which it can be made again.
    """
    run = analysis.run
    vendors = analysis.vendors.values()
    values = {
        "format": FORMAT,
        "metric": run.metric,
        "rule": analysis.rule,
        "made_with": made_with,
        "choices": [_plain(computed.selection, analysis.measure) for computed in vendors],
        "others": [_plain(selection, analysis.measure) for computed in vendors for selection in computed.others],
        "optimism": [_optimism(gap) for computed in vendors for gap in computed.optimism],
        "cross_fits": {computed.vendor: _cross_fit(computed.cross_fit) for computed in vendors if computed.cross_fit},
        "fitness": {computed.vendor: _fitness(computed.fitness) for computed in vendors},
        "other_vendors": analysis.other_vendors.to_dict("records"),
        "ensembles": analysis.ensembles.to_dict("records"),
        "versus_lowpass": _versus(analysis.versus_lowpass, analysis.measure),
        "transfer": analysis.transfer.to_dict("records"),
        "comparators": _comparators(analysis),
        "clinic": _clinic(analysis.clinic),
        "read_by_rules": {computed.vendor: read_table(computed).to_dict("records") for computed in vendors},
        "fronts": {computed.vendor: _fronts(computed.fronts, computed.split) for computed in vendors},
        "trials": _trials(run),
        **({} if run.domain == VENDOR else {"domain": run.domain}),
        "cohort_fingerprint": (run.search.get("cohort") or {}).get("fingerprint"),
        "warnings": analysis.warnings,
    }
    # finalists are not rounded: a rounded rate would be another config, with another key
    return json.dumps(json_values(values, DIGITS) | {"finalists": finalists_of(analysis)}, indent=1) + "\n"


def _comparators(analysis: Analysis) -> dict[str, Any]:
    """Both tables of the comparators, and what is said of them."""
    compared = analysis.comparators
    return {
        "sentences": comparators.lines(compared, analysis.measure.title),
        "differences": compared.rows.to_dict("records"),
        "losses": compared.losses.to_dict("records"),
    }


def choice_values(analysis: Analysis) -> dict[str, Any]:
    """The part of selection.json that says what was chosen, from how many trials: quick, where the rest takes long."""
    choices = [_plain(computed.selection, analysis.measure) for computed in analysis.vendors.values()]
    run = analysis.run
    return json_values({"metric": run.metric, "choices": choices, "trials": _trials(run)}, DIGITS)


def _trials(run: Run) -> dict[str, int]:
    return {
        "finished": len(run.trials),
        "failed": len(run.failures),
        "stopped": len(run.stopped),
        "unreadable": len(run.unreadable),
        "pending": len(run.pending),
    }


def _fitness(fitness: Fitness) -> dict[str, Any]:
    return fitness._asdict() | {"sentence": fitness.sentence}


def _optimism(gap: Optimism) -> dict[str, Any]:
    values = gap._asdict()
    values["own"] = values.pop("luck")  # "own" is its name in files of format 1
    return values


def _versus(versus: VersusLowpass, measure: Measure) -> dict[str, Any]:
    """Every comparison with the low-pass, their means over rates, and what they say in words."""
    return {
        "sentences": versus_lowpass_words.lines(versus, measure.title),
        "means": versus.means.to_dict("records"),
        "rows": versus.rows.to_dict("records"),
    }


def _clinic(clinic: Clinic) -> dict[str, Any]:
    tables = clinic._asdict()
    absent = tables.pop("absent")
    tables.pop("roc")  # curves: for the page
    return {name: table.to_dict("records") for name, table in tables.items()} | {"absent": absent}


def _plain(selection: Selection, measure: Measure) -> dict[str, Any]:
    """The choice as JSON: rate and metrics, the metrics of full sampling, and intervals where there are any."""
    values = selection.values
    full = selection.full_sampling
    return {
        "vendor": selection.vendor,
        "rule": selection.rule,
        "parameters": selection.parameters,
        "family": selection.family,
        "rate": selection.rate,
        "interval": selection.interval,
        "not_worse": selection.not_worse,
        "verdicts": {domain: _verdict(verdict) for domain, verdict in selection.verdicts.items()},
        "lowest_tried": selection.lowest,
        **{name: values.get(name, math.nan) for name in SCORES},
        "difference_to_full_sampling": {domain: values.get(f"difference_{domain}", math.nan) for domain in TWO},
        "intervals": _intervals(values),
        "seeds": int(values["seeds"]) if values else 0,
        "seed_sd": _seed_sd(values),
        "full_sampling": {**{name: full[name] for name in SCORES}, "intervals": _intervals(full)} if full else None,
        "distinct_rate": values.get("distinct_rate", math.nan),
        "configuration": selection.configuration,
        "keys": selection.keys,
        "columns_read": selection.columns_read,
        "read_fitted": selection.read_fitted,
        "oracle": selection.oracle,
        "saw": selection.saw,
        "held_out": selection.held_out or None,
        "whose_labels": sentences.whose_labels(selection, measure),
        "note": selection.note,
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return verdict._asdict() | {"kind": verdict.kind.value, "basis": verdict.basis.value}


def _seed_sd(values: dict[str, float]) -> dict[str, float]:
    """Score -> its standard deviation over seeds, where there are several."""
    spread = {name: values.get(f"{name}_sd", math.nan) for name in SCORES}
    return {name: value for name, value in spread.items() if not math.isnan(value)}


def _cross_fit(cross_fit: CrossFit) -> dict[str, Any]:
    return cross_fit._asdict() | {"rates": cross_fit.rates.to_dict("records")}


def _intervals(values: dict[str, float]) -> dict[str, tuple[float, float]]:
    names = [name.removesuffix("_low") for name in values if name.endswith("_low")]
    return {n: (values[f"{n}_low"], values[f"{n}_high"]) for n in names if not math.isnan(values[f"{n}_low"])}


def _fronts(fronts: dict[str, ParetoFront], split: str) -> dict[str, Any]:
    values: dict[str, Any] = {"split": split}
    for name, front in fronts.items():
        values[name] = {
            "objectives": list(front.objectives),
            "rates": front.points["realised_rate"].tolist() if len(front.points) else [],
            "hypervolume": front.hypervolume,
            "left_out": front.left_out,
        }
    return values
