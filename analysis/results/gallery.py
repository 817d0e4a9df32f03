"""Which masks and images the report shows: one trial a rate and family, from full sampling down."""

from typing import Any, NamedTuple, TypeGuard

import numpy as np
import pandas as pd

from analysis.read import trial_arrays
from analysis.read.configurations import beside_the_sampling, same_values
from analysis.results.compute import Analysis
from analysis.results.marks import Marks, marks_of

MOST = 12  # rates of a family: a page with hundreds of rates would hold hundreds of images


class Exhibit(NamedTuple):
    """One trial's mask and preview images, with what they cost."""

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
    preview: trial_arrays.Preview | None
    marks: list[Marks] | None  # of each image of the preview; None where the task marks no places


def leaves_out(mask: np.ndarray | None) -> TypeGuard[np.ndarray]:
    """Whether there is a mask, and one that leaves something out."""
    return mask is not None and not mask.all()


def fits(probability: np.ndarray | None, mask: np.ndarray) -> TypeGuard[np.ndarray]:
    """Whether there are probabilities, and as many as the mask has coefficients."""
    return probability is not None and probability.shape == mask.shape


def gallery(analysis: Analysis, vendor: str, with_images: bool = True) -> list[Exhibit]:
    """One vendor's exhibits, learned families first, largest rate first; the lowest seed of each configuration.

    Of more than MOST rates of a family, the chosen one and those nearest to even steps of log rate.

    Where a family was run at one nominal rate in several ways (temperatures ...), the chosen one is shown, else one
    that agrees with it in all but sampling and mask, else the best in-domain one of the split that chose.
    """
    computed = analysis.vendors[vendor]
    table = computed.configurations.copy()
    chosen_keys = set(computed.selection.keys)
    table["chosen"] = [not chosen_keys.isdisjoint(keys) for keys in table["keys"]]
    table["beside"] = _is_beside(table)
    table["fixed"] = ~table["learned"].astype(bool)
    by = ["chosen", "beside", f"{computed.split}_in_domain"]
    table = table.sort_values(by, ascending=False, kind="stable").drop_duplicates(["family", "sampling_rate"])
    table = pd.concat([_spread_out(of_family) for _, of_family in table.groupby("family", sort=False)])
    table = table.sort_values(["fixed", "family", "realised_rate"], ascending=[True, True, False])
    return [exhibit_of(analysis, row, with_images) for row in table.to_dict("records")]


def _is_beside(table: pd.DataFrame) -> list[bool]:
    """Per row, whether it agrees with the chosen one in everything but sampling and mask."""
    groups = same_values(table, beside_the_sampling(table))
    chosen = {group for group, is_chosen in zip(groups, table["chosen"]) if is_chosen}
    return [group in chosen for group in groups]


def chosen_exhibit(analysis: Analysis, vendor: str, with_images: bool = True) -> Exhibit | None:
    """The exhibit of the chosen configuration; None where nothing was chosen."""
    computed = analysis.vendors[vendor]
    keys = set(computed.selection.keys)
    rows = computed.configurations[[not keys.isdisjoint(of_row) for of_row in computed.configurations["keys"]]]
    if rows.empty:
        return None
    row = rows.iloc[0].to_dict() | {"chosen": True}
    return exhibit_of(analysis, row, with_images)


def _spread_out(of_family: pd.DataFrame) -> pd.DataFrame:
    """At most MOST rows at even steps of log rate, and the chosen one."""
    if len(of_family) <= MOST:
        return of_family
    rates = np.log2(of_family["realised_rate"].to_numpy(float))
    kept = {int(np.abs(rates - step).argmin()) for step in np.linspace(rates.min(), rates.max(), MOST)}
    kept |= set(np.flatnonzero(of_family["chosen"].to_numpy(bool)).tolist())
    return of_family.iloc[sorted(kept)]


def exhibit_of(analysis: Analysis, row: dict[str, Any], with_images: bool = True) -> Exhibit:
    """The trial of the lowest seed of one configuration, a row of the table of configurations and ``chosen``."""
    trials = analysis.run.trials.set_index("key")
    key = min(row["keys"], key=lambda name: (trials.loc[name, "seed"], name))
    root = analysis.run.root
    preview = trial_arrays.preview(root, key) if with_images else None
    candidates = None if preview is None else trial_arrays.candidates(root, key, analysis.run.cohort)
    return Exhibit(
        key=key,
        family=row["family"],
        rate=float(trials.loc[key, "realised_rate"]),
        seed=int(trials.loc[key, "seed"]),
        chosen=row["chosen"],
        in_domain=row["test_in_domain"],
        cross_domain=row["test_cross_domain"],
        values={name: value for name, value in row.items() if name.startswith(("test_", "val_"))},
        mask=trial_arrays.mask(root, key),
        probability=trial_arrays.probability(root, key),
        preview=preview,
        marks=None if preview is None or candidates is None else marks_of(preview, candidates),
    )
