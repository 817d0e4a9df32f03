"""The first screen's sentence: plain words for rates and verdicts, and every doubt in it."""

import json

import pytest

from analysis import analyse
from analysis.results.headline import cohort_line, headline, share_of
from synthetic_run import write_run


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (0.5, "a half of the k-space lines (R = 2)"),
        (0.0625, "a sixteenth of the k-space lines (R = 16)"),
        (1 / 64, "1/64 of the k-space lines (R = 64)"),
        (0.242, "0.242 of the k-space lines (R = 4.1)"),
    ],
)
def test_a_rate_in_words(rate, words):
    assert share_of(rate, "k-space lines") == words


def test_table_1_says_that_test_scores_chose_and_nothing_of_validation(example):
    analysis = analyse(example, report=False)
    for vendor in ("GE", "SIEMENS"):
        sentence = headline(analysis, vendor)
        assert "without an interval nothing can tell; nothing is proven" in sentence
        assert "TEST scores chose it (an oracle's choice), so its numbers are too high" in sentence
        assert "validation" not in sentence
    assert cohort_line(analysis).startswith("Cohort: patients and images unknown (no cohort.csv); masks gumbel")


def test_phantoms_are_no_patients_and_an_underfit_network_is_said_in_the_sentence(tmp_path):
    folder = write_run(tmp_path, rates=(0.25, 1.0), seeds=(0,), masks=("gumbel",), patients=12, source=("GE",))
    search = json.loads((tmp_path / "search.json").read_text())
    search["cohort"]["synthetic"] = True
    (tmp_path / "search.json").write_text(json.dumps(search))
    for key in folder.keys():  # the loss still falls, and validation still rises
        path = folder.trial(key, "record.json")
        history = [{"epoch": n + 1, "loss": 1 / (n + 1), "val_in_domain": 0.5 + n / 50} for n in range(10)]
        path.write_text(json.dumps({**json.loads(path.read_text()), "history": history}))
    analysis = analyse(tmp_path, report=False)
    sentence = headline(analysis, "GE")
    assert "3 test phantoms" in sentence
    assert "patients" not in sentence
    assert "it was trained once, and a second training may differ" in sentence
    assert sentence.endswith(
        "the network is underfit, so a rate judged by it is a lower bound of what k-space is worth."
    )
