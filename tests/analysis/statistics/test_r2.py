"""A metric that may be negative: scales end at their left end, a volume counts from 0, the mean is resampled."""

import numpy as np
import pandas as pd
import pytest

from analysis.plots import pareto
from analysis.report.sections.choice import _position
from analysis.statistics.measures import MEASURES
from analysis.statistics.pareto import hypervolume

R2 = MEASURES["r2"]


def test_a_negative_value_stands_at_the_left_end_of_its_scale():
    assert R2.gauge == -0.1  # a little below the answer without knowledge
    assert _position(-2.5, (R2.gauge, 1.0)) == _position(-0.1, (R2.gauge, 1.0)) == "0.0%"
    assert _position(0.45, (R2.gauge, 1.0)) == "50.0%"


def test_a_volume_counts_from_the_answer_0_and_negative_points_add_nothing():
    assert hypervolume(np.array([[0.5, 0.4]]), chance=R2.chance) == pytest.approx(0.2)
    assert hypervolume(np.array([[0.5, 0.4], [-0.3, 0.9], [0.9, -1.0]]), chance=R2.chance) == pytest.approx(0.2)
    assert hypervolume(np.array([[-0.5, -0.4]]), chance=R2.chance) == 0


def test_draws_are_means_and_may_be_negative():
    score, patient = np.array([0.5, -3.0, 1.0]), np.array(["a", "a", "b"])
    weights = np.array([[1, 0], [0, 2], [1, 1]])
    drawn = R2.resampled(np.ones(3), score, patient, np.array(["a", "b"]), weights)
    assert drawn.point == pytest.approx(-0.5)
    np.testing.assert_allclose(drawn.draws, [-1.25, 1.0, -0.5])


@pytest.mark.parametrize(("lowest", "highest"), [(-148.0, 0.4), (0.0, 0.95), (-0.2, 0.7)])
def test_an_axis_follows_a_surface_only_as_far_as_the_scores_keep_a_third_of_it(lowest, highest):
    surface = pd.DataFrame({"in_domain": [lowest, highest]})
    low, high = pareto._range([pd.Series([0.1, 0.6])], surface, "in_domain")
    assert low < max(lowest, -0.4)
    assert high > min(max(highest, 0.6), 1.1)
    assert 0.28 * (high - low) <= 0.5
    room = 0.0014  # 7 % of the least span, 0.02
    assert pareto._range([pd.Series([0.7, 0.7])], None, "in_domain") == pytest.approx([0.7 - room, 0.7 + room])
    assert pareto._range([pd.Series([0.7, 0.7])], None, "cross_domain") == pytest.approx([0.7 - room, 0.7 + 2 * room])
