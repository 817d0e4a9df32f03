"""A run folder on an object store: the same names, the same files, whole or not at all; a search from end to end."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from safetensors.torch import save

import run_search
from analysis.__main__ import main as analysis_main
from analysis.read.load import load
from analysis.serve.notes import read_notes, version_of, write_notes
from analysis.serve.runs import Runs
from dicom_files import write_table_cohort
from front_door import SPACE, call, command
from object_store import BUCKET
from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.storage import ObjectPath, put_folder, read_whole, storage_path, without_place, write_whole
from tune_ks.planning.pretrained import absent_weights, bring_weights, named
from tune_ks.training.transfer import read_weights
from warm import Warm


def test_an_absent_file_is_told_from_a_present_one(root):
    record = root / "trials" / "k1" / "record.json"
    assert not root.exists()
    assert not record.exists()
    assert list(root.glob("trials/*/*.json")) == []
    for absent in (record.read_bytes, record.stat, record.unlink, lambda: read_whole(record)):
        with pytest.raises(FileNotFoundError):
            absent()
    record.unlink(missing_ok=True)


def test_a_path_is_made_of_names(root):
    record = root / "trials" / "k1" / "record.json"
    assert (record.name, record.stem, record.parent.name) == ("record.json", "record", "k1")
    assert root / "trials" / "k1" / "" == root / "trials/k1" == record.parent
    assert root.resolve() / "x" == (root / "x").resolve()


def test_what_was_written_is_read_again(root):
    record = root / "trials/k1/record.json"
    write_whole(record, b"old")
    write_whole(record, "whole, µ".encode())
    assert record.read_text() == "whole, µ"
    assert read_whole(record).decode() == "whole, µ"
    assert record.stat().st_size == len(record.read_bytes())
    assert abs(record.stat().st_mtime_ns / 1e9 - time.time()) < 600
    with record.open("rb") as file:
        file.seek(2)
        assert file.read(3) == b"ole"
    with pytest.raises(TypeError):
        write_whole(record, "text is not bytes")
    assert record.read_text() == "whole, µ"


def test_a_function_writes_the_content_and_its_failure_leaves_the_old_one(root):
    path = root / "trials/k1/checkpoint.pt"

    def parts(file):
        file.write(b"one ")
        file.write(memoryview(b"two"))

    def fails(file):
        file.write(b"half")
        raise MemoryError

    write_whole(path, parts, sync=False)
    with pytest.raises(MemoryError):
        write_whole(path, fails)
    assert read_whole(path) == b"one two"
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_closed_folder_is_an_error_that_names_the_file(tmp_path, monkeypatch):
    def refuse(path, **options):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.touch", refuse)
    with pytest.raises(PermissionError) as refused:
        write_whole(tmp_path / "selection.json", b"{}")
    assert refused.value.filename == str(tmp_path / "selection.json")


def test_a_signal_while_the_temporary_file_is_made_leaves_no_file(tmp_path, monkeypatch):
    touch = Path.touch

    def interrupted(path, **options):
        touch(path, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr("pathlib.Path.touch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "selection.json", b"{}")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def filled(root):
    """A place with three files."""
    write_whole(root / "trials/k1/record.json", "whole, µ".encode())
    write_whole(root / "trials/k2/config.json", b"{}", sync=False)
    write_whole(root / "top.csv", b"row\n")
    return root


def test_a_folder_is_listed(filled):
    record = filled / "trials/k1/record.json"
    assert filled.is_dir()
    assert record.is_file()
    assert not record.is_dir()
    assert sorted(p.name for p in filled.iterdir()) == ["top.csv", "trials"]
    assert sorted(p.name for p in filled.glob("*.csv")) == ["top.csv"]
    assert sorted(str(p) for p in filled.glob("trials/*/record.json")) == [str(record)]
    assert sorted(p.parent.name for p in filled.glob("trials/*/*.json")) == ["k1", "k2"]


def test_a_renamed_folder_takes_its_files_along(filled):
    aside = filled.rename(filled.with_name("run.before-1"))
    assert (aside / "trials/k1/record.json").read_text() == "whole, µ"
    assert not (filled / "trials/k1/record.json").exists()
    assert not (filled / "top.csv").exists()


def test_weights_come_along_to_either_kind_of_place(root, tmp_path):
    record = TrialRecord(TrialConfig("GE", 0.25), {"GE": 0.9}, {}, 0.25)
    source = RunFolder(tmp_path / "source")
    write_whole(source.trial(record.config.key(), "model.safetensors"), save({"classifier.bias": torch.ones(3)}))
    source.write_record(record)
    init_from = named(source, record.config.key())
    for folder in (RunFolder(root), RunFolder(root / "again")):
        bring_weights(folder, absent_weights(folder, {init_from}, [source]))
        weights = read_weights(folder, init_from)
        assert (weights.record, weights.tensors["classifier.bias"].tolist()) == (record, [1, 1, 1])
        assert absent_weights(folder, {init_from}, []) == {}


def test_a_folder_of_files_replaces_another(root, tmp_path):
    for name in ("a/1.txt", "2.txt"):
        write_whole(tmp_path / "new" / name, name.encode())
    write_whole(root / "events/stale.txt", b"from before")
    put_folder(tmp_path / "new", root / "events")
    assert sorted(p.name for p in root.glob("events/*") if p.is_file()) == ["2.txt"]
    assert (root / "events/a/1.txt").read_bytes() == b"a/1.txt"


def test_a_message_does_not_say_where_the_run_lay(root):
    text = f"{root / 'trials' / 'k1' / 'record.json'}: torn"
    assert without_place(text, root) == "trials/k1/record.json: torn"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://key:secret@bucket/run", "must not hold credentials"),
        ("s3://bucket/run?secret_key=x", "must not hold credentials"),
        ("s3:///run", "s3://BUCKET/PREFIX"),
        ("s3://bucket/../other", "s3://BUCKET/PREFIX"),
        ("ftp://host/run", "a URL of s3, gs; got 'ftp'"),
    ],
)
def test_a_url_that_cannot_serve_is_one_message(url, said, capsys):
    with pytest.raises(ValueError, match=said.split(";")[0].replace("?", r"\?")):
        storage_path(url)
    assert analysis_main([url]) == 2
    assert run_search.main(["evaluate", url, "--data", "nowhere"]) == 2
    errors = capsys.readouterr().err
    assert errors.count("error: ") == 2
    assert errors.count(said) == 2
    assert "key:secret" not in errors


def test_a_writer_that_is_killed_leaves_the_old_object(store_options):
    """Large enough that the upload has parts; the kill falls at another instant of it each time."""
    place = f"s3://{BUCKET}/killed/model?{store_options}"
    size, path = 48 * 2**20, storage_path(place)
    write_whole(path, b"old")
    program = f"""
