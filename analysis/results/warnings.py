"""Warnings: what a reader must know before believing a number."""

import math
from collections.abc import Iterable

import pandas as pd

from analysis.choice.labels import readers
from analysis.choice.options import Options
from analysis.choice.selection import Selection
from analysis.read.load import Run
from analysis.results import other_vendors
from analysis.results.json_values import is_number
from analysis.results.sentences import DOMAINS
from analysis.statistics.hanley_mcneil import Counts
from analysis.statistics.measures import Measure, measure_of
from tune_ks.core.domain_words import DomainWords
from tune_ks.core.rate_words import rate_tick
from tune_ks.core.record import TrialRecord

FULLY_OCCUPIED = 0.9  # share of stored k-space from which on nothing is said about its empty part
WASTED = 0.25  # share of a learned mask's budget outside the occupied band from which on it is named
SYNTHETIC = "Synthetic cohort (phantom): it shows that the tool works, and is no evidence about k-space sampling."
NAMED = 8  # trials that one warning names; the others are marked in the table of all trials


def of_run(run: Run, table: pd.DataFrame, selections: dict[str, Selection]) -> list[str]:
    """Most serious first. ``table``: all configurations."""
    measure = measure_of(run)
    lines = _about_the_search(run, table, selections, measure.domains)
    oracles = [vendor for vendor, selection in selections.items() if selection.oracle]
    if oracles:
        lines.append(
            f"No validation score in these records ({', '.join(oracles)}): the rate was chosen on TEST scores. This is "
            f"an oracle's choice; its {measure.title} is biased upward and says nothing about new patients."
        )
    for vendor, selection in selections.items():
        lines += _about_the_choice(selection, table[table["vendor"] == vendor], measure)
        lines += _about_the_yardstick(selection, table, measure)
    lines += other_vendors.warnings(run, list(selections), measure)
    if len(table) and (table["seeds"] <= 1).all():
        lines.append("One seed a configuration: how far a second training would differ is unknown.")
    lines += _about_empty_kspace(run)
    lines += _about_large_batches(run)
    return lines + _about_trials_at_chance(run.trials) + _about_unfinished_trials(run, measure)


def is_synthetic(run: Run) -> bool:
    """Whether the cohort is the phantom."""
    return bool((run.search.get("cohort") or {}).get("synthetic"))


def _about_the_search(
    run: Run, table: pd.DataFrame, selections: dict[str, Selection], domains: DomainWords
) -> list[str]:
    """Whether there is any trial, whether the cohort is made up, and which labels the search has read."""
    lines = []
    if not len(table):
        lines.append("No finished trial: no curve, no front and no choice can be computed.")
    for vendor, failed in run.failures["vendor"].value_counts().items():
        if vendor not in selections:
            lines.append(f"{vendor}: no trial finished, {failed} failed.")
    if is_synthetic(run):
        lines.append(SYNTHETIC)
    reading = readers(run.search)
    if reading:
        lines.append(
            f"The {reading} of this search read validation labels of all {domains.many}: which trials there are to "
            f"choose from depends on them, even where the choice itself reads one {domains.one}'s only."
        )
    return lines


def _about_the_choice(selection: Selection, configurations: pd.DataFrame, measure: Measure) -> list[str]:
    """What is missing for one vendor's choice; ``configurations``: the vendor's configurations."""
    lines = []
    if math.isnan(selection.rate):
        lines.append(f"nothing chosen: {selection.note}.")
    if not math.isnan(selection.configuration.get("rate_from") or math.nan):
        lines.append(
            "every rate was scored with one conditional training. This is a screening: --finalists trains the chosen "
            f"rate and its neighbours separately, from those weights, and their {measure.plural} are final."
        )
    if not selection.full_sampling:
        lines.append("full sampling (rate 1) has no finished trial: what a lower rate costs is unknown.")
    if len(configurations) == 1:
        lines.append("one configuration only: there is nothing to choose between.")
    if configurations[["val_cross_domain", "test_cross_domain"]].isna().all(axis=None):
        other = measure.domains.one
        lines.append(f"no cross-domain {measure.title}: no other {other} was scored, so transfer is unknown.")
    return [f"{selection.vendor}: {line}" for line in lines]


