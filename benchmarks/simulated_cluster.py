"""How many trials can one driver keep at work, and what survives a cluster that changes? 4 nodes of 8 GPUs, simulated.

    python -m benchmarks.simulated_cluster [--trials 2000] [--only scale shared changes]

Ray's own ray.cluster_utils.Cluster starts the nodes on this machine. Their GPUs are declared, there are none. The
search is the project's: run_search with its searcher, its slots, its events and its workers (attempts, jobs, packs,
reports to Ray, records). Only the training is not real: each trial replays one that was recorded beforehand, because
32 trainings at once are too much for a small machine. A worker is a real process that has imported all that a training
needs, 250 MiB; 32 of them and the nodes need 10 GiB.

scale: one fit of all trials, as 200 slots have it; their epochs take no time, so that the driver is what they wait for.
shared: four trials on a GPU; packs. changes: nodes that are killed, join, and leave while a search runs.
The driver's CPU time is its process's, less that of the thread that looks at memory and at the object stores.
"""

import contextlib
import dataclasses
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import ray
from ray._private.internal_api import node_stats

# isort: split
import psutil  # Ray's own copy, which can be imported after it

from benchmarks.recorded import record_training
from benchmarks.scaling import FIELDS, SIDE, VENDORS, write_cohort
from benchmarks.tools import parser, print_heads, print_row
from local_ray import start_cluster
from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.planning.plan import plan_search
from tune_ks.planning.space import SEARCH_DEFAULTS, Space
from tune_ks.search import search
from tune_ks.search.cluster import NO_SPARE_WORKERS, START_SLOWLY, Resources, connected
from tune_ks.search.events import Event
from tune_ks.worker.attempts import Attempt, read_attempts, require_owner

SCENES = ("scale", "shared", "changes")
NODES = 4
GPUS = 8  # of a node, and as many CPUs
STORE = 80 * 2**20  # bytes of a node's object store
SHORT = 2  # epochs of a trial
LONG = 30
LONG_SHARE = 10  # of so many trials of the first scene, one is long
WINDOW = 300  # trials at the beginning and at the end of a search whose cost is compared
RECORDED = "recorded"  # folder in a run folder: the run that is replayed
EPOCH_SECONDS = "epoch_seconds"  # file in a run folder
CHECKED = 10**6  # bytes of the object that shows that the look at the stores sees something
LOOK_EVERY = 5.0  # seconds between two looks at memory and at the object stores


# ------------------------------------------------------------------------------------------------ in a worker


def replayed_trial(values: dict[str, Any]) -> None:
    """What Ray runs: the project's own trial, whose trainings are replayed, on GPUs that are only counted."""
    from tune_ks.worker import entry

    trial = entry._trial()
    module = sys.modules[trial.__module__]
    module.run_pack = replay_pack
    module.device_of = lambda work: "cpu"
    module.most_together = lambda config, work, device: work.together
    trial(values)


def replay_pack(
    configs: list[TrialConfig],
    folder: RunFolder,
    images_npy: Path,
    device: str,
    report: Callable[[TrialConfig, dict[str, float]], bool],
    attempts: dict[str, Attempt],
    **unused: Any,
) -> Iterator[tuple[TrialConfig, TrialRecord]]:
    """As ``run_pack``: the epochs of the recorded training are reported, and its record is written for every config."""
    recorded = next(RunFolder(folder.root / RECORDED).records())
    seconds = float((folder.root / EPOCH_SECONDS).read_text())
    unfinished = [config for config in configs if not folder.is_finished(config.key())]
    began = time.time()
    for epoch in range(1, configs[0].epochs + 1):
        time.sleep(seconds)
        line = recorded.history[(epoch - 1) % len(recorded.history)]
        for config in unfinished:
            require_owner(folder, config.key(), attempts[config.key()])
            report(config, {**line, "epoch": epoch})
    here = {
        "node": ray.get_runtime_context().get_node_id(),
        "gpus": ray.get_gpu_ids(),
        "process": os.getpid(),
        "began": began,
        "ended": time.time(),
        "together": len(configs),
    }
    for config in unfinished:
        require_owner(folder, config.key(), attempts[config.key()])
        folder.write_record(dataclasses.replace(recorded, config=config, facts={**recorded.facts, "simulated": here}))
    for config in configs:
        yield config, folder.read_record(config.key())


# ------------------------------------------------------------------------------------------------ the cluster


class Simulated:
    """The cluster: a head that holds only the driver, and nodes with declared GPUs."""

    def __init__(self) -> None:
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
        self.nodes.append(self.cluster.add_node(num_cpus=GPUS, num_gpus=GPUS, object_store_memory=STORE))
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


