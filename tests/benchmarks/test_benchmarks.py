"""Every benchmark can be started as its docstring says; what each measures stands in docs/."""

from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HELPERS = {"__init__", "tools", "alone", "constrained", "recorded", "same_step", "synthetic"}
HELPERS |= {"replayed", "simulated_nodes", "phantoms", "switch_effects", "switch_images", "switch_tables"}
HELPERS |= {"simulated_search", "true_curves"}
HELPERS |= {"conditional_trainings", "efficiency_tables", "live_searches", "replayed_searches"}
HELPERS |= {"phantom_scores", "phantom_tables"}
NAMES = sorted({path.stem for path in (ROOT / "benchmarks").glob("*.py")} - HELPERS)


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_opens_with_its_question_and_its_command(name):
    module = import_module(f"benchmarks.{name}")
    question, command = module.__doc__.split("\n\n    ")[:2]
    assert "?" in question.splitlines()[0]
    assert f"python -m benchmarks.{name}" in command
    assert callable(module.main)


def test_every_benchmark_was_met():
    assert len(NAMES) == 22
