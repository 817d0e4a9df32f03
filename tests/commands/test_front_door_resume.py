"""The front door of a search that is not alone or not at its end: a second driver, signals, extension, merging."""

import contextlib
import importlib
import json
import os
import shutil
import signal
from pathlib import Path

import pytest

import run_search
from faults import content, variables, wait_for
from front_door import command, inside
from lean_ray import SOCKET
from local_ray import start_local_ray
from tune_ks.core.run_folder import RunFolder
from warm import Warm

FIELDS = '"width": 0.05, "image_size": 64'
SPACE = f"""
SPACE = [
    {{"mask": "lowpass", "sampling_rate": [0.5, 1.0], "epochs": 2, {FIELDS}}},
    {{"mask": "lowpass", "sampling_rate": 0.25, "epochs": 3000, {FIELDS}}},
]
"""
SHORT = SPACE.replace("3000", "3").replace('{"mask"', '{"vendor": "GE", "mask"')
WORDS = ("--data", "data", "--space", "short.py", "--concurrent", 1, "--run")


@pytest.fixture(scope="module")
def place(cohorts):
    """The folder with a space whose last trials take minutes, and one that is short."""
    (cohorts / "long.py").write_text(SPACE)
    (cohorts / "short.py").write_text(SHORT)
    return cohorts


@pytest.fixture(scope="module")
def first(place):
    """A finished search of the short space, which either of two tests may need first."""
    start_local_ray()
    ended = inside(*WORDS, "runs/first", cwd=place)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return RunFolder(place / "runs/first")


def begun_in(run):
    """The trials that are not finished."""
    return [key for key in run.keys() if not run.is_finished(key)]


def has_checkpoint(run):
    """Whether one of them has a checkpoint."""
    return any(run.trial(key, "checkpoint.pt").exists() for key in begun_in(run))


def test_a_second_driver_is_refused_and_a_signal_in_any_stage_leaves_a_report_and_no_process(place):
    """SIGTERM to all processes while trials run, of which Ray's die first; then to the driver while Ray starts, and
    once more when it is about to export.
    """
    typed = ("--data", "data", "--space", "long.py", "--run", "runs/long", "--concurrent", 1)
    (_, *words), options = command(*typed, cwd=place)
    temporary = place / "t"
    temporary.mkdir()
    options["env"] |= {"TMPDIR": str(temporary), "RAY_TMPDIR": "/tmp"}
    options["env"].pop(SOCKET, None)  # workers of the same session
    del options["text"]
    run = RunFolder(place / "runs/long")
    log = place / "log.txt"
    process = Warm(words, output=log, start_new_session=True, **options)
    wait_for(lambda: len(run.finished()) == 4, process)
    second = inside(*typed, cwd=place)
    assert second.returncode == 2
    assert f"error: another search works in runs/long: process {process.pid} on " in second.stderr
    wait_for(lambda: has_checkpoint(run), process)  # of a trial that takes minutes: it is killed within its training
    for pid in processes_of(process.pid):
        os.kill(pid, signal.SIGTERM)  # as systemd and Slurm do, and `timeout` to its process group
    process.wait(timeout=500)
    said = log.read_text()
    assert process.returncode == 130, said
    for part in ("stopping: SIGTERM came", "without it\n", "trials are left; the same command goes on:\n"):
        assert part in said
    assert "Traceback" not in said
    for name in ("report.html", "selection.json", "optuna_journal.log", "tensorboard"):
        assert (run.root / name).exists()
    assert len(run.finished()) == 4
    assert not run.failures()
    begun = begun_in(run)
    assert has_checkpoint(run)
    assert not list(temporary.glob("tune_ks_ray_*"))
    wait_for(lambda: not processes_of(process.pid))

    page = (run.root / "report.html").stat().st_mtime_ns
    attempts = {key: run.trial(key, "attempts.json").read_bytes() for key in begun}
    starting, exporting = place / "starting", place / "exporting"
    starting.mkdir()
    exporting.mkdir()
    options["env"] |= variables(run.root, {"hold_ray": str(starting), "hold_export": str(exporting)})
    log.unlink()
    process = Warm(words, output=log, start_new_session=True, **options)
    wait_for(lambda: list(starting.iterdir()), process)
    process.send_signal(signal.SIGTERM)
    wait_for(lambda: "stopping: SIGTERM came" in log.read_text(), process)
    shutil.rmtree(starting)
    wait_for(lambda: list(exporting.iterdir()), process)
    process.send_signal(signal.SIGINT)
    process.wait(timeout=500)
    said = log.read_text()
    assert process.returncode == 130, said
    assert "interrupted; nothing finished is lost" in said
    assert "Traceback" not in said
    assert (run.root / "report.html").stat().st_mtime_ns == page, "it went on to the report"
    assert attempts == {key: run.trial(key, "attempts.json").read_bytes() for key in begun}, "a trial began"
    assert not list(temporary.glob("tune_ks_ray_*"))
    wait_for(lambda: not processes_of(process.pid))