# ------------------------------------------------------------------------------------------------ a search


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
        """Wait until so many trials have ended."""
        while sum(mark.kind == "finished" for mark in self.marks) < finished:
            time.sleep(0.1)

    @contextmanager
    def in_background(self) -> Iterator[list[Searched]]:
        """Search in a thread, because nodes are added in the main one: they end with the thread that started them."""
        ended: list[Searched] = []
        thread = threading.Thread(target=lambda: ended.append(self.run()), daemon=True)
        thread.start()
        yield ended
        thread.join()
        if not ended:
            raise RuntimeError("the search ended with an error, which is printed above")


# ------------------------------------------------------------------------------------------------ scenes


def scale(simulated: Simulated, place: Path, trials: int) -> None:
    """All GPUs with one trial each, in one fit: short trials, and at the end long ones."""
    simulated.resize(NODES)
    check_the_look_at_stores()
    long = trials // LONG_SHARE
    search.FIT_TRIALS = trials
    began = Mark(time.monotonic(), time.process_time(), "", 0)
    ray_began = cpu_of_ray()
    ended = Search(place, [SHORT] * (trials - long) + [LONG] * long, 0.0, address=simulated.cluster.address).run()
    marks = ended.marks
    print(f"\n{trials} trials on {NODES} x {GPUS} GPUs: {len(marks)} events; every trial has its record, once\n")
    cost = ["CPU ms an event", "CPU ms a trial", "wall ms an event", "wall ms a trial"]
    print_heads(["trials", "number", "events", *cost])
    for name, part in parts_of(marks).items():
        print_part(name, part)
    first = next(mark for mark in marks if mark.kind == "epoch")
    print(f"\nuntil the first epoch: {first.cpu - began.cpu:.1f} s CPU, {first.wall - began.wall:.1f} s")
    print_resources(ended, ray_began)


def parts_of(marks: list[Mark]) -> dict[str, list[Mark]]:
    """Name -> marks of a part of a search. All slots are at work in each of them but the first."""
    first_long = next(number for number, mark in enumerate(marks) if mark.epochs == LONG)
    last_short = max(number for number, mark in enumerate(marks) if mark.epochs == SHORT)
    ends = [number for number, mark in enumerate(marks[:first_long]) if mark.kind == "finished"]
    early = ends[2 * NODES * GPUS :][:WINDOW]
    late = ends[-WINDOW:]
    return {
        "all": marks,
        f"early, {SHORT} epochs": marks[early[0] : early[-1] + 1],
        f"late, {SHORT} epochs": marks[late[0] : late[-1] + 1],
        f"at the end, {LONG} epochs": marks[last_short + 1 :],
    }


def print_part(name: str, marks: list[Mark]) -> None:
    """One row: what the events of a part of a search cost."""
    trials = sum(mark.kind == "finished" for mark in marks)
    cpu = 1000 * (marks[-1].cpu - marks[0].cpu)
    wall = 1000 * (marks[-1].wall - marks[0].wall)
    of_events = [f"{cpu / len(marks):.2f}", f"{cpu / trials:.1f}"]
    print_row([name, trials, len(marks), *of_events, f"{wall / len(marks):.1f}", f"{wall / trials:.0f}"])


def print_resources(ended: Searched, ray_began: dict[str, float]) -> None:
    """What the processes and the object stores held, and the CPU time of Ray's own processes."""
    look = ended.look
    driver = psutil.Process().memory_full_info().pss
    spent = {name: 1000 * (seconds - ray_began[name]) / ended.asked for name, seconds in cpu_of_ray().items()}
    files = len(list(Path(ended.folder.root).rglob("*.json"))) / ended.asked
    print(
        f"memory: {look.workers} workers at once {mib(look.worker_bytes)} MiB, Ray's own processes "
        f"{mib(look.node_bytes)} MiB, driver {mib(driver)} MiB\n"
        f"object stores: {look.store_bytes} bytes at most, {sum(look.store_written.values())} bytes written in all, "
        f"with the {CHECKED} bytes of the check\n"
        f"Ray's first process (gcs_server): {spent['gcs_server']:.1f} ms CPU a trial; all raylets together "
        f"{spent['raylet']:.1f} ms\nrun folder: {files:.1f} JSON files a trial"
    )


def check_the_look_at_stores() -> None:
    """RuntimeError where an object of a megabyte in a store is not seen: then nothing would be."""
    look = Look()
    kept = ray.put(np.zeros(CHECKED, np.uint8))
    look._look_at_stores()
    if look.store_bytes < CHECKED:
        raise RuntimeError(f"an object of {CHECKED} bytes was put into a store, {look.store_bytes} bytes were seen")
    del kept


