"""How one learned mask of a source vendor moved from epoch to epoch: probabilities, bands, energy held."""

import itertools
from typing import NamedTuple

import numpy as np

from analysis.read import trial_arrays
from analysis.results.compute import Analysis
from analysis.results.gallery import Exhibit, leaves_out
from tune_ks.core.rate_words import rate_tick

BANDS = 4  # rings of equal width, from DC outwards


class MaskPath(NamedTuple):
    """One trial's mask over its epochs. E epochs, D whole distances from DC, B bands of them."""

    key: str
    name: str  # family and rate
    probability: np.ndarray  # (E, D) mean inclusion probability at each distance
    bands: dict[str, np.ndarray]  # words of a band -> (E,) expected number of kept coefficients in it
    energy: np.ndarray  # (E,) expected share of the energy beyond DC that is kept
    lowpass_energy: np.ndarray  # (E,) the same of the coefficients nearest to DC, of equal number


def mask_path(analysis: Analysis, exhibits: list[Exhibit]) -> MaskPath | None:
    """The path of the chosen trial's mask if it was learned, else of the learned one nearest to it in rate.

    None where no learned trial kept its history, as runs of version 0.2.0 and before.
    """
    learned = [exhibit for exhibit in exhibits if leaves_out(exhibit.mask) and exhibit.probability is not None]
    chosen_rate = next((exhibit.rate for exhibit in exhibits if exhibit.chosen), 1.0)
    learned.sort(key=lambda exhibit: (not exhibit.chosen, abs(np.log(exhibit.rate / chosen_rate))))
    for exhibit in learned:
        history = trial_arrays.mask_history(analysis.run.root, exhibit.key)
        if history is not None:
            return path_of(history, exhibit.key, f"{exhibit.family} {rate_tick(exhibit.rate)}")
    return None


def path_of(history: trial_arrays.MaskHistory, key: str, name: str) -> MaskPath:
    """The sums and shares that a figure shows."""
    kept = history.probability * history.count  # (E, D) expected number of coefficients
    lowpass = np.stack([nearest(count, history.count) for count in kept.sum(1)])
    energy_of_each = history.energy / np.maximum(history.count, 1)
    return MaskPath(
        key=key,
        name=name,
        probability=history.probability,
        bands=_bands(kept),
        energy=kept @ energy_of_each,
        lowpass_energy=lowpass @ energy_of_each,
    )


def nearest(kept: float, count: np.ndarray) -> np.ndarray:
    """(D,) how many of ``kept`` coefficients lie at each distance when those nearest to DC are kept."""
    inside = np.concatenate([[0], count.cumsum()[:-1]])  # coefficients nearer to DC
    return np.clip(kept - inside, 0, count)


def _bands(kept: np.ndarray) -> dict[str, np.ndarray]:
    """Words of each band -> (E,), the sum over its distances."""
    edges = np.linspace(0, kept.shape[1], min(BANDS, kept.shape[1]) + 1).round().astype(int)
    bands = {}
    for start, end in itertools.pairwise(edges.tolist()):
        bands[f"|k| {start} to {end - 1}"] = kept[:, start:end].sum(1)
    return bands