from tune_ks.core.storage import storage_path, write_whole
data = bytes({size})
print("begins", flush=True)
write_whole(storage_path({place!r}), data)
"""
    for delay in (0.0, 0.05, 0.15):
        writer = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        writer.stdout.readline()
        time.sleep(delay)
        writer.kill()
        writer.wait()
        assert path.stat().st_size in (3, size)
    assert path.read_bytes() in (b"old", bytes(size))


class Searched(NamedTuple):
    """A search in the store that was interrupted, and then resumed by the same command."""

    url: str
    place: Path  # with data/ and elsewhere/, the cohorts
    interrupted: str  # output of the first driver
    code: int  # with which it ended
    finished: dict[str, Any]  # key -> status of the record, of trials that were finished then
    resumed: subprocess.CompletedProcess


@pytest.fixture(scope="module")
def searched(store_options, tmp_path_factory, warm_workers):
    place = tmp_path_factory.mktemp("searched")
    write_table_cohort(place / "data", patients=6, side=64)
    write_table_cohort(place / "elsewhere", patients=3, side=64, vendors=("Philips Medical Systems",))
    (place / "space.py").write_text(SPACE.replace('"epochs": 3', '"epochs": 12'))
    url = f"s3://{BUCKET}/runs/one?{store_options}"
    run = RunFolder(url)
    # one at a time, so that on any machine some are left when the first is done
    words = ["--data", "data", "--space", "space.py", "--run", url, "--concurrent", "1"]
    (_, *begun), settings = command(*words, cwd=place)
    process = Warm(begun, env=settings["env"], cwd=place, output=place / "interrupted.log")
    deadline = time.monotonic() + 500
    while not run.finished() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.terminate()  # as Slurm and Kubernetes do
    code = process.wait(500)
    finished = {key: run.trial(key, "record.json").stat() for key in run.finished()}
    interrupted = (place / "interrupted.log").read_text()
    return Searched(url, place, interrupted, code, finished, call(*words, cwd=place))


def test_a_search_on_an_object_store_is_interrupted_and_resumed(searched):
    run, resumed = RunFolder(searched.url), searched.resumed
    assert searched.code == 130, searched.interrupted
    assert "the same command goes on" in searched.interrupted
    assert 1 <= len(searched.finished) < 4, searched.interrupted
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert "(resumed)" in resumed.stdout
    assert {key: run.trial(key, "record.json").stat() for key in searched.finished} == searched.finished
    assert len(run.finished()) == 4
    assert not any(run.root.glob("trials/*/checkpoint.pt"))
    names = {path.name for path in run.root.iterdir()}
    assert names >= {"search.json", "cohort.csv", "report.html", "selection.json", "optuna_journal.log", "tensorboard"}


def test_a_run_on_an_object_store_is_evaluated_and_analysed(searched, capsys, monkeypatch):
    monkeypatch.chdir(searched.place)
    assert run_search.main(["evaluate", searched.url, "--data", "elsewhere", "--all"]) == 0
    assert analysis_main([searched.url, "--no-report"]) == 0  # evaluate has written the page
    analysed = load(searched.url)
    assert len(analysed.trials) == 4
    assert analysed.warnings == []
    assert set(analysed.external["vendor"]) == {"PHILIPS"}
    assert "local" not in capsys.readouterr().out.replace("localhost", "")
    assert not (searched.place / "s3:").exists()


def test_a_run_on_an_object_store_is_served_with_its_notes(searched, store_options):
    runs = Runs(searched.url, {"rule": "epsilon"}, are_defaults=False, images=False)
    (run,) = runs.all()
    runs.ask(run)
    runs.wait()
    assert (run.name, run.made.fault, run.is_stale()) == ("one", "", False)
    assert run.made.counts.startswith("4 finished")
    assert len(run.made.sections) > 10
    write_notes(run.root, "seen", version_of(""))
    assert read_notes(run.root) == "seen\n"
    write_notes(run.root, "", version_of("seen\n"))
    assert read_notes(run.root) == ""
    listed = Runs(f"s3://{BUCKET}/runs?{store_options}", {}, images=False)
    assert [(run.name, run.row().counts.finished) for run in listed.all()] == [("one", 4)]


def test_an_object_path_is_never_taken_for_a_local_file():
    with pytest.raises(TypeError):
        os.fspath(ObjectPath.parse("s3://bucket/run"))
