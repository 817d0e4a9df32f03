"""Cells of the tables: rates, metrics of every seed, means and their errors."""

import pandas as pd

from analysis.read.load import Run

SCORES = ["test_in_domain", "test_cross_domain"]


def rate_name(rate: float) -> str:
    """0.25 -> "16/64"."""
    return f"{rate * 64:g}/64"


def pair(in_domain: float, cross_domain: float, form: str = ".3f") -> str:
    """In-domain / cross-domain."""
    return f"{in_domain:{form}} / {cross_domain:{form}}"


def option(run: Run, trials: pd.DataFrame, name: str, default: float | str = 0) -> list[float | str]:
    """The value of a member's option in each trial; its ``default`` where it is not given."""
    return [run.records[key].config.options.get(name, default) for key in trials["key"]]


def cells_by_rate(trials: pd.DataFrame, rates: list[float], form: str = ".3f") -> list[str]:
    """One cell for each rate, with every seed of it; ``trials`` has the columns sampling_rate, seed and SCORES."""
    cells = []
    for rate in rates:
        at_rate = trials[trials["sampling_rate"] == rate].sort_values("seed")
        cells.append(", ".join(pair(*scores, form) for scores in at_rate[SCORES].to_numpy()))
    return cells


def mean_and_error(values: pd.Series, form: str = "+.3f") -> str:
    """Mean ± its standard error."""
    return f"{values.mean():{form}} ± {values.sem():.3f}"


def with_hidden(classifier: str, side_dropout: float) -> str:
    """A network, with the share of acquisition parameters that its training hid, where it hid any."""
    return f"{classifier}, {side_dropout:g} hidden" if side_dropout else classifier
