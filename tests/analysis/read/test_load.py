import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from itertools import cycle

import numpy as np
import pytest

from analysis import analyse
from analysis.__main__ import main
from analysis.choice.options import Options
from analysis.read import trial_arrays as images
from analysis.read.load import RunError, load
from analysis.report.page import render
from analysis.report.report import rendered_sections
from analysis.report.sections import external, trouble
from analysis.results.compute import compute
from analysis.results.headline import cohort_line
from analysis.results.run_row import run_row
from synthetic_run import write_run
from tune_ks.core.config import TrialConfig
from tune_ks.core.record import Stop
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.storage import write_whole
from tune_ks.planning.start_run import note


def spoil(run, text, number=0):
    path = sorted((run / "trials").iterdir())[number] / "record.json"
    path.write_text(text(path.read_text()) if callable(text) else text)
    return path.parent.name


def test_one_tidy_row_a_trial(run):
    loaded = load(run)
    assert len(loaded.trials) == len(loaded.records) == 12
    assert not loaded.warnings
    row = loaded.trials.set_index("key").loc[TrialConfig("GE", 0.25, temperature=1.0, seed=1).key()]
    record = loaded.records[row.name]
    assert row["val_in_domain"] == record.val["GE"]
    assert row["test_cross_domain"] == record.test["SIEMENS"]
    assert row["test_within_in_domain"] == record.test_within["GE"]
    assert row["export_gap"] == 0
    assert len(loaded.skipped) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a whole JSON"),
        (lambda whole: whole[:100], "not a whole JSON"),
        ("[]", "not a JSON object"),
        ("{}", "no config"),
        (lambda whole: whole.replace('"format": 1', '"format": 2'), "newer"),
        (lambda whole: whole.replace('"metric": "auc"', '"metric": "auc", "sharpness": 3'), "sharpness"),
        (lambda whole: whole.replace('"metric": "auc"', '"metric": "hausdorff"'), "hausdorff"),
        (lambda whole: re.sub(r'"sampling_rate": [0-9.]+', '"sampling_rate": 0.77', whole), "belongs to the key"),
        (lambda whole: re.sub(r'"realised_rate": [0-9.]+', '"realised_rate": null', whole), "realised_rate"),
        (lambda whole: whole.replace('"epoch": 3', '"epoch": "three"'), "three"),
    ],
)
def test_a_bad_record_is_counted_and_named_not_fatal(run, text, reason):
    key = spoil(run, text)
    loaded = load(run)
    assert len(loaded.trials) == 11
    assert list(loaded.unreadable) == [key]
    assert re.search(reason, loaded.unreadable[key])
    assert str(run) not in loaded.unreadable[key]  # the report does not tell where it lay
    assert key in loaded.warnings[0]


def test_a_run_with_a_bad_record_is_analysed(run):
    spoil(run, "")
    assert list(compute(load(run), "epsilon", Options()).vendors) == ["GE", "SIEMENS"]


def test_a_record_in_anothers_place_is_left_out(run):
    trials = sorted((run / "trials").iterdir())
    shutil.copy(trials[0] / "record.json", trials[1] / "record.json")
    loaded = load(run)
    assert list(loaded.unreadable) == [trials[1].name]
    assert "belongs to the key" in loaded.unreadable[trials[1].name]


def test_records_of_two_cohorts_are_not_mixed(run):
    def more_images(whole):
        values = json.loads(whole)
        values["images"] = {name: count + 1 for name, count in values["images"].items()}
        return json.dumps(values)

    def other_fingerprint(whole):
        values = json.loads(whole)
        values["facts"] = {"cohort": "another"}
        return json.dumps(values)

    keys = {spoil(run, more_images, 0), spoil(run, other_fingerprint, 1)}
    loaded = load(run)
    assert set(loaded.unreadable) == keys
    assert all("another cohort" in reason for reason in loaded.unreadable.values())


