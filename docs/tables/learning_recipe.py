"""What is trained with the recipe that learns, minus its reference at the same rate."""

import pandas as pd

from analysis.read.load import Run
from analysis.statistics.bootstrap import DRAWS
from analysis.statistics.resampling import trial_draws
from docs.tables.cells import option, rate_name, with_hidden
from docs.tables.differences import Draws, differences, score_cells
from docs.tables.table import Table


def members(run: Run) -> list[Table]:
    """families.md: one training for all rates, and a U-Net, minus separate trainings (space patches_members)."""
    trials = run.trials[run.trials["mask"] == "lowpass"]
    together = trials["rate_from"].notna()
    reconstructed = trials["reconstruction"] != "zero_filled"
    words = pd.Series("a training a rate", trials.index)
    words = words.mask(together, "one training").mask(reconstructed, "U-Net")
    return [_against(trials.assign(words=words), "a training a rate", trial_draws(run, DRAWS))]


def networks(run: Run) -> list[Table]:
    """families.md: networks minus the AlexNet, with the low-pass (space patches_networks)."""
    trials = run.trials[run.trials["mask"] == "lowpass"]
    hidden = option(run, trials, "side_dropout")
    words = [with_hidden(name, share) for name, share in zip(trials["classifier"], hidden)]
    return [_against(trials.assign(words=words), "alexnet", trial_draws(run, DRAWS))]


def _against(trials: pd.DataFrame, reference: str, draws: Draws) -> Table:
    """AUCs of what the column ``words`` names, at rates where there are several, and their gains on ``reference``."""
    rows = []
    for (vendor, rate), part in trials.groupby(["vendor", "sampling_rate"]):
        keys = {name: group["key"].tolist() for name, group in part.groupby("words")}
        if len(keys) == 1:
            continue
        for name, group in part.groupby("words"):
            about = [vendor, rate_name(rate), name]
            others = [] if name == reference else keys.get(reference, [])
            rows.append([*about, *score_cells(group, draws, vendor), *differences(keys[name], others, draws, vendor)])
    heads = ["trained on", "rate", "", "in-domain AUC", "seeds", "cross-domain AUC", "seeds", "gains in", "gains cross"]
    return Table(heads, rows)
