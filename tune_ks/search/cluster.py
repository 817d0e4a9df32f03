"""Where trials run: what one needs, how many fit at once, the connection to Ray, and the code that its nodes lack."""

import math
import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

import tune_ks

# where an object store is, for nodes that were started without it; keys to it are never sent
STORAGE_VARIABLES = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION")
# glibc gives freed memory back, and every page that is asked for again costs a fault: up to a quarter of a training
# step. 32 MiB is the most that older ones take; they refuse more, and then hand back even more than by themselves
KEEP_FREED = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": f"{2**25}", "MALLOC_TRIM_THRESHOLD_": f"{2**32}"}
PACK = 16  # configs that train as one on a GPU, where its memory suffices and nobody asked for another number
ANSWER_WITHIN = 10.0  # seconds


@dataclass(frozen=True)
class Resources:
    """Of one trial, and where the cluster is (``address`` None: this machine). ValueError for what Ray cannot give."""

    cpus: float = 1
    gpus: float | None = None  # None: one where a node has any; a fraction shares a GPU
    concurrent: int | None = None  # at most so many trials at once
    address: str | None = None
    hang_after: float = 3600.0  # seconds without an epoch after which a trial counts as hung
    fused: str = "auto"  # how many configs may train as one: a number, or "auto"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.cpus) and self.cpus > 0):
            raise ValueError(f"--cpus-per-trial must be above 0, got {self.cpus:g}")
        if self.gpus is not None and not (0 <= self.gpus <= 1 or self.gpus == int(self.gpus) > 1):
            raise ValueError(f"--gpus-per-trial must be 0, a fraction of one GPU, or whole GPUs, got {self.gpus:g}")
        if self.concurrent is not None and self.concurrent < 1:
            raise ValueError(f"--concurrent must be 1 or more, got {self.concurrent}")
        if not self.hang_after > 0:
            raise ValueError(f"--hang-after must be above 0 seconds, got {self.hang_after:g}")
        if self.fused != "auto" and not (self.fused.isdecimal() and int(self.fused) >= 1):
            raise ValueError(f"--fused must be auto or a number of 1 or more (1: each alone), got {self.fused}")
        if self.address and "://" in self.address:
            raise ValueError(
                f"--address must be auto or HOST:PORT, got {self.address}: a search reads its data where it is "
                "started, so start it on a node of the cluster, or hand it over with `ray job submit`"
            )

    def pack(self, gpus: float) -> int:
        """How many configs may train as one in a trial of ``gpus``: by itself none beside another on a CPU."""
        if self.fused == "auto":
            return PACK if gpus else 1
        return int(self.fused)


def gpus_of_a_trial(resources: Resources, nodes: Iterable[Mapping[str, float]]) -> float:
    """What was asked for; else one where a node has any."""
    if resources.gpus is not None:
        return resources.gpus
    return float(any(node.get("GPU", 0) >= 1 for node in nodes))


def slots_on(node: Mapping[str, float], cpus: float, gpus: float) -> int:
    """Trials that one node holds at once. ``node`` is resource -> amount, as Ray counts it."""
    slots = int(node.get("CPU", 0) / cpus + 1e-9)
    if not gpus:
        return slots
    of_one_gpu = int(1 / gpus + 1e-9) if gpus <= 1 else 1 / gpus  # a trial never lies on parts of two GPUs
    return min(slots, int(node.get("GPU", 0) * of_one_gpu + 1e-9))


def slots_in_cluster(resources: Resources) -> tuple[float, int]:
    """(GPUs of a trial, trials at once) on the connected cluster. ValueError when no node holds even one.

    Counted node by node: a trial lies on one of them. ``concurrent`` limits a machine, and on a cluster it is taken at
    its word, because a cluster may grow when trials wait.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus = gpus_of_a_trial(resources, nodes)
    slots = sum(slots_on(node, resources.cpus, gpus) for node in nodes)
    if slots < 1:
        have = sorted({f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes})
        raise ValueError(
            f"a trial asks for {resources.cpus:g} CPUs and {gpus:g} GPUs, and no node of the cluster has both: "
            f"they have {'; '.join(have)}. Lower --cpus-per-trial or --gpus-per-trial"
        )
    if resources.concurrent is None:
        return gpus, slots
    return gpus, resources.concurrent if resources.address else min(slots, resources.concurrent)


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Ray on this machine, or the running cluster at ``address``; left as it was found."""
    mine = not ray.is_initialized()
    if mine:
        # what Ray's processes inherit; it would run its workers at niceness 15: a search on a busy machine then starves
        for name, value in {"RAY_worker_niceness": "0", **KEEP_FREED}.items():
            os.environ.setdefault(name, value)
        local = {"object_store_memory": 128 * 2**20, "include_dashboard": False}
        options = {"runtime_env": code_for_the_nodes()} if address else local
        try:
            if address and address != "auto":
                require_answer(address)
            # without a word Ray would join any cluster of this machine
            ray.init(address=address or "local", log_to_driver=False, logging_level="ERROR", **options)
        except ConnectionError as error:
            raise ValueError(f"no Ray cluster answers at {address}: start one with `ray start --head`") from error
        except RuntimeError as error:  # of another version of Ray or Python, or without the cluster's token
            raise ValueError(f"the Ray cluster at {address or 'this machine'} cannot be used: {error}") from error
    try:
        yield
    finally:
        if mine:
            ray.shutdown()


def require_answer(address: str) -> None:
    """ConnectionError, at once, where nothing listens: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), ANSWER_WITHIN).close()
    except (OSError, ValueError, OverflowError) as error:
        raise ConnectionError(str(error)) from error


def code_for_the_nodes() -> dict[str, Any]:
    """Ray's runtime environment: this package goes to nodes that have none, or another version; libraries do not."""
    package = Path(tune_ks.__file__).parent
    given = {name: os.environ[name] for name in (*STORAGE_VARIABLES, *KEEP_FREED) if name in os.environ}
    return {"py_modules": [str(package)], "excludes": ["**/__pycache__"], "env_vars": KEEP_FREED | given}
