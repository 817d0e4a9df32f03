"""``python benchmarks/gpu.py`` starts by its path, where little is installed, and prints a table after each part."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.on_gpu.common import LAYER_WAYS
from benchmarks.on_gpu.graphs import STEPS_OF
from tune_ks.core.allocator import KEEP_FREED

ROOT = Path(__file__).parents[2]
BARE = """
import runpy, sys
INSTALLED = {"torch", "numpy", "pandas", "scipy", "sklearn", "safetensors"}
ABSENT = {"ray", "pydicom", "openpyxl", "optuna", "pydantic", "monai", "plotly", "moocore", "kneed", "gdcm", "rich",
          "tensorboardX", "mlflow", "pyarrow", "PIL"}

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name.partition(".")[0])

sys.meta_path.insert(0, Absent())
sys.path = [place for place in sys.path if place not in ("", "@ROOT@")]  # the package is not installed here
sys.path.insert(0, sys.argv[1].rpartition("/")[0])  # as for a script that is started by its path
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")
""".replace("@ROOT@", str(ROOT))


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What the parts print that take seconds on a CPU."""
    script = tmp_path_factory.mktemp("bare") / "bare.py"
    script.write_text(BARE)
    words = [
        "--device",
        "cpu",
        "--tiny",
        "--minutes",
        "9",
        "--parts",
        "same",
        "layer",
        "graphs",
        "checkpoint",
        "decode",
        "whole",
    ]
    command = [sys.executable, script, ROOT / "benchmarks/gpu.py", *words]
    child = subprocess.run(
        [str(word) for word in command],
        cwd=script.parent,
        env={**os.environ, **KEEP_FREED, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""},
        capture_output=True,
        text=True,
    )
    assert child.returncode == 0, child.stdout + child.stderr
    return child.stdout


def cells_of(said, first):
    """The cells of the rows whose first cell begins so."""
    rows = [line.strip("| ").split(" | ") for line in said.splitlines() if line.startswith(f"| {first}")]
    assert rows, f"no row of {first}"
    return rows


def test_one_step_of_every_member_is_compared(said):
    rows = cells_of(said, "")
    same = [row for row in rows if len(row) == 6 and row[4] == "yes"]
    assert len(same) > 30
    assert sum(float(row[2]) == 0 for row in same if row[2] != "-") > 20, "on one device nothing differs"
    assert cells_of(said, "classifier resnet18")[0][:3] == ["classifier resnet18", "left out:", "no monai"]
    assert " | NO | " not in said


def test_every_part_prints_its_table_or_a_reason(said):
    assert float(cells_of(said, "64 | learned lines")[0][3]) > 0.5
    assert [row[2] for row in cells_of(said, "64 | 0.05") if float(row[4]) > 0] == [*LAYER_WAYS[:3], *STEPS_OF]
    assert float(cells_of(said, "checkpoint ")[0][1]) > 0
    assert "Left out: there is no openpyxl here" in said
    assert [row[0] for row in cells_of(said, "2 of 2")] == ["2 of 2"]
    assert said.count(" took ") == 6
