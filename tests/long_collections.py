"""Python's garbage collector in a process that runs thousands of tests.

Imports and fixtures leave a million objects, and the worker collects after each trial (tune_ks/worker/trial.py): it
would look through all of them again and again.
"""

import gc
import time
from typing import Any

LONG = 0.05  # s of CPU time


class LongCollections:
    """A callback of the collector: what outlives a long collection is left out of all later ones."""

    def __init__(self) -> None:
        self.began = 0.0

    def __call__(self, phase: str, facts: dict[str, Any]) -> None:
        if phase == "start":
            self.began = time.process_time()
        elif facts["generation"] == 2 and time.process_time() - self.began > LONG:
            gc.freeze()
