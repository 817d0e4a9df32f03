"""A folder is there whole or not at all, also when two processes write the same one."""

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tune_ks.data import whole_folder as module
from tune_ks.data.whole_folder import OWNER, UNTOUCHED_S, remove_abandoned, whole_folder

WRITER = """
import sys, time
from pathlib import Path
from tune_ks.data.whole_folder import whole_folder
with whole_folder(Path(sys.argv[1]), lambda: False) as scratch:
    (scratch / "images.npy").write_text("of patients")
    print("writing", flush=True)
    time.sleep(600)
"""


def fill(target, text, is_there=lambda: False, fail=lambda: None):
    with whole_folder(target, is_there) as scratch:
        assert scratch.parent == target.parent
        (scratch / "file").write_text(text)
        assert not target.exists() or (target / "file").read_text() != text
        fail()


def test_a_folder_appears_when_it_is_whole(tmp_path):
    target = tmp_path / "parent" / "target"
    fill(target, "whole")
    assert (target / "file").read_text() == "whole"
    assert stat.S_IMODE(target.stat().st_mode) == 0o755
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("failure", [OSError, KeyboardInterrupt])
def test_nothing_stays_of_a_folder_that_failed(tmp_path, failure):
    def fail():
        raise failure

    with pytest.raises(failure):
        fill(tmp_path / "target", "half", fail=fail)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", [None, "file"])
def test_an_error_names_the_place_that_the_user_knows(tmp_path, name):
    target = tmp_path / "target"
    with pytest.raises(OSError, match="No space") as full, whole_folder(target, lambda: False) as scratch:
        raise OSError(28, "No space left on device", name and str(scratch / name))
    assert full.value.filename == str(target / (name or ""))


def test_the_folder_of_a_faster_process_stays(tmp_path):
    target = tmp_path / "target"
    fill(target, "first")
    fill(target, "second", is_there=lambda: True)
    assert (target / "file").read_text() == "first"
    with pytest.raises(FileExistsError, match=r"another process wrote it meanwhile: give a new one: '.*/target'"):
        fill(target, "third", is_there=lambda: False)  # what is there is something else
    assert list(tmp_path.iterdir()) == [target]


@pytest.fixture
def writer(tmp_path):
    """Another process that is writing tmp_path/target."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    words = [sys.executable, "-c", WRITER, str(tmp_path / "target")]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout.readline() == "writing\n"
    yield process
    process.kill()
    process.communicate()


def test_what_a_killed_process_left_goes_at_the_next_start_and_what_another_writes_stays(tmp_path, writer):
    (scratch,) = tmp_path.iterdir()
    fill(tmp_path / "target", "whole")
    assert sorted(tmp_path.iterdir()) == [scratch, tmp_path / "target"], "another process is at work there"
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert (scratch / "images.npy").exists()
    remove_abandoned(tmp_path, lambda name: name == "other")
    assert scratch.exists()
    remove_abandoned(tmp_path, lambda name: name == "target")
    assert list(tmp_path.iterdir()) == [tmp_path / "target"]


def left(folder, name, owner=None, old=False):
    """What a killed process left: with an owner, without one as earlier versions did, or a file."""
    path = folder / f".{name}.a1b2c3d4"
    if name == "file":
        path.write_text("masks")
    else:
        path.mkdir()
        (path / "images.npy").write_text("of patients")
        if owner is not None:
            (path / OWNER).write_text(owner)
    if old:
        then = time.time() - UNTOUCHED_S - 60
        for file in (*path.glob("*"), path):
            os.utime(file, (then, then))
    return path


@pytest.mark.parametrize("locks", [True, False])
def test_of_another_machine_or_without_a_lock_only_what_is_old_goes(locks, tmp_path, monkeypatch):
    if not locks:
        monkeypatch.setattr(module, "lock_file", lambda descriptor: None)
    here = socket.gethostname()
    gone = [left(tmp_path, "mine", here, old=not locks), left(tmp_path, "theirs", "elsewhere", old=True)]
    gone += [left(tmp_path, "earlier", old=True), left(tmp_path, "file", old=True)]
    young = tmp_path / "young"
    young.mkdir()
    kept = [left(young, "theirs", "elsewhere"), left(young, "earlier"), left(young, "file")]
    kept += [] if locks else [left(young, "mine", here)]
    (tmp_path / ".link.a1b2c3d4").symlink_to(young)
    for folder in (tmp_path, young):
        remove_abandoned(folder, lambda name: True)
    assert not [path for path in gone if path.exists()]
    assert all(path.exists() for path in kept)
    assert (tmp_path / ".link.a1b2c3d4").is_symlink()
    remove_abandoned(tmp_path / "nowhere", lambda name: True)
