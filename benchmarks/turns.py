"""Ways that are timed against each other: they take turns, so that what else the machine does falls on all of them."""

import statistics
import time
from collections.abc import Callable

import torch


def clock_of(device: str) -> Callable[[], float]:
    """Seconds: of this process on a CPU, and of the wall on a GPU, when it has done what it was told."""
    return time.process_time if device == "cpu" else _waited


def median_seconds(ways: dict[str, Callable[[], object]], repeats: int, device: str) -> dict[str, float]:
    """What each way takes once; the first turn warms up."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    clock = clock_of(device)
    for turn in range(repeats + 1):
        for name, run in ways.items():
            started = clock()
            run()
            if turn:
                found[name].append(clock() - started)
    return {name: statistics.median(values) for name, values in found.items()}


def _waited() -> float:
    torch.cuda.synchronize()
    return time.perf_counter()