def cpu_of_ray() -> dict[str, float]:
    """Name of a process of Ray's -> CPU seconds of all such processes that live now."""
    seconds = dict.fromkeys(("gcs_server", "raylet"), 0.0)
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if process.name() in seconds:
                seconds[process.name()] += sum(process.cpu_times()[:2])
    return seconds


def mib(count: float) -> str:
    """Bytes as whole MiB."""
    return f"{count / 2**20:.0f}"


def shared(simulated: Simulated, place: Path, trials: int) -> None:
    """Four trials on a GPU, and packs."""
    simulated.resize(1)
    address = simulated.cluster.address
    print("\n")
    heads = ["one node of 8 GPUs", "trials", "records", "at once", "most on one GPU", "GPUs used", "trained together"]
    print_heads(heads)
    for name, resources in {
        "--gpus-per-trial 0.25": {"gpus": 0.25, "cpus": 0.5, "concurrent": 16},
        "--fused 8": {"fused": "8"},
    }.items():
        ended = Search(place, [SHORT] * max(64, trials // 10), 0.5, address=address, **resources).run()
        places = ended.places()
        of_gpus: dict[str, list[dict[str, Any]]] = {}
        for one in places:
            of_gpus.setdefault(f"{one['node']} {one['gpus']}", []).append(one)
        most = max(at_once(some) for some in of_gpus.values())
        together = Counter(one["together"] for one in places)
        said = ", ".join(f"{number} in packs of {size}" for size, number in sorted(together.items()))
        print_row([name, ended.asked, len(places), at_once(places), most, len(of_gpus), said])


def at_once(places: list[dict[str, Any]]) -> int:
    """The most processes that trained at one moment."""
    spans = {(one["process"], one["began"], one["ended"]) for one in places}
    moments = [moment for _, moment, _ in spans]
    return max(sum(began <= moment < ended for _, began, ended in spans) for moment in moments)


def changes(simulated: Simulated, place: Path, trials: int) -> None:
    """Nodes are killed, join, and leave while one search runs."""
    simulated.resize(2)
    asked = max(160, trials // 10)
    epochs = 6
    running = Search(place, [epochs] * asked, 1.0, address=simulated.cluster.address)
    said: list[tuple[str, str, float]] = []  # what happened, the node, when

    def note(what: str, node: str) -> None:
        said.append((what, node, time.time()))

    with running.in_background() as results:
        running.wait_for(asked // 20)
        note("killed (a spot node)", simulated.remove(0, killed=True))
        note("joins in its place", simulated.add().node_id)
        note("joins beyond the first number", simulated.add().node_id)
        running.wait_for(asked * 6 // 10)
        note("leaves (SIGTERM)", simulated.remove(0))
    ended = results[0]
    attempts = [attempt for key in ended.folder.keys() for attempt in read_attempts(ended.folder, key)]
    places = ended.places()
    print("\n")
    print_heads(["a node", "after s", "attempts there", "records there", "without a record", "first record after s"])
    begun = min(one["began"] for one in places)
    for what, node, when in said:
        there = [one for one in places if one["node"] == node]
        tried = sum(attempt.node == node for attempt in attempts)
        first = f"{min(one['ended'] for one in there) - when:.0f}" if there and what.startswith("joins") else ""
        print_row([what, f"{when - begun:.0f}", tried, len(there), tried - len(there), first])
    lost = ended.kinds()["lost"]
    print(
        f"\n{asked} trials of {epochs} s, {len(places)} records, {len(attempts) - asked} attempts more than trials, "
        f"{lost} losses reported, 0 failures; at once: {at_once(places)} at most, "
        f"{2 * GPUS} slots at the start; {max(one['ended'] for one in places) - begun:.0f} s"
    )


def record(place: Path) -> None:
    """Train the one trial that all others replay."""
    folder = RunFolder(place / RECORDED)
    folder.root.mkdir()
    images = write_cohort(Path(folder.root))
    record_training([TrialConfig.from_dict({**FIELDS, "lr": 1e-3})], folder, images)


def main() -> None:
    """Print the tables."""
    arguments = parser(__doc__)
    arguments.add_argument("--trials", type=int, default=2000)
    arguments.add_argument("--only", nargs="+", choices=SCENES, default=SCENES)
    args = arguments.parse_args()
    search.run_trial = replayed_trial
    with tempfile.TemporaryDirectory(prefix="tune_ks_simulated_") as name:
        place = Path(name)
        record(place)
        simulated = Simulated()
        try:
            simulated.resize(1)
            with connected(simulated.cluster.address):
                for scene in args.only:
                    {"scale": scale, "shared": shared, "changes": changes}[scene](simulated, place, args.trials)
        finally:
            simulated.cluster.shutdown()


if __name__ == "__main__":
    main()
