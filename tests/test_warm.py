"""A process that is forked from a warm one is what the same command gives when it is started anew."""

import json
import os
import signal
import subprocess
import sys

import pytest

from warm import Warm

SCRIPT = """
import json, os, sys
import beside
print(json.dumps([__name__, sys.argv[1:], os.getcwd(), dict(os.environ), beside.NAME, beside.__file__]))
print("to the other file", file=sys.stderr)
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture
def script(tmp_path):
    (tmp_path / "beside.py").write_text("NAME = 'beside the script'\n")
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text("import os\nos.environ['FROM_SITE'] = 'yes'\n")
    return tmp_path / "script.py"


def test_words_environment_folder_output_and_exit_code_are_the_same(script, tmp_path):
    env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONPATH": str(tmp_path / "site"), "A": "b c"}
    cold = subprocess.run(
        [sys.executable, str(script), "3", "two words"], env=env, cwd=tmp_path, capture_output=True, text=True
    )
    warm = Warm([script, 3, "two words"], env=env, cwd=tmp_path, errors=tmp_path / "errors.txt")
    said, complaints = warm.communicate(timeout=500)
    assert (warm.returncode, json.loads(said), complaints) == (3, json.loads(cold.stdout), cold.stderr)
    assert json.loads(said)[3]["FROM_SITE"] == "yes"


def test_a_signal_ends_it_and_is_seen(script, tmp_path):
    script.write_text("import time\nprint('begun', flush=True)\ntime.sleep(600)\n")
    process = Warm([script], env=dict(os.environ), output=tmp_path / "output.txt")
    while "begun" not in (tmp_path / "output.txt").read_text():
        assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait(500) == -signal.SIGKILL
