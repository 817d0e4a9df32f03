"""LROC by rate, beside the best fixed position."""

import pandas as pd

from analysis.read.load import Run
from docs.tables.cells import cells_by_rate, pair, rate_name
from docs.tables.table import Table
from tune_ks.core.domains import mean_of_others
from tune_ks.core.metrics import sensitivity_at
from tune_ks.core.record import BEST_POSITION


def detection(run: Run) -> list[Table]:
    """families.md: LROC by rate beside the best fixed position, and sensitivity at one false positive an image.

    Of the space detection.
    """
    every_rate = sorted(run.trials["sampling_rate"].unique())
    at_one = run.trials.assign(**_further_columns(run, run.trials, sensitivity_at("1")))
    lroc, sensitivity = [], []
    for (vendor, mask), part in run.trials.groupby(["vendor", "mask"]):
        trivial = run.records[part["key"].iloc[0]].trivial[BEST_POSITION]
        fixed = pair(trivial[vendor], mean_of_others(trivial, vendor))
        lroc.append([vendor, mask, *cells_by_rate(part, every_rate), fixed])
        sensitivity.append([vendor, mask, *cells_by_rate(at_one.loc[part.index], every_rate)])
    heads = ["trained on", "mask", *map(rate_name, every_rate)]
    return [Table([*heads, "best fixed position"], lroc), Table(heads, sensitivity)]


def _further_columns(run: Run, part: pd.DataFrame, name: str) -> dict[str, list[float]]:
    """The test columns of the trials, of a further metric."""
    in_domain = []
    cross_domain = []
    for key in part["key"]:
        by_vendor = run.records[key].further[name]
        source = run.records[key].config.vendor
        in_domain.append(by_vendor[source])
        cross_domain.append(mean_of_others(by_vendor, source))
    return {"test_in_domain": in_domain, "test_cross_domain": cross_domain}
