import json
import math
from pathlib import Path

import pytest

from analysis import RULES, RunError, analyse
from analysis.choice.candidates import candidates_of
from analysis.choice.options import Options
from analysis.choice.selection import select
from analysis.read import lu_table1
from analysis.read.configurations import average_over_seeds, curves, families, full_beside
from analysis.read.load import load
from analysis.read.trial_rows import tidy
from analysis.results.compute import compute
from analysis.results.selection_json import selection_text
from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder

EXAMPLE = Path(__file__).parents[3] / "examples" / "lu_table1"


def record(rate, val=(math.nan, math.nan), test=(math.nan, math.nan), vendor="GE", **fields):
    other = "SIEMENS" if vendor == "GE" else "GE"
    named = [{v: s for v, s in zip((vendor, other), pair) if not math.isnan(s)} for pair in (val, test)]
    return TrialRecord(TrialConfig(vendor, rate, **fields), val=named[0], test=named[1], realised_rate=rate)


def configurations(*records):
    return average_over_seeds(tidy({r.config.key(): r for r in records}))


def gumbel(*rows):
    return configurations(*(record(rate, val, val) for rate, *val in rows))


FIVE = gumbel((0.1, 0.80, 0.70), (0.2, 0.87, 0.66), (0.4, 0.89, 0.68), (0.7, 0.90, 0.64), (1.0, 0.895, 0.65))


@pytest.mark.parametrize(("epsilon", "rate"), [(0, 0.7), (0.01, 0.4), (0.03, 0.2), (0.05, 0.2), (0.1, 0.1)])
def test_epsilon_takes_the_smallest_rate_within_it(epsilon, rate):
    chosen = select(FIVE, "GE", "epsilon", Options(epsilon=epsilon))
    assert chosen.rate == rate
    assert chosen.columns_read == ("val_in_domain",)
    assert chosen.saw == "source-validation"
    assert chosen.parameters == {"epsilon": epsilon}
    assert not chosen.oracle


@pytest.mark.parametrize(("tolerance", "rate"), [(0, 0.7), (0.01, 0.4), (0.05, 0.4), (0.2, 0.1)])
def test_cross_domain_takes_the_best_transfer_within_the_tolerance(tolerance, rate):
    chosen = select(FIVE, "GE", "cross_domain", Options(tolerance=tolerance))
    assert chosen.rate == rate
    assert chosen.columns_read == ("val_in_domain", "val_cross_domain")
    assert chosen.saw == "target-validation"


def test_knee_is_on_the_curve():
    assert select(FIVE, "GE", "knee").rate == 0.2


def test_every_rule_answers_or_says_why_not():
    met = 0
    for rule in RULES:
        selection = select(gumbel((0.5, 0.8, math.nan)), "GE", rule)
        assert selection.rate == 0.5 or (math.isnan(selection.rate) and selection.note)
        nothing = select(gumbel((0.5, math.nan, math.nan), (1.0, math.nan, math.nan)), "GE", rule)
        assert math.isnan(nothing.rate)
        assert nothing.note
        assert nothing.values == {}
        met += 1
    assert met == len(RULES) >= 3


def test_cross_domain_does_not_fall_back_to_test_columns():
    rows = [record(r, (0.8, math.nan), (0.8, 0.7)) for r in (0.5, 1.0)]
    chosen = select(configurations(*rows), "GE", "cross_domain")
    assert math.isnan(chosen.rate)
    assert not chosen.oracle
    assert "no other vendor" in chosen.note


def test_validation_chooses_whatever_test_says():
    rows = [
        record(0.2, (0.60, 0.6), (0.95, 0.6)),
        record(0.5, (0.80, 0.6), (0.70, 0.6)),
        record(1.0, (0.7, 0.6), (1, 1)),
    ]
    chosen = select(configurations(*rows), "GE", "epsilon")
    assert chosen.rate == 0.5
    assert chosen.values["test_in_domain"] == 0.70
    oracle = select(configurations(*rows), "GE", "epsilon", split="test")
    assert (oracle.rate, oracle.oracle, oracle.columns_read) == (1.0, True, ("test_in_domain",))


