"""The front as a distribution against cases worked by hand, and what is left of it without a cross-domain AUC."""

import json
import math
import warnings

import numpy as np
import pytest

from analysis import RULES, analyse
from analysis.statistics.uncertain_front import uncertain_front
from synthetic_run import write_arrays, write_run


def front(rates, inside, across):
    """Lists of draws, each with a value a rate."""
    return uncertain_front(np.array(rates, float), {"in_domain": np.array(inside), "cross_domain": np.array(across)})


def test_probability_of_being_optimal_is_the_share_of_draws():
    rates = [0.25, 0.5, 1.0]
    inside = [[0.7, 0.8, 0.9], [0.9, 0.8, 0.7], [0.8, 0.8, 0.8], [0.7, 0.9, 0.8]]
    across = [[0.8, 0.7, 0.6], [0.8, 0.7, 0.6], [0.7, 0.7, 0.7], [0.6, 0.8, 0.7]]
    probability = front(rates, inside, across).probability_optimal.set_index("realised_rate")
    # 1: a trade-off, all three; 2: the smallest is best at both; 3: equal, so all three; 4: the middle one
    assert probability["two_objectives"].tolist() == [3 / 4, 3 / 4, 2 / 4]
    # the rate as a third objective: 1: all; 2 and 3: the smallest alone; 4: the smallest by its rate, and the middle
    assert probability["three_objectives"].tolist() == [4 / 4, 2 / 4, 1 / 4]


def test_attainment_and_hypervolume_of_one_rate_that_moves():
    reached = 0.5 + np.arange(1, 11) / 100  # ten draws
    drawn = front([0.25], reached[:, None], reached[:, None])
    surface = drawn.attainment.set_index("percent")
    assert surface.index.tolist() == sorted(surface.index, reverse=False) == [10, 50, 90]
    # (0.5 + k / 100) in both is reached by 11 - k of ten draws
    assert surface["in_domain"].tolist() == pytest.approx([0.60, 0.56, 0.52])
    assert surface["cross_domain"].tolist() == pytest.approx([0.60, 0.56, 0.52])
    assert drawn.hypervolume == pytest.approx((reached - 0.5) ** 2)


def test_an_attainment_surface_has_the_steps_of_the_front():
    """Every draw alike: each surface is the front itself, the hypervolume two rectangles less their overlap."""
    drawn = front([0.5, 1.0], [[0.7, 0.9]] * 5, [[0.8, 0.6]] * 5)
    for _, part in drawn.attainment.groupby("percent"):
        assert sorted(zip(part["in_domain"], part["cross_domain"])) == [(0.7, 0.8), (0.9, 0.6)]
    assert drawn.hypervolume == pytest.approx([0.2 * 0.3 + 0.4 * 0.1 - 0.2 * 0.1] * 5)


def test_two_configurations_of_one_rate_count_as_that_rate():
    drawn = front([0.5, 0.25, 0.5], [[0.7, 0.8, 0.9], [0.9, 0.8, 0.7]], [[0.7, 0.6, 0.7], [0.7, 0.9, 0.7]])
    optimal = drawn.probability_optimal.set_index("realised_rate")["two_objectives"]
    assert optimal.to_dict() == {0.25: 0.5, 0.5: 1.0}


def test_without_draws_of_both_metrics_no_front():
    assert uncertain_front(np.array([0.5]), {"in_domain": np.array([[0.7]])}) is None


def test_without_any_cross_domain_auc_no_number_is_made_up(tmp_path):
    folder = write_run(
        tmp_path, rates=(0.125, 0.25, 0.5, 1.0), seeds=(0, 1), masks=("gumbel",), patients=16, source=("GE",)
    )
    for key in folder.keys():  # the other vendor's scores are NaN, and so is each AUC of them
        read = json.loads(folder.trial(key, "record.json").read_text())
        for name in ("val", "test", "val_within", "test_within"):
            read[name]["SIEMENS"] = None
        folder.trial(key, "record.json").write_text(json.dumps(read))
        with np.load(folder.trial(key, "scores.npz")) as file:
            scores = dict(file)
        cohort = np.genfromtxt(folder.cohort_csv, delimiter=",", dtype=str, skip_header=1)
        foreign = np.isin(scores["row"], cohort[cohort[:, 3] == "SIEMENS", 0].astype(int))
        assert foreign.any()
        write_arrays(folder, key, "scores.npz", **scores | {"score": np.where(foreign, np.nan, scores["score"])})
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        analysis = analyse(tmp_path, report=False, cross_fit=2)
    table = analysis.configurations
    across = [name for name in table if "cross_domain" in name]
    assert len(across) >= 6
    assert table[across].isna().all(axis=None)
    assert table["test_in_domain_low"].notna().all()
    assert all(computed.uncertain_front is None for computed in analysis.vendors.values())
    (curves,) = analysis.vendors["GE"].fitted["val"].curves.values()
    assert curves.cross_domain is None
    assert curves.in_domain is not None
    assert "no validation metric with a known error, in-domain or cross-domain" in analysis.vendors["GE"].proof.refused
    assert math.isnan(analysis.vendors["GE"].cross_fit.value["cross_domain"])
    assert not math.isnan(analysis.vendors["GE"].cross_fit.value["in_domain"])
    chosen = {s.rule: s for s in [analysis.vendors["GE"].selection, *analysis.vendors["GE"].others] if not s.oracle}
    assert set(chosen) == set(RULES)
    for selection in chosen.values():
        assert "cross_domain" not in selection.not_worse
        if selection.rule != "knee":  # there may be none
            assert math.isnan(selection.rate) == any("cross_domain" in name for name in selection.columns_read)
        assert not math.isnan(selection.rate) or selection.note
