"""What things cost, and whether numbers can be trusted. Run from the repository's root: python -m benchmarks.NAME.

Every benchmark opens with its question and its command; `--help` prints both. One thread a process, unless
OMP_NUM_THREADS says otherwise. The helpers of the tests are on the path: some benchmarks use their made-up cohorts.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

os.environ.setdefault("OMP_NUM_THREADS", "1")  # numpy and torch read it when they are first imported
sys.path.append(str(ROOT / "tests"))
