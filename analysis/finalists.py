"""Finalists: the chosen configuration, its neighbours in rate, and full sampling, to be trained with more seeds."""

from typing import Any

import pandas as pd

from analysis.configurations import curves
from analysis.load import CONFIG_FIELDS, DRAWN
from analysis.selection import Selection


def finalists(table: pd.DataFrame, selection: Selection, neighbours: int = 1) -> list[dict[str, Any]]:
    """Config fields, without seed, of a vendor's choice and of ``neighbours`` rates on either side of it.

    ``table`` holds one row a configuration of that vendor. The neighbours lie on the choice's own curve (all that
    varies but the rate), so full sampling is a neighbour of the highest rate; it joins in any case, as what every
    finalist is compared with. Empty when nothing was chosen. Rates that one conditional training was scored at are
    trained each by itself: a screening is never a finalist's own AUC.
    """
    if not selection.keys:
        return []
    chosen = set(selection.keys)
    for curve in curves(table).values():
        found = [position for position, keys in enumerate(curve["keys"]) if chosen & set(keys)]
        if found:
            near = curve.iloc[max(0, found[0] - neighbours) : found[0] + neighbours + 1]
            both = pd.concat([near, curve[curve["full"].astype(bool)]]).drop_duplicates("configuration")
            return [_config(row) for _, row in both.iterrows()]
    return []


def _config(row: pd.Series) -> dict[str, Any]:
    left_out = {"seed", *DRAWN}
    names = [name for name in CONFIG_FIELDS if name not in left_out and not pd.isna(row[name])]
    return {name: row[name].item() if hasattr(row[name], "item") else row[name] for name in names}
