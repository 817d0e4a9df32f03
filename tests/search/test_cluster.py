"""Several nodes: what fits where, the code and the images on nodes that have neither, and nothing large in a job."""

import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import ray
from ray import cloudpickle

import run_search as front_door
from local_ray import start_cluster
from tiny import write_tiny
from tiny_space import GRID, VENDORS, WORK
from tune_ks.core.run_folder import RunFolder
from tune_ks.planning.plan import plan_search
from tune_ks.search import cluster as search_cluster
from tune_ks.search.cluster import connected, slots_in_cluster
from tune_ks.search.resources import Resources, slots_on
from tune_ks.search.search import run_search
from tune_ks.search.searcher import JobSearcher
from tune_ks.worker import faults, node_files
from tune_ks.worker.attempts import read_attempts
from tune_ks.worker.node_files import on_this_node, shared
from tune_ks.worker.trial import trial

ROOT = Path(__file__).parents[2]
NODES = {"gpu": {"num_cpus": 3, "num_gpus": 1}, "small": {"num_cpus": 1}, "other": {"num_cpus": 1}}


@pytest.mark.parametrize(
    ("cpus", "gpus", "slots"),
    [
        (1, 0, 8),
        (2, 0, 4),
        (9, 0, 0),
        (0.5, 0, 16),
        (1, 1, 2),
        (1, 0.5, 4),
        (1, 0.3, 6),
        (4, 0.2, 2),
    ],
)
def test_slots_of_a_node_with_eight_cpus_and_two_gpus(cpus, gpus, slots):
    assert slots_on({"CPU": 8, "GPU": 2, "memory": 1e9}, cpus, gpus) == slots


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--address", "ray://head:10001"], "--address must be auto or HOST:PORT, got ray://head:10001"),
    ],
)
def test_resources_that_ray_cannot_give_are_one_message(asked, said, capsys):
    assert front_door.main(["--data", "nowhere", *asked]) == 2
    error = capsys.readouterr().err
    assert error.count("error: ") == 1
    assert said in error


@pytest.mark.parametrize("address", ["127.0.0.1:1", "no-such-host.invalid:6379", "127.0.0.1", "127.0.0.1:99999"])
def test_an_address_where_nobody_answers_is_said_at_once(address):
    ray.shutdown()  # whatever a test before this one left
    with pytest.raises(ValueError, match=f"no Ray cluster answers at {address}"), connected(address):
        pass


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, warm_workers):
    """A head without CPU or GPU, and three unlike nodes, each with a scratch folder of its own. GPUs are declared."""
    ray.shutdown()  # whatever a test before this one left
    started = start_cluster(num_cpus=0)
    started.scratch = {}
    for name, amounts in NODES.items():
        started.scratch[name] = tmp_path_factory.mktemp(name) / "scratch"
        variables = {node_files.SCRATCH: str(started.scratch[name])}
        started.add_node(resources={name: 10}, object_store_memory=80 * 2**20, env_vars=variables, **amounts)
    with connected(started.address):
        yield started
    started.shutdown()


@pytest.mark.usefixtures("cluster")
def test_a_trial_must_fit_on_one_node():
    assert slots_in_cluster(Resources(cpus=1, gpus=0, address="auto")) == (0, 5)
    assert slots_in_cluster(Resources(cpus=2, gpus=0, address="auto")) == (0, 1)
    assert slots_in_cluster(Resources(cpus=1, gpus=0.5, address="auto")) == (0.5, 2)
    assert slots_in_cluster(Resources(cpus=1, address="auto")) == (1, 1), "one GPU where a node has any"
    assert slots_in_cluster(Resources(cpus=1, gpus=0, concurrent=2)) == (0, 2)
    assert slots_in_cluster(Resources(cpus=1, gpus=0, concurrent=9)) == (0, 5)
    assert slots_in_cluster(Resources(cpus=1, gpus=0, concurrent=9, address="auto")) == (0, 9), "it may grow"
    with pytest.raises(ValueError, match="no node of the cluster has both: they have 0 CPUs and 0 GPUs; 1 CPUs"):
        slots_in_cluster(Resources(cpus=4, gpus=0, address="auto"))


DRIVER = """
import os, sys
import ray
from tune_ks.search.cluster import connected

with connected(sys.argv[1]):
    os.rename(sys.argv[2], sys.argv[2] + ".gone")  # now no node sees where the driver's code was

    @ray.remote(num_cpus=0)
    def where():
        import tune_ks.core.allocator, tune_ks.search.cluster, tune_ks.worker.trial
        assert tune_ks.core.allocator.KEEP_FREED.items() <= os.environ.items()
        return tune_ks.worker.trial.__file__

    print(*(ray.get(where.options(resources={name: 1}).remote()) for name in sys.argv[3:]), sep="\\n")
"""


