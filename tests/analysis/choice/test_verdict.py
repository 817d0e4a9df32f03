"""One verdict for each endpoint: every combination of what can be known, and every place that speaks of it."""

import io
import math
import re
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from analysis import print_analysis
from analysis.choice.noninferior import STEP_COLUMNS, Proof
from analysis.choice.noninferior_words import account
from analysis.choice.options import Options
from analysis.choice.selection import Selection, select
from analysis.choice.verdict import Basis, Kind, is_proven, verdicts
from analysis.read.load import load
from analysis.report.page import render
from analysis.report.sections import choice as choice_section
from analysis.report.sections import front
from analysis.report.sections import rules as rules_section
from analysis.results import evidence, patient_level
from analysis.results.compute import compute
from analysis.statistics.measures import MEASURES
from synthetic_run import write_run

AUC = MEASURES["auc"]
MARGIN = 0.02
ENDS = {  # an interval of the difference -> the verdict of it alone
    (0.01, 0.09): Kind.BETTER,
    (-0.015, 0.01): Kind.NOT_WORSE,
    (-0.015, -0.005): Kind.NOT_WORSE,  # lower, but by less than the margin
    (-0.05, 0.04): Kind.NOT_SEPARATED,
    (-0.05, -0.01): Kind.WORSE,  # leaves room for a loss below the margin
    (-0.09, -0.03): Kind.WORSE,  # leaves none
    (math.nan, math.nan): Kind.UNKNOWN,
}
SEEDS = (1, 3)


def values(in_domain, cross_domain, seeds, of_trainings=0.005):
    """The columns of metric_intervals() for both endpoints."""
    columns = {"test_in_domain": 0.80, "test_cross_domain": 0.70}
    for domain, (low, high) in (("in_domain", in_domain), ("cross_domain", cross_domain)):
        name = f"difference_{domain}"
        columns |= {name: (low + high) / 2, f"{name}_low": low, f"{name}_high": high}
        columns |= {f"{name}_seeds": seeds, f"{name}_of_trainings": of_trainings}
    return columns


def chosen(of_values, proven, rule="epsilon", rate=0.25):
    return Selection(
        rule=rule,
        vendor="GE",
        family="learned",
        rate=rate,
        interval=None,
        values=of_values,
        full_sampling={"test_in_domain": 0.82, "test_cross_domain": 0.75},
        configuration={},
        keys=("k",),
        columns_read=("val_in_domain",),
        oracle=False,
        saw="source-validation",
        parameters={"epsilon": 0.02},
        note="",
        verdicts=verdicts(of_values, MARGIN, proven),
    )


COMBINATIONS = list(product(ENDS, ENDS, SEEDS, (True, False)))


@pytest.mark.parametrize(("ends", "expected"), ENDS.items())
@pytest.mark.parametrize("seeds", SEEDS)
def test_the_interval_alone_gives_the_verdict(ends, expected, seeds):
    verdict = verdicts(values(ends, ends, seeds), MARGIN, proven=False)["in_domain"]
    assert verdict.kind is expected
    if expected is Kind.UNKNOWN:
        assert verdict.basis is Basis.NOTHING
    else:
        assert verdict.basis is (Basis.RATE if seeds == 3 else Basis.TRAININGS)


def test_a_proof_fills_what_test_patients_leave_open_and_never_what_they_exclude():
    for ends, alone in ENDS.items():
        verdict = verdicts(values(ends, ends, 3), MARGIN, proven=True)["in_domain"]
        if alone in (Kind.BETTER, Kind.NOT_WORSE):
            assert verdict.kind is alone
        elif ends == (-0.09, -0.03):
            assert verdict.kind is Kind.WORSE
            assert verdict.contradicts_proof
        else:
            assert (verdict.kind, verdict.basis) == (Kind.NOT_WORSE, Basis.PROOF)


def claims(text):
    """What a text says of an endpoint against full sampling, as a set of words."""
    said = set()
    for pattern, word in (
        (r"\bbetter than full sampling", "better"),
        (r"\bnot worse than full sampling by more than", "not worse"),
        (r"(?<!not )worse than full sampling", "worse"),
        (r"does not separate", "not separated"),
        (r"nothing is known of", "unknown"),
    ):
        if re.search(pattern, text):
            said.add(word)
    return said


WORD = {
    Kind.BETTER: "better",
    Kind.NOT_WORSE: "not worse",
    Kind.WORSE: "worse",
    Kind.NOT_SEPARATED: "not separated",
    Kind.UNKNOWN: "unknown",
}


def test_every_sentence_colour_and_cell_is_that_of_the_verdict():
    met = 0
    for in_domain, cross_domain, seeds, proven in COMBINATIONS:
        selection = chosen(values(in_domain, cross_domain, seeds), proven)
        sentences = evidence.against_full(selection, Options())
        assert len(sentences) == 2
        for (said, doubt), verdict, word in zip(sentences, selection.verdicts.values(), ("In-domain", "Cross-domain")):
            assert said.startswith(word)
            assert claims(said) == {WORD[verdict.kind]}  # one claim, and the right one
            assert doubt == (verdict.kind in (Kind.WORSE, Kind.NOT_SEPARATED, Kind.UNKNOWN))
            single = seeds == 1 and verdict.basis is Basis.TRAININGS
            assert ("these trainings" in said) == single
            assert ("this rate" in said) == (not single)
            assert ("proof on validation patients" in said) == (
                verdict.basis is Basis.PROOF or verdict.contradicts_proof
            )
            cell = evidence.cell(verdict)
            assert cell.startswith(WORD[verdict.kind])
            assert ("these trainings" in cell) == single
            assert ("(proven)" in cell) == (verdict.basis is Basis.PROOF)
            met += 1
    assert met == 2 * len(COMBINATIONS) == 2 * 7 * 7 * 2 * 2


