"""Why no learned mask of a vendor is compared with the low-pass, and what to run."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.read.configurations import beside_the_mask, plain_name
from tune_ks.core.config import LOW_PASS

ADD = "add {masks} to the space with the rates {rates}, and run the search again with --run RUN: finished trials stay"
LOW_PASS_WORDS = f'"mask": "{LOW_PASS}"'


def why_absent(table: pd.DataFrame, compared: Sequence[dict[str, Any]]) -> str:
    """Why no learned mask of a vendor is compared with the low-pass, and what to run."""
    below = table[~table["full"].astype(bool)]
    learned = below[below["learned"].astype(bool)]
    low_pass = below[below["mask"] == LOW_PASS]
    if len(below) and (below["epochs"] == 0).all():
        return "no network was trained, so no mask was learned."
    if learned.empty and low_pass.empty:
        return f"neither a learned mask nor the low-pass was trained below rate 1; {_add('both', 'of interest')}."
    if learned.empty:
        return f"no learned mask was trained beside the low-pass; {_add('a learned mask', _rates(low_pass))}."
    if low_pass.empty:
        return f"no low-pass was trained beside the learned mask; {_add(LOW_PASS_WORDS, _rates(learned))}."
    if any(row["learned"] for row in compared):
        return "no test metric of the learned mask or of the low-pass is known, so they are not compared."
    apart = [name for name in beside_the_mask(table) if set(learned[name]).isdisjoint(low_pass[name])]
    if apart:
        named = ", ".join(plain_name(name) for name in apart)
        return (
            f"the learned mask and the low-pass were trained with other settings ({named}): train both with the same."
        )
    return (
        f"no low-pass was trained at a rate of the learned mask with the same settings (low-pass: {_rates(low_pass)}); "
        f"{_add(LOW_PASS_WORDS, _rates(learned))}."
    )


def _add(masks: str, rates: str) -> str:
    return ADD.format(masks=masks, rates=rates)


def _rates(table: pd.DataFrame) -> str:
    """The realised rates of a table, as a space takes them; of many, the first and the last."""
    rates = sorted(set(table["realised_rate"].round(3)))
    if len(rates) > 8:
        return f"{rates[0]:g} to {rates[-1]:g}"
    return ", ".join(f"{rate:g}" for rate in rates)
