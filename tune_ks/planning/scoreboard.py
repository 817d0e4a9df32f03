"""Which recipe is the best, by the source vendors' validation images alone: no test label, no other vendor's label.

The AUC of a training is the mean over its last epochs, not that of its best epoch, which is the largest of many noisy
numbers. The value of a recipe is the mean of its AUC at full sampling and its AUC at the low rate, each of them the
mean over the source vendors.
"""

import math
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Any, NamedTuple

from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.planning.budget import MORE_SEEDS
from tune_ks.planning.candidates import Candidates, recipe_key

LAST_SHARE = 0.25  # of the epochs, over which the validation AUC is averaged
RULE = (
    "the highest mean of the validation AUC (mean of the last quarter of the epochs, not the best epoch) at full "
    "sampling and at the low rate, over the source vendors and over the seeds that all compared recipes have"
)


class Score(NamedTuple):
    """The validation AUC of one recipe with one seed after one number of epochs, means over the source vendors."""

    full: float  # at full sampling
    low: float  # at the low rate

    @property
    def value(self) -> float:
        return (self.full + self.low) / 2


class Row(NamedTuple):
    """A recipe that was trained to the last epoch, with the scores of the seeds at which it is compared."""

    recipe: dict[str, Any]
    scores: list[Score]
    is_default: bool

    @property
    def mean(self) -> float:
        return fmean(score.value for score in self.scores)


class Comparison(NamedTuple):
    """The rows of the recipes that have as many seeds as any, best first; ``others`` have fewer, or fewer epochs."""

    rows: list[Row]
    others: list[tuple[dict[str, Any], int, Score]]  # recipe, epochs, score of seed 0
    scatter: float  # standard deviation between the seeds of one recipe; NaN with one seed

    @property
    def winner(self) -> Row:
        return self.rows[0]

    @property
    def seeds(self) -> int:
        return len(self.winner.scores)

    @property
    def by_chance(self) -> float:
        """By how much two means over the seeds differ by chance alone: twice the standard error; NaN with one seed."""
        return 2 * self.scatter * math.sqrt(2 / self.seeds)


class Scoreboard:
    """The trainings of a tuning that have ended. It reads their histories, and nothing else of their records."""

    def __init__(self, candidates: Candidates) -> None:
        self.candidates = candidates
        self.values: dict[str, float] = {}  # key of a config -> its validation AUC
        self.recipes: dict[str, dict[str, Any]] = {candidates.key(recipe): recipe for recipe in candidates.starts[:1]}
        self.failures: dict[str, str] = {}  # key of a config -> why it failed

    def read(self, folder: RunFolder) -> list[TrialRecord]:
        """Learn of every training of a run folder that has ended; returns the records."""
        records = list(folder.readable_records())
        for record in records:
            self.enter(record)
        for key, reason in folder.failures().items():
            self.enter_failure(folder.read_config(key), reason)
        return records

    def enter(self, record: TrialRecord) -> None:
        """Learn of a finished training."""
        self._know(record.config)
        self.values[record.config.key()] = value_of(record.history)

    def enter_failure(self, config: TrialConfig, reason: str) -> None:
        """Learn of a failed training: its recipe has no value."""
        self._know(config)
        self.values[config.key()] = math.nan
        self.failures[config.key()] = reason

    def _know(self, config: TrialConfig) -> None:
        self.recipes.setdefault(recipe_key(config), self.candidates.recipe_of(config))

    def missing(self, recipe: dict[str, Any], epochs: int, seed: int = 0) -> list[TrialConfig]:
        """The trainings of this recipe that have not ended."""
        return [config for config in self.candidates.trainings(recipe, epochs, seed) if config.key() not in self.values]

    def score(self, recipe: dict[str, Any], epochs: int, seed: int = 0) -> Score | None:
        """None where a training of it has not ended; NaN where one failed or has no AUC."""
        if self.missing(recipe, epochs, seed):
            return None
        trainings = self.candidates.trainings(recipe, epochs, seed)
        means = {}
        for rate in (1.0, self.candidates.low_rate):
            configs = [config for config in trainings if config.sampling_rate == rate]
            means[rate] = fmean(self.values[config.key()] for config in configs)
        return Score(means[1.0], means[self.candidates.low_rate])

    def ranked(self, epochs: int, seed: int = 0) -> list[tuple[dict[str, Any], Score]]:
        """The recipes that have a score after so many epochs, best first."""
        scored = []
        for key in sorted(self.recipes):
            score = self.score(self.recipes[key], epochs, seed)
            if score is not None and not math.isnan(score.value):
                scored.append((self.recipes[key], score))
        return sorted(scored, key=lambda pair: -pair[1].value)

    def compare(self, rungs: Sequence[int]) -> Comparison | None:
        """All recipes compared by RULE; None before the default has been trained to the last of the ``rungs``."""
        whole = self.candidates.epochs
        default_key = self.candidates.key(self.candidates.default)
        ranked = self.ranked(whole)
        if all(self.candidates.key(recipe) != default_key for recipe, _ in ranked):
            return None
        rows = self._rows(ranked, default_key)
        compared = {self.candidates.key(row.recipe) for row in rows}
        others = []
        left = {key: recipe for key, recipe in self.recipes.items() if key not in compared}
        for epochs in sorted({*rungs, whole}, reverse=True):
            for recipe, score in self.ranked(epochs):
                if left.pop(self.candidates.key(recipe), None) is not None:
                    others.append((recipe, epochs, score))
        return Comparison(rows, others, scatter_of([row.scores for row in rows]))

    def _rows(self, ranked: list[tuple[dict[str, Any], Score]], default_key: str) -> list[Row]:
        """A row of every recipe with all the seeds that the default and at least one other recipe have."""
        for more in (MORE_SEEDS, MORE_SEEDS[:1], ()):
            rows = []
            for recipe, first in ranked:
                later = [self.score(recipe, self.candidates.epochs, seed) for seed in more]
                scores = [first, *(score for score in later if score is not None and not math.isnan(score.value))]
                if len(scores) == 1 + len(more):
                    rows.append(Row(recipe, scores, self.candidates.key(recipe) == default_key))
            if any(row.is_default for row in rows) and (len(rows) > 1 or not more):
                break
        return sorted(rows, key=lambda row: (-row.mean, not row.is_default))


def value_of(history: Sequence[dict[str, float]]) -> float:
    """The in-domain validation AUC of a training: the mean over its last epochs; NaN where there is none."""
    last = math.ceil(LAST_SHARE * len(history))
    return fmean(line["val_in_domain"] for line in history[-last:]) if history else math.nan


def scatter_of(scores: Sequence[Sequence[Score]]) -> float:
    """The standard deviation of the value between the seeds of one recipe, pooled over recipes; NaN with one seed."""
    variances = [stdev([score.value for score in of_recipe]) ** 2 for of_recipe in scores if len(of_recipe) > 1]
    return math.sqrt(fmean(variances)) if variances else math.nan