def proof_of(rate, passed):
    steps = pd.DataFrame([{**dict.fromkeys(STEP_COLUMNS), "configuration": "c", "passed": passed}])
    return Proof("GE", rate, "c" if passed else "full", MARGIN, steps, 0.138, {"in_domain": 700.0}, "", 3.0)


def test_a_proof_names_no_margin_and_no_patients_of_what_it_has_proven():
    assert account(proof_of(0.25, True), AUC) == (
        "1/4 of k-space (R = 4) is not worse than full sampling by more than 0.02 in both AUCs, at one-sided 95 % on "
        "validation patients."
    )
    words = account(proof_of(1.0, False), AUC)
    assert words.count("f the rates are equal") == 2  # of the margin, and of the patients
    assert not proof_of(1.0, False).passed("c")
    assert proof_of(0.25, True).passed("c")


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    root = tmp_path_factory.mktemp("verdict") / "run"
    write_run(root, rates=(0.25, 0.5, 1.0), masks=("gumbel",), patients=24, source=("GE",))
    return compute(load(root), "epsilon", Options())


def shown(analysis):
    """What a reader sees of an analysis: the first screen's texts, the card, the table of rules; and the terminal."""
    console = Console(record=True, width=400, file=io.StringIO())
    print_analysis(analysis, console)
    first = front.texts(analysis, analysis.vendors["GE"])
    page = render([*first, *choice_section.parts(analysis), *rules_section.parts(analysis)])
    return re.sub(r"<[^>]+>", " ", page), console.export_text()


def test_a_whole_analysis_says_of_a_rate_what_its_verdict_says(analysis, monkeypatch):
    """Card and terminal, for all combinations of both endpoints, with and without a proof of the same rate."""
    computed = analysis.vendors["GE"]
    # the terminal's sentences on patients are of the trainings alone, which are the same in all combinations
    of_patients = patient_level.patient_level(analysis)
    assert patient_level.sentences(of_patients)
    monkeypatch.setattr(patient_level, "patient_level", lambda analysis: of_patients)
    met = 0
    for in_domain, cross_domain, seeds, proven in COMBINATIONS:
        of_values = computed.selection.values | values(in_domain, cross_domain, seeds)
        of_verdicts = verdicts(of_values, MARGIN, proven)
        selection = computed.selection._replace(rate=0.25, values=of_values, verdicts=of_verdicts)
        proof = proof_of(0.25 if proven else 1.0, proven)
        picked = selection._replace(rule="noninferior") if proven else _at_full(selection)
        vendor = replace(computed, selection=selection, others=[picked], proof=proof, optimism=[])
        for text in shown(replace(analysis, vendors={"GE": vendor})):
            wanted = {WORD[verdict.kind] for verdict in of_verdicts.values()}
            said = claims(text.replace(account(proof, AUC), ""))
            assert said == wanted
            assert ("Unproven: epsilon" in text or "epsilon (unproven)" in text) == (not proven)
            assert ("noninferior (proven)" in text or "Proven: noninferior" in text) == proven
            met += 1
        assert is_proven(of_verdicts) == proven
    assert met == 2 * len(COMBINATIONS)


def _at_full(selection):
    return selection._replace(rule="noninferior", rate=1.0, verdicts={})


def test_a_choice_at_the_lowest_rate_says_so_and_has_an_interval_with_a_width(analysis):
    computed = analysis.vendors["GE"]
    table = computed.configurations
    lowest = select(table, "GE", "epsilon", Options(epsilon=0.5), fitted=computed.fitted["val"])
    assert lowest.rate == 0.25
    assert lowest.lowest
    assert lowest.interval == (0.25, 0.5)
    assert "of lower ones nothing is known" in evidence.about_rate(lowest)
    other = select(table, "GE", "epsilon", Options(epsilon=0.0), fitted=computed.fitted["val"])
    if other.rate > 0.25:
        assert "of lower ones" not in evidence.about_rate(other)
    for rule in ("epsilon", "cross_domain", "hypervolume", "one_se"):
        interval = select(table, "GE", rule, Options(), fitted=computed.fitted["val"]).interval
        assert interval is None or interval[0] < interval[1]


def test_one_training_of_full_sampling_has_no_probability(analysis):
    table = analysis.vendors["GE"].configurations
    fitted = analysis.vendors["GE"].fitted["val"]
    assert select(table, "GE", "epsilon", Options(), fitted=fitted).not_worse
    single = table.assign(seeds=np.where(table["full"], 1, 3))
    assert select(single, "GE", "epsilon", Options(), fitted=fitted).not_worse == {}
