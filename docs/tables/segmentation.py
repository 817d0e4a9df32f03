"""Dice by rate, beside one mask for every image."""

from analysis.read.load import Run
from docs.tables.cells import cells_by_rate, option, pair, rate_name
from docs.tables.table import Table
from tune_ks.core.domains import mean_of_others
from tune_ks.core.record import ONE_FIXED_MASK


def segmentation(run: Run) -> list[Table]:
    """underfit.md: Dice by rate, beside one mask for every image (space segmentation)."""
    weights = option(run, run.trials, "adversarial_weight")
    names = [_with_adversary(mask, weight) for mask, weight in zip(run.trials["mask"], weights)]
    trials, rows = run.trials.assign(network=names), []
    every_rate = sorted(trials["sampling_rate"].unique())
    for (vendor, network), part in trials.groupby(["vendor", "network"]):
        trivial = run.records[part["key"].iloc[0]].trivial[ONE_FIXED_MASK]
        one_mask = pair(trivial[vendor], mean_of_others(trivial, vendor))
        rows.append([vendor, network, *cells_by_rate(part, every_rate), one_mask])
    return [Table(["trained on", "mask", *map(rate_name, every_rate), "one mask for every image"], rows)]


def _with_adversary(mask: str, weight: float) -> str:
    return f"{mask}, adversary {weight:g}" if weight else mask
