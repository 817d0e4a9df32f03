"""Is the network fit to judge a rate? One verdict a source vendor, at full sampling, from what the records hold.

A network that could not use all of k-space loses little when some of it is taken away: the rates that it calls good
enough are then too low. Nothing here chooses a rate, so test metrics may be read.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.choice.selection import Selection
from analysis.read.configurations import full_sampling_of, of_most_patients, plain_name
from analysis.read.load import Run
from analysis.read.trial_rows import config_fields, is_idle
from analysis.results.sentences import ends_words
from analysis.results.yardsticks import plain
from analysis.statistics.bootstrap import TrialDraws
from analysis.statistics.estimate import estimate
from analysis.statistics.measures import Measure
from analysis.statistics.training_noise import seeds_of, training_noise
from tune_ks.core.record import TrialRecord

UNDERFIT, FIT, UNKNOWN = "underfit", "fit", "unknown"
NO_NETWORK = "no network"
SHARE = 0.2  # of the epochs: the last fifth is compared with the fifth before it
FALL = 0.01  # by which share the loss must fall from one to the other to count as falling
RISE = 0.005  # by how much the validation metric must rise
NOT_OF_THE_RECIPE = ("vendor", "sampling_rate", "seed", "init_from", "train_share")


class Fitness(NamedTuple):
    """The verdict on the models trained on one vendor."""

    vendor: str
    verdict: str  # UNDERFIT, FIT, UNKNOWN or NO_NETWORK
    reasons: list[str]  # that speak against the network; none unless it is UNDERFIT
    facts: list[str]  # what else was looked at, or could not be
    keys: list[str]  # the trainings at full sampling that were judged

    @property
    def sentence(self) -> str:
        """The verdict and why, in one sentence."""
        facts = "; ".join(self.facts)
        if self.verdict == NO_NETWORK:
            return f"{self.vendor}: no network was trained: {facts}."
        if self.verdict == UNKNOWN:
            return f"{self.vendor}: whether the network is fit to judge a rate is unknown: {facts}."
        if self.verdict == UNDERFIT:
            return (
                f"{self.vendor}: underfit: rates judged by this network are lower bounds of what k-space is worth. At "
                f"full sampling {'; '.join(self.reasons)}."
            )
        return f"{self.vendor}: fit as far as can be told: at full sampling {facts}."


class Finding(NamedTuple):
    """What one look at the network says of it."""

    words: str
    speaks_against: bool = False  # whether it is a reason to call the network underfit


class Ending(NamedTuple):
    """How trainings ended: the mean over the last fifth of the epochs against that over the fifth before."""

    epochs: int  # of the longest training
    best: list[int]  # the epoch with the best validation metric of each training
    fall: float  # of the loss, as a share of what it was; the mean over trainings
    rise: float  # of the in-domain validation metric


def fitness(
    run: Run,
    configurations: pd.DataFrame,
    draws: dict[str, TrialDraws],
    selection: Selection,
    measure: Measure,
) -> Fitness:
    """``configurations``: those of one source vendor. Judged is full sampling with the settings of the chosen one."""
    row = judged(configurations, selection)
    if row is None:
        return Fitness(selection.vendor, UNKNOWN, [], ["full sampling (rate 1) has no finished trial"], [])
    answered_by = answering_yardsticks([run.records[key] for key in row["keys"]])
    if answered_by:
        words = f"the classical method answers that validation images of {selection.vendor} choose"
        return Fitness(selection.vendor, NO_NETWORK, [], [f"{words} ({', '.join(answered_by)} at full sampling)"], [])
    findings = [
        about_epochs(ending([run.records[key].history for key in row["keys"]]), measure),
        about_yardstick(row, measure),
        about_rivals(row, configurations, draws, measure),
    ]
    reasons = [finding.words for finding in findings if finding.speaks_against]
    facts = [finding.words for finding in findings if not finding.speaks_against]
    return Fitness(selection.vendor, UNDERFIT if reasons else FIT, reasons, facts, list(row["keys"]))


def answering_yardsticks(records: Sequence[TrialRecord]) -> list[str]:
    """In words, the yardsticks whose scores these records hold; [] where a network has scored any of them."""
    names = [record.scored_by for record in records]
    return sorted({plain(name) for name in names if name}) if all(names) else []


def judged(configurations: pd.DataFrame, selection: Selection) -> pd.Series | None:
    """Full sampling that the chosen configuration is compared with; without a choice, the best one in validation."""
    configurations = of_most_patients(configurations)
    full = configurations[configurations["full"].astype(bool)]
    if full.empty:
        return None
    for keys, name in zip(configurations["keys"], full_sampling_of(configurations)):
        if tuple(keys) == selection.keys and name is not None:
            return full[full["configuration"] == name].iloc[0]
    return full.sort_values("val_in_domain", ascending=False, kind="stable").iloc[0]


def ending(histories: list[list[dict[str, float]]]) -> Ending | None:
    """How these trainings ended; None where no history holds two epochs with a loss and a validation metric."""
    best, falls, rises = [], [], []
    longest = 0
    for history in histories:
        loss = np.array([epoch.get("loss", math.nan) for epoch in history], dtype=float)
        metric = np.array([epoch.get("val_in_domain", math.nan) for epoch in history], dtype=float)
        if len(history) < 2 or not np.isfinite(loss).all() or not np.isfinite(metric).all():
            continue
        span = max(1, round(SHARE * len(history)))
        earlier = slice(-2 * span, -span)
        before = loss[earlier].mean()
        falls.append(1 - loss[-span:].mean() / before if before else 0.0)  # a loss of 0 falls no further
        rises.append(metric[-span:].mean() - metric[earlier].mean())
        best.append(int(metric.argmax()) + 1)
        longest = max(longest, len(history))
    if not best:
        return None
    return Ending(longest, best, float(np.mean(falls)), float(np.mean(rises)))


def about_epochs(ended: Ending | None, measure: Measure) -> Finding:
    """Whether more epochs would help: the loss still falls, and the validation metric still rises."""
    if ended is None:
        return Finding("the records hold no history of epochs")
    best = ", ".join(map(str, ended.best))
    course = (
        f"over the last fifth of {ended.epochs} epochs the loss changes by {-ended.fall:+.1%} and the validation "
        f"{measure.title} by {ended.rise:+.3f} (best epoch {best})"
    )
    if ended.fall > FALL and ended.rise > RISE:
        return Finding(f"training is not finished: {course}", speaks_against=True)
    return Finding(course)


def about_yardstick(row: pd.Series, measure: Measure) -> Finding:
    """Whether the network beats the best of what is reached without it, on the source vendor's test patients."""
    value = row["above_baseline_in_domain"]
    if row["best_yardstick"] is None or math.isnan(value):
        return Finding("there is no yardstick to compare with")
    ends = ends_words(row["above_baseline_in_domain_low"], row["above_baseline_in_domain_high"])
    score = f"test {measure.title} {row['test_in_domain']:.3f}"
    against = f"the {row['best_yardstick']}: {value:+.3f}{ends}"
    if value <= 0:
        return Finding(f"{score} is not above {against}", speaks_against=True)
    if row["above_baseline_in_domain_low"] > 0:
        return Finding(f"{score} is above {against}")
    return Finding(f"{score} is not shown to be above {against}")


