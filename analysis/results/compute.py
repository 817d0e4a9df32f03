"""Computes all results of a run: seeds averaged, fronts, choices, intervals, proofs. Writes nothing."""

from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from analysis.choice.candidates import Candidates, candidates_of
from analysis.choice.crossfit import CrossFit, cross_fit
from analysis.choice.finalists import finalists
from analysis.choice.leave_one_out import leave_one_vendor_out
from analysis.choice.noninferior import Proof
from analysis.choice.optimism import Optimism, gaps_to_oracle
from analysis.choice.options import Options
from analysis.choice.rules import RULES, TRANSFER
from analysis.choice.selection import Selection, evidence, with_scores
from analysis.read.configurations import average_over_seeds, choosable, families, of_most_patients
from analysis.read.load import Run, RunError
from analysis.read.small_tables import python_texts
from analysis.results import warnings
from analysis.results.clinic import Clinic, clinic, no_clinic
from analysis.results.comparators import Comparators, comparators
from analysis.results.ensembles import ensemble_table
from analysis.results.external import external_table
from analysis.results.fitness import Fitness, fitness
from analysis.results.other_vendors import other_vendors_table
from analysis.results.transfer import transfer_loss
from analysis.results.versus_lowpass import VersusLowpass, versus_lowpass
from analysis.results.yardsticks import (
    Noises,
    WithoutNetwork,
    above_best,
    best_without_network,
    noise_of,
    yardstick_draws,
    yardstick_table,
)
from analysis.statistics.bootstrap import TrialDraws
from analysis.statistics.fitted import Fitted
from analysis.statistics.hanley_mcneil import Counts, count_intervals
from analysis.statistics.intervals import metric_intervals
from analysis.statistics.measures import Measure, measure_of
from analysis.statistics.pareto import THREE, TWO, ParetoFront, pareto_front
from analysis.statistics.resampling import trial_draws
from analysis.statistics.uncertain_front import UncertainFront, uncertain_front
from tune_ks.core.storage import StoragePath


@dataclass(frozen=True)
class VendorAnalysis:
    """What an analysis computes for the models that were trained on one vendor."""

    vendor: str
    configurations: pd.DataFrame  # its rows of Analysis.configurations
    selection: Selection  # the choice of the rule that was asked for
    others: list[Selection]  # the other rules; the same rule on each mask family, on test scores and without one vendor
    split: str  # that the choice and the fronts are of: val, or test where there is no validation score
    fronts: dict[str, ParetoFront]  # "two_objectives" and "three_objectives"
    fitted: dict[str, Fitted]  # split -> the fitted curves
    uncertain_front: UncertainFront | None  # of ``split``; None without draws of both metrics
    proof: Proof
    fitness: Fitness  # whether the network is fit to judge a rate
    optimism: list[Optimism]  # each honest choice against the choice that the same rule makes on test scores
    cross_fit: CrossFit | None = None  # the choice repeated on halves of the patients; None unless asked for


@dataclass(frozen=True)
class Analysis:
    """What an analysis computes of one run; the report and the terminal are drawn from it."""

    run: Run
    rule: str
    options: Options
    configurations: pd.DataFrame  # one row a configuration, seeds averaged, with test intervals
    vendors: dict[str, VendorAnalysis]  # by the vendor trained on, sorted; empty without a finished trial
    baselines: pd.DataFrame  # what is reached without a network, whatever the rate
    yardsticks: pd.DataFrame  # what classical classifiers reach, one row a configuration and yardstick
    external: pd.DataFrame  # the models on other cohorts: see external_table
    warnings: list[str]
    clinic: Clinic  # tables about the choices, over all vendors
    draws: dict[str, TrialDraws]  # key -> the trial's metrics on resampled patients
    transfer: pd.DataFrame  # what training on another vendor costs on the same images: COLUMNS of results.transfer
    other_vendors: pd.DataFrame  # each vendor of a cross-domain mean by itself: COLUMNS of results.other_vendors
    ensembles: pd.DataFrame  # the trainings of a chosen rate used together: COLUMNS of results.ensembles
    versus_lowpass: VersusLowpass  # every mask family against the low-pass at equal rate
    comparators: Comparators  # harmonisation, styles and masks against plain full sampling
    from_counts: pd.DataFrame  # intervals from the counts of test patients alone; empty when no counts were given
    selection_json: StoragePath
    report: StoragePath | None = None  # None until it is written
    images: bool = True  # whether the report may show patients' images

    @property
    def measure(self) -> Measure:
        """The metric of all scores here."""
        return self.options.measure


def require_settings(rule: str, options: Options) -> None:
    """RunError for an unknown rule or an option out of range. Fast, so that a long search can call it first."""
    if rule not in RULES:
        raise RunError(f"rule must be one of {', '.join(RULES)}, got {rule!r}")
    options.check()