def test_a_stopped_trial_is_no_failure_and_in_no_table_of_scores(run):
    folder = RunFolder(run)
    config = TrialConfig("GE", 0.123, temperature=1.0)
    folder.write_config(config)
    before = load(run)
    folder.write_stop(Stop(config, "behind the others", [{"epoch": 1, "loss": 0.6, "val_in_domain": 0.51}]))
    loaded = load(run)
    assert loaded.stopped[["key", "reason"]].values.tolist() == [[config.key(), "behind the others"]]
    assert len(loaded.failures) == len(before.failures)
    assert sorted(loaded.pending) == sorted(set(before.pending) - {config.key()})
    assert config.key() not in set(loaded.trials["key"])
    assert "1 stopped early" in loaded.counts()
    search = json.loads((run / "search.json").read_text())
    search["search"] = {"sampler": "grid", "scheduler": "pareto_halving", "objectives": ["val_cross_domain"]}
    (run / "search.json").write_text(json.dumps(search))
    analysis = compute(load(run), "epsilon", Options())
    assert any("The scheduler of this search read validation labels of all" in w for w in analysis.warnings)
    page = render(trouble.parts(analysis))
    assert "behind the others" in page
    assert any(w.startswith("1 trial(s) were stopped early") for w in analysis.warnings)


def test_trials_that_are_planned_and_not_begun_are_left_too(run, of_made):
    finished = len(load(run).trials)
    folder = RunFolder(run)
    note(folder, "trials", finished + 18)
    folder.write_config(TrialConfig("GE", 0.123, temperature=1.0))
    loaded = load(run)
    assert (loaded.asked, loaded.left, len(loaded.pending)) == (finished + 18, 18, 1)
    assert loaded.counts() == f"{finished} of {finished + 18} finished, 0 failed, 18 not finished"
    assert run_row("run", folder.root, 0.0).counts.left == 18
    assert f"{finished} of {finished + 18} trials finished;" in cohort_line(replace(of_made, run=loaded))
    note(folder, "trials", 1)  # of a merge: a search that was smaller than what lies here now
    assert (load(run).asked, load(run).left) == (finished + 1, 1)


def test_failures_and_pending_are_told(run):
    config = TrialConfig("GE", 0.5, seed=9)
    write_whole(
        run / "trials" / config.key() / "failure.json",
        json.dumps({"format": 1, "config": config.non_default(), "reason": "the loss is <NaN>"}).encode(),
    )
    write_whole(run / "trials" / "0123456789ab" / "failure.json", b"{")
    write_whole(run / "trials" / "ba9876543210" / "config.json", b"{}")
    loaded = load(run)
    assert loaded.failures["key"].tolist() == sorted([config.key(), "0123456789ab"])
    assert loaded.pending == ["ba9876543210"]
    page = render(trouble.parts(compute(loaded, "epsilon", Options())))
    assert "the loss is &lt;NaN&gt;" in page
    assert "<NaN>" not in page


def test_a_failed_vendor_is_named(tmp_path):
    write_run(tmp_path, rates=(0.25, 1.0), seeds=(0,), source=("GE",), patients=12)
    config = TrialConfig("SIEMENS", 0.5)
    text = json.dumps({"config": config.non_default(), "reason": "no memory"})
    write_whole(tmp_path / "trials" / config.key() / "failure.json", text.encode())
    analysis = analyse(tmp_path, report=False)
    assert list(analysis.vendors) == ["GE"]
    assert any(w.startswith("SIEMENS: no trial finished") for w in analysis.warnings)


def test_no_finished_trial_gets_a_page(run):
    for path in (run / "trials").glob("*/record.json"):
        path.unlink()
    analysis = analyse(run)
    assert analysis.vendors == {}
    assert "No finished trial" in analysis.report.read_text()
    assert json.loads(analysis.selection_json.read_text())["choices"] == []
    assert main([str(run)]) == 0


def test_one_trial_gets_a_page(run):
    for path in sorted((run / "trials").iterdir())[1:]:
        shutil.rmtree(path)
    analysis = analyse(run)
    assert len(analysis.vendors) == 1
    assert any("one configuration only" in w for w in analysis.warnings)
    assert analysis.report.exists()


DAMAGES = {
    "absent": None,
    "torn": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "text": lambda data: b"hello",
}


@pytest.fixture(scope="module")
def undamaged(of_made):
    """The titles of the page of the run as it was."""
    return titles(of_made)


