"""A merge that a signal ends at any file goes on with the same command."""

import pytest

import run_search
from tune_ks.planning import merge
from whole_run import write_whole_run


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_whole_run(tmp_path_factory.mktemp("merge") / "run")


def trials(folder):
    """path below the run folder -> content, of the files of trials that a merge copies."""
    paths = [path for path in (folder.root / "trials").rglob("*") if path.is_file() and path.name != "attempts.json"]
    return {path.relative_to(folder.root).as_posix(): path.read_bytes() for path in paths}


@pytest.mark.parametrize("before", [0, 2, 3, 6])
def test_the_same_command_goes_on(before, source, tmp_path, monkeypatch, capsys):
    words = ["merge", str(source.root), "--into", str(tmp_path / "both")]
    copied = []

    def copy_until(*paths):
        if len(copied) == before:
            raise KeyboardInterrupt
        copied.append(paths)
        copy_whole(*paths)

    copy_whole = merge.copy_whole
    monkeypatch.setattr(merge, "copy_whole", copy_until)
    assert run_search.main(words) == 130
    assert "The same command goes on" in capsys.readouterr().err
    monkeypatch.undo()
    assert run_search.main(words) == 0
    both = merge.RunFolder(tmp_path / "both")
    assert both.finished() == source.finished()
    assert trials(both) == trials(source)