def _about_the_yardstick(selection: Selection, table: pd.DataFrame, measure: Measure) -> list[str]:
    """Whether a choice is no better than what is reached without the network."""
    yardstick = yardstick_not_beaten(selection, table)
    if not yardstick:
        return []
    score = selection.values["test_in_domain"]
    return [
        f"{selection.vendor}: the chosen rate's in-domain test {measure.title} ({score:.3f}) is not "
        f"above the {yardstick} by its {measure.yardstick.interval}: this is no evidence that anything was learned."
    ]


def yardstick_not_beaten(selection: Selection, table: pd.DataFrame) -> str:
    """The best yardstick in words, where the choice is not above it by the interval; else "".

    ``table``: all configurations.
    """
    low = selection.values.get("above_baseline_in_domain_low", math.nan)
    chosen = table[[tuple(keys) == selection.keys for keys in table["keys"]]]
    return "" if chosen.empty or not low <= 0 else str(chosen["best_yardstick"].iloc[0])


def of_vendor(lines: list[str], vendor: str) -> list[str]:
    """The warnings about one source vendor, without its name."""
    mark = f"{vendor}: "
    return [line.removeprefix(mark) for line in lines if line.startswith(mark)]


def of_the_run(lines: list[str], vendors: Iterable[str]) -> list[str]:
    """The warnings that name none of these vendors at their beginning."""
    marks = tuple(f"{vendor}: " for vendor in vendors)
    return [line for line in lines if not line.startswith(marks)]


def _about_empty_kspace(run: Run) -> list[str]:
    """Where stored k-space is partly empty, and which learned masks spend their budget there."""
    lines = []
    of_coils = "coils" in run.cohort
    for vendor, trials in run.trials.groupby("vendor"):
        records = [run.records[key] for key in trials["key"]]
        noted = [record.facts.get("occupied_share") for record in records]
        shares = [share for share in noted if is_number(share)]
        if not shares or max(shares) > FULLY_OCCUPIED:
            continue
        lines.append(
            f"{vendor}: 99 % of the energy beyond DC lies in the inner {max(shares):.0%} of the "
            f"{'acquired lines of k-space' if of_coils else 'stored k-space'}, so higher rates lose next to nothing by "
            f"construction.{'' if of_coils else ' A rate is a share of stored, not of acquired k-space.'}"
        )
        wasteful = [record for record in records if _is_wasteful(record)]
        named = [f"{record.config.mask} at {rate_tick(record.config.sampling_rate)}" for record in wasteful]
        if named:
            more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
            kept, left_out = ("outer", "inner") if of_coils else ("empty", "occupied")
            lines.append(
                f"{vendor}: {len(named)} learned mask(s) keep {kept} lines of k-space and leave out "
                f"{left_out} ones: {', '.join(named[:NAMED])}{more}. Such a mask has not learned (docs/recipe.md)."
            )
    return lines


def _is_wasteful(record: TrialRecord) -> bool:
    """Whether a learned mask keeps more than WASTED of its budget outside the band, which it does not fill."""
    outside = record.facts.get("kept_outside")
    share = record.facts.get("occupied_share")
    side = record.facts.get("side")
    if not (record.mask_is_learned and is_number(outside) and is_number(share) and is_number(side)):
        return False
    count = record.realised_rate * (side if record.config.pattern == "lines" else side**2)
    return record.realised_rate < share and outside > WASTED * count


