"""What the report computes for its figures: profiles, importance, which pictures; against hand-made answers."""

import numpy as np
import pandas as pd
import pytest
from synthetic_run import write_run

from analysis import analyse
from analysis.gallery import MOST, gallery
from analysis.importance import hyperparameters, importance
from analysis.page import as_script, plain, slug, table
from analysis.profiles import profile
from analysis.report_headline import not_separated


def lowpass(width, kept):
    order = np.argsort(np.abs(np.arange(width) - width // 2), kind="stable")
    return np.isin(np.arange(width), order[:kept])


@pytest.mark.parametrize("kept", [1, 2, 5, 8])
def test_the_profile_of_low_pass_is_low_pass(kept):
    found = profile(lowpass(8, kept))
    assert found.mask.tolist() == found.lowpass.tolist() == found.probability.tolist()
    assert found.mask[0] == 1


def test_a_profile_by_hand():
    mask = np.array([1, 0, 0, 0, 1, 1, 0, 1], dtype=bool)  # DC at 4; distances 4 3 2 1 0 1 2 3
    found = profile(mask, np.linspace(0, 0.7, 8))
    assert found.distance.tolist() == [0, 1, 2, 3, 4]
    assert found.mask.tolist() == [1, 0.5, 0, 0.5, 1]
    assert found.lowpass.tolist() == [1, 1, 0.5, 0, 0]  # the nearest four
    assert found.probability == pytest.approx([0.4, 0.4, 0.4, 0.4, 0.0])


def test_a_profile_of_points_spends_the_same_budget():
    mask = np.random.default_rng(0).random((16, 16)) < 0.3
    found = profile(mask)
    offsets = np.arange(16) - 8
    distance = np.floor(np.hypot(offsets[:, None], offsets[None]) + 0.5).astype(int).clip(max=8)
    members = np.bincount(distance.ravel())
    assert (found.mask * members).sum() == pytest.approx(mask.sum())
    assert (found.lowpass * members).sum() == pytest.approx(mask.sum())
    assert (np.diff(found.lowpass) <= 1e-12).all()


def own_table(n, effect):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"sampling_rate": 0.5, "temperature": rng.uniform(0.1, 5, n), "full": False})
    frame["mask_lr_multiplier"] = rng.choice([1.0, 10.0, 30.0], n)
    frame["score"] = 0.8 + effect * (frame["temperature"] > 2) + rng.normal(0, 0.005, n)
    from analysis.load import CONFIG_FIELDS

    for name in CONFIG_FIELDS:
        if name not in frame:
            frame[name] = "same"
    return frame


def test_importance_finds_what_moves_the_auc():
    found = importance(own_table(60, 0.1), "score")
    assert found.table["hyperparameter"].iloc[0] == "temperature"
    assert found.table["importance"].iloc[0] > 0.03
    assert found.explained > 0.8
    assert found.configurations == 60


def test_importance_says_when_nothing_is_explained():
    assert importance(own_table(60, 0.0), "score").explained < 0.2


def test_importance_needs_enough_that_varies():
    assert importance(own_table(9, 0.1), "score") is None
    same = own_table(60, 0.1).assign(temperature=1.0, mask_lr_multiplier=10.0)
    assert importance(same, "score") is None
    one_or_none = same.assign(temperature=[1.0, np.nan] * 30)  # that is the family again
    assert hyperparameters(one_or_none) == []


def test_many_rates_show_a_dozen_pictures_and_the_chosen_one(tmp_path):
    rates = tuple(k / 32 for k in range(1, 33))
    write_run(tmp_path, rates=rates, seeds=(0,), masks=("gumbel",), patients=12, source=("GE",))
    shown = gallery(analyse(tmp_path, report=False), "GE")
    learned = [p for p in shown if p.family == "gumbel"]
    assert MOST - 4 <= len(learned) <= MOST + 1
    assert sum(p.chosen for p in shown) == 1
    assert {learned[0].rate, learned[-1].rate} == {31 / 32, 1 / 32}


def test_the_warning_speaks_only_of_what_was_computed(tmp_path):
    write_run(tmp_path, rates=(0.25, 1.0), seeds=(0,), masks=("gumbel",), patients=12, source=("GE",))
    selection = analyse(tmp_path, report=False).selections["GE"]
    there = selection._replace(rate=0.25, full_sampling={"test_in_domain": 0.8})

    def values(low, high):
        return {
            f"difference_{d}_{e}": v for d in ("in_domain", "cross_domain") for e, v in (("low", low), ("high", high))
        }

    assert "does not separate" in not_separated(there._replace(values=values(-0.02, 0.03)))
    assert not_separated(there._replace(values=values(0.01, 0.03))) == ""
    assert "No paired interval" in not_separated(there._replace(values={}))
    assert "no finished trial" in not_separated(there._replace(full_sampling={}))
    assert not_separated(there._replace(rate=1.0)) == ""


def test_what_a_page_holds_cannot_end_its_scripts_or_cells():
    assert "</script><b>" not in as_script({"a": "</script><b>"})
    assert plain({"a": [float("nan"), 0.123456789, np.float32(0.5), (1,)]}) == {"a": [None, 0.12346, 0.5, [1]]}
    assert slug("<b>GE & Co") == "b-GE-Co"
    assert slug("é") != slug("ü")
    html = table(pd.DataFrame({"<i>": ["<b>", None], "n": [1.0, np.nan]}), "t")
    assert "<b>" not in html
    assert html.count('data-v=""') == 2
    assert table(pd.DataFrame({"a": []}), "t") == ""
