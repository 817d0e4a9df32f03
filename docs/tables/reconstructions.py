"""Reconstructions minus zero-filling."""

import math

import pandas as pd

from analysis.read.load import Run
from analysis.statistics.resampling import trial_draws
from docs.tables.cells import SCORES, option, pair, rate_name
from docs.tables.differences import differences
from docs.tables.table import Table


def reconstructions(run: Run) -> list[Table]:
    """underfit.md: reconstructions, and what they gain on zero-filling (space reconstructions).

    Then PSNR and SSIM beside those of zero-filling.
    """
    alone = option(run, run.trials, "reconstruction_epochs")
    names = [_with_epochs_alone(name, epochs) for name, epochs in zip(run.trials["reconstruction"], alone)]
    trials, draws, rows = run.trials.assign(network=names), trial_draws(run), []
    for (vendor, full, mask, rate), group in trials.groupby(["vendor", "full", "mask", "sampling_rate"]):
        networks = group.sort_values("seed").groupby("network")
        keys = {name: part["key"].tolist() for name, part in networks}
        for name, part in networks:
            about = [vendor, "full" if full else mask, rate_name(rate), "" if full else name]
            seeds = [", ".join(f"{value:.3f}" for value in part[score]) for score in SCORES]
            filled = [] if name == "zero_filled" else keys.get("zero_filled", [])
            rows.append([*about, *seeds, *differences(keys[name], filled, draws, vendor)])
    about = ["trained on", "mask", "rate", "reconstruction"]
    return [Table([*about, "in-domain", "cross-domain", "gains in", "gains cross"], rows), _quality(run, trials)]


def _quality(run: Run, trials: pd.DataFrame) -> Table:
    rows = []
    for row in trials.sort_values(["vendor", "mask", "sampling_rate", "network", "seed"]).itertuples():
        for vendor, quality in run.records[row.key].quality.items():
            about = [row.vendor, row.mask, rate_name(row.sampling_rate), row.network, f"{row.seed}", vendor]
            psnr = [quality.get(name, math.nan) for name in ("psnr", "psnr_zero_filled")]
            ssim = [quality.get(name, math.nan) for name in ("ssim", "ssim_zero_filled")]
            rows.append([*about, pair(*psnr, ".2f"), pair(*ssim)])
    about = ["trained on", "mask", "rate", "reconstruction", "seed", "test vendor"]
    return Table([*about, "PSNR / zero-filled", "SSIM / zero-filled"], rows)


def _with_epochs_alone(reconstruction: str, epochs: int) -> str:
    return f"{reconstruction}, first alone ({epochs} epochs)" if epochs else reconstruction
