"""Whether classifiers look at the tumour: the pointing game with patient-clustered intervals, by rate and vendor."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.read.configurations import varied_fields
from analysis.read.explained import Pointed
from analysis.results.sentences import DOMAINS
from analysis.statistics.bootstrap import (
    DRAWS,
    Resampled,
    average,
    interval,
    patient_weights,
    positions,
    resampled_mean,
)
from tune_ks.core.domains import is_source
from tune_ks.core.rate_words import rate_words

SETTINGS = ["vendor", "family", "sampling_rate", "realised_rate"]
MEASURED = [
    *("hits", "hits_low", "hits_high", "random", "random_low", "random_high", "area", "fixed"),
    *("above_random", "above_random_low", "above_fixed", "above_fixed_low"),
]


def pointing_table(games: Sequence[Pointed], configurations: pd.DataFrame) -> pd.DataFrame:
    """One row a set of images, configuration and vendor scored on, by vendor trained on and rate; seeds averaged.

    ``hits``: share of the images whose point of most evidence lies in the tumour; ``random``: with random weights;
    ``area``: mean share of an image that a tumour covers, which is what a random point hits; ``fixed``: the most that
    one position for all images hits. ``above_``: hits minus these, paired, with the interval's lower end.
    """
    more = [name for name in varied_fields(configurations) if name != "mask"] if len(configurations) else []
    about_columns = list(dict.fromkeys([*SETTINGS, *more]))
    rows = []
    for game in games:
        for row in configurations.to_dict("records"):
            places = [game.keys.index(key) for key in row["keys"] if key in game.keys]
            for vendor in np.unique(game.vendor).tolist() if places else []:
                about = {name: row[name] for name in about_columns}
                about |= {"images_of": game.name, "keys": row["keys"], "seeds": len(places), "scored_on": vendor}
                rows.append(about | _measured(game, places, vendor))
    columns = ["images_of", "keys", *about_columns, "seeds", "scored_on", "images", "available", "patients", *MEASURED]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values(["images_of", "vendor", "scored_on", "realised_rate"], kind="stable", ignore_index=True)


def _measured(game: Pointed, places: list[int], vendor: str) -> dict[str, Any]:
    """The shares of one vendor's images, of the models at ``places``."""
    here = game.vendor == vendor
    patient = game.patient[here]
    patients = np.unique(patient)
    weights = patient_weights(len(patients), DRAWS, "pointing", vendor)
    numbered = positions(patient, patients)

    def share(values: np.ndarray) -> Resampled:
        return resampled_mean(values.astype(float), np.ones(len(values), bool), numbered, weights)

    hits = average([share(game.hit[place, here]) for place in places])
    random = average([share(game.random_hit[place, here]) for place in places])
    fixed = share(game.fixed_hit[here])
    columns: dict[str, Any] = {
        "images": int(here.sum()),
        "available": int(game.available[here][0]),
        "patients": len(patients),
        "area": float(game.area[here].mean()),
        "fixed": fixed.point,
    }
    for name, value in (("hits", hits), ("random", random)):
        ends = interval(value)
        columns |= {name: value.point, f"{name}_low": ends.low, f"{name}_high": ends.high}
    for name, value in (("above_random", hits - random), ("above_fixed", hits - fixed)):
        columns |= {name: value.point, f"{name}_low": interval(value).low}
    return columns


def of_chosen(table: pd.DataFrame, vendor: str, keys: Sequence[str]) -> pd.DataFrame:
    """The rows of the models ``keys``, those of the chosen rate, trained on ``vendor``."""
    is_chosen = np.array([not set(keys).isdisjoint(of_row) for of_row in table["keys"]], bool)
    return table[(table["vendor"] == vendor).to_numpy() & is_chosen]


def verdict(rows: pd.DataFrame, vendor: str, name: str) -> str:
    """Does the chosen rate look at the tumour on the images ``name``, and is it learned? ``rows`` of of_chosen()."""
    words = [_words(row, vendor) for row in rows.to_dict("records")]
    return f"Trained on {vendor}, rate {rate_words(rows['realised_rate'].iloc[0])}, on {name}: {'; '.join(words)}."


def _words(row: dict[str, Any], vendor: str) -> str:
    domain = DOMAINS["in_domain" if is_source(row["scored_on"], vendor) else "cross_domain"]
    against = {"random weights": "above_random", "the best fixed position": "above_fixed"}
    better = [words for words, name in against.items() if row[f"{name}_low"] > 0]
    begin = (
        f"{domain} ({row['scored_on']}) the point of most evidence lies in the tumour in {row['hits']:.3f} "
        f"[{row['hits_low']:.3f}, {row['hits_high']:.3f}] of {row['images']} images (random weights "
        f"{row['random']:.3f}, best fixed position {row['fixed']:.3f}, random point {row['area']:.3f})"
    )
    if len(better) == len(against):
        return f"{begin}: it is shown to look at the tumour, and to have learned it"
    if not better:
        return f"{begin}: it is not shown to look at the tumour"
    missing = next(words for words in against if words not in better)
    return f"{begin}: more often than {better[0]}, but not shown to be more often than {missing}"
