"""How many trials fit on this machine: counted without Ray where there is no GPU, and as Ray counts where there is."""

import ctypes
import subprocess
import sys

from ray._private.accelerators.nvidia_gpu import NvidiaGPUAcceleratorManager

from tune_ks.core.system import machine_cores
from tune_ks.search import resources
from tune_ks.search.resources import Resources, gpus_here, slots_here

WITHOUT_LIBRARY = """
import sys
from tune_ks.search import resources
resources.NVIDIA_LIBRARY = "lib_of_no_driver.so"
print(resources.slots_here(resources.Resources()), {"ray", "torch"} & set(sys.modules))
"""


def test_without_the_drivers_library_ray_is_not_imported():
    command = [sys.executable, "-c", WITHOUT_LIBRARY]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said == f"(0.0, {machine_cores()}) set()\n"


def test_with_it_gpus_are_counted_as_ray_counts_them(monkeypatch):
    loaded = []
    monkeypatch.setattr(ctypes, "CDLL", loaded.append)
    monkeypatch.setattr(NvidiaGPUAcceleratorManager, "get_current_node_num_accelerators", staticmethod(lambda: 3))
    assert gpus_here() == 3
    assert loaded == ["libnvidia-ml.so.1"]


def test_who_asks_for_no_gpu_does_not_look_for_one(monkeypatch):
    monkeypatch.setattr(resources, "gpus_here", lambda: 1 / 0)
    assert slots_here(Resources(gpus=0)) == (0, machine_cores())
