"""run_search.py as a user types it in a folder: in a process of its own, or inside this one, which is faster."""

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import run_search
from warm import Warm

ROOT = Path(__file__).parents[1]
TESTS = Path(__file__).parent
SPACE = """
SPACE = [
    {"mask": "gumbel", "temperature": 1.0, "sampling_rate": 0.25, "width": 0.05, "image_size": 64, "epochs": 3},
    {"mask": "lowpass", "sampling_rate": 1.0, "width": 0.05, "image_size": 64, "epochs": 3},
]
"""


def command(*words, cwd, code=ROOT):
    """(words, options) of the process. ``code`` is the folder of the program; only Ray is not started whole."""
    path = os.pathsep.join(map(str, (TESTS / "faulty", code, TESTS)))
    return [sys.executable, str(code / "run_search.py"), *map(str, words)], {
        "cwd": cwd,
        "env": os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200", "PYTHONPATH": path},
        "text": True,
    }


def call(*words, cwd, code=ROOT):
    """The process when it has ended."""
    (_, *words), options = command(*words, cwd=cwd, code=code)
    return ended(words, options)


def call_one_after_another(*commands, cwd, code=ROOT):
    """As ``call`` of each command, in a single process; how each ended. It is this file, run as a script."""
    _, options = command(cwd=cwd, code=code)
    text = json.dumps([[str(word) for word in words] for words in commands])
    process = ended([__file__, text], options)
    assert process.returncode == 0, process.stderr
    lines = process.stdout.splitlines()
    return [subprocess.CompletedProcess(words, *json.loads(line)) for words, line in zip(commands, lines, strict=True)]


def ended(words, options):
    """A warm process of these words when it has ended."""
    with tempfile.TemporaryDirectory() as folder:
        process = Warm(words, env=options["env"], cwd=options["cwd"], errors=Path(folder, "errors"))
        said, complaints = process.communicate(timeout=500)
    return subprocess.CompletedProcess(words, process.returncode, said, complaints)


def inside(*words, cwd):
    """As ``call``, in this process, which has imported everything, and in the Ray that runs in it, if one does."""
    said, errors = io.StringIO(), io.StringIO()
    with contextlib.chdir(cwd), contextlib.redirect_stdout(said), contextlib.redirect_stderr(errors):
        code = run_search.main(list(map(str, words)))
    return subprocess.CompletedProcess(words, code, said.getvalue(), errors.getvalue())


if __name__ == "__main__":
    for words in json.loads(sys.argv[1]):
        one = inside(*words, cwd=os.getcwd())
        print(json.dumps([one.returncode, one.stdout, one.stderr]))
