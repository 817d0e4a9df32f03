"""The reporting checklist: filled from the run, the rest left to the authors, nothing claimed."""

import re
from types import SimpleNamespace

import pytest

from analysis.results.checklist import OPEN, TOPICS, checklist, checklist_file
from one_section import section_of


@pytest.fixture
def analysis(of_made):
    return of_made


def answers(analysis):
    return {entry.topic: entry for entry in checklist(analysis)}


def test_answers_are_those_of_the_run(analysis):
    known = answers(analysis)
    cohort = analysis.run.cohort
    assert len(known) == len(TOPICS) > 30
    size = known["Number of patients and images, and why so many"].answer
    assert size.startswith(f"{len(cohort)} images of {cohort['patient_id'].nunique()} patients")
    test = cohort[(cohort["split"] == "test") & (cohort["vendor"] == "GE")]["patient_id"].nunique()
    assert f"GE test {test}" in known["How the data were split, and at which level"].answer
    settings = {"orientation": "canonical", "negatives": "all"}  # of raw k-space, which stays as it was stored
    raw = SimpleNamespace(cohort=cohort.assign(orientation="raw"), search={"cohort": {"settings": settings}})
    prepared = next(topic for topic in TOPICS if topic.asks == "Preparation of the images")
    assert prepared.answer(SimpleNamespace(run=raw)) == "orientation raw; negatives all"
    row = analysis.clinic.confusion.iloc[0]
    counts = f"TP {row['TP']}, FP {row['FP']}, TN {row['TN']}, FN {row['FN']}"
    assert counts in known["Confusion counts"].answer


def test_what_a_run_cannot_know_is_left_to_the_authors(analysis):
    entries = checklist(analysis)
    asked = {topic.asks for topic in TOPICS if topic.answer is None}
    open_topics = {entry.topic for entry in entries if not entry.known}
    assert asked <= open_topics
    assert all((entry.answer == OPEN) == (not entry.known) for entry in entries)
    assert {"Who was eligible", "Funding and conflicts of interest"} <= open_topics


def test_the_file_ticks_what_is_filled_names_its_sources_and_has_no_item_numbers(analysis):
    text = checklist_file(analysis)["checklist.md"]
    ticked = re.findall(r"^- \[(.)\] (.+?) \((?:CLAIM|TRIPOD)", text, re.MULTILINE)
    assert ticked == [("x" if entry.known else " ", entry.topic) for entry in checklist(analysis)]
    assert "Tejani et al." in text
    assert "Collins et al." in text
    assert "without item numbers; not all topics are here" in text


def test_the_section_stands_in_the_page(analysis):
    shown = section_of(analysis, "checklist")
    assert 'id="checklist"' in shown
    assert shown.count(OPEN) >= sum(not entry.known for entry in checklist(analysis))
