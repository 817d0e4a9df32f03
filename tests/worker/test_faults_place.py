"""What a search stands on goes away: a node, the storage for a while, the last free byte, the right to write."""

import shutil
import subprocess
from pathlib import Path

import pytest

import drive_search
from faults import GRID, content, drive, stamps, start, variables, wait_for
from local_ray import start_cluster
from tune_ks.core.run_folder import RunFolder
from tune_ks.worker.attempts import read_attempts

SECOND_EPOCH = 6  # the step of a worker, of four in an epoch, that is in the second epoch of its first trial
SECOND_TRIAL = 14  # and one in the first epoch of its second trial
pytestmark = pytest.mark.usefixtures("warm_workers")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the space."""
    folder = tmp_path_factory.mktemp("places")
    (folder / "space.py").write_text(GRID)
    return folder


def test_trials_of_a_node_that_dies_go_on_elsewhere_and_are_not_charged(place, grid_alone, monkeypatch):
    folder, held = RunFolder(place / "nodes"), place / "hold-nodes"
    for name, value in variables(folder.root, held_in(held, SECOND_EPOCH)).items():
        monkeypatch.setenv(name, value)  # workers have the environment of their node, not that of the driver
    cluster = start_cluster(num_cpus=0)
    try:
        nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
        process = start(folder.root, place / "space.py", "--address", cluster.address)
        dead = nodes[0].node_id
        wait_for(lambda: len(list(held.iterdir())) == 2, process)  # both workers stand still
        assert any(at_work_on(folder, key, dead) for key in folder.keys())
        cluster.remove_node(nodes[0], allow_graceful=False)
        # a worker that is let go before the death of its node has reached it may still finish its trial
        wait_for(lambda: not all(Path("/proc", worker.name).exists() for worker in held.iterdir()), process)
        shutil.rmtree(held)
        said, _ = process.communicate(timeout=500)
    finally:
        cluster.shutdown()
    assert process.returncode == 0, said
    assert "tried again" in said
    assert content(folder) == content(grid_alone)
    assert not folder.failures()
    moved = [attempts for key in folder.keys() if len(attempts := read_attempts(folder, key)) > 1]
    assert moved
    assert all(attempts[0].node == dead != attempts[-1].node for attempts in moved)


def held_in(folder, step):
    """Faults that let each worker stand still before a step, until the folder is removed."""
    folder.mkdir()
    return {"hold": {"folder": str(folder), "step": step}}


def at_work_on(folder, key, node):
    attempts = read_attempts(folder, key)
    begun = attempts and attempts[-1].node == node and folder.trial(key, "checkpoint.pt").exists()
    return begun and not folder.is_finished(key)


def test_a_run_folder_that_is_gone_for_a_while_is_waited_for(place, grid_alone):
    run, away = RunFolder(place / "gone"), place / "away"
    output, held = place / "gone.log", place / "hold-gone"
    process = start(run.root, place / "space.py", "--concurrent", 1, faults=held_in(held, SECOND_TRIAL), output=output)
    wait_for(lambda: list(held.iterdir()), process)
    run.root.rename(away)
    before = sorted(RunFolder(away).finished())
    shutil.rmtree(held)
    waiting = "gone cannot be written (No such file or directory): waiting for it"
    wait_for(lambda: waiting in output.read_text(), process)
    assert not run.root.exists(), "a new run folder was made where the old one had been"
    away.rename(run.root)
    assert process.wait(500) == 0, output.read_text()
    assert 0 < len(before) < 4
    assert content(run) == content(grid_alone)


@pytest.fixture
def disk(tmp_path):
    """A file system of 64 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]
    if subprocess.run(words, capture_output=True).returncode:
        pytest.skip("no right to mount a small file system here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_stops_the_search_with_a_message_and_loses_nothing(place, grid_alone, disk):
    run = RunFolder(disk / "run")
    (disk / "filler").write_bytes(bytes(61 * 2**20))
    words = (run.root, place / "space.py", "--concurrent", 1)
    code, said = drive(*words, faults={"storage_wait": 2})
    assert code == 2, said
    assert f"error: {run.root} cannot be written: No space left on device (waited" in said
    assert "Nothing finished is lost" in said
    assert "tried again" not in said
    assert not run.failures(), "a full disk was charged to a trial"
    before = stamps(run)
    (disk / "filler").unlink()
    code, said = drive(*words)
    assert code == 0, said
    assert before.items() <= stamps(run).items()
    assert content(run) == content(grid_alone)


def test_a_run_folder_that_must_not_be_written_is_one_message(place, disk, monkeypatch, capsys):
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    monkeypatch.setattr("sys.argv", ["drive_search.py", str(disk / "run"), str(place / "space.py")])
    assert drive_search.main() == 2
    said = "".join(capsys.readouterr())
    assert said == f"error: the run folder {disk}/run cannot be written (Read-only file system): give another one\n"


def test_two_processes_that_write_the_same_trial_end_with_one_record_and_the_same_bits(place, grid_alone, tmp_path):
    """A worker that outlives its driver meets the next driver's: drivers without the lock, at the same moment."""
    run = RunFolder(tmp_path / "run")
    log = tmp_path / "records.log"
    words, held = (run.root, place / "space.py", "--no-lock", "--concurrent", 1), tmp_path / "hold"
    faults = held_in(held, SECOND_EPOCH)
    processes = [start(*words, faults=faults, log=log) for _ in range(2)]
    wait_for(lambda: len(list(held.iterdir())) == 2, *processes)
    shutil.rmtree(held)
    said = [process.communicate(timeout=500)[0] for process in processes]
    # one that meets a trial of the other leaves it to it, and may end with trials left
    assert sorted(process.returncode for process in processes) in ([0, 0], [0, 130]), said
    assert content(run) == content(grid_alone)
    assert set(log.read_text().split()) == set(run.keys())
    assert not run.failures()
