"""What the report computes for its figures: profiles, importance, which pictures; against hand-made answers."""

import numpy as np
import pandas as pd
import pytest

from analysis import analyse
from analysis.choice import noninferior_words as proof_words
from analysis.choice.noninferior import STEP_COLUMNS, Proof
from analysis.choice.options import Options
from analysis.choice.selection import Selection
from analysis.plots.masks import profile
from analysis.report.page import in_script, render
from analysis.report.parts import slug, table
from analysis.results import evidence, sentences
from analysis.results.gallery import MOST, gallery
from analysis.results.importance import hyperparameters, importance
from analysis.results.json_values import json_values
from analysis.statistics.measures import MEASURES
from synthetic_run import write_run
from tune_ks.core.config import OWN_FIELDS

AUC = MEASURES["auc"]


def lowpass(width, kept):
    order = np.argsort(np.abs(np.arange(width) - width // 2), kind="stable")
    return np.isin(np.arange(width), order[:kept])


@pytest.mark.parametrize("kept", [1, 2, 5, 8])
def test_the_profile_of_low_pass_is_low_pass(kept):
    computed = profile(lowpass(8, kept))
    assert computed.mask.tolist() == computed.lowpass.tolist() == computed.probability.tolist()
    assert computed.mask[0] == 1


def test_a_profile_by_hand():
    mask = np.array([1, 0, 0, 0, 1, 1, 0, 1], dtype=bool)  # DC at 4; distances 4 3 2 1 0 1 2 3
    computed = profile(mask, np.linspace(0, 0.7, 8))
    assert computed.distance.tolist() == [0, 1, 2, 3, 4]
    assert computed.mask.tolist() == [1, 0.5, 0, 0.5, 1]
    assert computed.lowpass.tolist() == [1, 1, 0.5, 0, 0]  # the nearest four
    assert computed.probability == pytest.approx([0.4, 0.4, 0.4, 0.4, 0.0])


def test_a_profile_of_points_spends_the_same_budget():
    mask = np.random.default_rng(0).random((16, 16)) < 0.3
    computed = profile(mask)
    offsets = np.arange(16) - 8
    distance = np.floor(np.hypot(offsets[:, None], offsets[None]) + 0.5).astype(int).clip(max=8)
    members = np.bincount(distance.ravel())
    assert (computed.mask * members).sum() == pytest.approx(mask.sum())
    assert (computed.lowpass * members).sum() == pytest.approx(mask.sum())
    assert (np.diff(computed.lowpass) <= 1e-12).all()


def table_of(n, effect):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"sampling_rate": 0.5, "mask.temperature": rng.uniform(0.1, 5, n), "full": False})
    frame["mask_lr_multiplier"] = rng.choice([1.0, 10.0, 30.0], n)
    frame["score"] = 0.8 + effect * (frame["mask.temperature"] > 2) + rng.normal(0, 0.005, n)
    for name in OWN_FIELDS:
        if name not in frame:
            frame[name] = "same"
    return frame


def test_importance_finds_what_moves_the_auc():
    computed = importance(table_of(60, 0.1), "score")
    assert computed.table["hyperparameter"].iloc[0] == "temperature"
    assert computed.table["importance"].iloc[0] > 0.03
    assert computed.explained > 0.8
    assert computed.configurations == 60


def test_importance_says_when_nothing_is_explained():
    assert importance(table_of(60, 0.0), "score").explained < 0.2


def test_importance_needs_enough_that_varies():
    assert importance(table_of(9, 0.1), "score") is None
    same = table_of(60, 0.1).assign(**{"mask.temperature": 1.0}, mask_lr_multiplier=10.0)
    assert importance(same, "score") is None
    one_or_none = same.assign(**{"mask.temperature": [1.0, np.nan] * 30})  # that is the family again
    assert hyperparameters(one_or_none) == []


def test_many_rates_show_a_dozen_pictures_and_the_chosen_one(tmp_path):
    rates = tuple(k / 32 for k in range(1, 33))
    write_run(tmp_path, rates=rates, seeds=(0,), masks=("gumbel",), patients=12, images=2, source=("GE",))
    shown = gallery(analyse(tmp_path, report=False), "GE")
    learned = [p for p in shown if p.family == "gumbel"]
    assert MOST - 4 <= len(learned) <= MOST + 1
    assert sum(p.chosen for p in shown) == 1
    assert {learned[0].rate, learned[-1].rate} == {31 / 32, 1 / 32}


