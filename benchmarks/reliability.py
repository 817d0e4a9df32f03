"""What does a search survive? The tables of docs/reliability.md on killed drivers and nodes.

    python -m benchmarks.reliability kills [--searches 20] [--seed 0]
    python -m benchmarks.reliability nodes

kills: in each search the driver is killed (SIGKILL) at a random moment, and then the same command runs again; every
second search is one of Optuna. nodes: three Ray nodes on this machine, of which one is killed at several moments of a
search. The searches train the tiny cohort of the tests on two CPU cores; a driver takes about 20 s on a quiet machine.
(The table of damaged files is that of benchmarks.mutants.)
"""

import random
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from ray.cluster_utils import Cluster

from benchmarks.tools import parser, print_heads, print_row, timed
from faults import DRAWN, GRID, content, drive, start
from tune_ks.core.run_folder import RunFolder
from tune_ks.worker.attempts import read_attempts
from warm import Warm

SPACES = {"grid": GRID, "tpe": DRAWN}
MOMENTS = {  # name -> (the file that must exist before a node is killed, how many nodes are killed)
    "one node": ("attempts.json", 1),
    "one node, later": ("checkpoint.pt", 1),
    "two nodes, one after the other": ("checkpoint.pt", 2),
}


class Killed(NamedTuple):
    """One search whose driver was killed, after the same command has run again."""

    recorded: int  # trials that were finished when the driver was killed
    code: int  # exit code of the second command
    twice: int  # keys that were recorded more than once
    changed: int  # records of the first command that the second one changed
    same: bool  # as a search that was never interrupted

    @property
    def is_good(self) -> bool:
        return self.code == 0 and not self.twice and not self.changed and self.same


def kills(place: Path, searches: int, seed: int) -> None:
    """One row for each search: when its driver was killed, and the result of the same command after that."""
    rng = random.Random(seed)
    seconds = {name: uninterrupted(place, name) for name in SPACES}
    expected = content(RunFolder(place / "grid"))
    print(f"uninterrupted: {', '.join(f'{name} {spent:.0f} s' for name, spent in seconds.items())}\n")
    print_heads(["search", "killed after", "recorded by then", "then", "recorded twice", "changed", "keys and bits"])
    good = 0
    for number in range(searches):
        name = list(SPACES)[number % len(SPACES)]
        moment = rng.uniform(0.05, 1.0) * seconds[name]
        killed = kill_and_repeat(place, name, number, moment, expected)
        good += killed.is_good
        recorded = f"{killed.recorded} of {len(expected)}"
        bits = "same" if killed.same else "DIFFERENT"
        about = [f"{number + 1}, {name}", f"{moment:.1f} s", recorded]
        print_row([*about, f"exit {killed.code}", killed.twice, killed.changed, bits])
    print(f"\n{good} of {searches} as promised (seed {seed})")


def uninterrupted(place: Path, name: str) -> float:
    """Run a whole search into place/NAME; its seconds."""
    (place / f"{name}.py").write_text(SPACES[name])
    search = timed(drive, place / name, place / f"{name}.py")
    code, output = search.result
    assert code == 0, output
    return search.wall


def kill_and_repeat(place: Path, name: str, number: int, moment: float, expected: dict) -> Killed:
    """Kill a driver after ``moment`` seconds, run the same command again, and compare."""
    folder = RunFolder(place / f"run{number}")
    log = place / f"run{number}.log"
    process = start(folder.root, place / f"{name}.py", log=log)
    time.sleep(moment)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = {key: folder.trial(key, "record.json").read_bytes() for key in folder.finished()}
    asked = set(folder.keys())
    code, _ = drive(folder.root, place / f"{name}.py", log=log)
    written = Counter(log.read_text().split()) if log.exists() else Counter()
    changed = sum(folder.trial(key, "record.json").read_bytes() != record for key, record in before.items())
    if name == "grid":
        same = content(folder) == expected
    else:  # what Optuna suggests depends on when trials end, so only the number of keys is known
        keys = set(folder.keys())
        same = asked <= keys and len(folder.finished()) == len(keys) == len(expected)
    return Killed(len(before), code, sum(count > 1 for count in written.values()), changed, same)


def nodes(place: Path) -> None:
    """One row for each moment at which nodes are killed; a killed node is replaced by a new one."""
    (place / "grid.py").write_text(GRID.replace('"epochs": 3', '"epochs": 12'))
    straight = RunFolder(place / "straight")
    code, output = drive(straight.root, place / "grid.py")
    assert code == 0, output
    expected = content(straight)
    print_heads(["killed", "when", "exit", "attempts on dead nodes", "charged as failures", "keys and bits", "s"])
    for number, (name, (file, count)) in enumerate(MOMENTS.items()):
        folder = RunFolder(place / f"nodes{number}")
        code, seconds = search_with_dying_nodes(folder, place / "grid.py", file, count)
        attempts = [attempt for key in folder.keys() for attempt in read_attempts(folder, key)]
        extra = len(attempts) - len(folder.keys())
        bits = "same" if content(folder) == expected else "DIFFERENT"
        about = [name, f"after the first {file}", code]
        print_row([*about, extra, len(folder.failures()), bits, f"{seconds:.0f}"])


def search_with_dying_nodes(folder: RunFolder, space: Path, file: str, count: int) -> tuple[int, float]:
    """Run a search on two worker nodes, of which ``count`` are killed once ``file`` is there; exit code and seconds."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        workers = [cluster.add_node(num_cpus=1) for _ in range(2)]
        began = time.monotonic()
        process = start(folder.root, space, "--address", cluster.address)
        for node in workers[:count]:
            wait_for_file(folder, file, process)
            cluster.remove_node(node, allow_graceful=False)
            cluster.add_node(num_cpus=1)
        process.communicate(timeout=600)
        return process.returncode, time.monotonic() - began
    finally:
        cluster.shutdown()


def wait_for_file(folder: RunFolder, name: str, process: Warm) -> None:
    """Wait until a trial has the file; RuntimeError if the driver ends before."""
    while not any(folder.root.glob(f"trials/*/{name}")):
        if process.poll() is not None:
            raise RuntimeError(f"the driver ended before: {process.communicate()[0]}")
        time.sleep(0.02)


def main() -> None:
    """Print one of the two tables."""
    arguments = parser(__doc__)
    arguments.add_argument("table", choices=["kills", "nodes"])
    arguments.add_argument("--searches", type=int, default=20)
    arguments.add_argument("--seed", type=int, default=0)
    args = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="tune_ks_reliability_") as place:
        if args.table == "kills":
            kills(Path(place), args.searches, args.seed)
        else:
            nodes(Path(place))


if __name__ == "__main__":
    main()