def about_rivals(
    row: pd.Series, configurations: pd.DataFrame, draws: dict[str, TrialDraws], measure: Measure
) -> Finding:
    """Whether another network, more epochs or more width of this run is clearly better at full sampling."""
    rivals = _rivals(row, configurations)
    if rivals.empty:
        return Finding("no other network, number of epochs or width was trained to compare with")
    vendor = row["vendor"]
    noise = training_noise(configurations, draws, vendor, "test", "in_domain")
    judged_seeds = seeds_of(row["keys"], draws, vendor, "test", "in_domain")
    better: list[tuple[float, str]] = []
    for _, rival in rivals.iterrows():
        seeds = seeds_of(rival["keys"], draws, vendor, "test", "in_domain")
        difference = estimate(seeds, judged_seeds, noise)
        if difference.interval().low > 0:
            ends = ends_words(*difference.interval())
            words = f"{_differing(rival, row)} is clearly better: {difference.point:+.3f}{ends} {measure.title}"
            better.append((difference.point, words))
    if better:
        return Finding(max(better)[1], speaks_against=True)
    return Finding(f"none of {len(rivals)} other configuration(s) is clearly better")


def _rivals(row: pd.Series, configurations: pd.DataFrame) -> pd.DataFrame:
    """The other configurations at full sampling that were trained on the same patients."""
    others = configurations[configurations["full"].astype(bool)]
    others = others[others["configuration"] != row["configuration"]]
    return others[others["train_share"] == row["train_share"]]


def _differing(rival: pd.Series, row: pd.Series) -> str:
    """The settings in which a rival differs, as "classifier resnet18, epochs 60"."""
    words = []
    for name in config_fields(pd.DataFrame([rival])):
        same = rival[name] == row[name] or (pd.isna(rival[name]) and pd.isna(row[name]))
        if not same and not is_idle(name) and name not in NOT_OF_THE_RECIPE and not pd.isna(rival[name]):
            words.append(f"{plain_name(name)} {rival[name]}")
    return ", ".join(words) or "another start"
