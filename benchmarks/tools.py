"""What benchmarks share: their arguments, clocks, turns, child processes and tables."""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from benchmarks import ROOT
from tune_ks.core.allocator import KEEP_FREED

ANSWER = "measured:"  # begins the line with which a child process answers


def parser(text: str) -> argparse.ArgumentParser:
    """A parser whose ``--help`` begins with the module's docstring."""
    return argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)


# ------------------------------------------------------------------------------------------------ tables


def print_heads(names: Iterable[object]) -> None:
    """The first two lines of a Markdown table."""
    names = list(names)
    print_row(names)
    print_row(["---"] * len(names))


def print_row(cells: Iterable[object]) -> None:
    """One line of a Markdown table, shown at once."""
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


# ------------------------------------------------------------------------------------------------ time and memory


class Timed(NamedTuple):
    """One call: seconds on the clock, seconds of CPU with those of child processes that ended, and its result."""

    wall: float
    cpu: float
    result: Any


def timed(action: Callable[..., Any], *arguments: object) -> Timed:
    """Call ``action`` once."""
    wall, cpu = time.perf_counter(), _cpu_seconds()
    result = action(*arguments)
    return Timed(time.perf_counter() - wall, _cpu_seconds() - cpu, result)


def clock_of(device: str) -> Callable[[], float]:
    """A clock: this process's CPU time for "cpu"; for a GPU the wall clock, after its queued work is done."""
    return time.process_time if device == "cpu" else _wall_after_gpu


def median_seconds(ways: dict[str, Callable[[], object]], repeats: int, device: str) -> dict[str, float]:
    """Name -> median seconds of one call. The ways take turns, so that other load on the machine slows all of them.

    The first turn warms up and is not counted.
    """
    clock = clock_of(device)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repeats + 1):
        for name, run in ways.items():
            started = clock()
            run()
            if turn > 0:
                seconds[name].append(clock() - started)
    return {name: statistics.median(values) for name, values in seconds.items()}


def peak_mib() -> float:
    """The most memory that this process has held (Linux: ru_maxrss is in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _cpu_seconds() -> float:
    user, system, of_children, system_of_children, _ = os.times()
    return user + system + of_children + system_of_children


def _wall_after_gpu() -> float:
    import torch  # here, because the analysis is measured without it

    torch.cuda.synchronize()
    return time.perf_counter()


# ------------------------------------------------------------------------------------------------ processes


def with_kept_memory() -> None:
    """Start this program again with the allocator settings of a search's workers (KEEP_FREED), if it lacks them.

    The allocator reads them only when a process starts.
    """
    if not KEEP_FREED.keys() <= os.environ.keys():
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | KEEP_FREED)


def command_of(module: str, *words: object) -> list[str]:
    """The command line ``python -m MODULE WORDS``; run it with ROOT as its working directory."""
    return [sys.executable, "-m", module, *map(str, words)]


def measure_in_child(module: str, *words: object) -> tuple[dict[str, float], list[str]]:
    """Run ``python -m MODULE WORDS`` and return what it gave to ``answer``, and the other lines that it printed.

    A child process has its own memory, so a peak is that of one measurement. The program ends if the child fails.
    """
    child = subprocess.run(command_of(module, *words), cwd=ROOT, stdout=subprocess.PIPE, text=True)
    lines = child.stdout.splitlines()
    if child.returncode or not lines or not lines[-1].startswith(ANSWER):
        sys.exit(f"{' '.join(child.args)} ended with {child.returncode}")
    return json.loads(lines.pop().removeprefix(ANSWER)), lines


def answer(values: dict[str, float]) -> None:
    """The child's side of ``measure_in_child``: its last line."""
    print(ANSWER + json.dumps(values), flush=True)


def print_measurements(numbers: Iterable[int], measure: Callable[[int], tuple[dict[str, float], list[str]]]) -> None:
    """One row for each number of trials, as soon as it is measured; below it the other lines of its child."""
    heads_printed = False
    for number in numbers:
        values, lines = measure(number)
        if not heads_printed:
            print_heads(values)
            heads_printed = True
        print_row(f"{value:.3g}" for value in values.values())
        for line in lines:
            print(line)