def processes_of(session):
    """The processes of a session, which those of a driver keep: also when their parents have died."""
    members = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, _, _, of_session = folder.joinpath("stat").read_text().rpartition(")")[2].split()[:4]
            if int(of_session) == session and state != "Z":
                members.append(int(folder.name))
    return members


@pytest.mark.parametrize("stage", ["reading", "export", "report"])
def test_a_signal_outside_the_trials_ends_with_130_and_the_command(stage, place, first, monkeypatch):
    """In a resumed search that has nothing left to train; nothing of it is lost, and the report is written."""
    at = {
        "reading": "tune_ks.data.cohort.cohort.detect",
        "export": "tune_ks.commands.exports.export_run",
        "report": "analysis.analyse",
    }[stage]
    module, _, name = at.rpartition(".")
    work = getattr(importlib.import_module(module), name)

    def signalled(*args, **options):
        signal.raise_signal(signal.SIGTERM)
        return work(*args, **options)

    monkeypatch.setattr(at, signalled)
    page = (first.root / "report.html").stat().st_mtime_ns
    before = signal.getsignal(signal.SIGTERM)
    ended = inside(*WORDS, "runs/first", cwd=place)
    assert ended.returncode == 130
    said = ended.stdout + ended.stderr
    assert f"the same command goes on:\n  python run_search.py {' '.join(map(str, WORDS))} runs/first\n" in said.lower()
    assert ("SIGTERM came" in said) == (stage != "reading")
    assert ((first.root / "report.html").stat().st_mtime_ns > page) == (stage != "reading")
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_search_is_extended_by_seeds_and_rates_and_merged_with_another(place, first):
    more, both = (RunFolder(place / f"runs/{name}") for name in ("more", "both"))
    shutil.copytree(first.root, more.root)
    refused = inside(*WORDS, "runs/more", "--rates", "0.125", "--dry-run", cwd=place)
    assert refused.returncode == 2
    assert "belongs to another search space" in refused.stderr
    assert "Give --extend to add it to what is there" in refused.stderr
    ended = inside(*WORDS, "runs/more", "--rates", "0.125", "--seeds", "2", "--extend", cwd=place)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "5 trials to run, 3 already done" in ended.stdout
    assert content(first).items() <= content(more).items()
    again = inside(*WORDS, "runs/more", "--dry-run", cwd=place)  # the first command still goes on in it
    assert "0 trials to run, 3 already done" in again.stdout
    shutil.rmtree(more.trial(min(content(first))))
    ended = inside("merge", "runs/first", "runs/more", "--into", "runs/both", cwd=place)
    assert ended.returncode == 0, ended.stderr
    assert "8 finished trials and 0 others taken over" in ended.stdout
    assert content(both) == {**content(first), **content(more)}
    again = inside(*WORDS, "runs/both", "--rates", "0.125", "--seeds", "2", "--dry-run", cwd=place)
    assert "0 trials to run, 8 already done" in again.stdout


def test_runs_that_do_not_belong_together_are_not_merged(place, first, monkeypatch, capsys):
    monkeypatch.chdir(place)
    other = {"fingerprint": "0123", "fingerprint_format": 2}
    for name, field, value in (("cohort", "cohort", other), ("split", "split_seed", 7)):
        shutil.copytree(first.root, f"runs/{name}")
        path = place / f"runs/{name}/search.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    shutil.copytree(first.root, "runs/conflict")
    conflict = RunFolder("runs/conflict")
    path = conflict.trial(conflict.keys()[0], "record.json")
    path.write_text(path.read_text().replace('"epoch": ', '"epoch": 1'))
    for words, said in (
        (("runs/first", "runs/cohort"), "runs/first and runs/cohort differ in their cohort: "),
        (("runs/first", "runs/split"), "runs/first and runs/split differ in their split_seed: 0 and 7"),
        (("runs/first", "runs/conflict"), f"1 trials were answered differently, as other hardware or versions do: "
                                        f"{conflict.keys()[0]} (runs/first and runs/conflict)"),
        (("runs/first", "nowhere"), "nowhere is not a run folder"),
    ):  # fmt: skip
        assert run_search.main(["merge", *words, "--into", "runs/never"]) == 2
        assert said in capsys.readouterr().err
        assert not (place / "runs/never").exists()
    assert run_search.main(["merge", "runs/first", "--into", "data"]) == 2
    assert "data exists and is not a run folder" in capsys.readouterr().err


def test_rates_need_a_list_to_join(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    (place / "one_rate.py").write_text('SPACE = {"mask": "lowpass", "sampling_rate": 0.5}')
    assert run_search.main(["--data", "data", "--space", "one_rate.py", "--rates", "0.1"]) == 2
    assert "--rates: the space 'one_rate' has no list of sampling rates to add to" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        run_search.main(["--data", "data", "--space", "short.py", "--rates", "1.5"])
    assert "argument --rates: must be a number above 0, up to 1, got '1.5'" in capsys.readouterr().err
