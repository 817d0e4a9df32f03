import itertools

import numpy as np
import pandas as pd
import pytest

from analysis.statistics.pareto import THREE, TWO, hypervolume, knee, pareto_front


def points(*rows):
    return pd.DataFrame(rows, columns=["in_domain", "cross_domain", "realised_rate"])


SIX = points(
    (0.90, 0.60, 1.00),  # best in-domain
    (0.85, 0.70, 0.50),  # best cross-domain
    (0.88, 0.65, 0.75),  # between the two
    (0.84, 0.64, 0.40),  # dominated in two objectives, saved by its rate
    (0.84, 0.64, 0.60),  # dominated in three
    (0.70, 0.55, 0.10),  # saved by its rate
)


def test_two_objectives_on_six_points():
    front = pareto_front(SIX, TWO)
    assert front.points.index.tolist() == [1, 2, 0]
    assert front.left_out == 0


def test_three_objectives_on_six_points():
    assert pareto_front(SIX, THREE).points.index.tolist() == [5, 3, 1, 2, 0]


def test_hypervolume_by_hand():
    # three steps from the right: 0.05 x 0.20 up to 0.85 ... by strips of in-domain above 0.5
    by_hand = 0.35 * 0.20 + 0.03 * 0.15 + 0.02 * 0.10
    assert pareto_front(SIX, TWO).hypervolume == pytest.approx(by_hand)
    assert hypervolume(np.array([[0.9, 0.7, 0.25]]), THREE) == pytest.approx(0.4 * 0.2 * 0.75)
    assert hypervolume(np.array([[0.9, 0.7, 1.0]]), THREE) == 0  # full sampling is the reference's own rate
    assert hypervolume(np.array([[0.9, 0.4]]), TWO) == 0  # below chance across vendors


def test_equal_points_stay_together():
    front = pareto_front(points((0.9, 0.7, 0.5), (0.9, 0.7, 0.5), (0.8, 0.7, 0.5)), THREE)
    assert len(front.points) == 2


def test_missing_scores_neither_dominate_nor_are_dominated():
    front = pareto_front(points((0.9, np.nan, 0.5), (0.8, 0.6, 0.5)), TWO)
    assert front.points.index.tolist() == [1]
    assert front.left_out == 1
    nothing = pareto_front(points((0.9, np.nan, 0.5)), TWO)
    assert len(nothing.points) == 0
    assert np.isnan(nothing.hypervolume)


def test_unknown_objective_is_named():
    with pytest.raises(ValueError, match="seconds"):
        pareto_front(SIX.assign(seconds=1), ("in_domain", "seconds"))


@pytest.mark.parametrize("objectives", [TWO, THREE])
def test_front_is_the_naive_one(objectives):
    rng = np.random.default_rng(0)
    met = 0
    for _ in range(20):
        table = points(*np.round(rng.uniform(0.5, 1, (15, 3)), 1))
        values = table[list(objectives)].to_numpy() * np.array([1, 1, -1])[: len(objectives)]
        naive = [
            i
            for i in range(15)
            if not any((values[j] >= values[i]).all() and (values[j] > values[i]).any() for j in range(15))
        ]
        assert sorted(pareto_front(table, objectives).points.index) == naive
        met += len(naive)
    assert met > 20


def test_knee_of_a_corner_is_the_corner():
    rate = np.array([0.1, 0.2, 0.3, 0.6, 0.8, 1.0])
    assert knee(rate, np.array([0.5, 0.7, 0.9, 0.905, 0.91, 0.912])) == 0.3
    for order in itertools.islice(itertools.permutations(range(6)), 0, 720, 97):
        shuffled = list(order)
        assert knee(rate[shuffled], np.array([0.5, 0.7, 0.9, 0.905, 0.91, 0.912])[shuffled]) == 0.3


@pytest.mark.parametrize(
    ("rate", "score"),
    [
        ([0.5, 1.0, 0.25], [0.6, 0.7, 0.5]),  # three points are no curve
        ([0.1, 0.2, 0.5, 1.0], [0.9, 0.8, 0.7, 0.6]),  # falling: nothing is bought
        ([0.1, 0.2, 0.5, 1.0], [0.7, 0.7, 0.7, 0.7]),
        ([0.25, 0.5, 0.75, 1.0], [0.6, 0.7, 0.8, 0.9]),  # straight: no diminishing returns
        ([0.1, 0.2, 0.5, 1.0], [np.nan] * 4),
        ([], []),
    ],
)
def test_no_knee_is_no_number(rate, score):
    assert knee(np.array(rate, float), np.array(score, float)) is None


def test_the_knee_on_arrays_is_the_knee_of_the_best_score_by_rate():
    """The slow twin groups a table; on draws with repeated rates and unknown scores both read the same points."""
    random = np.random.default_rng(0)
    rate = np.repeat([0.0625, 0.125, 0.25, 0.5, 1.0], 3)
    knees = []
    for _ in range(20):
        score = 0.9 - 0.25 * 2 ** (-12 * rate) + random.normal(0, 0.02, len(rate))
        score[random.random(len(rate)) < 0.2] = np.nan
        best = pd.DataFrame({"rate": rate, "score": score}).dropna().groupby("rate")["score"].max().cummax()
        knees.append(knee(rate, score))
        assert knees[-1] == knee(best.index.to_numpy(), best.to_numpy())
    assert len({value for value in knees if value is not None}) > 1
