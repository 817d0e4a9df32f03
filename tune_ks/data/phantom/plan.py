"""Which tumour each patient of the default phantom has, and which slices are written: the label rule of Duke."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tune_ks.core.seeding import generator
from tune_ks.data.phantom.files import (
    SLICE_MM,
    SLICE_Z_MM,
)
from tune_ks.data.phantom.scanner import (
    PROTOCOLS,
)
from tune_ks.data.phantom.settings import PhantomSettings

MARGIN = 5  # slices between a negative slice and the tumour's box: the public label rule
PLANS_TRIED = 100  # until every patient has negative slices
DRAWS_TRIED = 20  # of the negative slices in one plan
FORBIDDEN = 1e6  # cost of a slice that the label rule does not allow


@dataclass(frozen=True)
class PlannedPatient:
    """Where one patient's tumour lies and which slices are written. Slices count from 1."""

    patient_id: str
    vendor: str
    index: int  # within the vendor
    tumour_z_mm: float
    tumour_radius_mm: float
    start_slice: int  # of the box
    end_slice: int  # exclusive, as the label rule reads it
    positive: tuple[int, ...]
    negative: tuple[int, ...]


def plan_vendor(vendor: str, settings: PhantomSettings) -> list[PlannedPatient]:
    """Tumours and slices of one vendor.

    Its negative slices are its positive ones, each given to another patient: both classes then have the same
    distribution of positions, so that no position predicts the label.
    """
    rng = generator(settings.seed, "phantom", "plan", vendor)
    for _ in range(PLANS_TRIED):  # a few patients may leave no slice for one of them
        tumours = _draw_tumours(settings, rng)
        negative = _other_slices(tumours.positive, tumours.box, rng)
        if negative is not None:
            break
    else:
        raise ValueError(
            f"no slices of {settings.patients} patients obey the label rule with {settings.slices} slices; use more"
            " patients"
        )
    first = list(PROTOCOLS).index(vendor) + 1  # the vendors take turns
    return [
        PlannedPatient(
            patient_id=f"PHANTOM_{first + i * len(PROTOCOLS):03d}",
            vendor=vendor,
            index=i,
            tumour_z_mm=float(tumours.z_mm[i]),
            tumour_radius_mm=float(tumours.radius_mm[i]),
            start_slice=int(tumours.box[i, 0]),
            end_slice=int(tumours.box[i, 1]),
            positive=tuple(tumours.positive[i].tolist()),
            negative=tuple(negative[i].tolist()),
        )
        for i in range(settings.patients)
    ]


class _Tumours(NamedTuple):
    """The tumours of one vendor's n patients."""

    z_mm: np.ndarray  # (n,)
    radius_mm: np.ndarray  # (n,)
    box: np.ndarray  # (n, 2) first slice that cuts the tumour, and the one after the last
    positive: np.ndarray  # (n, k) slices to write, which cut it


def _draw_tumours(settings: PhantomSettings, rng: np.random.Generator) -> _Tumours:
    n = settings.patients
    strata = (np.arange(n) + rng.random(n)) / n
    middle = np.floor(10 + 42 * rng.permutation(strata)).astype(int)
    radius_mm = np.clip(rng.lognormal(np.log(10), 0.35, n), 5, 20)  # diameter: median 20 mm, 10 to 40 mm
    z_mm = SLICE_Z_MM[middle - 1] + rng.uniform(-0.5, 0.5, n) * SLICE_MM
    cuts = [np.flatnonzero(np.abs(SLICE_Z_MM - z) < radius) + 1 for z, radius in zip(z_mm, radius_mm)]
    box = np.array([(cut[0], cut[-1] + 1) for cut in cuts])
    count = settings.slices // 2
    positive = [_through(cut, z, radius, count, rng) for cut, z, radius in zip(cuts, z_mm, radius_mm)]
    return _Tumours(z_mm, radius_mm, box, np.array(positive))


def _through(cut: np.ndarray, z: float, radius: float, count: int, rng: np.random.Generator) -> np.ndarray:
    """``count`` of the slices that cut the tumour, within 0.6 radii of its centre where there are so many."""
    away = np.abs(SLICE_Z_MM[cut - 1] - z)
    near = cut[np.argsort(away)[: max(count, int((away < 0.6 * radius).sum()))]]
    return np.sort(rng.choice(near, count, replace=False))


def _other_slices(positive: np.ndarray, box: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    """(patients, k) positive slices -> (patients, k) negative ones: a permutation the label rule allows, or None."""
    from scipy.optimize import linear_sum_assignment  # here, because most commands find the phantom written

    n, k = positive.shape
    slot = np.repeat(np.arange(n), k)  # patient of each negative slice that is wanted
    pool = positive.ravel()
    below = pool[None, :] + MARGIN <= box[slot, :1]
    above = pool[None, :] - MARGIN > box[slot, 1:]
    # half of a patient's slots prefer a slice below the tumour, half above: both sides wherever there is room
    wants_below = (np.arange(n * k) % 2 == 0)[:, None]
    preferred = np.where(wants_below, below, above)
    for _ in range(DRAWS_TRIED):
        cost = np.where(preferred, 0.0, 1.0) + 0.5 * rng.random((n * k, n * k))
        cost = np.where(below | above, cost, FORBIDDEN)
        rows, columns = linear_sum_assignment(cost)
        chosen = pool[columns].reshape(n, k)
        is_allowed = cost[rows, columns].max() < FORBIDDEN
        if is_allowed and all(len(set(slices)) == k for slices in chosen.tolist()):
            return np.sort(chosen, axis=1)
    return None
