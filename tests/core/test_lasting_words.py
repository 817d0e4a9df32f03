"""Words outlive the terminal: a pipe, a terminal and a stream that go away, and the log in the run folder."""

import io
import os
import sys

import pytest
from rich.live import Live
from rich.text import Text

from tune_ks.core import lasting_words
from tune_ks.core.lasting_words import LOG, LastingStream, Log
from tune_ks.core.terminal import SafeConsole


@pytest.fixture
def log(monkeypatch):
    """A log and an output of their own, which a SafeConsole uses."""
    log = Log()
    output = LastingStream("stdout", log)
    monkeypatch.setattr("tune_ks.core.terminal.output", output)
    monkeypatch.setattr(lasting_words, "output", output)
    monkeypatch.setattr(lasting_words, "errors", LastingStream("stderr", log))
    return log


def stream_to(descriptor, monkeypatch, name="stdout"):
    stream = os.fdopen(descriptor, "w", encoding="utf-8")
    monkeypatch.setattr(sys, name, stream)
    return stream


def lost_pipe(monkeypatch, log, root):
    """A console whose pipe took one line before its reader went away."""
    reader, writer = os.pipe()
    stream = stream_to(writer, monkeypatch)
    console = SafeConsole(width=80)
    console.print("taken")
    assert os.read(reader, 100) == b"taken\n"
    os.close(reader)
    log.lie_in(root)
    return console, stream


def test_after_a_broken_pipe_the_words_go_on_in_the_run_folder(tmp_path, monkeypatch, log):
    console, stream = lost_pipe(monkeypatch, log, tmp_path)
    assert not (tmp_path / LOG).exists()
    for word in ("first", "second"):
        console.print(word, style="red")
    lasting_words.say_line("third")
    lines = (tmp_path / LOG).read_text().splitlines()
    assert lines[0].endswith("stdout takes no more words; they go on here")
    assert lines[1:] == ["first", "second", "third"]
    stream.write("by others")
    stream.close()  # Python does it at its end: it leads nowhere now, and raises nothing


def test_words_before_the_run_folder_is_known_and_of_an_earlier_command_are_kept(tmp_path, monkeypatch, log):
    stream_to(os.open(os.devnull, os.O_RDONLY), monkeypatch)  # no word can be written there
    (tmp_path / LOG).write_text("of an earlier command\n")
    SafeConsole(width=80).print("early")
    log.lie_in(tmp_path)
    lines = (tmp_path / LOG).read_text().splitlines()
    assert (lines[0], lines[-1]) == ("of an earlier command", "early")
    log.add("x" * lasting_words.LARGEST_LOG)
    assert len((tmp_path / LOG).read_text()) == lasting_words.LARGEST_LOG


def test_a_terminal_that_is_gone_ends_the_live_table_not_the_work(tmp_path, monkeypatch, log):
    """As after a closed ssh: whatever is written to the terminal fails with EIO."""
    master, slave = os.openpty()
    stream_to(slave, monkeypatch)
    monkeypatch.setenv("TERM", "xterm")
    console = SafeConsole(width=80)
    log.lie_in(tmp_path)
    assert console.is_terminal
    assert console.is_interactive
    with Live(Text("a table"), console=console, auto_refresh=False, transient=True) as live:
        live.refresh()
        os.close(master)
        console.print("said")
        assert not console.is_terminal
        assert not console.is_interactive
        live.refresh()
        console.print("and more")
    said = (tmp_path / LOG).read_text()
    assert "\x1b" not in said
    assert [line for line in said.splitlines() if line in ("said", "and more")] == ["said", "and more"]
    assert said.splitlines()[-1] == "and more"


@pytest.mark.parametrize("lost", ["closed", "none"])
def test_a_stream_that_is_closed_or_absent_takes_no_words(lost, tmp_path, monkeypatch, log):
    stream = io.StringIO()
    stream.close()
    monkeypatch.setattr(sys, "stderr", stream if lost == "closed" else None)
    log.lie_in(tmp_path)
    lasting_words.say_error("error: \x1b[2J")
    assert (tmp_path / LOG).read_text() == "error: \\x1b[2J\n"


def test_a_letter_that_the_stream_does_not_know_is_no_end(monkeypatch, tmp_path, log):
    with open(tmp_path / "ascii", "w", encoding="ascii") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        SafeConsole(width=80).print("Müller …")
    assert (tmp_path / "ascii").read_text() == "M?ller ?\n"
    assert not log.words


def test_a_run_folder_that_is_gone_is_not_made_again(tmp_path, log):
    (tmp_path / "run").mkdir()
    log.lie_in(tmp_path / "run")
    (tmp_path / "run").rmdir()
    log.add("a word\n")
    assert not (tmp_path / "run").exists()
    (tmp_path / "run").mkdir()
    log.add("another\n")
    assert (tmp_path / "run" / LOG).read_text() == "a word\nanother\n"
