"""Pages of runs that lack something: each says what could not be computed; no traceback, no invented number."""

import json
import re
import shutil
import time
from html import unescape
from itertools import cycle

import pytest

from analysis import analyse, print_analysis
from analysis.__main__ import main, parse
from analysis.analyse import stamps, watch
from analysis.report.export import figures
from analysis.report.report import write_report
from synthetic_run import write_run
from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder

SMALL = {"rates": (0.25, 0.5, 1.0), "seeds": (0,), "masks": ("gumbel",), "patients": 12, "source": ("GE",)}
TINY = SMALL | {"rates": (0.25, 1.0)}


def text_of(path):
    """What a reader reads: neither style nor scripts nor the figures' data."""
    body = path.read_text().split("<body>", 1)[1]
    return unescape(re.sub(r"<[^>]+>", " ", re.sub(r"<script.*?</script>", " ", body, flags=re.DOTALL)))


def figures_of(path):
    return re.findall(r'class="plot" id="([^"]+)"', path.read_text())


def page_of(root, **settings):
    analysis = analyse(root, **settings)
    return analysis, text_of(analysis.report), figures_of(analysis.report)


def no_invented_number(text):
    assert not re.search(r"\b(nan|NaN|inf|None|Traceback)\b", text), re.search(
        r".{60}\b(nan|NaN|inf|None)\b.{60}", text
    )
    return True


