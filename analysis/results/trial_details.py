"""What the page shows of one trial when a reader asks for it: facts, config, mask, learning curve."""

import base64
import math
from typing import Any

import numpy as np
import pandas as pd

from analysis.read import trial_arrays
from analysis.read.configurations import FULL, plain_name
from analysis.results.compute import Analysis
from analysis.results.json_values import is_number
from analysis.results.training_info import ENTRIES
from tune_ks.core.record import TrialRecord

EPOCHS = 60  # points of a learning curve: more are thinned evenly
POINT_MASKS = 200  # trials whose mask over points is kept in the page: one of 256 x 256 is 11 kB


def trial_details(analysis: Analysis) -> dict[str, Any]:
    """``trials``: key -> what is known of it; ``curves``: the words of each entry of a history."""
    measure = analysis.measure
    group_of: dict[str, int] = {}
    for number, keys in enumerate(analysis.configurations["keys"]):
        group_of |= dict.fromkeys(keys, number)
    chosen = {key for computed in analysis.vendors.values() for key in computed.selection.keys}
    trials: dict[str, Any] = {}
    points = 0
    for row in analysis.run.trials.to_dict("records"):
        key = row["key"]
        record = analysis.run.records[key]
        mask = trial_arrays.mask(analysis.run.root, key)
        if mask is not None and mask.ndim == 2:
            points += 1
            mask = mask if points <= POINT_MASKS or key in chosen else None
        trials[key] = {
            "group": group_of.get(key, -1),
            "seed": int(row["seed"]),
            "facts": _facts(row, key in chosen, measure.title),
            "config": _config(record),
            "mask": None if mask is None else packed_mask(mask),
            "history": _history(record),
        }
    return {"trials": trials, "curves": {name: measure.words(entry.words) for name, entry in ENTRIES.items()}}


def _facts(row: dict[str, Any], chosen: bool, title: str) -> list[tuple[str, str]]:
    """What a trial is and what it reached, as pairs of words; what is not known is left out."""
    family = FULL if row["full"] else row["mask"]
    facts = [("trained on", row["vendor"]), ("mask", family), ("seed", str(row["seed"]))]
    if chosen:
        facts.insert(0, ("chosen", "yes: its configuration is the chosen one"))
    rate = f"{row['realised_rate']:.3f} realised, {row['sampling_rate']:.3f} nominal"
    facts.append(("share of k-space", rate))
    for split, word in (("val", "validation"), ("test", "test")):
        for domain in ("in_domain", "cross_domain"):
            value = row[f"{split}_{domain}"]
            if not pd.isna(value):
                facts.append((f"{domain.replace('_', '-')} {word} {title}", f"{value:.3f}"))
    if is_number(row.get("epoch")) and not math.isnan(row["epoch"]):
        facts.append(("best epoch", f"{row['epoch']:.0f}"))
    if is_number(row.get("seconds")) and not math.isnan(row["seconds"]):
        facts.append(("trained for", f"{row['seconds'] / 60:.1f} min"))
    return facts


def _config(record: TrialRecord) -> list[tuple[str, str]]:
    """What was asked for and differs from the defaults, then the record's facts that are single values."""
    lines = [(plain_name(name), str(value)) for name, value in record.config.non_default().items()]
    for name, value in record.facts.items():
        if isinstance(value, (str, int, float)):
            lines.append((name.replace("_", " "), str(value)))
    return lines


def packed_mask(mask: np.ndarray) -> dict[str, Any]:
    """bool (W,) or (H, W) -> its shape, and its bits in base64, the first pixel highest in the first byte."""
    shape = [1, *mask.shape] if mask.ndim == 1 else list(mask.shape)
    return {"shape": shape, "bits": base64.b64encode(np.packbits(mask.ravel()).tobytes()).decode()}


def _history(record: TrialRecord) -> dict[str, list[tuple[int, float]]]:
    """Entry -> (epoch, value) pairs, at most EPOCHS of them, the last one among them."""
    curves = {}
    for name in ENTRIES:
        pairs: list[tuple[int, float]] = []
        for epoch in record.history:
            if is_number(epoch.get(name)):
                pairs.append((int(epoch.get("epoch", len(pairs) + 1)), round(float(epoch[name]), 4)))
        if len(pairs) > EPOCHS:
            places = np.linspace(0, len(pairs) - 1, EPOCHS).round().astype(int)
            pairs = [pairs[place] for place in places]
        if pairs:
            curves[name] = pairs
    return curves
