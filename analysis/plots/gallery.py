"""Which masks and images the report shows: one trial a rate and family, from full sampling down."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.read import trial_arrays as images
from analysis.results.compute import Analysis

MOST = 12  # rates of a family: a page with hundreds of rates would hold hundreds of images


class Picture(NamedTuple):
    """One trial's mask and previews, with what they cost."""

    key: str
    family: str
    rate: float  # realised
    seed: int
    chosen: bool
    in_domain: float  # mean test metric of its configuration
    cross_domain: float
    values: dict[str, float]  # metrics of its configuration, with intervals where there are any
    mask: np.ndarray | None  # bool (W,) or (H, W), DC at N // 2
    probability: np.ndarray | None  # of the same shape; None for fixed families
    preview: images.Preview | None


def gallery(analysis: Analysis, vendor: str, with_images: bool = True) -> list[Picture]:
    """One vendor's pictures, learned families first, largest rate first; the lowest seed of each configuration.

    Of more than MOST rates of a family, the chosen one and those nearest to even steps of log rate.

    Where a family was run at one nominal rate in several ways (temperatures ...), the chosen one is shown, else the
    best in-domain one of the split that chose.
    """
    computed = analysis.vendors[vendor]
    own = computed.configurations.copy()
    own["chosen"] = [bool(set(keys) & set(computed.selection.keys)) for keys in own["keys"]]
    by = ["chosen", f"{computed.split}_in_domain"]
    shown = own.sort_values(by, ascending=False, kind="stable").drop_duplicates(["family", "sampling_rate"])
    shown = pd.concat([_spread_out(part) for _, part in shown.groupby("family", sort=False)])
    shown = shown.assign(fixed=~shown["learned"].astype(bool))
    order = {"by": ["fixed", "family", "realised_rate"], "ascending": [True, True, False]}
    trials = analysis.run.trials.set_index("key")
    return [_picture(analysis, row, trials, with_images) for row in shown.sort_values(**order).itertuples()]


def _spread_out(part: pd.DataFrame) -> pd.DataFrame:
    if len(part) <= MOST:
        return part
    rates = np.log2(part["realised_rate"].to_numpy(float))
    kept = {int(np.abs(rates - step).argmin()) for step in np.linspace(rates.min(), rates.max(), MOST)}
    kept |= set(np.flatnonzero(part["chosen"].to_numpy(bool)).tolist())
    return part.iloc[sorted(kept)]


def _picture(analysis: Analysis, row, trials: pd.DataFrame, with_images: bool) -> Picture:
    key = min(row.keys, key=lambda name: (trials.loc[name, "seed"], name))
    root = analysis.run.root
    values = {name: value for name, value in row._asdict().items() if name.startswith(("test_", "val_"))}
    return Picture(
        key=key,
        family=row.family,
        rate=float(trials.loc[key, "realised_rate"]),
        seed=int(trials.loc[key, "seed"]),
        chosen=row.chosen,
        in_domain=row.test_in_domain,
        cross_domain=row.test_cross_domain,
        values=values,
        mask=images.mask(root, key),
        probability=images.probability(root, key),
        preview=images.preview(root, key) if with_images else None,
    )