def titles(analysis):
    return [section.title for section in rendered_sections(analysis)]


@pytest.mark.parametrize("name", ["mask.npy", "probability.npy", "preview.npz", "mask_history.npz"])
def test_a_bad_picture_costs_its_own_part_only(run, name, of_made, undamaged):
    """Pictures are read where the page is drawn: all its sections are there, and show something."""
    damage_all(run, name)
    assert titles(replace(of_made, run=replace(of_made.run, root=run))) == undamaged


def test_bad_scores_cost_the_intervals_only(run):
    damage_all(run, "scores.npz")
    analysis = analyse(run)
    assert len(analysis.vendors) == 2
    assert analysis.configurations["test_in_domain_low"].isna().all()
    assert analysis.report.exists()


def damage_all(run, name):
    """Every trial's array is damaged, in one of four ways in turn."""
    paths = [path for trial in sorted((run / "trials").iterdir()) if (path := trial / name).exists()]
    for path, damage in zip(paths, cycle(DAMAGES.values())):
        data = path.read_bytes()
        path.unlink()
        if damage is not None:
            path.write_bytes(damage(data))
    assert len(paths) >= 2 * len(DAMAGES)


def test_scores_of_unknown_images_are_not_used(run):
    loaded = load(run)
    key = next(iter(loaded.records))
    assert images.image_scores(run, key, loaded.cohort) is not None
    path = run / "trials" / key / "scores.npz"
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **(arrays | {"row": arrays["row"] + 10_000}))
    assert images.image_scores(run, key, loaded.cohort) is None


@pytest.mark.parametrize(
    "text", ["", "row,label\n1,0\n", "row,patient_id,vendor,label,split\n1,a,GE,0,test\n1,a,GE,1,test\n"]
)
def test_a_bad_cohort_table_is_a_warning(run, text):
    (run / "cohort.csv").write_text(text)
    analysis = compute(load(run), "epsilon", Options())
    assert any("cohort.csv" in w for w in analysis.warnings)
    assert analysis.baselines.empty
    assert len(analysis.vendors) == 2


def test_a_torn_search_json_is_a_warning(run):
    (run / "search.json").write_text('{"space": ')
    assert any("search.json can't be read" in w for w in analyse(run, report=False).warnings)


def test_external_cohorts_are_read_and_their_scores_are_not(run):
    write_whole(run / "external" / "elsewhere.csv", b"key,vendor,images,patients,auc\nabc,PHILIPS,10,5,0.7\n")
    assert "no record of these trials: abc" in render(external.parts(compute(load(run), "epsilon", Options())))
    lines = [
        "key,vendor,images,patients,auc",
        "abc,HITACHI,10,5,0.7",
        f"{RunFolder(run).keys()[0]},PHILIPS,10,5,0.7",
        "",
    ]
    write_whole(run / "external" / "elsewhere.csv", "\n".join(lines).encode())
    write_whole(run / "external" / "elsewhere_scores.csv", b"key,row,score\nabc,1,0.5\n")
    loaded = load(run)
    assert loaded.external["cohort"].tolist() == ["elsewhere", "elsewhere"]
    assert not loaded.warnings
    html = render(external.parts(compute(loaded, "epsilon", Options())))
    assert "PHILIPS" in html
    assert "HITACHI" not in html


def test_what_is_no_run_folder_is_one_message(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "nowhere", tmp_path / "file", tmp_path / "empty"):
        with pytest.raises(RunError):
            load(path)
        assert main([str(path)]) == 2
        message = capsys.readouterr().err
        assert message.startswith("error: ")
        assert message.count("\n") == 1
    assert list((tmp_path / "empty").iterdir()) == []


@pytest.mark.parametrize("words", [["--rule", "best"], ["--epsilon", "much"], [], ["--epsilon", "7"]])
def test_bad_words_end_with_code_2(run, words):
    arguments = [str(run), *words] if words else []
    code = None
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = stop.code
    assert code == 2


def test_analysis_needs_neither_torch_nor_ray():
    heavy = ("torch", "ray", "pydicom", "optuna")
    code = f"import sys, analysis, analysis.report.report; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
