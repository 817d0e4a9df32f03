"""The trainings of one configuration as one model: the mean of their logits (Lakshminarayanan et al., NeurIPS 2017).

They differ in their seed only, so each gives another answer for the same image, and the mean is one answer.
"""

from collections.abc import Sequence

import pandas as pd

from tune_ks.core.ensemble import FEWEST_TOGETHER
from tune_ks.core.run_folder import RunFolder

PREFIX = "ensemble-"  # no key of a trial begins like this


def ensembles_of(folder: RunFolder, keys: Sequence[str]) -> dict[str, list[str]]:
    """Name of each ensemble -> the keys of its trials, of ``keys``; configurations with a single trial have none."""
    members: dict[str, list[str]] = {}
    for key in keys:
        members.setdefault(PREFIX + folder.read_config(key).key("seed"), []).append(key)
    return {name: of_name for name, of_name in members.items() if len(of_name) >= FEWEST_TOGETHER}


def with_ensembles(scores: pd.DataFrame, ensembles: dict[str, list[str]]) -> pd.DataFrame:
    """``scores`` (key, row, score ... of every image and model), and behind them the mean score of each ensemble."""
    parts = [scores]
    for name, keys in ensembles.items():
        of_members = scores[scores["key"].isin(keys)]
        mean = of_members.groupby("row", sort=False)["score"].mean()
        images = of_members[of_members["key"] == keys[0]]
        parts.append(images.assign(key=name, score=images["row"].map(mean)))
    return pd.concat(parts, ignore_index=True)
