"""How a learned mask moved: sums by hand, and a history that does not fit is not shown."""

import numpy as np
import pytest

from analysis.read import trial_arrays
from analysis.read.trial_arrays import MaskHistory
from analysis.results.mask_path import nearest, path_of
from tune_ks.core.storage import storage_path

HISTORY = MaskHistory(
    probability=np.array([[1.0, 1.0, 0.5, 0.5, 1.0], [1.0, 0.5, 0.0, 0.0, 0.0]]),
    count=np.array([1.0, 2, 2, 2, 1]),  # 8 lines
    energy=np.array([0.0, 0.6, 0.3, 0.1, 0.0]),
)


def test_bands_hold_the_budget_of_each_epoch():
    path = path_of(HISTORY, "0" * 12, "gumbel 1/4")
    assert list(path.bands) == ["|k| 0 to 0", "|k| 1 to 1", "|k| 2 to 3", "|k| 4 to 4"]
    assert [kept.tolist() for kept in path.bands.values()] == [[1, 1], [2, 1], [2, 0], [1, 0]]
    assert sum(path.bands.values()).tolist() == [6, 2]


def test_energy_beside_that_of_the_low_pass():
    path = path_of(HISTORY, "0" * 12, "gumbel 1/4")
    assert path.energy.tolist() == pytest.approx([0.6 + 0.15 + 0.05, 0.3])
    assert path.lowpass_energy.tolist() == pytest.approx([0.6 + 0.3 + 0.05, 0.3])  # 6 and 2 lines nearest to DC


def test_the_nearest_coefficients_fill_from_dc_outwards():
    assert nearest(4.5, HISTORY.count).tolist() == [1, 2, 1.5, 0, 0]
    assert nearest(8, HISTORY.count).tolist() == HISTORY.count.tolist()


@pytest.mark.parametrize(
    "wrong",
    [
        {"count": np.ones(4)},
        {"energy": np.ones(6)},
        {"energy": np.full(5, np.nan)},
        {"probability": np.ones(5)},
        {"probability": np.ones((0, 5))},
        {"count": np.zeros(5)},
    ],
)
def test_arrays_that_do_not_fit_are_not_read(tmp_path, wrong):
    trial = tmp_path / "trials" / ("0" * 12)
    trial.mkdir(parents=True)
    np.savez(trial / "mask_history.npz", **HISTORY.__dict__)
    assert trial_arrays.mask_history(storage_path(tmp_path), "0" * 12) is not None
    np.savez(trial / "mask_history.npz", **HISTORY.__dict__ | wrong)
    assert trial_arrays.mask_history(storage_path(tmp_path), "0" * 12) is None
