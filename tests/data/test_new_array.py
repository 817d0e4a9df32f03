"""A full disk ends in one message that names the file, before a process could be killed over a page without room."""

import errno
import shutil
from collections import namedtuple

import numpy as np
import pytest

from full_disk import no_file_above
from tune_ks.core.storage import write_whole
from tune_ks.core.way_out import message_of
from tune_ks.data.new_array import new_array

Usage = namedtuple("Usage", "total used free")


def test_a_new_array_is_zeros_that_can_be_filled(tmp_path):
    array = new_array(tmp_path / "a.npy", np.float32, (2, 3, 3))
    array[1] = 5
    array.flush()
    read = np.load(tmp_path / "a.npy", allow_pickle=False)
    assert read.dtype == np.float32
    assert read.tolist() == [np.zeros((3, 3)).tolist(), np.full((3, 3), 5.0).tolist()]


def test_a_disk_without_room_is_refused_by_the_file_s_name(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(2**40, 0, 2**20))
    new_array(tmp_path / "fits.npy", np.uint8, (2**10, 2**10))
    with pytest.raises(
        OSError, match=r"No space left on device \(1 MiB are needed, 1 MiB are free\): '.*b\.npy'"
    ) as full:
        new_array(tmp_path / "b.npy", np.uint8, (2**10, 2**10 + 1))
    assert full.value.errno == errno.ENOSPC
    assert not (tmp_path / "b.npy").exists()


def test_a_write_that_the_system_refuses_names_its_file_and_leaves_the_old_one(tmp_path):
    write_whole(tmp_path / "record.json", b"old")
    with no_file_above(10_000), pytest.raises(OSError, match=r"record\.json") as error:
        write_whole(tmp_path / "record.json", bytes(50_000))
    assert error.value.errno == errno.EFBIG
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]
    assert (tmp_path / "record.json").read_bytes() == b"old"


def test_a_full_disk_that_names_no_file_says_which_places_there_are():
    said = message_of(OSError(errno.ENOSPC, "No space left on device"))
    assert "No space left on device: is the disk of the run folder, of the cache or of /" in said
    limited = message_of(OSError(errno.EFBIG, "File too large"))
    assert "a limit there (a quota, `ulimit -f`) reached?" in limited
    named = OSError(errno.ENOSPC, "No space left on device", "a.npy")
    assert message_of(named).startswith("a.npy: No space left on device. Make room there")
    closed = OSError(errno.EROFS, "Read-only file system", "run/selection.json")
    assert message_of(closed).startswith("run/selection.json: Read-only file system. Give another place, or copy")
    assert message_of(ValueError("x")) == "x"
