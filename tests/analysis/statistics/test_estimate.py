"""Errors of patients and of trainings, against numbers by hand and a simulated truth."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit

from analysis.statistics.bootstrap import Resampled, average
from analysis.statistics.estimate import Estimate, Noise, Part, estimate, joined, scatter
from analysis.statistics.intervals import metric_intervals
from analysis.statistics.training_noise import training_noise


def seeds(means, shared, patients=30):
    """Trainings that score alike on each patient, but for their mean."""
    return [Resampled(mean, mean + shared, patients) for mean in means]


def test_seeds_add_their_own_variance():
    shared = np.random.default_rng(0).normal(0, 0.02, 1000)
    known = estimate(seeds((0.80, 0.82, 0.84), shared), seeds((0.81, 0.82, 0.83), shared))
    assert known.point == pytest.approx(0)
    assert known.of_patients == pytest.approx(0, abs=1e-9)  # the same patients: they cancel
    assert known.of_trainings**2 == pytest.approx(0.02**2 / 3 + 0.01**2 / 3)
    assert known.total_freedom == pytest.approx(5**2 / (4**2 / 2 + 1**2 / 2))  # Satterthwaite, by hand
    error = known.error / 2 / 0.25  # of the logit of the share of [-1, 1]
    assert known.lower() == pytest.approx(2 * expit(stats.t(known.total_freedom).ppf(0.05) * error) - 1)
    alone = estimate(seeds((0.80, 0.82, 0.84), shared))
    assert alone.floor == 0
    assert alone.of_patients == pytest.approx(shared.std() * math.sqrt(30 / 29))


def test_what_patients_scatter_by_chance_is_not_counted_as_trainings():
    """Trainings that differ by nothing but chance of the patients: the error of trainings is about 0 on average."""
    rng = np.random.default_rng(1)
    known = []
    for _ in range(400):
        points = 0.8 + rng.normal(0, 0.02, 3)
        trainings = [Resampled(point, point + rng.normal(0, 0.02, 200), 50) for point in points]
        known.append(scatter(trainings).variance)
    assert np.mean(known) < 0.6 * 0.02**2 / 3  # what is below 0 is cut off, so the mean is not quite 0
    assert np.mean(np.array(known) == 0) > 0.5


def test_a_side_with_one_seed_takes_the_noise_of_other_rates_or_says_that_it_is_unknown():
    shared = np.random.default_rng(0).normal(0, 0.02, 1000)
    single = seeds((0.8,), shared)
    three = seeds((0.81, 0.82, 0.83), shared)
    unknown = estimate(single, three)
    assert math.isnan(unknown.of_trainings)
    assert unknown.seeds == 1
    assert unknown.error == unknown.of_patients
    pooled = estimate(single, three, Noise(0.08**2, 5))
    assert pooled.of_trainings**2 == pytest.approx((0.08 * 0.8 * 0.2) ** 2 + 0.01**2 / 3)
    assert np.diff(pooled.interval()) > np.diff(unknown.interval())


def test_joined_errors_keep_the_freedom_of_the_larger_one():
    assert joined([Part(1.0, 3.0), Part(0.0, 100.0)], 7) == (1.0, 3.0)
    assert joined([Part(1.0, 4.0), Part(1.0, 4.0)], 7) == (2.0, 8.0)
    assert joined([Part(0.0, 4.0)], 7) == (0.0, 7)


def test_what_is_needed_makes_the_margin_resolvable_and_no_less_does():
    met = 0
    for trainings in (0.0, 0.002, 0.0035, 0.02):
        known = Estimate(0.0, 0.03, trainings, patients=30, freedom=4)
        patients, more = known.needed(0.02)
        assert known._with(patients, more).resolvable() == pytest.approx(0.02, rel=1e-6)
        assert known._with(0.99 * patients, more).resolvable() > 0.02
        assert (more > 1) == (trainings > 0.0035)  # only where patients alone would need too many
        met += 1
    assert met == 4
    assert Estimate(0.0, 0.03, 0.0, 30, 4).needed(0.0) == (math.inf, math.inf)
    assert Estimate(0.0, 0.0, 0.001, 30, 4).needed(0.5)[0] == pytest.approx(2 / 30)  # two patients at least
    few = Estimate(0.0, 0.03, 0.03, 30, freedom=2.1).needed(0.02)  # long tails of few trainings
    assert all(math.isfinite(times) for times in few)


RATES = 2.0 ** -np.arange(6, -1, -1)


def trained(rng, seeds_of_rate, deviation=0.08, slope=0.0):
    """A vendor's table and draws: logits scatter by ``deviation``, and rise by ``slope`` an octave."""
    rows, draws = [], {}
    for rate in RATES:
        keys = []
        for seed in range(seeds_of_rate):
            key = f"{rate} {seed}"
            logit = 1.5 + slope * np.log2(rate) + rng.normal(0, deviation)
            draws[key] = {("test", "GE"): Resampled(expit(logit), expit(logit + rng.normal(0, 0.01, 50)), 100)}
            keys.append(key)
        mean = average([draws[key]["test", "GE"] for key in keys]).point
        about = {"configuration": str(rate), "vendor": "GE", "mask": "gumbel", "full": rate == 1, "keys": keys}
        rows.append(about | {"realised_rate": rate, "sampling_rate": rate, "test_in_domain": mean})
    return pd.DataFrame(rows), draws


@pytest.mark.parametrize(("seeds_of_rate", "freedom"), [(1, 2.36), (3, 12)])
def test_the_noise_of_a_training_is_found_whatever_the_slope(seeds_of_rate, freedom):
    variances = []
    for number in range(300):
        table, draws = trained(np.random.default_rng(number), seeds_of_rate, slope=0.3)
        noise = training_noise(table, draws, "GE", "test", "in_domain")
        assert noise.freedom == pytest.approx(freedom, abs=0.01)  # six rates below 1: four distances, or twice six
        variances.append(noise.variance)
    assert np.mean(variances) == pytest.approx(0.08**2, rel=0.15)


def test_noise_needs_rates_and_full_sampling_is_none_of_them():
    table, draws = trained(np.random.default_rng(0), 1)
    few = table[table["realised_rate"] >= 0.25]  # two below full sampling
    assert training_noise(few, draws, "GE", "test", "in_domain") is None
    jump = {key: of_key for key, of_key in draws.items()}
    jump["1.0 0"] = {("test", "GE"): Resampled(0.3, np.full(50, 0.3), 100)}
    assert training_noise(table, jump, "GE", "test", "in_domain") == training_noise(
        table, draws, "GE", "test", "in_domain"
    )


@pytest.mark.parametrize("seeds_of_rate", [1, 3])
def test_intervals_cover_the_truth_of_the_rate_and_not_only_of_its_trainings(seeds_of_rate):
    """Equal rates whose trainings scatter: patients alone would cover far fewer than 90 %."""
    covered, of_patients = [], []
    for number in range(150):
        table, draws = trained(np.random.default_rng(number), seeds_of_rate)
        intervals = metric_intervals(table, draws).set_index("configuration")
        for row in table[~table["full"]].itertuples():
            low, high = (intervals.loc[row.configuration, f"difference_in_domain_{end}"] for end in ("low", "high"))
            covered.append(low <= 0 <= high)
            mine = average([draws[key]["test", "GE"] for key in row.keys])
            full = average([draws[key]["test", "GE"] for key in table.loc[table["full"], "keys"].item()])
            of_patients.append(abs((mine - full).point) <= 1.7 * (mine - full).error)
    assert 0.85 <= np.mean(covered) <= 0.95
    assert np.mean(of_patients) < 0.5
