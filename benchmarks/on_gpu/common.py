"""What several parts share: configs of the paper's table, many steps in one call, an error as the cell of a table."""

import argparse
from collections.abc import Callable

from tune_ks.core.config import TrialConfig

STEPS = 30  # in one call on a GPU
TRIALS = 20  # of the paper's table: ten rates, two vendors
EPOCHS = 30
LAYER_WAYS = ("no mask", "learned lines", "learned points", "fixed lines, each step")  # of benchmarks/layer.py


def config_of(args: argparse.Namespace, rate: float, **changes: object) -> TrialConfig:
    """A trial of the benchmark."""
    learned = {"temperature": 1.0} if changes.get("mask", "gumbel") == "gumbel" else {}
    shape = {"width": args.width, "image_size": args.side, "batch_size": args.batch, "epochs": EPOCHS}
    return TrialConfig("GE", rate, augment="flips", **{**shape, **learned, **changes})


def steps_of(device: str) -> int:
    """How many steps one call takes."""
    return STEPS if device == "cuda" else 1


def many(steps: dict[str, Callable[[], object]], device: str) -> dict[str, Callable[[], object]]:
    """The ways with many steps in one call, so that a GPU's queue is filled."""
    count = steps_of(device)

    def repeated(step: Callable[[], object]) -> Callable[[], object]:
        return lambda: [step() for _ in range(count)]

    return {name: repeated(step) for name, step in steps.items()}


def first_line(error: Exception) -> str:
    """What an error says, for a cell of a table."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:100]}"
