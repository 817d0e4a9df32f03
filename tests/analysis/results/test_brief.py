"""The end of a search: one screen of 80 columns that holds choice, caveat, front and report, and no more."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from analysis import print_analysis, print_summary
from analysis.choice.options import Options
from analysis.read.load import load
from analysis.results import brief
from analysis.results.compute import compute
from analysis.results.fitness import UNDERFIT
from synthetic_run import write_run
from tune_ks.core.rate_words import rate_tick

SMALL = {"rates": (0.25, 1.0), "seeds": (0, 1), "masks": ("gumbel",), "patients": 12}


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    root = tmp_path_factory.mktemp("brief") / "run"
    write_run(root, **SMALL)
    return compute(load(root), "epsilon", Options(epsilon=0.06))


def printed(analysis, width=80):
    console = Console(file=io.StringIO(), width=width)
    print_summary(analysis, console)
    return console.file.getvalue()


def test_it_is_one_screen_of_80_columns_with_choice_front_and_report(analysis):
    text = printed(analysis)
    lines = text.splitlines()
    assert len(lines) <= 15
    path = str(analysis.selection_json)  # may be longer than a line, and must be copied whole
    assert max(len(line) for line in lines if path not in line) <= 80
    assert f"report: {path}" in text
    assert "Chosen by the rule epsilon; test AUC (8 finished" in text
    for vendor, computed in analysis.vendors.items():
        row = next(line for line in lines if line.startswith(f"{vendor} "))
        selection = computed.selection
        assert row.split()[1:3] == [rate_tick(selection.rate), f"{1 / selection.rate:.3g}"]
        assert f" {selection.values['test_in_domain']:.3f}" in row
        assert f" {selection.full_sampling['test_cross_domain']:.3f}" in row
        points = computed.fronts["two_objectives"].points
        assert len(points) >= 1
        first = points.iloc[0]
        front = f"{rate_tick(first['realised_rate'])}: {first['val_in_domain']:.3f}/{first['val_cross_domain']:.3f}"
        assert f"{vendor} {front}" in " ".join(text.split())
    assert "Pareto front, rate: in-domain/cross (validation) GE " in " ".join(text.split())


def test_the_numbers_say_seeds_and_patients(analysis):
    said = "Each number: mean of 2 seeds; test patients: GE 3, SIEMENS 3."
    assert said in printed(analysis)
    shown = io.StringIO()
    print_analysis(analysis, Console(file=shown, width=80))
    assert said in shown.getvalue()
    assert brief.rest_on(replace(analysis, vendors={})) == ""


@pytest.mark.parametrize("chosen", ["underfit", "oracle", "lowest"])
def test_what_takes_a_choice_back_stands_below_its_row(analysis, chosen):
    words = {"underfit": "underfit", "oracle": "TEST scores", "lowest": "no lower rate has a finished trial"}
    computed = analysis.vendors["GE"]
    selection = computed.selection._replace(oracle=chosen == "oracle", lowest=chosen == "lowest")
    fitness = computed.fitness._replace(verdict=UNDERFIT if chosen == "underfit" else "fit")
    (said,) = brief.caveats(replace(computed, selection=selection, fitness=fitness))
    assert [name for name, word in words.items() if word in said] == [chosen]
    plain = replace(computed, selection=selection._replace(oracle=False, lowest=False))
    assert brief.caveats(replace(plain, fitness=fitness._replace(verdict="fit"))) == []


def test_what_holds_for_both_vendors_is_said_once(analysis):
    vendors = {}
    for name, computed in analysis.vendors.items():
        selection = computed.selection._replace(lowest=name == "GE", oracle=False)
        vendors[name] = replace(computed, selection=selection, fitness=computed.fitness._replace(verdict=UNDERFIT))
    said = brief.lines(replace(analysis, vendors=vendors))
    assert said[:2] == [
        "GE, SIEMENS: the network is underfit, so the rate is a lower bound.",
        "GE: no lower rate has a finished trial.",
    ]


def test_the_verdict_is_that_of_the_less_favourable_endpoint(analysis):
    selection = analysis.vendors["GE"].selection
    kinds = {of_endpoint.kind for of_endpoint in selection.verdicts.values()}
    worst = next(kind for kind in brief.AGAINST_FULL if kind in kinds)
    said = brief.verdict(selection)
    assert said.endswith(brief.AGAINST_FULL[worst])
    assert said.startswith(("proven, ", "unproven, "))
    assert brief.verdict(selection._replace(rate=1.0)) == "full sampling itself"
    assert brief.verdict(selection._replace(full_sampling={})) == "no finished full sampling"
    assert brief.verdict(selection._replace(rate=float("nan"))) == "nothing chosen"


def test_the_phantom_is_named_and_other_warnings_are_counted(analysis):
    synthetic = f"{brief.SYNTHETIC} (phantom): it shows that the tool works."
    with_others = replace(analysis, warnings=["One seed.", synthetic, "Another."])
    assert brief.warnings(with_others) == [f"{synthetic} warnings in the report: 2 more"]
    assert brief.warnings(replace(analysis, warnings=["One seed."])) == ["warnings in the report: 1"]
    nothing = replace(analysis, vendors={}, warnings=["No finished trial."])
    assert "No finished trial." in printed(nothing)
