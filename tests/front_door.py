"""run_search.py as a user types it: a real process in a folder of the test."""

import os
import subprocess
import sys
from pathlib import Path

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
    words, options = command(*words, cwd=cwd)
    return subprocess.run(words, capture_output=True, timeout=500, **options)
