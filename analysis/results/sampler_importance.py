"""Which hyperparameters moved the metrics of the trials that a sampler drew: Optuna's fANOVA.

Optuna's default (PED-ANOVA) asks what sets the best tenth of the trials apart, which are three of thirty. fANOVA
(Hutter, Hoos and Leyton-Brown, ICML 2014) asks how much of the variance over the whole drawn space a hyperparameter
explains.
"""

import math
from typing import Any, NamedTuple

import pandas as pd

from analysis.choice.noninferior_run import sampler_of
from analysis.read.configurations import plain_name
from analysis.read.load import Run
from analysis.results.importance import hyperparameters
from analysis.statistics.pareto import TWO

ENOUGH = 20  # suggestions below full sampling; the first ten of TPE are random, and a forest of fewer says little
TREES = 32
DEPTH = 5  # of a tree, so that the time does not grow with the square of the trials (500: 10 s without it)
SEED = 0


class SamplerImportance(NamedTuple):
    """The share of the variance of each validation metric that each hyperparameter explains, of one vendor."""

    table: pd.DataFrame  # hyperparameter, in_domain, cross_domain; of each metric the shares sum to 1; NaN unknown
    trials: int
    left_out: tuple[str, ...]  # varied, but not drawn in every trial


def sampler_importance(run: Run, configurations: pd.DataFrame) -> SamplerImportance | str:
    """``configurations``: one vendor's. A text is the reason why nothing can be said."""
    sampler = sampler_of(run)
    below = configurations[~configurations["full"].astype(bool)].dropna(subset=["val_in_domain"])
    if len(below) < ENOUGH:
        return f"{ENOUGH} suggestions below full sampling are the least; the sampler {sampler} made {len(below)}"
    names = ["sampling_rate", *hyperparameters(configurations)]
    known = [name for name in names if below[name].notna().all() and below[name].nunique() > 1]
    if len(known) < 2:
        return "nothing but the rate was drawn in every trial"
    columns = {}
    for domain in TWO:
        columns[domain] = _shares(below.dropna(subset=[f"val_{domain}"]), known, f"val_{domain}")
    if all(shares is None for shares in columns.values()):
        return "the validation metric is the same in all trials"
    table = pd.DataFrame({"hyperparameter": [plain_name(name) for name in known]})
    for domain, shares in columns.items():
        table[domain] = [math.nan if shares is None else shares[name] for name in known]
    table = table.sort_values("in_domain", ascending=False, kind="stable", ignore_index=True)
    left_out = tuple(plain_name(name) for name in names if name not in known)
    return SamplerImportance(table, len(below), left_out)


def _shares(rows: pd.DataFrame, names: list[str], score: str) -> dict[str, float] | None:
    """Column -> its share of the variance of ``score``; None with too few rows, or where nothing varies."""
    if len(rows) < ENOUGH or rows[score].nunique() < 2:
        return None
    import optuna  # of no use to most runs, and slow to load

    optuna.logging.set_verbosity(optuna.logging.WARNING)  # without it every new study prints a line
    study = optuna.create_study(storage=optuna.storages.InMemoryStorage(), direction="maximize")
    distributions = {name: _distribution(rows[name], optuna.distributions) for name in names}
    for row in rows.to_dict("records"):
        params = {name: _plain(row[name]) for name in names}
        study.add_trial(optuna.trial.create_trial(value=row[score], params=params, distributions=distributions))
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=TREES, max_depth=DEPTH, seed=SEED)
    return optuna.importance.get_param_importances(study, evaluator=evaluator)


def _distribution(values: pd.Series, distributions: Any) -> Any:
    """What was drawn from, as far as the values show: a range (by its logarithm where it spans a decade), or a list."""
    if not pd.api.types.is_float_dtype(values) and not pd.api.types.is_integer_dtype(values):
        return distributions.CategoricalDistribution(sorted({_plain(value) for value in values}, key=str))
    low = float(values.min())
    high = float(values.max())
    return distributions.FloatDistribution(low, high, log=low > 0 and high >= 10 * low)


def _plain(value: Any) -> Any:
    """A value of a table as Optuna takes it."""
    return value.item() if hasattr(value, "item") else value
