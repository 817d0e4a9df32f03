"""What an answer scores that ignores the image, as the records tell it: the yardstick of a run of Dice."""

import math

import numpy as np
import pandas as pd

from analysis.read.load import Run
from analysis.statistics.bootstrap import DRAWS, Resampled, TrialDraws

COLUMNS = ["source", "vendor", "baseline", "value"]


def table(run: Run) -> pd.DataFrame:
    """A row a source vendor and vendor tested on: the best of the source's trials. Empty where no record tells it."""
    rows = [
        {"source": record.config.vendor, "vendor": vendor, "baseline": "trivial", "value": value}
        for record in run.records.values()
        for vendor, value in record.trivial.items()
        if not math.isnan(value)
    ]
    each = pd.DataFrame(rows, columns=COLUMNS)
    return each.groupby(COLUMNS[:-1], as_index=False)["value"].max()


def draws(run: Run, found: pd.DataFrame, source: str) -> TrialDraws:
    """The same number in every draw: a record holds no more of it, and it rests on no fewer patients than a trial."""
    own = found[found["source"] == source]
    return {
        ("test", row.vendor): Resampled(row.value, np.full(DRAWS, row.value), len(run.cohort))
        for row in own.itertuples()
    }
