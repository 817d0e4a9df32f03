"""Two drivers and one run folder: the second is refused by name, a dead one's place is taken, a lost one is told."""

import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from faults import wait_for
from tune_ks.core import lock
from tune_ks.core.lock import RunBusy, driver_lock

HOLDER = """
    import sys, time
    from pathlib import Path
    from tune_ks.core.lock import driver_lock
    with driver_lock(Path(sys.argv[1]), print, print):
        print("held", flush=True)
        time.sleep(600)
"""

BEATING = """
import os, sys, time
for number in range(10**6):
    with open(sys.argv[1] + ".new", "w") as file:
        file.write(sys.argv[2] % number)
    os.replace(sys.argv[1] + ".new", sys.argv[1])
    time.sleep(0.1)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds tmp_path."""
    words = [sys.executable, "-c", textwrap.dedent(HOLDER), str(tmp_path)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def hold(root, said=None, lost=None):
    return driver_lock(root, (said if said is not None else []).append, (lost if lost is not None else []).append)


def test_the_second_driver_is_refused_and_the_first_is_named(tmp_path, holder):
    since = json.loads((tmp_path / "driver.lock").read_text())["since"]
    with pytest.raises(RunBusy, match=rf"another search works in .*process {holder.pid} on .*, since {since[:10]}"):
        hold(tmp_path).__enter__()
    assert holder.poll() is None


def test_the_lock_of_a_killed_driver_is_taken_over_at_once(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert json.loads((tmp_path / "driver.lock").read_text())["pid"] == holder.pid
    with hold(tmp_path):
        assert json.loads((tmp_path / "driver.lock").read_text())["pid"] == os.getpid()
    assert (tmp_path / "driver.lock").read_bytes() == b""


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(lock, "BEAT", 0.05)
    monkeypatch.setattr(lock, "PATIENCE", 5.0)


def elsewhere(beat=0, token="theirs"):
    return json.dumps({"host": "elsewhere", "pid": 7, "since": "yesterday", "token": token, "beat": beat})


@pytest.mark.usefixtures("quick")
def test_a_driver_of_another_host_is_alive_while_its_heart_beats(tmp_path):
    path = tmp_path / "driver.lock"
    path.write_text(elsewhere())
    with hold(tmp_path):  # no beat within PATIENCE: dead
        assert "elsewhere" not in path.read_text()
    beating = subprocess.Popen([sys.executable, "-c", BEATING, str(path), elsewhere("%d")])
    try:
        wait_for(path.read_text)
        with pytest.raises(RunBusy, match="process 7 on elsewhere, since yesterday"):
            hold(tmp_path).__enter__()
    finally:
        beating.kill()
        beating.wait()


@pytest.mark.usefixtures("quick")
def test_a_driver_whose_folder_is_taken_or_replaced_is_told(tmp_path):
    lost = []
    with hold(tmp_path / "one", lost=lost):
        (tmp_path / "one/driver.lock").write_text(elsewhere())
        wait_for(lambda: lost)
    assert "process 7 on elsewhere" in lost[0]
    assert "theirs" in (tmp_path / "one/driver.lock").read_text(), "the name of the new one was wiped out"
    replaced = []
    with hold(tmp_path / "two", lost=replaced):
        (tmp_path / "two").rename(tmp_path / "away")
        (tmp_path / "two").mkdir()
        (tmp_path / "two/driver.lock").write_text(elsewhere())
        wait_for(lambda: replaced)


@pytest.mark.usefixtures("quick")
def test_storage_that_goes_away_and_comes_back_is_said_and_waited_for(tmp_path):
    said, lost = [], []
    with hold(tmp_path / "run", said, lost):
        (tmp_path / "run").rename(tmp_path / "away")
        wait_for(lambda: said)
        (tmp_path / "away").rename(tmp_path / "run")
        wait_for(lambda: len(said) > 1)
    assert "cannot be written (No such file or directory): waiting" in said[0]
    assert said[1].endswith("is back")
    assert not lost


@pytest.mark.usefixtures("quick")
def test_a_second_driver_is_refused_in_an_object_store_too(root):
    with hold(root):
        with pytest.raises(RunBusy, match=f"another search works in .*process {os.getpid()} on "):
            hold(root).__enter__()
        assert json.loads((root / "driver.lock").read_text())["pid"] == os.getpid()
    assert (root / "driver.lock").read_bytes() == b""
    with hold(root):  # released, so taken at once
        pass
