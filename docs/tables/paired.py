"""Trainings that are compared by rate and seed."""

import pandas as pd

from docs.tables.cells import SCORES


def by_pair(trials: pd.DataFrame) -> pd.DataFrame:
    """SCORES and the cross-vendor loss, indexed by what pairs trainings: rate and seed."""
    return trials.set_index(["sampling_rate", "seed"])[[*SCORES, "loss"]].sort_index()