def test_seeds_are_averaged_and_their_spread_kept():
    table = configurations(*(record(0.5, (v, 0.6), (v, 0.6), seed=s) for s, v in enumerate((0.7, 0.8, 0.9))))
    assert len(table) == 1
    row = table.iloc[0]
    assert row["val_in_domain"] == pytest.approx(0.8)
    assert row["val_in_domain_sd"] == pytest.approx(0.1)
    assert row["seeds"] == 3
    assert len(row["keys"]) == 3
    assert math.isnan(configurations(record(0.5, (0.7, 0.6))).iloc[0]["val_in_domain_sd"])


def test_full_sampling_belongs_to_every_family_and_a_seed_counts_once():
    rows = [record(1.0, (v, 0.6), mask=m, temperature=t) for v, m, t in ((0.9, "gumbel", 1.0), (0.8, "lowpass", None))]
    rows += [record(0.5, (0.7, 0.6), mask="lowpass"), record(0.5, (0.75, 0.6), temperature=1.0)]
    rows += [record(0.5, (0.76, 0.6), temperature=5.0)]
    table = configurations(*rows)
    full = table[table["full"].astype(bool)]
    assert len(full) == 1
    assert full["val_in_domain"].item() == pytest.approx(0.85)
    assert full["seeds"].item() == 1
    assert families(table) == ["gumbel", "lowpass"]
    drawn = curves(table)
    assert sorted(drawn) == ["gumbel, temperature 1", "gumbel, temperature 5", "lowpass"]
    assert all(part["realised_rate"].tolist() == [0.5, 1.0] for part in drawn.values())


def test_the_yardstick_is_never_chosen_beside_a_learned_mask(tmp_path):
    folder = RunFolder(tmp_path)
    for written in (
        record(0.1, (0.9, 0.6), (0.9, 0.6), mask="lowpass"),
        record(0.5, (0.9, 0.6), (0.9, 0.6), temperature=1.0),
        record(1.0, (0.9, 0.6), (0.9, 0.6)),
    ):
        folder.write_record(written)
    analysis = compute(load(tmp_path), "epsilon", Options())
    assert analysis.vendors["GE"].selection.rate == 0.5
    by_family = {o.family: o.rate for o in analysis.vendors["GE"].others if o.family != "learned"}
    assert by_family == {"lowpass": 0.1}  # of the one learned family the choice itself speaks


def test_without_full_sampling_the_cost_is_unknown(tmp_path):
    RunFolder(tmp_path).write_record(record(0.5, (0.9, 0.7), (0.9, 0.7)))
    analysis = compute(load(tmp_path), "epsilon", Options())
    assert analysis.vendors["GE"].selection.full_sampling == {}
    assert any("full sampling (rate 1) has no finished trial" in w for w in analysis.warnings)


def test_one_seed_and_one_vendor_say_so(tmp_path):
    folder = RunFolder(tmp_path)
    for rate in (0.5, 1.0):
        folder.write_record(record(rate, (0.9, math.nan), (0.9, math.nan)))
    analysis = analyse(tmp_path, rule="cross_domain")
    text = " ".join(analysis.warnings)
    assert "no cross-domain AUC" in text
    assert "One seed" in text
    assert "nothing chosen" in text
    assert json.loads(analysis.selection_json.read_text())["choices"][0]["rate"] is None
    assert analysis.report.exists()


# ------------------------------------------------------------------------------------------- Table 1 of the study


@pytest.fixture(scope="module")
def of_table_1(table_1):
    """Its analysis."""
    return compute(table_1, "epsilon", Options())


def rates_of_table_1(analysis, epsilon):
    """The rate of each vendor that the rule epsilon chooses."""
    rates = {}
    for vendor, computed in analysis.vendors.items():
        options = Options(epsilon=epsilon)
        candidates = candidates_of(analysis.run, computed.configurations, analysis.draws, vendor, options)
        rates[vendor] = candidates.choose("epsilon").rate
    return rates


@pytest.mark.parametrize("epsilon", [0.024, 0.03, 0.04, 0.058])
def test_table_1_epsilon_gives_the_studys_own_choice(of_table_1, epsilon):
    assert rates_of_table_1(of_table_1, epsilon) == {"GE": 0.242, "SIEMENS": 0.222}


@pytest.mark.parametrize("epsilon", [0.023, 0.0591])
def test_table_1_beyond_those_epsilons_it_does_not(of_table_1, epsilon):
    assert rates_of_table_1(of_table_1, epsilon) != {"GE": 0.242, "SIEMENS": 0.222}