def choice(rate=0.25, differences=None, **fields):
    """A choice of GE's with test AUCs 0.80 and 0.70 against 0.82 and 0.75 at full sampling."""
    values = {"test_in_domain": 0.80, "test_cross_domain": 0.70}
    for domain, ends in (differences or {}).items():
        middle = {"": sum(ends) / 2, "_low": ends[0], "_high": ends[1]}
        values |= {f"difference_{domain}{name}": value for name, value in middle.items()}
    full = {"test_in_domain": 0.82, "test_cross_domain": 0.75}
    known = {"rule": "epsilon", "vendor": "GE", "family": "learned", "rate": rate, "interval": None, "values": values}
    known |= {"full_sampling": full, "configuration": {}, "keys": (), "columns_read": ("val_in_domain",)}
    known |= {"oracle": False, "saw": "source-validation", "parameters": {"epsilon": 0.02}, "note": ""}
    return Selection(**known | fields)


def test_without_full_sampling_the_cost_is_unknown_and_at_rate_1_nothing_is_compared():
    ((said, doubt),) = evidence.against_full(choice(full_sampling={}), Options())
    assert "no finished trial" in said
    assert doubt
    assert evidence.against_full(choice(rate=1.0), Options()) == []
    assert evidence.against_full(choice(rate=np.nan), Options()) == []


def test_one_plain_sentence_says_what_is_kept_what_it_scores_and_by_which_rule():
    assert sentences.plainly(choice(), AUC) == (
        "Keeping 1/4 of k-space (R = 4) instead of all of it, the model trained on GE scores AUC 0.800 instead of "
        "0.820 on GE patients and 0.700 instead of 0.750 on patients of the other vendor(s); chosen by the rule "
        "epsilon (epsilon 0.02): the smallest rate whose in-domain AUC is within epsilon of the best."
    )
    full = sentences.plainly(choice(rate=1.0), AUC)
    assert full.startswith(
        "Keeping all of k-space, the model trained on GE scores AUC 0.800 on GE patients and 0.700 on"
    )
    assert sentences.plainly(choice(rate=np.nan, note="no knee"), AUC) == "The rule epsilon chooses no rate: no knee."
    assert "was not scored" in sentences.plainly(choice(values={}), AUC)


def test_a_proof_says_where_it_ended_and_what_the_margin_would_take():
    steps = pd.DataFrame(columns=STEP_COLUMNS)
    proof = Proof("GE", 1.0, "c", 0.02, steps, 0.046, {"in_domain": 736.0, "cross_domain": np.inf}, "")
    assert proof_words.proven(proof, AUC) == (
        "No rate below 1 is proven to lose at most 0.02 in both AUCs. If the rates are equal, these data could prove a "
        "margin of about 0.046."
    )
    assert proof_words.needed(proof) == (
        "0.02 would need, if the rates are equal: in-domain about 736 validation patients; cross-domain more seeds, "
        "not patients."
    )
    assert proof_words.proven(proof._replace(rate=0.25), AUC).startswith(
        "1/4 of k-space (R = 4) is not worse than full sampling by more than 0.02"
    )
    assert proof_words.needed(proof._replace(rate=0.25)) == ""
    refused = proof._replace(rate=np.nan, refused="full sampling was not run", resolvable=np.nan, patients_needed={})
    assert proof_words.proven(refused, AUC) == "Nothing was tested, so nothing is proven: full sampling was not run."
    assert proof_words.needed(refused) == ""


def test_what_a_page_holds_cannot_end_its_scripts_or_cells():
    assert "</script><b>" not in in_script({"a": "</script><b>"})
    values = {"a": [float("nan"), 0.123456789, np.float32(0.5), (1,)]}
    assert json_values(values, digits=5) == {"a": [None, 0.12346, 0.5, [1]]}
    assert slug("<b>GE & Co") == "b-GE-Co"
    assert slug("é") != slug("ü")
    html = render([table(pd.DataFrame({"<i>": ["<b>", None], "n": [1.0, np.nan]}), "t")])
    assert "<b>" not in html
    assert html.count('data-v=""') == 2
    assert render([table(pd.DataFrame({"a": []}), "t")]) == ""
