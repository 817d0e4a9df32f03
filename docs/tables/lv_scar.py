"""Dice of the scar by rate, views and stages."""

import pandas as pd

from analysis.read.load import Run
from docs.tables.cells import cells_by_rate, pair, rate_name
from docs.tables.table import Table
from tune_ks.core.domains import mean_of_others
from tune_ks.core.record import ONE_FIXED_MASK

VOLUME_MEASURES = {  # in a record's quality -> head
    "volume_avd_ml": "AVD, ml",
    "volume_hd_mm": "HD, mm",
    "volume_empty": "no scar predicted",
    "volume_organ_dice": "Dice of the wall",
}


def lv_scar(run: Run) -> list[Table]:
    """families.md: Dice of the scar by rate, views and stages, beside one mask for every volume (space lv_scar).

    Then the errors of volume and surface, means over seeds.
    """
    names = []
    for key in run.trials["key"]:
        config = run.records[key].config
        views = int(config.options.get("views", 3))
        stages = int(config.options.get("stages", 2))
        names.append(f"{config.mask}, {_counted(views, 'view')}, {_counted(stages, 'stage')}")
    trials = run.trials.assign(network=names)
    every_rate = sorted(trials["sampling_rate"].unique())
    rows, measured = [], []
    for (vendor, network), part in trials.groupby(["vendor", "network"]):
        trivial = run.records[part["key"].iloc[0]].trivial[ONE_FIXED_MASK]
        one_mask = pair(trivial[vendor], mean_of_others(trivial, vendor))
        rows.append([vendor, network, *cells_by_rate(part, every_rate), one_mask])
        for rate, of_rate in part.groupby("sampling_rate"):
            measured.append([vendor, network, rate_name(rate), *_volume_cells(run, of_rate["key"], vendor)])
    heads = ["trained on", "network", *map(rate_name, every_rate), "one mask for every volume"]
    return [Table(heads, rows), Table(["trained on", "network", "rate", *VOLUME_MEASURES.values()], measured)]


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _volume_cells(run: Run, keys: pd.Series, vendor: str) -> list[str]:
    """Every measure of volumes, in-domain / cross-domain: means over the trials that have it."""
    cells = []
    for name, words in VOLUME_MEASURES.items():
        by_vendor = pd.DataFrame([{v: q.get(name) for v, q in run.records[key].quality.items()} for key in keys])
        means = by_vendor.astype(float).mean()
        if means.isna().all():  # one stage has no organ
            cells.append("")
            continue
        digits = 2 if words.startswith("Dice") or words.startswith("no") else 1
        cells.append(f"{means[vendor]:.{digits}f} / {means.drop(vendor).mean():.{digits}f}")
    return cells
