"""Signals of a command: one line and exit code 130 at every moment, from the first import to the end."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from analysis.__main__ import main as analyse_main
from tune_ks.core import interrupts
from tune_ks.core.early_signals import STOPPING
from tune_ks.core.interrupts import SAME, interruptible, interruption, signals_of_a_command

ROOT = Path(__file__).parents[2]
SIGNALLED = "import os, signal, time\nos.kill(os.getpid(), signal.{})\ntime.sleep(9)\n"
FRONT_DOORS = {  # words -> a package that is imported before the command begins
    "run_search.py": ([str(ROOT / "run_search.py")], "rich"),
    "tune-ks": (["-c", "from tune_ks.__main__ import main; main()"], "rich"),
    "analysis": (["-m", "analysis", "run"], "numpy"),
}


@pytest.fixture(autouse=True)
def heard():
    """SIGINT is heard here and in processes that a test starts, also where the tests run in a script's background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("name", FRONT_DOORS)
def test_a_signal_while_a_front_door_is_imported_is_one_line(name, tmp_path):
    words, package = FRONT_DOORS[name]
    for number in STOPPING:
        (tmp_path / f"{package}.py").write_text(SIGNALLED.format(number.name))
        path = os.pathsep.join(map(str, (tmp_path, ROOT)))
        environment = os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        ended = subprocess.run([sys.executable, *words], capture_output=True, text=True, env=environment, timeout=100)
        assert ended.returncode == 130
        assert ended.stderr == "interrupted before anything was begun; the same command begins it\n"


@pytest.mark.parametrize("number", STOPPING)
def test_a_signal_ends_a_command_with_the_line_that_goes_on(number, capsys):
    before = [signal.getsignal(number) for number in STOPPING]
    assert interruptible(partial(signal.raise_signal, number), "the same words") == 130
    words = "interrupted; nothing finished is lost. The same command goes on:\n  the same words\n"
    assert capsys.readouterr().err == words
    assert [signal.getsignal(number) for number in STOPPING] == before


def test_a_signal_ends_the_analysis_with_the_line_that_goes_on(monkeypatch, capsys):
    monkeypatch.setattr("analysis.__main__.analyse", lambda run, **settings: signal.raise_signal(signal.SIGTERM))
    assert analyse_main(["a run", "--no-report"]) == 130
    assert capsys.readouterr().err.endswith("goes on:\n  python -m analysis 'a run' --no-report\n")


def test_a_second_signal_does_not_stop_what_the_first_one_cleans_up_until_a_second_has_passed(monkeypatch):
    said = []
    now = 100.0

    def end_at_once(words):
        said.append(words)
        raise SystemExit

    monkeypatch.setattr(interrupts, "end_at_once", end_at_once)
    monkeypatch.setattr(interrupts, "time", SimpleNamespace(monotonic=lambda: now))
    with signals_of_a_command():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        now += SAME
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        assert not said
        now += 0.1
        with pytest.raises(KeyboardInterrupt):  # as in a notebook, which lives on
            signal.raise_signal(signal.SIGINT)
        monkeypatch.setattr(interruption, "owns_process", True)
        now += 2 * SAME
        with pytest.raises(SystemExit):
            signal.raise_signal(signal.SIGINT)
    assert len(said) == 1
    assert b"the same command goes on" in said[0]


def test_a_signal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as of a script that runs in the background
    try:
        with signals_of_a_command():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
