"""The function that Ray runs. The driver imports only this file: what a training needs is imported in the worker."""

from collections.abc import Callable
from functools import cache
from typing import Any

from tune_ks.core.collector import imported_for_good


def run_trial(values: dict[str, Any]) -> None:
    """Run one of Ray's trials; ``values`` are those of a TrialWork."""
    _trial()(values)


@cache
def _trial() -> Callable[[dict[str, Any]], None]:
    """``trial``, imported once a process: what a later trial has left must be collected."""
    with imported_for_good():
        from tune_ks.worker.trial import trial
    return trial
