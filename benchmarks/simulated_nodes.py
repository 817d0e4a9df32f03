"""Nodes with declared GPUs on this machine, the search that runs on them, and what both of them hold meanwhile."""

import dataclasses
import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import ray
from ray._private.internal_api import node_stats

# isort: split
import psutil  # Ray's own copy, which can be imported after it

from benchmarks.replayed import EPOCH_SECONDS, RECORDED
from benchmarks.scaling import FIELDS, SIDE, VENDORS, write_cohort
from local_ray import start_cluster
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.planning.plan import plan_search
from tune_ks.planning.space import SEARCH_DEFAULTS, Space
from tune_ks.search import search
from tune_ks.search.cluster import NO_SPARE_WORKERS, START_SLOWLY, Resources
from tune_ks.search.event import Event

STORE = 80 * 2**20  # bytes of a node's object store
LOOK_EVERY = 5.0  # seconds between two looks at memory and at the object stores


class Simulated:
    """The cluster: a head that holds only the driver, and nodes with declared GPUs."""

    def __init__(self, gpus: int) -> None:
        self.gpus = gpus  # of a node, and as many CPUs
        os.environ.update({**START_SLOWLY, **NO_SPARE_WORKERS, "RAY_worker_niceness": "0"})  # its nodes inherit them
        self.cluster = start_cluster(num_cpus=0, num_gpus=0, object_store_memory=STORE)
        self.nodes: list[Any] = []

    def resize(self, nodes: int) -> None:
        """Add nodes, or take the last ones away, until there are so many."""
        while len(self.nodes) < nodes:
            self.add()
        while len(self.nodes) > nodes:
            self.remove(-1)

    def add(self) -> Any:
        self.nodes.append(self.cluster.add_node(num_cpus=self.gpus, num_gpus=self.gpus, object_store_memory=STORE))
        return self.nodes[-1]

    def remove(self, number: int, killed: bool = False) -> str:
        """Take a node away: told to end, or killed. Returns its id."""
        node = self.nodes.pop(number)
        self.cluster.remove_node(node, allow_graceful=not killed)
        return node.node_id


class Look:
    """A thread that looks every few seconds: the most that processes and object stores have held."""

    def __init__(self) -> None:
        self.worker_bytes = 0  # of all workers together, shared memory divided among those that share it
        self.node_bytes = 0  # of Ray's own processes
        self.workers = 0
        self.store_bytes = 0  # at one moment in the object stores
        self.store_written: dict[str, int] = {}  # node -> all bytes that were ever written into its store
        self.cpu = 0.0  # seconds of this thread
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> "Look":
        self.thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self.over.set()
        self.thread.join()

    def _work(self) -> None:
        while not self.over.wait(LOOK_EVERY):
            self._look_at_stores()
            self._look_at_processes()
            self.cpu = time.thread_time()

    def _look_at_stores(self) -> None:
        used = 0
        for node in ray.nodes():
            if not node["Alive"]:
                continue
            try:
                answer = node_stats(node["NodeManagerAddress"], node["NodeManagerPort"], include_memory_info=False)
            except Exception:  # the node died a moment ago
                continue
            used += answer.store_stats.object_store_bytes_used
            self.store_written[node["NodeID"]] = answer.store_stats.cumulative_created_bytes
        self.store_bytes = max(self.store_bytes, used)

    def _look_at_processes(self) -> None:
        workers: list[int] = []
        others: list[int] = []
        for process in psutil.Process().children(recursive=True):
            try:
                is_worker = process.name().startswith("ray::ImplicitFunc")
                (workers if is_worker else others).append(process.memory_full_info().pss)
            except psutil.Error:  # it has ended
                continue
        self.workers = max(self.workers, len(workers))
        self.worker_bytes = max(self.worker_bytes, sum(workers))
        self.node_bytes = max(self.node_bytes, sum(others))


class Mark(NamedTuple):
    """The driver at one event."""

    wall: float
    cpu: float
    kind: str
    epochs: int  # of the event's trial


@dataclasses.dataclass
class Searched:
    """A search that has ended."""

    folder: RunFolder
    marks: list[Mark]
    asked: int
    look: Look

    @property
    def records(self) -> list[TrialRecord]:
        return list(self.folder.records())

    def places(self) -> list[dict[str, Any]]:
        """Where and when each record was written."""
        return [record.facts["simulated"] for record in self.records]

    def kinds(self) -> Counter[str]:
        return Counter(mark.kind for mark in self.marks)

    def check(self) -> None:
        """RuntimeError where a trial is missing, has failed, or was recorded more than once."""
        finished = self.kinds()["finished"]
        if len(self.folder.finished()) != self.asked or finished != self.asked or self.folder.failures():
            raise RuntimeError(
                f"{self.asked} trials were asked for: {len(self.folder.finished())} records, {finished} reported, "
                f"failures {list(self.folder.failures().items())[:3]}"
            )


class Search:
    """A search of trials that are replayed, in a new run folder; ``run`` waits for it."""

    def __init__(self, place: Path, epochs: list[int], epoch_seconds: float, **resources: Any) -> None:
        self.folder = RunFolder(tempfile.mkdtemp(dir=place))
        self.images = write_cohort(Path(self.folder.root))
        (self.folder.root / EPOCH_SECONDS).write_text(str(epoch_seconds))
        (self.folder.root / RECORDED).symlink_to(place / RECORDED)
        self.resources = Resources(hang_after=600, **{"fused": "1", **resources})
        self.epochs = epochs
        self.marks: list[Mark] = []
        self.look = Look()
        self.thread = threading.Thread()  # of ``in_background``

    def run(self) -> Searched:
        blocks = []
        for epochs in dict.fromkeys(self.epochs):
            rates = np.geomspace(1e-4, 1e-2, self.epochs.count(epochs))
            blocks.append({**FIELDS, "epochs": epochs, "lr": [float(rate) for rate in rates]})
        space = Space("simulated", "", blocks, dict(SEARCH_DEFAULTS))
        plan = plan_search(space, self.folder, VENDORS)
        with self.look:
            search.run_search(space, self.folder, {SIDE: self.images}, VENDORS, plan, self.resources, self._show)
        ended = Searched(self.folder, self.marks, len(self.epochs), self.look)
        ended.check()
        return ended

    def _show(self, event: Event) -> None:
        cpu = time.process_time() - self.look.cpu
        self.marks.append(Mark(time.monotonic(), cpu, event.kind, event.configs[0].epochs))

    def wait_for(self, finished: int) -> None:
        """Wait until so many trials have ended. RuntimeError where the search in the background ends before."""
        while sum(mark.kind == "finished" for mark in self.marks) < finished:
            if not self.thread.is_alive():
                raise RuntimeError(f"the search has ended before {finished} of its trials")
            time.sleep(0.1)

    @contextmanager
    def in_background(self) -> Iterator[list[Searched]]:
        """Search in a thread, because nodes are added in the main one: they end with the thread that started them."""
        ended: list[Searched] = []
        self.thread = threading.Thread(target=lambda: ended.append(self.run()), daemon=True)
        self.thread.start()
        yield ended
        self.thread.join()
        if not ended:
            raise RuntimeError("the search ended with an error, which is printed above")