def change(folder, key, **fields):
    path = folder.trial(key, "record.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_no_finished_trial(tmp_path):
    folder = write_run(tmp_path, **SMALL)
    keys = folder.keys()
    for key in keys:
        folder.trial(key, "record.json").unlink()
    folder.write_failure(TrialConfig("GE", 0.3), "the loss became NaN")
    analysis, text, drawn = page_of(tmp_path)
    assert analysis.vendors == {}
    assert drawn == []
    assert "No finished trial: no curve, no front and no choice can be computed" in text
    assert "the loss became NaN" in text
    assert all(key in text for key in keys)  # pending
    assert "0123456789ab" in text  # the cohort is still known
    assert no_invented_number(text.replace("the loss became NaN", ""))
    assert figures(analysis) == {}


def test_only_pending_trials_and_nothing_else(tmp_path):
    folder = RunFolder(tmp_path)
    for rate in (0.25, 1.0):
        folder.write_config(TrialConfig("GE", rate))
    analysis, text, drawn = page_of(tmp_path)
    assert (analysis.vendors, drawn, len(analysis.run.pending)) == ({}, [], 2)
    assert "2 of 2 trial(s) have not finished (2 begun)" in text
    assert "No finished trial: no curve, no front and no choice can be computed" in text
    assert "Unknown: this run folder has no search.json" in text
    assert all(key in text for key in folder.keys())
    assert json.loads(analysis.selection_json.read_text())["choices"] == []
    assert no_invented_number(text)


def test_one_trial(tmp_path):
    write_run(tmp_path, **SMALL | {"rates": (0.25,)})
    analysis, text, drawn = page_of(tmp_path)
    assert len(analysis.run.trials) == 1
    assert "one configuration only" in text
    assert "Full sampling has no finished trial here" in text
    assert "no full sampling here" in text
    assert "importance needs 10 configurations" in text
    assert "pareto-GE" in drawn
    assert not [name for name in drawn if name.startswith(("importance", "parallel"))]
    assert no_invented_number(text)


def test_one_vendor_has_no_cross_domain_number(tmp_path, capsys):
    write_run(tmp_path, vendors=("GE",), **SMALL)
    analysis, text, drawn = page_of(tmp_path)
    assert "Nothing was tested, so nothing is proven" in text
    print_analysis(analysis)
    said = capsys.readouterr().out
    assert "noninferior" in said
    assert "noninferior (proven)" not in said
    assert "how sure the front is can't be told" in text
    assert "tested on GE" in text
    assert analysis.vendors["GE"].proof.refused
    assert "no configuration has a cross-domain AUC, so there is no front of two AUCs to draw" in text
    assert "AUC not measured" in text
    assert "pareto-GE" not in drawn
    assert "curves-test-GE" in drawn
    assert not re.search(r"on SIEMENS", text)
    assert not [name for name in drawn if name.startswith("optimal")]
    assert no_invented_number(text)


def test_all_cross_domain_scores_missing(tmp_path):
    folder = write_run(tmp_path, **SMALL)
    for key in folder.keys():
        source = folder.read_record(key).config.vendor
        read = json.loads(folder.trial(key, "record.json").read_text())
        dead = {
            name: {v: s if v == source else None for v, s in read[name].items()}
            for name in ("val", "test", "val_within", "test_within")
        }
        change(folder, key, **dead)
        folder.trial(key, "scores.npz").unlink()
    analysis, text, drawn = page_of(tmp_path)
    assert analysis.configurations["test_cross_domain"].isna().all()
    assert text.count("so there is no front of two AUCs to draw") == 1
    assert not [name for name in drawn if name.startswith("pareto")]
    assert "no cross-domain AUC: no other vendor was scored, so transfer is unknown" in text
    assert no_invented_number(text)


def test_one_seed_is_said_and_the_same_run_gives_the_same_page(tmp_path):
    write_run(tmp_path, **SMALL)
    analysis, text, _ = page_of(tmp_path)
    assert "One seed a configuration" in text
    assert "full sampling has fewer than 3 seeds: how far a second training differs is unknown" in text
    assert "test in-domain sd" not in text
    assert no_invented_number(text)
    first = analysis.report.read_bytes()
    assert write_report(analysis).read_bytes() == first


TORN = (b"", b'{"format": 1, "conf', b"\x00\xff", b"[]", b"null")
ODD = {
    "record format 99": {"format": 99},
    "unknown field in the record: wavelets": {"wavelets": 3},
    "of another cohort: fingerprint ffffffffffff, this run's is 0123456789ab": {"facts": {"cohort": "ffffffffffff"}},
    "realised_rate must be in (0, 1], got 7": {"realised_rate": 7},
    "its metric is 'hausdorff'": {"metric": "hausdorff"},
}


def test_records_that_cannot_serve_are_named_with_the_reason_and_the_rest_is_drawn(tmp_path):
    """Torn, empty, from a newer version, of another cohort: no such record enters a number."""
    folder = write_run(tmp_path, **SMALL | {"seeds": (0, 1, 2, 3)})
    keys = folder.keys()
    for key, content in zip(keys, TORN):
        folder.trial(key, "record.json").write_bytes(content)
    for key, fields in zip(keys[len(TORN) :], ODD.values()):
        change(folder, key, **fields)
    bad = set(keys[: len(TORN) + len(ODD)])
    analysis, text, drawn = page_of(tmp_path)
    assert set(analysis.run.unreadable) == bad
    assert set(analysis.run.trials["key"]) == set(keys) - bad
    assert len(analysis.run.trials) == 2
    assert "10 record(s) could not be used and are left out" in text
    assert all(key in text for key in bad)
    assert all(reason in text for reason in ODD)
    assert "curves-test-GE" in drawn
    assert str(tmp_path) not in text
    assert no_invented_number(text)


def test_an_odd_history_costs_the_learning_curve_only(tmp_path):
    folder = write_run(tmp_path, **SMALL | {"seeds": (0, 1)})
    keys = folder.keys()
    for key, history in zip(keys, cycle([[], [{}], [{"epoch": 1, "loss": None}]])):
        change(folder, key, history=history)
    change(folder, keys[0], history=[{"loss": "low"}])  # no number: whoever wrote this record wrote it wrong
    analysis, text, drawn = page_of(tmp_path)
    assert len(analysis.run.trials) == 5
    assert list(analysis.run.unreadable) == keys[:1]
    assert "No record holds a history of epochs" in text
    assert "pareto-GE" in drawn


def test_a_run_without_files_beside_the_records(tmp_path):
    folder = RunFolder(tmp_path)
    for rate in (0.25, 1.0):
        folder.write_record(TrialRecord(TrialConfig("GE", rate), val={"GE": 0.8}, test={}, realised_rate=rate))
    _, text, drawn = page_of(tmp_path)
    assert "No mask and no preview lies beside these records" in text
    assert "Unknown: this run folder has no search.json" in text
    assert "No test AUC in these records" in text
    assert "curves-val-GE" in drawn
    assert "curves-test-GE" not in drawn
    assert no_invented_number(text)


def test_a_watched_page_follows_the_records_and_ends_as_a_plain_one(tmp_path, monkeypatch):
    folder = write_run(tmp_path, **TINY)
    last = folder.keys()[-1]
    moved = shutil.copytree(folder.trial(last), tmp_path.parent / f"{tmp_path.name}-kept")
    shutil.rmtree(folder.trial(last))
    seen, slept = [], []

    def sleep(seconds):  # a record arrives, then nothing, then Ctrl-C
        slept.append(seconds)
        if len(slept) == 1:
            shutil.copytree(moved, folder.trial(last))
        if len(slept) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", sleep)

    def tell(analysis):
        seen.append((len(analysis.run.trials), "location.reload" in analysis.report.read_text()))

    analysis = watch(tmp_path, {"rule": "epsilon"}, seconds=3, tell=tell)
    assert seen == [(1, True), (2, True)]
    assert slept == [3, 3, 3]
    assert len(analysis.run.trials) == 2
    assert "location.reload" not in analysis.report.read_text()
    assert {path.name for path in stamps(tmp_path)} >= {"search.json", "record.json"}


def test_the_command_refuses_what_cannot_be_watched(tmp_path, capsys):
    for words in (["--watch", "0"], ["--watch", "--no-report"]):
        with pytest.raises(SystemExit) as stopped:
            parse([str(tmp_path), *words])
        assert stopped.value.code == 2
        assert "--watch" in capsys.readouterr().err
    assert main([str(tmp_path / "nowhere"), "--watch"]) == 2
    assert "does not exist" in capsys.readouterr().err
