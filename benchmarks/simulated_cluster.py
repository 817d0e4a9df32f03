"""How many trials can one driver keep at work, and what survives a cluster that changes? 4 nodes of 8 GPUs, simulated.

    python -m benchmarks.simulated_cluster [--only scale shared changes] [--gpus 8]
    python -m benchmarks.simulated_cluster --only shared changes --gpus 2 --trials 32 --seconds 10 [--fused 10]

Ray's own ray.cluster_utils.Cluster starts the nodes on this machine. Their GPUs are declared, there are none. The
search is the project's: run_search with its searcher, its slots, its events and its workers (attempts, jobs, packs,
reports to Ray, records). Only the training is not real: each trial replays one that was recorded beforehand, because
32 trainings at once are too much for a small machine. A worker is a real process that has imported all that a training
needs, 250 MiB; 32 of them and the nodes need 10 GiB.

scale: one fit of all trials, as 200 slots have it; their epochs take no time, so that the driver is what they wait for.
shared: four trials on a GPU; packs. changes: nodes that are killed, join, and leave while a search runs, of trials
alone or, with --fused, in packs. A worker takes seconds of CPU to start, so on a small or busy machine these two scenes
need few GPUs and long epochs, as in the second command.
The driver's CPU time is its process's, less that of the thread that looks at memory and at the object stores.
"""

import contextlib
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import ray

# isort: split
import psutil  # Ray's own copy, which can be imported after it

from benchmarks.replayed import record, replayed_trial
from benchmarks.simulated_nodes import Look, Mark, Search, Searched, Simulated
from benchmarks.tools import parser, print_heads, print_row
from tune_ks.search import search
from tune_ks.search.cluster import connected
from tune_ks.worker.attempts import read_attempts

TRIALS = {"scale": 2000, "shared": 64, "changes": 160}  # of each scene
SECONDS = {"scale": 0.0, "shared": 0.5, "changes": 1.0}  # of an epoch
NODES = 4
SHORT = 2  # epochs of a trial
LONG = 30
EPOCHS = 6  # of a trial of the last scene
LONG_SHARE = 10  # of so many trials of the first scene, one is long
WINDOW = 300  # trials at the beginning and at the end of a search whose cost is compared
CHECKED = 10**6  # bytes of the object that shows that the look at the stores sees something


def scale(simulated: Simulated, place: Path, trials: int, seconds: float) -> None:
    """All GPUs with one trial each, in one fit: short trials, and at the end long ones."""
    simulated.resize(NODES)
    check_the_look_at_stores()
    long = trials // LONG_SHARE
    search.FIT_TRIALS = trials
    began = Mark(time.monotonic(), time.process_time(), "", 0)
    ray_began = cpu_of_ray()
    ended = Search(place, [SHORT] * (trials - long) + [LONG] * long, seconds, address=simulated.cluster.address).run()
    marks = ended.marks
    gpus = f"{NODES} x {simulated.gpus} GPUs"
    print(f"\n{trials} trials on {gpus}: {len(marks)} events; every trial has its record, once\n")
    cost = ["CPU ms an event", "CPU ms a trial", "wall ms an event", "wall ms a trial"]
    print_heads(["trials", "number", "events", *cost])
    for name, part in parts_of(marks, NODES * simulated.gpus).items():
        print_part(name, part)
    first = next(mark for mark in marks if mark.kind == "epoch")
    print(f"\nuntil the first epoch: {first.cpu - began.cpu:.1f} s CPU, {first.wall - began.wall:.1f} s")
    print_resources(ended, ray_began)


def parts_of(marks: list[Mark], slots: int) -> dict[str, list[Mark]]:
    """Name -> marks of a part of a search. All slots are at work in each of them but the first."""
    first_long = next(number for number, mark in enumerate(marks) if mark.epochs == LONG)
    last_short = max(number for number, mark in enumerate(marks) if mark.epochs == SHORT)
    ends = [number for number, mark in enumerate(marks[:first_long]) if mark.kind == "finished"]
    early = ends[2 * slots :][:WINDOW]
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


def shared(simulated: Simulated, place: Path, trials: int, seconds: float) -> None:
    """Four trials on a GPU, and packs."""
    simulated.resize(1)
    address = simulated.cluster.address
    print(f"\n{SHORT} epochs of {seconds:g} s\n")
    heads = ["trials", "records", "at once", "most on one GPU", "GPUs used", "trained together"]
    print_heads([f"one node of {simulated.gpus} GPUs", *heads])
    for name, resources in {
        "--gpus-per-trial 0.25": {"gpus": 0.25, "cpus": 0.25, "concurrent": 4 * simulated.gpus},
        "--fused 8": {"fused": "8"},
    }.items():
        ended = Search(place, [SHORT] * trials, seconds, address=address, **resources).run()
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


def changes(simulated: Simulated, place: Path, trials: int, seconds: float, fused: str = "1") -> None:
    """Nodes are killed, join, and leave while one search runs; ``fused`` configs train together."""
    simulated.resize(2)
    running = Search(place, [EPOCHS] * trials, seconds, address=simulated.cluster.address, fused=fused)
    said: list[tuple[str, str, float]] = []  # what happened, the node, when

    def note(what: str, node: str) -> None:
        said.append((what, node, time.time()))

    with running.in_background() as results:
        running.wait_for(trials // 20)
        note("killed (a spot node)", simulated.remove(0, killed=True))
        note("joins in its place", simulated.add().node_id)
        note("joins beyond the first number", simulated.add().node_id)
        running.wait_for(trials * 6 // 10)
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
    together = max(one["together"] for one in places)
    print(
        f"\n{trials} trials of {EPOCHS * seconds:g} s, {together} together at most, "
        f"{len(places)} records, {len(attempts) - trials} attempts more than trials, "
        f"{lost} losses reported, 0 failures; at once: {at_once(places)} at most, "
        f"{2 * simulated.gpus} slots at the start; {max(one['ended'] for one in places) - begun:.0f} s"
    )


def main() -> None:
    """Print the tables."""
    arguments = parser(__doc__)
    arguments.add_argument("--trials", type=int, help="of each scene; default: 2000, 64 and 160")
    arguments.add_argument("--seconds", type=float, help="of an epoch; default: 0, 0.5 and 1")
    arguments.add_argument("--only", nargs="+", choices=list(TRIALS), default=list(TRIALS))
    arguments.add_argument("--gpus", type=int, default=8, help="of a node; fewer for a small machine")
    arguments.add_argument("--fused", default="1", help="of the scene changes: configs that train together, or auto")
    args = arguments.parse_args()
    scenes = {"scale": scale, "shared": shared, "changes": partial(changes, fused=args.fused)}
    search.run_trial = replayed_trial
    with tempfile.TemporaryDirectory(prefix="tune_ks_simulated_") as name:
        place = Path(name)
        record(place)
        simulated = Simulated(args.gpus)
        try:
            simulated.resize(1)
            with connected(simulated.cluster.address):
                for scene in args.only:
                    trials = args.trials or TRIALS[scene]
                    seconds = SECONDS[scene] if args.seconds is None else args.seconds
                    scenes[scene](simulated, place, trials, seconds)
        finally:
            simulated.cluster.shutdown()


if __name__ == "__main__":
    main()
