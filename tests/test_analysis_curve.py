import numpy as np
import pytest

from analysis.curve import fit_curve, rate_grid

RATES = np.geomspace(1 / 64, 1, 13)


def truth(rate):
    return 0.90 - 0.25 * 2 ** (-12 * rate)


@pytest.mark.parametrize("rates", [RATES, np.tile(RATES, 3), np.array([0.1, 0.1, 0.1, 0.4, 1.0])])
def test_the_band_holds_the_true_curve(rates):
    auc = truth(rates) + np.random.default_rng(0).normal(0, 0.01, len(rates))
    bootstrap = auc + np.random.default_rng(1).normal(0, 0.01, (400, len(rates)))
    curve = fit_curve(rates, auc, bootstrap, rate_grid(rates))
    at = np.searchsorted(curve.rates, np.unique(rates))
    inside = (curve.low[at] <= truth(curve.rates[at])) & (truth(curve.rates[at]) <= curve.high[at])
    assert inside.mean() >= 0.75
    assert (curve.low <= curve.mean).all()
    assert (curve.mean <= curve.high).all()
    assert set(np.unique(rates)) <= set(curve.rates)


def test_shared_patients_move_the_whole_curve_and_not_its_differences():
    shift = np.random.default_rng(2).normal(0, 0.03, (400, 1))
    curve = fit_curve(RATES, truth(RATES), truth(RATES) + shift, rate_grid(RATES))
    level = curve.draws.std(axis=0).mean()
    assert level == pytest.approx(0.03, rel=0.4)
    assert (curve.draws[:, -1] - curve.draws[:, -8]).std() < level / 2


def test_nothing_is_fitted_where_nothing_tells_the_noise_or_the_shape():
    assert fit_curve(RATES, truth(RATES), None, rate_grid(RATES)) is None  # one seed, no scores
    two = np.array([0.5, 0.5, 0.5, 1.0, 1.0])
    assert fit_curve(two, truth(two), None, rate_grid(two)) is None
    assert fit_curve(RATES, np.full(13, np.nan), None, rate_grid(RATES)) is None
