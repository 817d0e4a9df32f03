"""Finalists: the chosen configuration, its neighbours in rate, and full sampling, to be trained with more seeds."""

from typing import Any

import pandas as pd

from analysis.choice.selection import Selection
from analysis.read.configurations import curves
from tune_ks.core.record import TrialRecord


def finalists(
    table: pd.DataFrame, selection: Selection, records: dict[str, TrialRecord], neighbours: int = 1
) -> list[dict[str, Any]]:
    """Config fields, without seed, of a vendor's choice and of ``neighbours`` rates on either side of it.

    ``table`` holds one row a configuration of that vendor, ``records`` its trials. The neighbours lie on the choice's
    own curve (all that varies but the rate), so full sampling is a neighbour of the highest rate; it joins in any case,
    as what every finalist is compared with. Empty when nothing was chosen. Rates that one conditional training was
    scored at are trained each by itself, from that training's weights: a screening is never a finalist's own score.
    ``init_from`` of such a config, and of one that began from other weights, is a dict of seed -> KEY, or KEY@HASH.
    """
    if not selection.keys:
        return []
    chosen = set(selection.keys)
    for curve in curves(table).values():
        found = [position for position, keys in enumerate(curve["keys"]) if chosen & set(keys)]
        if found:
            near = curve.iloc[max(0, found[0] - neighbours) : found[0] + neighbours + 1]
            both = pd.concat([near, curve[curve["full"].astype(bool)]]).drop_duplicates("configuration")
            return [_config(row, records) for _, row in both.iterrows()]
    return []


def _config(row: pd.Series, records: dict[str, TrialRecord]) -> dict[str, Any]:
    config = records[row["keys"][0]].config
    screened = config.rate_from is not None
    values = {name: value for name, value in config.alone().non_default().items() if name not in ("seed", "init_from")}
    trials = [records[key].config for key in row["keys"]]
    begins = {str(config.seed): config.key() if screened else config.init_from for config in trials}
    return values | ({"init_from": begins} if any(begins.values()) else {})
