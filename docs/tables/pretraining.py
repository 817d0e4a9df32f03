"""Pre-trained minus from scratch."""

import pandas as pd

from analysis.read.load import Run
from docs.tables.cells import SCORES, cells_by_rate, mean_and_error, rate_name
from docs.tables.table import Table


def pretraining(run: Run) -> list[Table]:
    """underfit.md: from scratch, and what pre-trained gains on that (spaces screened, finetune).

    Trainings are paired by network, rate and seed.
    """
    trials = run.trials.assign(loss=run.trials["test_in_domain"] - run.trials["test_cross_domain"])
    every_rate, rows = sorted(trials["sampling_rate"].unique()), []
    for (vendor, network), part in trials.groupby(["vendor", "classifier"]):
        scratch = _by_pair(part[part["init_from"].isna()])
        rows.append([vendor, network, "from scratch", *_gain_cells(scratch, every_rate, ".3f")])
        for (slow, frozen), tuned in part[part["init_from"].notna()].groupby(["slow", "frozen"]):
            gains = (_by_pair(tuned) - scratch).dropna()
            rows.append([vendor, network, _what_learns(slow, frozen), *_gain_cells(gains, every_rate, "+.3f")])
    heads = ["trained on", "network", "begins, learns", *map(rate_name, every_rate), "mean", "loss"]
    return [Table(heads, rows)]


def _by_pair(trials: pd.DataFrame) -> pd.DataFrame:
    """SCORES and the cross-vendor loss, indexed by what pairs trainings: rate and seed."""
    return trials.set_index(["sampling_rate", "seed"])[[*SCORES, "loss"]].sort_index()


def _gain_cells(values: pd.DataFrame, every_rate: list[float], form: str) -> list[str]:
    both = " / ".join(mean_and_error(values[score], form) for score in SCORES)
    return [*cells_by_rate(values.reset_index(), every_rate, form), both, mean_and_error(values["loss"], form)]


def _what_learns(slow: str, frozen: str) -> str:
    parts = [f"{names} {how}" for names, how in ((slow, "slowly"), (frozen, "not")) if names]
    return "pre-trained, " + (", ".join(parts) or "all alike")