@python_texts
def compute(
    run: Run,
    rule: str,
    options: Options,
    patients: dict[str, Counts] | None = None,
    prevalence: float | None = None,
) -> Analysis:
    """The whole analysis, without writing a file. The metric is that of the run, whatever ``options`` holds.

    ``prevalence``: a share of images with a tumour for which PPV and NPV are given too.
    """
    measure = measure_of(run)
    if patients and not measure.of_classes:
        raise RunError(f"--patients gives intervals of an AUC from counts; the metric of {run.root} is {measure.title}")
    options = options.of(measure)
    baselines = measure.yardstick.table(run)
    draws = trial_draws(run)
    by_yardstick = yardstick_draws(run)
    table = average_over_seeds(run.trials)
    noise = noise_of(table, draws)
    without_network = best_without_network(run, table, baselines, by_yardstick)
    table = _with_intervals(table, run, draws, without_network, noise)
    counted = count_intervals(table, run.records, patients, options.margin) if patients else pd.DataFrame()
    if len(counted):
        table = table.fillna(table[["configuration"]].merge(counted, how="left"))
    names = sorted(table["vendor"].unique())
    vendors = {vendor: compute_vendor(run, table, draws, vendor, rule, options) for vendor in names}
    selections = {vendor: computed.selection for vendor, computed in vendors.items()}
    said = [
        *run.warnings,
        *warnings.of_run(run, table, selections),
        *warnings.from_counts(counted, table, selections, patients or {}, options),
    ]
    return Analysis(
        run=run,
        rule=rule,
        options=options,
        configurations=table,
        vendors=vendors,
        baselines=baselines,
        yardsticks=yardstick_table(run, table, draws, by_yardstick, noise),
        external=external_table(run, table),
        warnings=said,
        clinic=clinic(run, table, selections, prevalence) if measure.of_classes else no_clinic(),
        draws=draws,
        transfer=transfer_loss(table, draws),
        other_vendors=other_vendors_table(run, table, draws, selections),
        ensembles=ensemble_table(run, table, selections, draws, without_network),
        versus_lowpass=versus_lowpass(table, draws, noise),
        comparators=comparators(table, draws, noise),
        from_counts=counted,
        selection_json=run.root / "selection.json",
    )


def _with_intervals(
    table: pd.DataFrame,
    run: Run,
    draws: dict[str, TrialDraws],
    without_network: WithoutNetwork,
    noise: Noises,
) -> pd.DataFrame:
    """The configurations with the intervals of their test metric and of its distance to full sampling and yardstick."""
    if table.empty:
        return table
    above = above_best(run, table, draws, without_network, noise)
    intervals = metric_intervals(table, draws)
    return table.merge(intervals, on="configuration", how="left").merge(above, on="configuration", how="left")


def compute_vendor(
    run: Run, table: pd.DataFrame, draws: dict[str, TrialDraws], vendor: str, rule: str, options: Options
) -> VendorAnalysis:
    """Everything about the models trained on ``vendor``; ``table`` holds the configurations of all vendors."""
    of_vendor = table[table["vendor"] == vendor]
    candidates = candidates_of(run, of_vendor, draws, vendor, options)
    split = candidates.split
    selection = candidates.choose(rule)
    others = [*_other_rules(candidates, rule), *_families(of_vendor, candidates, rule), *_oracles(candidates, rule)]
    gaps = gaps_to_oracle([selection, *others], candidates.table, draws, options)
    for left in leave_one_vendor_out(run, draws, vendor, _also_elsewhere(rule), options):
        others += [*left.choices, *left.oracles]
        gaps += gaps_to_oracle([*left.choices, *left.oracles], left.table, left.draws, options)
    points = with_scores(candidates.table, split)
    rates = points["realised_rate"].to_numpy(float)
    chance = options.measure.chance
    drawn = evidence(points, candidates.fitted[split], None, options.measure).draws
    return VendorAnalysis(
        vendor=vendor,
        configurations=of_vendor,
        selection=selection,
        others=others,
        split=split,
        fronts={
            "two_objectives": pareto_front(points, TWO, chance),
            "three_objectives": pareto_front(points, THREE, chance),
        },
        fitted=candidates.fitted,
        uncertain_front=uncertain_front(rates, drawn, chance),
        proof=candidates.proof,
        fitness=fitness(run, of_vendor, draws, selection, options.measure),
        optimism=gaps,
    )


def _other_rules(candidates: Candidates, rule: str) -> list[Selection]:
    return [candidates.choose(name) for name in RULES if name != rule]


def _families(of_vendor: pd.DataFrame, candidates: Candidates, rule: str) -> list[Selection]:
    """The choice among each mask family, where there are several; ``of_vendor``: all configurations of the vendor."""
    of_vendor = of_most_patients(of_vendor)
    names = families(of_vendor)
    if len(names) < 2:
        return []
    choices = []
    for name in names:
        part = of_vendor[(of_vendor["family"] == name) | of_vendor["full"].astype(bool)]
        if set(part["configuration"]) != set(candidates.table["configuration"]):  # else it has been chosen from already
            choices.append(candidates.among(part, rule, name))
    return choices


def _oracles(candidates: Candidates, rule: str) -> list[Selection]:
    """What is chosen on test scores; none where test scores choose anyway, or are absent."""
    if candidates.split == "test" or candidates.table["test_in_domain"].isna().all():
        return []
    return [candidates.oracle(name) for name in _also_elsewhere(rule) if not RULES[name].needs_proof]


def _also_elsewhere(rule: str) -> list[str]:
    """The rules whose choice by other labels is shown too: the one asked for, and one that reads other vendors."""
    return list(dict.fromkeys([rule, TRANSFER]))


def with_cross_fits(analysis: Analysis, repeats: int) -> Analysis:
    """The analysis with each vendor's choice repeated on ``repeats`` halvings of the held-out patients."""
    vendors = {}
    for vendor, computed in analysis.vendors.items():
        candidate = choosable(computed.configurations)
        repeated = cross_fit(analysis.run, candidate, vendor, analysis.rule, analysis.options, repeats)
        vendors[vendor] = replace(computed, cross_fit=repeated)
    return replace(analysis, vendors=vendors)


def finalists_of(analysis: Analysis) -> dict[str, list[dict[str, Any]]]:
    """Vendor -> the configs, without seeds, of its choice and the neighbours in rate."""
    records = analysis.run.records
    return {
        v: finalists(computed.configurations, computed.selection, records) for v, computed in analysis.vendors.items()
    }
