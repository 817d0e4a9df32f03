"""Mask families minus the low-pass at the same rate."""

from analysis.read.load import Run
from analysis.statistics.bootstrap import DRAWS
from analysis.statistics.resampling import trial_draws
from docs.tables.cells import SCORES, mean_and_error, pair, rate_name
from docs.tables.differences import DOMAINS, versus_low_pass
from docs.tables.table import Table


def families(run: Run) -> list[Table]:
    """families_underfit.md: mask families, and what they gain on the low-pass at the same rate (space mask_families).

    Means over seeds at each rate, and the mean over rates of the gain.
    """
    below = run.trials[~run.trials["full"]]
    every_rate = sorted(below["sampling_rate"].unique())
    versus = versus_low_pass(run, trial_draws(run, DRAWS)).groupby(["vendor", "family", "domain"])["difference"]
    rows = []
    for vendor, of_vendor in below.groupby("vendor"):
        means = {mask: part.groupby("sampling_rate")[SCORES].mean() for mask, part in of_vendor.groupby("mask")}
        for mask, mean in means.items():
            cells = [pair(*scores) for scores in mean.loc[every_rate].to_numpy()]
            gains = [] if mask == "lowpass" else [versus.get_group((vendor, mask, domain)) for domain in DOMAINS]
            gained = " / ".join(mean_and_error(gain) for gain in gains)
            rows.append([vendor, mask, *cells, gained])
    heads = ["trained on", "mask", *map(rate_name, every_rate), "minus low-pass, in / cross"]
    full = run.trials[run.trials["full"]].groupby("vendor")[SCORES].mean()
    notes = [f"{vendor}, full sampling: {pair(*scores)}" for vendor, scores in zip(full.index, full.to_numpy())]
    return [Table(heads, rows, note="\n\n".join(notes))]
