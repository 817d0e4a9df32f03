"""A dry run says what a search would do or refuse; it decodes nothing, writes nothing and waits for nobody."""

import socket
import subprocess

import pytest

from dicom_files import write_table_cohort
from front_door import SPACE, inside
from tune_ks.data.cohort import prepare_dicom
from tune_ks.planning import estimate
from tune_ks.search import cluster, resources

STEPS = estimate.StepTimes(training=0.01, scoring=0.001, slowdown=1.5, weights_bytes=1_000_000)
TUNED = """
from ray import tune
SPACE = {"mask": "gumbel", "temperature": 1.0, "width": 0.05, "image_size": 64, "epochs": 6, "sampling_rate": [0.25, 1],
         "lr": tune.loguniform(1e-3, 5e-3)}
SEARCH = {"sampler": "random"}
START = [{"lr": 2e-3}]
"""
DRY = ("--data", "data", "--space", "space.py", "--dry-run")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dry")
    (folder / "space.py").write_text(SPACE)
    (folder / "gumble.py").write_text(SPACE.replace('"gumbel"', '"gumble"'))
    (folder / "cold.py").write_text(SPACE.replace('"temperature": 1.0', '"temperature": -1'))
    write_table_cohort(folder / "data", patients=5, side=64)
    return folder


@pytest.fixture(autouse=True)
def looked_at(place, monkeypatch):
    """No pixel is decoded, no step is trained, no file is written, no GPU is there."""

    def refuse(*_, **__):
        raise AssertionError("pixels were decoded")

    monkeypatch.setattr(prepare_dicom, "write_group", refuse)
    monkeypatch.setattr(estimate, "timed_steps", lambda config, splits: STEPS)
    monkeypatch.setattr(resources, "gpus_here", lambda: 0)
    before = sorted(place.rglob("*"))
    yield
    assert sorted(place.rglob("*")) == before


def test_data_are_planned_from_their_headers(place):
    ended = inside(*DRY, cwd=place)
    assert ended.returncode == 0, ended.stderr
    words = " ".join(ended.stdout.split())
    for said in (
        "cohort: GE 20 images of 5 patients, SIEMENS 20 images of 5 patients; sampled at 64 px",
        "run folder: runs/space-HASH (named after the images, which are not decoded yet)",
        "4 trials to run, 0 already done",
        "for 4 trainings estimated by timing a few training steps",
        # 4 trials of a megabyte and what lies beside it; 40 images of 64 x 64 float32
        "disk: about 4.4 MB in the run folder, 655 kB in the cache of decoded images",
        "before that, 40 images are decoded",
    ):
        assert said in words, ended.stdout


def test_the_phantom_is_planned_before_it_is_written(place):
    ended = inside("--space", "smoke", "--dry-run", cwd=place)
    assert ended.returncode == 0, ended.stderr
    assert "the phantom is not written yet: a search writes it into phantom/version-2 first" in ended.stdout
    assert "cohort: GE 368 images of 92 patients, SIEMENS 368 images of 92 patients" in ended.stdout
    assert "6 trials to run" in ended.stdout


def test_tune_decodes_and_writes_nothing_either(place):
    ended = inside("tune", "--minutes", 2, "--dry-run", cwd=place)
    assert ended.returncode == 0, ended.stderr
    for said in ("the phantom is not written yet", "tune-HASH (named after", "recipes in 2 minutes", "736 images are"):
        assert said in ended.stdout
    (place / "two.py").write_text(TUNED)
    ended = inside("tune", "--data", "data", "--space", "two.py", "--minutes", 2, "--dry-run", cwd=place)
    (place / "two.py").unlink()
    assert ended.returncode == 0, ended.stderr
    assert "before that, 40 images are decoded" in ended.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--space", "gumble.py"], "got 'gumble'; did you mean 'gumbel'?"),
        (["--space", "cold.py"], "temperature must be above 0, or None, got -1"),
        (["--address", "1.2.3.4"], "no Ray cluster answers at 1.2.3.4: start one"),
        (["--gpus-per-trial", "1"], "no node of the cluster has both"),
        (["--mlflow", "foo://x"], "unsupported URI 'foo://x'"),
        (["--mlflow", "http://127.0.0.1:1"], "--mlflow http://127.0.0.1:1: no server answers there"),
        (["--mlflow", "sqlite:///nowhere/x.db"], "there is no folder nowhere"),
        (["--run", "s3://bucket/run", "--tensorboard"], "--tensorboard writes to a local run folder only"),
    ],
)
def test_what_a_search_would_refuse_is_refused(place, words, said):
    ended = inside(*DRY, *words, cwd=place)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert ended.stderr.count("error: ") == 1


def test_a_viewer_that_cannot_be_used_is_refused_before_a_search_reads_anything(place):
    ended = inside(*DRY[:-1], "--mlflow", "http://127.0.0.1:1", cwd=place)
    assert ended.returncode == 2
    assert "no server answers there" in ended.stderr


def test_what_listens_and_is_no_ray_is_not_waited_for(place, monkeypatch):
    limits = []

    def never(*_, timeout, **__):
        limits.append(timeout)
        raise subprocess.TimeoutExpired("python", timeout)

    monkeypatch.setattr(cluster.subprocess, "run", never)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        ended = inside(*DRY, "--address", address, cwd=place)
    assert ended.returncode == 2
    assert f"what listens at {address} does not say within 15 s which nodes it has" in ended.stderr
    assert limits == [cluster.NODES_WITHIN]