def _about_large_batches(run: Run) -> list[str]:
    """The trials whose batch would hold more images than they were trained on, so that an epoch is a single step."""
    lines = []
    for (vendor, batch_size), trials in run.trials.groupby(["vendor", "batch_size"]):
        images = [_training_images(run.records[key]) for key in trials["key"]]
        fewer = [count for count in images if 0 < count < batch_size]
        if fewer:
            lines.append(
                f"{vendor}: batch_size {batch_size} is more than the {max(fewer)} training images of {len(fewer)} "
                "trial(s): each of their epochs was one step. A smaller batch_size takes more steps."
            )
    return lines


def _training_images(record: TrialRecord) -> int:
    """0 of a record that does not say how many it was trained on."""
    return sum(count for name, count in record.images.items() if name.startswith("train "))


def _about_trials_at_chance(trials: pd.DataFrame) -> list[str]:
    """The trials whose training learned nothing, by name: a mean over seeds holds them like any other."""
    at_chance = trials[trials["at_chance"].astype(bool)]
    if at_chance.empty:
        return []
    names = [
        f"{trial.key} ({trial.vendor}, {trial.mask}, rate {rate_tick(trial.sampling_rate)}, seed {trial.seed})"
        for trial in at_chance.head(NAMED).itertuples()
    ]
    if len(at_chance) > NAMED:
        names.append(f"and {len(at_chance) - NAMED} more, marked in the table of all trials")
    return [
        f"{len(at_chance)} trial(s) stayed at chance, by training loss and in-domain validation: {'; '.join(names)}. "
        "They are in the curves and means below; restarts=1 in SPACE begins such a training once again."
    ]


def _about_unfinished_trials(run: Run, measure: Measure) -> list[str]:
    lines = []
    if len(run.failures):
        lines.append(f"{len(run.failures)} trial(s) failed; their reasons are in the report.")
    if len(run.stopped):
        lines.append(
            f"{len(run.stopped)} trial(s) were stopped early for their validation {measure.plural} and appear in no "
            "curve and no front. Rates with stopped trials look better there than the mean of all their trials is."
        )
    if run.left:
        lines.append(
            f"{run.left} of {run.asked} trial(s) have not finished ({len(run.pending)} begun): they run now, or the "
            "same search finishes them."
        )
    return lines


def from_counts(
    counted: pd.DataFrame,
    table: pd.DataFrame,
    selections: dict[str, Selection],
    patients: dict[str, Counts],
    options: Options,
) -> list[str]:
    """Warnings that intervals rest on counts alone, and what comparing each choice with full sampling would take."""
    if counted.empty:
        return []
    word = options.measure.domains.one
    given = ", ".join(f"{vendor or f'every {word}'} {n.positives}+/{n.negatives}-" for vendor, n in patients.items())
    lines = [
        f"Intervals where scores per image are missing come from counts of test patients alone ({given}; Hanley and "
        "McNeil): one training, patients of each class taken as independent."
    ]
    rows = counted.set_index("configuration")
    configuration_of = dict(zip(map(tuple, table["keys"]), table["configuration"]))
    for vendor, selection in selections.items():
        if selection.keys and selection.rate != 1 and selection.full_sampling:
            lines += _correlations(vendor, rows.loc[configuration_of[selection.keys]], options.margin)
    return lines


def _correlations(vendor: str, row: pd.Series, margin: float) -> list[str]:
    """A line a domain: the correlations that comparing one choice (a row of count_intervals()) would take."""
    lines = []
    for domain, word in DOMAINS.items():
        separates = row[f"test_{domain}_separates"]
        proves = row[f"test_{domain}_proves"]
        if not math.isnan(separates) and not math.isnan(proves):
            lines.append(
                f"{vendor}, {word}: how the AUCs of two models correlate is not in the counts. To tell "
                f"the chosen rate from full sampling at one-sided 95 % would take at least: {_correlation(separates)}; "
                f"to show a loss of at most {margin:g}: {_correlation(proves)}."
            )
    return lines


def _correlation(least: float) -> str:
    return "no correlation would do" if least == math.inf else f"correlation {least:.3f}"
