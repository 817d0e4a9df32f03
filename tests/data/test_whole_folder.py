"""A folder is there whole or not at all, also when two processes write the same one."""

import stat

import pytest

from tune_ks.data.whole_folder import whole_folder


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


def test_the_folder_of_a_faster_process_stays(tmp_path):
    target = tmp_path / "target"
    fill(target, "first")
    fill(target, "second", is_there=lambda: True)
    assert (target / "file").read_text() == "first"
    with pytest.raises(OSError):
        fill(target, "third", is_there=lambda: False)  # what is there is something else
    assert list(tmp_path.iterdir()) == [target]
