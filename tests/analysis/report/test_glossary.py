"""The glossary: every word once, with a meaning and an id of its own, and of metrics only the run's."""

from types import SimpleNamespace

import pytest

from analysis.report.glossary import TERMS
from analysis.report.page import render
from analysis.report.sections import glossary
from analysis.statistics.measures import MEASURES


def spellings():
    return [spelling for words in TERMS for spelling in words.split("|")]


def test_no_word_has_two_meanings_and_every_meaning_is_a_sentence():
    assert len(spellings()) == len(set(spellings())) >= 25
    assert {"in-domain", "cross-domain", "realised rate", "R", "AUC", "interval", "Pareto front"} <= set(spellings())
    assert {"noninferior", "epsilon", "yardstick", "transfer loss"} <= set(spellings())
    assert all(meaning.endswith(".") and meaning[0].isupper() for meaning in TERMS.values())


@pytest.mark.parametrize("name", MEASURES)
def test_the_section_has_each_term_once_and_of_metrics_only_the_runs(name):
    analysis = SimpleNamespace(measure=MEASURES[name])
    (shown,) = glossary.parts(analysis)
    names = [entry.name for entry in shown.entries]
    titles = {measure.title for measure in MEASURES.values()}
    left_out = titles - {MEASURES[name].title} | ({"FROC"} if name != "lroc" else set())
    assert {words.partition("|")[0] for words in TERMS} - set(names) == left_out
    assert len({entry.identity for entry in shown.entries}) == len(names)
    html = render([shown])
    assert html.count("<dt ") == html.count("<dd ") == len(names)
