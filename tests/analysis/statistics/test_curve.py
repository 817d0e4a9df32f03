import math

import numpy as np
import pytest
from scipy.special import expit, logit

from analysis.statistics.curve import fit_curve, rate_grid

RATES = np.geomspace(1 / 64, 0.9, 13)


def truth(rate):
    return 0.90 - 0.25 * 2 ** (-12 * rate)


@pytest.mark.parametrize("rates", [RATES, np.tile(RATES, 3), np.array([0.1, 0.1, 0.1, 0.4, 0.9])])
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
    two = np.array([0.5, 0.5, 0.5, 0.9, 0.9])
    assert fit_curve(two, truth(two), None, rate_grid(two)) is None
    assert fit_curve(RATES, np.full(13, np.nan), None, rate_grid(RATES)) is None


def test_full_sampling_is_no_point_of_a_curve():
    with pytest.raises(ValueError, match="full sampling"):
        fit_curve(np.array([0.25, 0.5, 1.0]), np.full(3, 0.8), None, RATES)


def test_the_curve_keeps_within_the_noise_of_its_points():
    """Whatever its shape, and however much patients differ: only the scatter of trainings may pull it off a mean."""
    rates, seeds, away = 2.0 ** -np.arange(7, 0, -1), 3, []
    for number in range(40):
        rng = np.random.default_rng(number)
        drop, speed = rng.uniform(0, 0.3), rng.uniform(4, 60)
        true = expit(logit(0.85 - drop * 2 ** (-speed * rates)) + rng.normal(0, 0.05, 7))  # smooth, and not quite
        trained = np.repeat(logit(true), seeds) + rng.normal(0, 0.08, 7 * seeds)
        patients = rng.normal(0, 0.3, (400, 1)) + rng.normal(0, 0.2, (400, 7)).repeat(seeds, axis=1)
        rate = np.repeat(rates, seeds)
        curve = fit_curve(rate, expit(trained), expit(trained + patients), rates)
        mean = trained.reshape(7, seeds).mean(axis=1)
        error = np.sqrt(trained.reshape(7, seeds).var(axis=1, ddof=1).mean() / seeds)
        away.append((logit(curve.mean) - mean) / error)
    assert np.sqrt(np.mean(np.square(away))) < 1
    assert np.abs(away).max() < 3


def test_real_patches_of_which_the_lowest_rates_lose_are_not_flattened():
    """GE post_1 as trained (validation AUC, three seeds): 0.76 at 1/64 against 0.79 from 4/64 up."""
    mean = np.array([0.760, 0.767, 0.789, 0.792, 0.791, 0.783, 0.793])
    rates = 2.0 ** -np.arange(6, -1, -1)
    rates[-1] = 0.98  # full sampling is no point of a curve
    auc = (mean[:, None] + np.array([-0.008, 0, 0.008])).ravel()
    patients = np.random.default_rng(0).normal(0, 0.03, (400, 7)).repeat(3, axis=1)  # unlike from rate to rate
    curve = fit_curve(np.repeat(rates, 3), auc, auc + patients, rates)
    assert rates[np.argmax(curve.mean >= curve.mean.max() - 0.02)] == 1 / 16


def test_few_patients_make_the_band_wider_as_they_do_intervals():
    shift = np.random.default_rng(2).normal(0, 0.3, (400, 1))
    drawn = expit(logit(truth(RATES)) + shift)
    many, few = (fit_curve(RATES, truth(RATES), drawn, RATES, patients=n) for n in (math.inf, 8))
    spread = [logit(curve.patients).std(axis=0) for curve in (many, few)]
    assert spread[1] / spread[0] == pytest.approx(math.sqrt(8 / 7) * 1.8946 / 1.6449, rel=1e-3)  # t with 7, normal
    np.testing.assert_array_equal(many.mean, few.mean)
