"""The front door as a user meets it: real processes, real DICOM files, exit codes, and one message for bad input."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import run_search
from dicom_files import PHI, anatomy, save_labels, write_dicom, write_table_cohort
from front_door import SPACE, call_one_after_another
from local_ray import start_cluster
from tune_ks.core.run_folder import RunFolder

ROOT = Path(__file__).parents[2]
SHARED = ROOT / "../shared/data"


def test_a_search_says_where_it_went_what_it_chose_and_what_to_type_next(place):
    said = (place / "said.txt").read_text()
    run = RunFolder(place / "runs/one")
    assert len(list(run.records())) == 4
    for part in ("cohort: GE 24 images of 6 patients, SIEMENS 24", "run folder: runs/one (new)", "4 trials to run",
                 "report.html", "time: reading images", "next:", "evaluate runs/one --data DIR",
                 "--run runs/one --finalists"):  # fmt: skip
        assert part in said, f"{part!r} is missing in:\n{said}"
    page = (run.root / "report.html").read_text()
    assert "<html" in page
    choices = json.loads((run.root / "selection.json").read_text())["choices"]
    assert [choice["vendor"] for choice in choices] == ["GE", "SIEMENS"]
    for choice in choices:
        assert choice["rate"] in (0.25, 1.0)
        assert not choice["oracle"]
        assert all(name.startswith(("val_", "realised_rate")) for name in choice["columns_read"])
    search = json.loads(run.search_json.read_text())
    assert search["command"].startswith("python run_search.py --data data")
    assert not search["cohort"]["synthetic"]


def test_the_same_command_runs_nothing_twice(place, inside):
    stamps = {p: p.stat().st_mtime_ns for p in (place / "runs/one/trials").rglob("*") if p.is_file()}
    ended = inside("--data", "data", "--space", "space.py", "--run", "runs/one")
    assert ended.returncode == 0, ended.stderr
    assert "(resumed)" in ended.stdout
    assert "0 trials to run, 4 already done" in ended.stdout
    assert {p: p.stat().st_mtime_ns for p in (place / "runs/one/trials").rglob("*") if p.is_file()} == stamps


def test_a_search_with_one_bad_record_still_ends_with_a_report(place, inside):
    run = RunFolder(shutil.copytree(place / "runs/one", place / "runs/bad"))
    bad = run.finished()[0]
    run.trial(bad, "record.json").write_text('{"format": 1, "config": {}, "val": 7}')
    for name in ("report.html", "selection.json"):
        (run.root / name).unlink()
    ended = inside("--data", "data", "--space", "space.py", "--run", "runs/bad")
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
    assert "1 record(s) could not be used" in (run.root / "report.html").read_text()
    trials = json.loads((run.root / "selection.json").read_text())["trials"]
    assert (trials["finished"], trials["unreadable"]) == (3, 1)


@pytest.mark.usefixtures("local_ray")
def test_fresh_sets_the_old_folder_aside(place, inside):
    shutil.copytree(place / "runs/one", place / "runs/old")
    ended = inside("--data", "data", "--space", "space.py", "--run", "runs/old", "--fresh", "--concurrent", 1)
    assert ended.returncode == 0, ended.stderr
    assert "4 trials to run, 0 already done" in ended.stdout
    assert len(list(RunFolder(place / "runs/old.before-1").records())) == 4


def test_a_dry_run_prints_the_plan_and_starts_nothing(place, inside):
    ended = inside("--data", "data", "--space", "space.py", "--run", "runs/dry", "--dry-run")
    assert ended.returncode == 0, ended.stderr
    assert "4 trials to run, 0 already done" in ended.stdout
    assert re.search(r"^time: .+ at the present load", ended.stdout, re.MULTILINE)
    assert "disk: about " in ended.stdout
    assert "at full sampling this trains a single network" in ended.stdout
    assert not (place / "runs/dry").exists()
    done = inside("--data", "data", "--space", "space.py", "--run", "runs/one", "--dry-run")
    assert "0 trials to run, 4 already done" in done.stdout


@pytest.mark.usefixtures("local_ray")
def test_finalists_train_the_pick_and_its_neighbours_with_more_seeds(place, inside):
    shutil.copytree(place / "runs/one", place / "runs/finalists")
    words = ["--data", "data", "--space", "space.py", "--run", "runs/finalists", "--concurrent", 1]
    ended = inside(*words, "--finalists", "--finalist-seeds", "2")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "plan: 4 trials to run, 4 already done" in ended.stdout
    run, before = RunFolder(place / "runs/finalists"), RunFolder(place / "runs/one")
    configs = [record.config for record in run.records()]
    asked = sorted(before.read_config(key).key("seed") for key in before.keys())
    assert sorted(config.key("seed") for config in configs if config.seed == 1) == asked
    for seeds, left in (("2", 0), ("3", 4)):
        planned = inside(*words, "--finalists", "--finalist-seeds", seeds, "--dry-run")
        assert planned.returncode == 0
        assert f"{left} trials to run, 8 already done" in planned.stdout
    assert len(run.keys()) == 8


def test_evaluate_writes_aucs_and_scores_of_another_hospital(place, inside):
    ended = inside("evaluate", "runs/one", "--data", "elsewhere", "--all")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    table = pd.read_csv(place / "runs/one/external/elsewhere.csv")
    assert list(table.columns) == ["key", "vendor", "images", "patients", "auc"]
    assert set(table["vendor"]) == {"PHILIPS"}
    assert (table["images"] == 12).all()
    assert (table["patients"] == 3).all()
    scores = pd.read_csv(place / "runs/one/external/elsewhere_scores.csv")
    for line in table.itertuples():
        mine = scores[scores["key"] == line.key]
        pairs = [(p, n) for p in mine[mine.label == 1].score for n in mine[mine.label == 0].score]
        assert line.auc == pytest.approx(np.mean([(p > n) + (p == n) / 2 for p, n in pairs]))
    chosen = inside("evaluate", "runs/one", "--data", "elsewhere", "--name", "chosen")
    assert chosen.returncode == 0, chosen.stderr
    picks = json.loads((place / "runs/one/selection.json").read_text())["choices"]
    chosen_keys = {k for p in picks for k in p["keys"]}
    full = {r.config.key() for r in RunFolder(place / "runs/one").records() if r.config.is_full}
    assert len(full) == 2
    assert set(pd.read_csv(place / "runs/one/external/chosen.csv")["key"]) == chosen_keys | full
    for text in (ended.stdout, chosen.stdout):  # what is asked is answered, without a hash
        assert "trained on GE, scored on 3 patients of PHILIPS" in text
        assert "minus full sampling" in text
        assert ", chosen" in text
        assert not any(key in text for key in full)
        assert "wrote runs/one/report.html" in text
    before = (place / "runs/one/external/elsewhere.csv").read_bytes()
    rows = write_table_cohort(place / "other/elsewhere", patients=3, side=64, vendors=("Philips",), images=6)
    save_labels(place / "other/elsewhere", [*rows, {**rows[0], "path": "gone/1.dcm"}])
    write_dicom(place / "other/elsewhere" / rows[0]["path"], anatomy(64, 64), "Philips", ImageOrientationPatient=None)
    other = inside("evaluate", "runs/one", "--data", "other/elsewhere")
    assert other.returncode == 2, "another cohort, in a folder of the same name"
    assert "external/elsewhere.csv holds results of another cohort: give these another --name" in other.stderr
    assert (place / "runs/one/external/elsewhere.csv").read_bytes() == before
    assert "orientation unknown for 1 images: they are used as stored" in other.stdout
    assert "skipped 1 file: no such file (for example gone/1.dcm)" in other.stdout
    report = (place / "runs/one/report.html").read_text()
    assert '<table id="external">' in report
    assert report.count("PHILIPS") > 4


def test_evaluating_the_training_cohort_gives_the_records_scores_again(place, inside):
    ended = inside("evaluate", "runs/one", "--data", "data", "--all", "--name", "again")
    assert ended.returncode == 0, ended.stderr
    scores = pd.read_csv(place / "runs/one/external/again_scores.csv").set_index(["key", "row"])["score"]
    met = 0
    for record in RunFolder(place / "runs/one").records():
        key = record.config.key()
        saved = np.load(place / f"runs/one/trials/{key}/scores.npz")
        np.testing.assert_allclose(scores.loc[key].loc[saved["row"]], saved["score"], rtol=1e-4, atol=1e-6)
        met += len(saved["row"])
    assert met > 50


def test_corruptions_score_the_test_patients_as_their_images_get_worse(place, inside):
    ended = inside("evaluate", "runs/one", "--data", "data", "--corruptions")
    assert ended.returncode == 0, ended.stderr
    assert "wrote runs/one/corruptions/data.csv" in ended.stdout
    table = pd.read_csv(place / "runs/one/corruptions/data.csv")
    assert table["corruption"].nunique() == 7
    run = RunFolder(place / "runs/one")
    met = 0
    for (key, vendor), part in table[table["severity"] == 0].groupby(["key", "vendor"]):
        record = run.read_record(key)
        assert part["auc"].round(6).unique().tolist() == [round(record.test[vendor], 6)]
        assert part["images"].unique().tolist() == [record.images[f"test {vendor}"]]
        met += record.config.sampling_rate == 1
    assert met == 4  # two vendors trained at rate 1, each scored on both


@pytest.mark.usefixtures("warm_workers")
def test_a_running_cluster_is_used_four_trials_to_a_gpu_and_left_running(place):
    """Ray counts GPUs, it does not make them: the resource is declared, the trials fall back to the CPU."""
    cluster = start_cluster(num_cpus=4, num_gpus=1)
    try:
        words = ["--data", "data", "--space", "space.py", "--address", cluster.address]
        planned, ended, refused = call_one_after_another(
            [*words, "--run", "runs/cluster", "--gpus-per-trial", "0.25", "--dry-run"],
            [*words, "--run", "runs/cluster", "--gpus-per-trial", "0.25"],
            [*words, "--run", "runs/refused", "--gpus-per-trial", "1", "--cpus-per-trial", "5"],
            cwd=place,
        )
        assert "slots: 4 trials at once, each with 1 CPUs and 0.25 GPUs" in planned.stdout, planned.stderr
        assert "GPU-hours: unknown before a trial was recorded on such a GPU; at most " in planned.stdout
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert "4 trials to run" in ended.stdout
        on_cluster, alone = RunFolder(place / "runs/cluster"), RunFolder(place / "runs/one")
        assert [r.val for r in on_cluster.records()] == [r.val for r in alone.records()]
        assert refused.returncode == 2
        assert (
            "a trial asks for 5 CPUs and 1 GPUs, and no node of the cluster has both: they have 4 CPUs and 1 GPUs"
            in refused.stderr
        )
        assert cluster.head_node.all_processes
        assert cluster.head_node.remaining_processes_alive()
    finally:
        cluster.shutdown()


def refused(capsys, monkeypatch, place, *words):
    """Runs in this process: no bad input may get as far as Ray."""
    monkeypatch.chdir(place)
    before = sorted(p for p in place.rglob("*") if "cache" not in p.parts)
    assert run_search.main([str(word) for word in words]) == 2
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err + captured.out
    assert captured.err.count("error: ") == 1
    assert sorted(p for p in place.rglob("*") if "cache" not in p.parts) == before, "something was written"
    return captured.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--data", "nowhere"], "nowhere"),
        (["--data", "empty"], "empty"),
        (["--data", "data", "--space", "nonesuch"], "there is no search space 'nonesuch'; the shipped ones are"),
        (["--data", "onevendor", "--space", "space.py"], "vendor"),
        (["--data", "oneclass", "--space", "space.py"], "GE has 16 positive and 0 negative images"),
        (["--data", "data", "--space", "badrate.py"], "sampling_rate must be in (0, 1], got 1.5"),
        (["--data", "data", "--space", "badfield.py"], "unknown field 'rate'; the fields are"),
        (["--data", "data", "--space", "vendors.py"], "trains on PHILIPS, and the cohort has GE, SIEMENS only"),
        (["--data", "elsewhere2", "--space", "space.py", "--run", "runs/one"], "belongs to another cohort"),
        (["--data", "data", "--space", "other.py", "--run", "runs/one"], "belongs to another search space"),
        (["--data", "data", "--space", "space.py", "--run", "runs/one", "--split-seed", "4"], "another split_seed"),
        (["--data", "data", "--space", "space.py", "--series", "post_9"], "post_9"),
        (["--rule", "nonsense"], "rule must be one of epsilon, knee,"),
        (["--data", "data", "--space", "space.py", "--run", "runs/new", "--finalists"], "no chosen rate yet"),
        (["evaluate", "runs/none", "--data", "data"], "there is no run folder runs/none"),
        (["evaluate", "runs/unchosen", "--data", "data"], "selection.json holds no chosen trial"),
        (["evaluate", "data", "--data", "data"], "data is not a run folder"),
        (["predict", "runs/one", "--data", "nowhere"], "nowhere"),
    ],
)
def test_bad_input_is_one_message_exit_code_2_and_nothing_written(place, capsys, monkeypatch, words, said):
    prepare_bad(place)
    assert said in refused(capsys, monkeypatch, place, *words)


def prepare_bad(place):
    if (place / "empty").exists():
        return
    (place / "empty").mkdir()
    write_table_cohort(place / "onevendor", vendors=("GE",), side=64)
    write_table_cohort(place / "elsewhere2", patients=5, side=64)
    write_table_cohort(place / "oneclass", side=64, label=lambda row: int(row["patient_id"].startswith("GE")))
    (place / "badrate.py").write_text("SPACE = {'sampling_rate': 1.5}")
    (place / "badfield.py").write_text("SPACE = {'sampling_rate': 0.5, 'rate': 1}")
    (place / "vendors.py").write_text(
        "SPACE = {'mask': 'lowpass', 'sampling_rate': 1.0, 'vendor': 'PHILIPS', 'image_size': 64}"
    )
    shutil.copytree(place / "runs/one", place / "runs/unchosen")
    selection = json.loads((place / "runs/unchosen/selection.json").read_text())
    unchosen = {**selection, "choices": [{**choice, "keys": []} for choice in selection["choices"]]}
    (place / "runs/unchosen/selection.json").write_text(json.dumps(unchosen))
    (place / "other.py").write_text(SPACE.replace("0.25", "0.5"))


def test_a_search_that_nobody_listens_to_says_its_words_in_the_run_folder(place):
    """``place`` closed its pipe after three lines and its terminal once trials ran: all the same it ended with 0."""
    said = (place / "runs/one/terminal.log").read_text()
    for part in ("run folder: runs/one (new)", "4/4 trials", "runs/one/report.html", "next:\n"):
        assert part in said
    assert len(RunFolder(place / "runs/one").finished()) == 4


def test_unknown_words_are_refused_by_name(place, capsys):
    with pytest.raises(SystemExit) as stop:
        run_search.main(["--dta", "x"])
    assert stop.value.code == 2
    assert "unrecognized arguments: --dta" in capsys.readouterr().err


def test_help_can_be_read(capsys):
    for words in (["--help"], ["evaluate", "--help"], ["predict", "--help"]):
        with pytest.raises(SystemExit) as stop:
            run_search.main(words)
        assert stop.value.code == 0
    text = capsys.readouterr().out
    for option in ("--data", "--space", "--run", "--fresh", "--dry-run", "--address", "--gpus-per-trial", "--all"):
        assert option in text


def test_planted_identities_reach_no_file_and_no_line(place):
    """dicom_files writes names, birth dates and hospital into every file (phi=True)."""
    planted = [word.encode() for word in PHI]
    source = b"".join(p.read_bytes() for p in (place / "data").rglob("*.dcm"))
    planted = [word for word in planted if word in source]
    assert planted, "the files hold nothing to be found"
    files = [p for p in (place / "runs").rglob("*") if p.is_file()] + [place / "said.txt"]
    assert len(files) > 30
    for path in files:
        content = path.read_bytes()
        assert not any(word in content for word in planted), path


@pytest.mark.skipif(not (SHARED / "breast_patches").is_dir(), reason="../shared/data/breast_patches is not here")
def test_the_real_patches_plan_without_ray(inside, patches_cache):
    words = ("--data", (SHARED / "breast_patches").resolve(), "--series", "pre", "--intensity", "image")
    ended = inside(*words, "--cache", patches_cache, "--space", "real_patches", "--dry-run")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "GE 2292 images of 181 patients, SIEMENS 848 images of 72 patients" in ended.stdout
    assert "78 trials to run" in ended.stdout
