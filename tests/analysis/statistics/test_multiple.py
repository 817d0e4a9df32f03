"""Several tests at once, the p value that belongs to an interval, and the mean of several differences."""

import math

import numpy as np
import pytest

from analysis.statistics.bootstrap import Resampled, average, patient_weights, t_interval, t_p_value
from analysis.statistics.estimate import Noise, Pair, estimate, mean_difference
from analysis.statistics.multiple import holm


def step_down(p_values, alpha):
    """Holm as he wrote it: go on from the smallest p value until one fails."""
    known = [index for index, p in enumerate(p_values) if not math.isnan(p)]
    rejected = set()
    for step, index in enumerate(sorted(known, key=lambda place: p_values[place])):
        if p_values[index] >= alpha / (len(known) - step):
            break
        rejected.add(index)
    return rejected


def test_holm_rejects_what_his_procedure_rejects():
    rng = np.random.default_rng(0)
    met = 0
    for _ in range(50):
        p_values = rng.beta(0.4, 2, size=7)
        p_values[rng.random(7) < 0.2] = np.nan
        for alpha in (0.01, 0.1, 0.3):
            adjusted = holm(p_values)
            assert set(np.flatnonzero(adjusted < alpha)) == step_down(p_values.tolist(), alpha)
            met += len(step_down(p_values.tolist(), alpha))
    assert met > 100
    assert holm(np.array([0.01, 0.04, np.nan, 0.03])) == pytest.approx([0.03, 0.06, np.nan, 0.06], nan_ok=True)
    assert len(holm(np.array([]))) == 0


@pytest.mark.parametrize("point", [-1.0, -0.2, 0.0, 0.03, 0.6, 1.0])
def test_a_p_value_is_where_the_interval_begins_to_leave_out_0(point):
    p_value = t_p_value(point, 0.02, 8.5)
    if point == 0:
        assert p_value == 1
        return
    for level, beyond in ((1 - p_value * 1.01, True), (1 - p_value * 0.99, False)):
        low, high = t_interval(point, 0.02, 8.5, floor=-1.0, level=level)
        assert (low > 0 or high < 0) == beyond
    assert math.isnan(t_p_value(math.nan, 0.02, 8.5))
    assert math.isnan(t_p_value(point, math.nan, 8.5))
    assert t_p_value(0.1, 0.0, 8.5) == 0.0


def seeds(rng, number, level):
    """Trainings on 20 shared patients: each the mean of what its patients have."""
    weights = patient_weights(20, 300, "test of a mean")
    made = []
    for _ in range(number):
        value = np.clip(level + rng.normal(0, 0.1, 20) + rng.normal(0, 0.02), 0, 1)
        made.append(Resampled(float(value.mean()), weights @ value / 20, 20))
    return made


def test_the_mean_of_one_difference_is_that_difference():
    rng = np.random.default_rng(1)
    pair = Pair(seeds(rng, 3, 0.8), seeds(rng, 2, 0.7))
    assert mean_difference([pair]) == pytest.approx(estimate(*pair))
    single = Pair(seeds(rng, 1, 0.8), seeds(rng, 2, 0.7))
    assert math.isnan(mean_difference([single]).of_trainings)
    noise = Noise(0.01, 4.0)
    assert mean_difference([single], noise).of_trainings == pytest.approx(estimate(*single, noise).of_trainings)
    assert mean_difference([single] * 3, noise).freedom <= 4


def test_the_mean_of_differences_averages_patients_in_a_draw_and_trainings_apart():
    rng = np.random.default_rng(2)
    pairs = [Pair(seeds(rng, 3, level), seeds(rng, 3, level - 0.05)) for level in (0.6, 0.7, 0.8)]
    known = mean_difference(pairs)
    alone = [estimate(*pair) for pair in pairs]
    assert known.point == pytest.approx(np.mean([of_pair.point for of_pair in alone]))
    assert known.of_trainings == pytest.approx(math.sqrt(sum(of_pair.of_trainings**2 for of_pair in alone)) / 3)
    draws = np.mean([average(pair.seeds).draws - average(pair.others).draws for pair in pairs], axis=0)
    assert known.of_patients == pytest.approx(draws.std() * math.sqrt(20 / 19))
    assert known.seeds == 3
    assert known.floor == -1
