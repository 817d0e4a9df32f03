"""Finalists: the chosen configuration, its neighbours in rate, and full sampling, to be trained with more seeds."""

from typing import Any

import numpy as np
import pandas as pd

from analysis.choice.selection import Selection
from analysis.read.configurations import rows_of_curves
from tune_ks.core.record import TrialRecord

NEIGHBOURS = 1  # rates on either side of the choice


def finalists(table: pd.DataFrame, selection: Selection, records: dict[str, TrialRecord]) -> list[dict[str, Any]]:
    """Config fields, without seed, of a vendor's choice and of the NEIGHBOURS rates on either side of it.

    ``table`` holds one row a configuration of that vendor, ``records`` its trials. The neighbours lie on the curve of
    the choice (all that varies but the rate). Full sampling joins in any case, as every finalist is compared with it.
    Empty when nothing was chosen.

    Where one conditional training was scored at many rates, that was a screening: each finalist is trained by itself,
    from the weights of that training. ``init_from`` of such a config, and of one that began from other weights, is a
    dict of seed -> KEY, or KEY@HASH.
    """
    chosen = set(selection.keys)
    is_chosen = np.array([not chosen.isdisjoint(keys) for keys in table["keys"]], dtype=bool)
    for rows in rows_of_curves(table).values():
        places = np.flatnonzero(is_chosen[rows])
        if len(places):
            curve = table.iloc[rows]
            near = curve.iloc[max(0, places[0] - NEIGHBOURS) : places[0] + NEIGHBOURS + 1]
            with_full = pd.concat([near, curve[curve["full"].astype(bool)]]).drop_duplicates("configuration")
            return [_config(row, records) for _, row in with_full.iterrows()]
    return []


def _config(row: pd.Series, records: dict[str, TrialRecord]) -> dict[str, Any]:
    """The fields of one configuration that differ from their defaults, trained at its own rate."""
    config = records[row["keys"][0]].config
    screened = config.rate_from is not None
    values: dict[str, Any] = {
        name: value for name, value in config.alone().non_default().items() if name not in ("seed", "init_from")
    }
    begins = {}
    for key in row["keys"]:
        config = records[key].config
        begins[str(config.seed)] = config.key() if screened else config.init_from
    if any(begins.values()):
        values["init_from"] = begins
    return values
