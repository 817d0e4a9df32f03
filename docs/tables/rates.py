"""Every rate with all its seeds."""

import pandas as pd

from analysis.read.load import Run
from analysis.results.yardsticks import best_yardsticks, yardstick_draws
from analysis.statistics.baselines import baseline_draws, baselines, best, held_out_images
from analysis.statistics.bootstrap import DRAWS, TrialDraws
from analysis.statistics.resampling import trial_draws
from docs.tables.cells import rate_name
from docs.tables.differences import against_low_pass, differences, distances, score_cells, versus_low_pass
from docs.tables.table import Table


def rates(run: Run) -> list[Table]:
    """results.md: every rate with all its seeds, and differences to other samplings and to simple methods.

    These are: full sampling, the low-pass at the same rate, the best yardstick on the same sampled images, and the best
    one-number baseline (spaces real_patches and patches_alexnet).
    """
    draws = trial_draws(run, DRAWS)
    versus = versus_low_pass(run, draws)
    numbers = baselines(run.cohort, DRAWS)
    best_number = _best_number(run.cohort, numbers)
    by_yardstick = yardstick_draws(run)
    scores = []
    gains = []
    for vendor, of_vendor in run.trials.groupby("vendor"):
        keys_of = {group: part["key"].tolist() for group, part in of_vendor.groupby(["sampling_rate", "mask"])}
        full = of_vendor.loc[of_vendor["full"], "key"].tolist()
        for (rate, mask), part in of_vendor.groupby(["sampling_rate", "mask"]):
            keys = keys_of[rate, mask]
            about = [vendor, "full" if rate == 1 else mask, rate_name(rate)]
            best_yardstick = best_yardsticks(run, keys, by_yardstick)
            scores.append(about + score_cells(part, draws, vendor))
            gains.append(
                about
                + differences(keys, [] if rate == 1 else full, draws, vendor)
                + against_low_pass(versus, vendor, mask, rate)
                + distances(keys, {role: reached.draws for role, reached in best_yardstick.items()}, draws, vendor)
                + distances(keys, best_number, draws, vendor)
            )
    about = ["trained on", "mask", "rate"]
    heads = [*about, "in-domain AUC", "seeds", "cross-domain AUC", "seeds"]
    others = ("full", "low-pass", "yardstick", "baseline")
    against_heads = [f"{domain} - {other}" for other in others for domain in ("in", "cross")]
    return [Table(heads, scores), Table([*about, *against_heads], gains), _baseline_table(numbers)]


def _best_number(cohort: pd.DataFrame, numbers: pd.DataFrame) -> TrialDraws:
    """The best one-number baseline of each test vendor, resampled."""
    drawn: TrialDraws = {}
    for vendor, images in held_out_images(cohort):
        name = best(numbers, vendor)["baseline"]
        drawn["test", vendor] = baseline_draws(images, vendor, name, DRAWS)
    return drawn


def _baseline_table(numbers: pd.DataFrame) -> Table:
    rows = []
    for row in numbers.itertuples():
        value = f"{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]"
        rows.append([row.vendor, f"{row.baseline} ({row.direction})", value, f"{row.images}", f"{row.patients}"])
    return Table(["test vendor", "one-number baseline", "AUC", "images", "patients"], rows)
