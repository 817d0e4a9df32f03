"""The test command itself: a test process that dies and a test that hangs end the run, and are named."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = """
import os
import re
import time

def test_that_passes():
    assert True

def test_that_kills_its_process():
    os.abort()

def test_that_hangs():
    while True:
        time.sleep(1)

def test_that_hangs_in_native_code():
    re.match("(a+)+$", "a" * 60 + "b")  # lets no other thread of Python run
"""


def test_a_dead_test_process_and_a_hang_end_the_run_with_their_names(tmp_path):
    (tmp_path / "test_ends.py").write_text(TESTS)
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert 0 < options["faulthandler_timeout"] <= 600
    assert options["faulthandler_exit_on_timeout"]
    command = re.search(r"-m pytest (.+)", (ROOT / "README.md").read_text())[1].split()
    short = ["-o", "faulthandler_timeout=2", "-o", "faulthandler_exit_on_timeout=true"]
    words = [sys.executable, "-m", "pytest", *command, *short, "-p", "no:cacheprovider", "."]
    result = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=500)
    assert result.returncode == 1
    assert "3 failed, 1 passed" in result.stdout
    for name in ("test_that_kills_its_process", "test_that_hangs", "test_that_hangs_in_native_code"):
        assert f"crashed while running 'test_ends.py::{name}'" in result.stdout
