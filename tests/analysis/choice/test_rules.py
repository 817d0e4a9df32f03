"""The registry of selection rules: each says what it reads, and a new one with an option is one file and one line."""

import importlib.util
import json

import numpy as np
import pytest

from analysis import RULES, RunError, analyse
from analysis.__main__ import main
from analysis.choice.options import Options, declared
from analysis.choice.rules.base import Points
from analysis.statistics.measures import MEASURES
from analysis.statistics.pareto import THREE, hypervolume
from synthetic_run import write_run

NEW = '''
"""The largest rate of which no more than a share of k-space is kept."""

import numpy as np

from analysis.choice.rules.base import Option, Pick, Points, Rule

SHARE = Option("largest_share", default=0.5, about="share of k-space that may be kept", is_a="a share of k-space")


def choose(points: Points, largest_share: float) -> Pick:
    """The largest rate that keeps no more than a given share of k-space."""
    allowed = np.where(points.rate <= largest_share, points.rate, -np.inf)
    return Pick(int(allowed.argmax())) if np.isfinite(allowed).any() else Pick(None, "every rate keeps more")


RULE = Rule(choose, needs=("in_domain",), options=(SHARE,))
'''


@pytest.fixture
def new_rule(tmp_path, monkeypatch):
    """A rule from a file outside of the package, under the name "largest"."""
    path = tmp_path / "largest.py"
    path.write_text(NEW)
    spec = importlib.util.spec_from_file_location("largest", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(RULES, "largest", module.RULE)
    return "largest"


def test_a_new_rule_with_an_option_is_one_file_and_one_line(new_rule, tmp_path, capsys):
    run = tmp_path / "run"
    write_run(run, rates=(0.25, 0.5, 1.0), seeds=(0, 1), masks=("gumbel",), patients=12, source=("GE",))
    assert analyse(run, rule=new_rule, report=False).vendors["GE"].selection.rate == 0.5
    assert main([str(run), "--rule", new_rule, "--largest-share", "0.3"]) == 0
    (choice,) = json.loads((run / "selection.json").read_text())["choices"]
    assert (choice["rule"], choice["rate"], choice["parameters"]) == (new_rule, 0.25, {"largest_share": 0.3})
    assert choice["interval"] == [0.25, 0.5]  # only the lowest rate is allowed: never of no width
    assert choice["lowest_tried"] is True
    page = (run / "report.html").read_text()
    assert "chosen by the rule largest (largest share 0.3): the largest rate that keeps no more" in page
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["--help"])
    words = " ".join(capsys.readouterr().out.split())
    assert "share of k-space that may be kept (default: 0.5)" in words
    with pytest.raises(RunError, match="largest_share is a share of k-space and must be in"):
        analyse(run, rule=new_rule, largest_share=2)


def test_an_option_that_no_rule_has_is_an_error_that_names_those_there_are(tmp_path):
    with pytest.raises(RunError, match=r"no rule has the option 'largest_share'.*epsilon, tolerance, margin"):
        analyse(tmp_path, largest_share=0.3)


def test_no_two_rules_declare_one_name_in_two_ways():
    options = [option for rule in RULES.values() for option in rule.options]
    assert len(options) >= 3
    assert all(declared()[option.name] == option for option in options)
    assert all(option.low <= option.default <= option.high for option in options)


def points(rate, in_domain, cross_domain, **more):
    """The candidates of one choice."""
    known = {"measure": MEASURES["auc"], "configuration": np.arange(len(rate))}
    values = {"in_domain": np.array(in_domain), "cross_domain": np.array(cross_domain)}
    return Points(np.array(rate), **values, in_domain_se=np.full(len(rate), 0.05), **known, **more)


def test_one_se_takes_the_error_of_the_difference_on_the_same_patients():
    """All rates share a noise of 0.05, their differences have one of 0.01 or, at the lowest rate, of 0.03."""
    shared = np.random.default_rng(0).normal(0, 0.05, (4000, 1))
    apart = np.random.default_rng(1).normal(0, 1, (4000, 3)) * [0.03, 0.01, 0.0]
    draws = 0.8 + shared + apart
    rates = [0.1, 0.5, 1.0]
    near = points(rates, [0.76, 0.795, 0.80], [0.7] * 3, in_domain_draws=draws)
    picked = RULES["one_se"].pick(near, Options().values)
    assert picked.row == 1  # 0.04 is within the best one's own error of 0.05, not within that of the difference
    assert picked.computed["standard_error"] == pytest.approx(0.01, rel=0.05)
    nearer = points(rates, [0.78, 0.795, 0.80], [0.7] * 3, in_domain_draws=draws)
    assert RULES["one_se"].pick(nearer, Options().values).row == 0
    seeds_only = points(rates, [0.74, 0.795, 0.80], [0.7] * 3)  # independent trainings: 0.05 sqrt(2) = 0.071
    assert RULES["one_se"].pick(seeds_only, Options().values).row == 0
    further = points(rates, [0.72, 0.795, 0.80], [0.7] * 3)
    assert RULES["one_se"].pick(further, Options().values).row == 1


def test_hypervolume_looks_at_the_front_alone_as_its_docstring_says():
    """By hand: chance 0.5, rates 0.2 and 0.5 on the front; the third is dominated by the first alone, just behind it.

    Of the front, rate 0.2 has 0.2 x 0.4 x 0.8 - 0.2 x 0.3 x 0.5 = 0.034 to itself, and rate 0.5 has 0.015. With the
    third in its place, little would be lost without the first.
    """
    rates = [0.2, 0.5, 0.21]
    in_domain = [0.7, 0.8, 0.69]
    cross_domain = [0.9, 0.8, 0.89]
    rule = RULES["hypervolume"]
    on_front = rule.pick(points(rates[:2], in_domain[:2], cross_domain[:2]), Options().values)
    assert rule.pick(points(rates, in_domain, cross_domain), Options().values) == on_front
    volume = np.array([0.2 * 0.4 * 0.8, 0.3 * 0.3 * 0.5])
    overlap = 0.2 * 0.3 * 0.5
    assert on_front.row == int((volume - overlap).argmax()) == 0
    left = hypervolume(np.array([[0.8, 0.8, 0.5], [0.69, 0.89, 0.21]]), THREE)
    whole = hypervolume(np.array([[0.7, 0.9, 0.2], [0.8, 0.8, 0.5]]), THREE)
    assert whole - left < (volume - overlap)[1]  # counting the dominated one, the other rate would be chosen


def test_a_rule_reads_no_score_that_it_does_not_name():
    """What it does not need may be anything: the choice stays."""
    met = 0
    for rule in RULES.values():
        assert {*rule.needs} <= {"in_domain", "cross_domain", "in_domain_se", "proof"}
        met += not rule.needs_proof
        for seed in range(0 if rule.needs_proof else 20):
            rng = np.random.default_rng(seed)
            rate, in_domain, cross_domain = np.sort(rng.uniform(0.1, 0.9, (3, 8)))
            values = {
                "in_domain": in_domain,
                "cross_domain": cross_domain[::-1],
                "in_domain_se": rng.uniform(0, 0.1, 8),
            }
            others = {name: rng.uniform(0.1, 0.9, 8) for name in values if name not in rule.needs}
            known = {"rate": rate, "measure": MEASURES["auc"], "configuration": np.arange(8)}
            before = rule.pick(Points(**known, **values), Options().values)
            assert rule.pick(Points(**known, **(values | others)), Options().values) == before
    assert met == len(RULES) - 1
