"""What a trial needs, and how many fit at once on nodes or on this machine: without Ray, which is slow to import."""

import ctypes
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tune_ks.core.lasting_words import say_line
from tune_ks.core.system import machine_cores

PACK = 16  # configs that train together on a GPU, if its memory suffices and the user asks for no other number
NVIDIA_LIBRARY = "libnvidia-ml.so.1"  # which counts the GPUs; the driver brings it


@dataclass(frozen=True)
class Resources:
    """What one trial needs, and where the cluster is. ValueError for an address that no search can use.

    The limits of the numbers are those of the command line (tune_ks.commands.arguments).
    """

    cpus: float = 1
    gpus: float | None = None  # None: 1 if any node has a GPU; with a fraction trials share a GPU; never more than 1
    concurrent: int | None = None  # at most so many trials at once
    address: str | None = None  # of a running cluster; None: this machine
    hang_after: float = 3600.0  # seconds without an epoch after which a trial counts as hung
    fused: str = "auto"  # how many configs may train together: a number, or "auto"
    record_steps: bool = False  # whether the steps of a training that is alone on a GPU are replayed as a CUDA graph

    def __post_init__(self) -> None:
        if self.address and "://" in self.address:
            said_by = " from RAY_ADDRESS" if self.address == os.environ.get("RAY_ADDRESS") else ""
            raise ValueError(
                f"--address must be auto or HOST:PORT, got {self.address}{said_by}: a search reads its data where it "
                "is started, so start it on a node of the cluster, or hand it over with `ray job submit`; --address "
                "local searches on this machine"
            )

    def pack(self, gpus: float) -> int:
        """How many configs may train together in a trial with ``gpus``; "auto": 1 on a CPU, where it gains nothing."""
        if self.fused == "auto":
            return PACK if gpus else 1
        return int(self.fused)


def wanted_address(given: str | None) -> str | None:
    """The address that is ``given``, or that RAY_ADDRESS says (`ray job submit` sets it); None for this machine."""
    address = given or os.environ.get("RAY_ADDRESS")
    return None if address in (None, "", "local") else address


def gpus_of_a_trial(resources: Resources, nodes: Iterable[Mapping[str, float]]) -> float:
    """GPUs of a trial: as asked for; by default 1 if any node has a GPU, otherwise 0."""
    if resources.gpus is not None:
        return resources.gpus
    return float(any(node.get("GPU", 0) >= 1 for node in nodes))


def slots_on(node: Mapping[str, float], cpus: float, gpus: float) -> int:
    """How many trials fit on one node at once. ``node`` is resource -> amount, as Ray counts it."""
    slots = int(node.get("CPU", 0) / cpus + 1e-9)
    if not gpus:
        return slots
    per_gpu = int(1 / gpus + 1e-9)  # a trial never uses parts of two GPUs
    return min(slots, int(node.get("GPU", 0) * per_gpu + 1e-9))


def slots_on_nodes(resources: Resources, nodes: list[Mapping[str, float]]) -> tuple[float, int]:
    """(GPUs of a trial, number of trials at once) on these nodes, each as resource -> amount."""
    gpus = gpus_of_a_trial(resources, nodes)
    if gpus and resources.address is None:
        from tune_ks.worker.faults import unusable_gpu  # torch takes a second to import

        trouble = unusable_gpu() if any(node.get("GPU", 0) for node in nodes) else None
        if trouble:
            say_line(f"{trouble} Every trial gets CPUs only.")
            gpus = 0.0
    slots = sum(slots_on(node, resources.cpus, gpus) for node in nodes)
    if slots < 1:
        amounts = sorted({f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes})
        raise ValueError(
            f"a trial asks for {resources.cpus:g} CPUs and {gpus:g} GPUs, and no node of the cluster has both: "
            f"they have {'; '.join(amounts)}. Lower --cpus-per-trial or --gpus-per-trial"
        )
    if resources.concurrent is not None:
        slots = resources.concurrent if resources.address else min(slots, resources.concurrent)
    return gpus, slots


def slots_here(resources: Resources) -> tuple[float, int]:
    """(GPUs of a trial, trials at once) of a search on this machine that is not started. ValueError as it raises it."""
    gpus = 0 if resources.gpus == 0 else gpus_here()
    return slots_on_nodes(resources, [{"CPU": machine_cores(), "GPU": gpus}])


def gpus_here() -> int:
    """The GPUs of this machine as Ray counts them, which is not imported where it would find no library to ask."""
    try:
        ctypes.CDLL(NVIDIA_LIBRARY)
    except OSError:
        return 0
    from ray._private.accelerators.nvidia_gpu import NvidiaGPUAcceleratorManager

    return NvidiaGPUAcceleratorManager.get_current_node_num_accelerators()
