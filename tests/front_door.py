"""run_search.py as a user types it in a folder: in a process of its own, or inside this one, which is faster."""

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

import run_search

ROOT = Path(__file__).parents[1]
SPACE = """
SPACE = [
    {"mask": "gumbel", "temperature": 1.0, "sampling_rate": 0.25, "width": 0.05, "image_size": 64, "epochs": 3},
    {"mask": "lowpass", "sampling_rate": 1.0, "width": 0.05, "image_size": 64, "epochs": 3},
]
"""


def command(*words, cwd):
    return [sys.executable, str(ROOT / "run_search.py"), *map(str, words)], {
        "cwd": cwd,
        "env": os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200", "PYTHONPATH": str(ROOT)},
        "text": True,
    }


def call(*words, cwd):
    """The process when it has ended."""
    words, options = command(*words, cwd=cwd)
    return subprocess.run(words, capture_output=True, timeout=500, **options)


def inside(*words, cwd):
    """As ``call``, in this process, which has imported everything, and in the Ray that runs in it, if one does."""
    said, errors = io.StringIO(), io.StringIO()
    with contextlib.chdir(cwd), contextlib.redirect_stdout(said), contextlib.redirect_stderr(errors):
        code = run_search.main(list(map(str, words)))
    return subprocess.CompletedProcess(words, code, said.getvalue(), errors.getvalue())