def test_the_package_reaches_nodes_that_have_none(cluster, tmp_path):
    copy = Path(shutil.copytree(ROOT / "tune_ks", tmp_path / "code/tune_ks")).parent
    (tmp_path / "driver.py").write_text(DRIVER)
    words = [sys.executable, tmp_path / "driver.py", cluster.address, copy, *NODES]
    ended = subprocess.run(
        list(map(str, words)),
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert ended.returncode == 0, ended.stderr
    paths = [Path(line) for line in ended.stdout.split()]
    assert len(paths) == len(NODES)
    for path in paths:
        assert "runtime_resources" in path.parts
        assert path.read_bytes() == (ROOT / "tune_ks/worker/trial.py").read_bytes()
    # what was sent to every node is the package and nothing else
    assert files_below(paths[0].parents[1]) == files_below(ROOT / "tune_ks")


def files_below(folder):
    """The files of a package, without those that its Python has compiled, here or on a node."""
    return {p.relative_to(folder) for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts}


def test_a_file_that_a_node_does_not_see_is_fetched_once(cluster, tmp_path):
    source = tmp_path / "images.npy"
    np.save(source, np.random.default_rng(0).random((70, 256, 256), np.float32))  # 18 MB
    np.save(tmp_path / "large.npy", np.zeros((300, 256, 256), np.float32))  # 79 MB: three messages

    @ray.remote(num_cpus=0)
    def look(file):
        path = on_this_node(file)
        return str(path), path.stat().st_ino, hashlib.sha256(path.read_bytes()).hexdigest()

    with shared({256: source, 512: tmp_path / "large.npy"}, cluster=True) as files:
        assert ray.get(look.options(resources={"small": 1}).remote(files["256"]))[0] == str(source)
        assert not cluster.scratch["small"].exists(), "a path that the node sees is not copied"
        hidden = {size: file._replace(path=f"/elsewhere/{size}.npy") for size, file in files.items()}
        for size, path in (("256", source), ("512", tmp_path / "large.npy")):
            seen = ray.get([look.options(resources={"gpu": 1}).remote(hidden[size]) for _ in range(3)])
            assert len(set(seen)) == 1, "one copy, which all trials of the node map"
            assert seen[0][0].startswith(str(cluster.scratch["gpu"]))
            assert seen[0][2] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert (
            ray.get(look.options(resources={"gpu": 1}).remote(hidden["256"]))[1]
            == Path(cluster.scratch["gpu"] / hidden["256"].copy_name).stat().st_ino
        ), "a later trial fetches nothing"
    scratch = cluster.scratch["gpu"]
    assert sorted(p.suffix for p in scratch.iterdir()) == [".lock", ".lock", ".npy", ".npy"]
    assert scratch.stat().st_mode & 0o077 == 0
    with shared({256: source}, cluster=False) as files:
        absent = files["256"]._replace(path="/elsewhere/256.npy")
        assert on_this_node(absent) == Path("/elsewhere/256.npy"), "whoever opens it says that it is missing"


def test_a_scratch_folder_that_others_can_read_is_refused(tmp_path, monkeypatch):
    (tmp_path / "open").mkdir(mode=0o755)
    monkeypatch.setenv(node_files.SCRATCH, str(tmp_path / "open"))
    with pytest.raises(PermissionError, match="closed to others"):
        node_files.scratch_folder()


def test_a_search_runs_where_the_gpu_is_on_images_that_were_fetched(cluster, tmp_path, monkeypatch):
    """The head has no CPU and no GPU, two nodes have no GPU, and none of them sees the driver's images."""
    folder, images = RunFolder(write_tiny(tmp_path / "run")[0].parent), tmp_path / "run/images.npy"

    @contextmanager
    def hidden(paths, cluster):
        with shared(paths, cluster) as files:
            yield {size: file._replace(path="/elsewhere/images.npy") for size, file in files.items()}

    monkeypatch.setattr("tune_ks.search.search.shared", hidden)
    plan = plan_search(GRID, folder, VENDORS)
    resources = Resources(gpus=0.5, address=cluster.address)
    run_search(GRID, folder, {64: images}, VENDORS, plan, resources, lambda event: None)
    assert len(folder.finished()) == plan.left > 1
    assert folder.failures() == {}
    assert {attempt.node for key in folder.keys() for attempt in read_attempts(folder, key)} == {
        node["NodeID"] for node in ray.nodes() if "GPU" in node["Resources"]
    }


def test_nothing_large_travels_with_a_trial(tmp_path):
    """What Ray ships: the trainable, by its name in the package, and a job of plain values."""
    cohort_csv, images = write_tiny(tmp_path)
    folder = RunFolder(cohort_csv.parent)
    with shared({64: images}, cluster=False) as files:
        work = dataclasses.replace(WORK, run=str(folder.root), files=files, session="s")
        searcher = JobSearcher(plan_search(GRID, folder, VENDORS), GRID, folder, VENDORS, work)
        job = searcher.suggest("a")
    assert len(cloudpickle.dumps(trial)) < 1000
    assert len(json.dumps(job)) < 3000
    assert len(cloudpickle.dumps(searcher)) < 1000
    assert images.stat().st_size > 10**6
    assert os.path.getsize(cohort_csv) > 3000


@pytest.mark.parametrize(("asked", "gpus"), [(Resources(), 0), (Resources(address="auto"), 1)])
def test_a_gpu_of_this_machine_that_torch_cannot_use_is_left_out_and_named(asked, gpus, monkeypatch, capsys):
    """One slot for each GPU would leave the CPUs idle. Of another machine's GPU only its workers can tell."""
    monkeypatch.setattr(faults, "unusable_gpu", lambda: "Ray counts a GPU that torch cannot use.")
    monkeypatch.setattr(search_cluster.ray, "nodes", lambda: [{"Alive": True, "Resources": {"CPU": 8, "GPU": 1}}])
    assert slots_in_cluster(asked) == (gpus, 1 if gpus else 8)
    assert ("Every trial gets CPUs only." in capsys.readouterr().out) == (gpus == 0)