def test_table_1_fronts(of_table_1):
    fronts = {v: computed.fronts for v, computed in of_table_1.vendors.items()}
    assert fronts["GE"]["two_objectives"].points["realised_rate"].tolist() == [0.148, 0.664, 0.804, 1]
    assert fronts["SIEMENS"]["two_objectives"].points["realised_rate"].tolist() == [0.781, 0.882, 1]
    for vendor in ("GE", "SIEMENS"):
        three = set(fronts[vendor]["three_objectives"].points["realised_rate"])
        assert three > set(fronts[vendor]["two_objectives"].points["realised_rate"])


def test_table_1_says_that_test_scores_chose(example):
    analysis = analyse(example, epsilon=0.03)
    written = json.loads(analysis.selection_json.read_text())
    assert [c["vendor"] for c in written["choices"]] == ["GE", "SIEMENS"]
    for choice in written["choices"]:
        assert choice["rule"] == "epsilon"
        assert choice["columns_read"] == ["test_in_domain"]
        assert choice["oracle"] is True
        assert choice["val_in_domain"] is None
        assert choice["keys"]
    assert written["choices"][0]["test_cross_domain"] == 0.625
    page = analysis.report.read_text()
    assert "was chosen on TEST scores" in page
    assert any("was chosen on TEST scores" in w for w in analysis.warnings)
    assert "Unknown: this run folder has no search.json" in page


def test_the_example_is_what_the_program_writes(tmp_path):
    lu_table1.write(tmp_path)
    written = {p.relative_to(tmp_path): p.read_bytes() for p in tmp_path.rglob("*.json")}
    shipped = {p.relative_to(EXAMPLE): p.read_bytes() for p in (EXAMPLE / "trials").rglob("*.json")}
    assert written == shipped
    assert len(written) == 40


def test_table_1_rates_are_k_of_256_lines_but_one():
    rates = [rate for rows in lu_table1.TABLE.values() for rate, *_ in rows if rate < 1]
    cut = {math.floor(k / 256 * 1000) / 1000 for k in range(257)} | {round(k / 256, 3) for k in range(257)}
    assert len(rates) == 18
    assert sum(rate in cut for rate in rates) >= 17


@pytest.mark.parametrize(
    ("name", "value"), [("rule", "best"), ("epsilon", -0.1), ("tolerance", 2), ("epsilon", math.nan)]
)
def test_a_bad_argument_is_one_message(example, name, value):
    with pytest.raises(RunError, match=name):
        analyse(example, **{name: value})


def test_selection_json_is_the_same_twice_and_computing_writes_nothing(example, of_table_1):
    before = sorted(example.rglob("*"))
    again = compute(load(example), "epsilon", Options())
    assert selection_text(again, {}) == selection_text(of_table_1, {})
    assert sorted(example.rglob("*")) == before


def test_a_choice_is_compared_with_the_full_sampling_of_its_own_settings():
    plain = [record(rate, (value, 0.6), (value, 0.6)) for rate, value in ((0.25, 0.88), (1.0, 0.90))]
    styled = [record(rate, (value, 0.6), (value, 0.6), style="gamma") for rate, value in ((0.25, 0.70), (1.0, 0.75))]
    for order in (plain + styled, styled + plain):
        table = configurations(*order)
        chosen = select(table, "GE", "epsilon", Options(epsilon=0.05))
        assert (chosen.rate, chosen.values["test_in_domain"]) == (0.25, 0.88)
        assert chosen.full_sampling["test_in_domain"] == 0.90
        best = select(table, "GE", "epsilon", Options(epsilon=0.0))
        assert (best.rate, best.full_sampling["test_in_domain"]) == (1.0, 0.90)
        position = table["style"].tolist().index("gamma")
        reference = table.iloc[full_beside(table, position)]
        assert (reference["style"], reference["full"]) == ("gamma", True)
        assert full_beside(table, None) is None  # of two none is meant
    alone = configurations(plain[0], *styled[1:])
    assert full_beside(alone, alone["style"].tolist().index("none")) == alone["style"].tolist().index("gamma")
    assert full_beside(configurations(plain[0]), 0) is None
