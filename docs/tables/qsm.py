"""R2 by rate for every network, beside TKD."""

from statistics import fmean

import pandas as pd

from analysis.read.load import Run
from docs.tables.cells import cells_by_rate, pair, rate_name
from docs.tables.table import Table
from tune_ks.core.domains import mean_of_others

TKD = "tkd_0.2"  # the yardstick of maps
MAP_QUALITY = ("map_nrmse", "map_psnr", "map_ssim")


def qsm(run: Run) -> list[Table]:
    """families.md: R2 by rate for every network, beside TKD on the same fields (spaces qsm_pretrain, qsm_finetune).

    From scratch and pre-trained; then NRMSE, PSNR and SSIM of the maps by domain.
    """
    starts = ["scratch" if start is None else "pre-trained" for start in _starts(run)]
    names = [f"{network}, {start}" for network, start in zip(run.trials["classifier"], starts)]
    trials = run.trials.assign(network=names)
    every_rate = sorted(trials["sampling_rate"].unique())
    rows = []
    for vendor, of_vendor in trials.groupby("vendor"):
        for network, part in of_vendor.groupby("network"):
            rows.append([vendor, network, *cells_by_rate(part, every_rate)])
        rows.append([vendor, "TKD 0.2", *_of_tkd(run, of_vendor, every_rate)])
    tables = [Table(["trained on", "network", *map(rate_name, every_rate)], rows)]
    qualities = []
    for (vendor, network, rate), part in trials.groupby(["vendor", "network", "sampling_rate"]):
        records = [run.records[key] for key in part["key"]]
        for domain in sorted(records[0].quality):
            means = [fmean(record.quality[domain][name] for record in records) for name in MAP_QUALITY]
            numbers = [f"{value:.3f}" for value in means]
            qualities.append([vendor, network, rate_name(rate), domain, *numbers])
    heads = ["trained on", "network", "rate", "tested on", "NRMSE", "PSNR, dB", "SSIM"]
    return [*tables, Table(heads, qualities)]


def _starts(run: Run) -> list[str | None]:
    """The weights that every trial began from; None from scratch."""
    return [run.records[key].config.init_from for key in run.trials["key"]]


def _of_tkd(run: Run, trials: pd.DataFrame, rates: list[float]) -> list[str]:
    """A cell for each rate: R2 of TKD, which is the same for every network and seed."""
    cells = []
    for rate in rates:
        part = trials[trials["sampling_rate"] == rate]
        values = (run.records[part["key"].iloc[0]].yardsticks or {})[TKD]["test"] if len(part) else {}
        vendor = trials["vendor"].iloc[0]
        cells.append(pair(values[vendor], mean_of_others(values, vendor)) if values else "")
    return cells
