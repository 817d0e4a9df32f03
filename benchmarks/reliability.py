"""What a search survives, measured: prints the tables of docs/reliability.md.

    python benchmarks/reliability.py kills [--searches 20] [--seed 0]
    python benchmarks/reliability.py nodes
    python benchmarks/reliability.py mutants [--seed 0]

kills: a search an instant drawn at random, at which its driver is killed (SIGKILL), then the same command; every second
one with Optuna. nodes: three Ray nodes on this machine, one killed at each of several moments of a search.
Each search trains the tiny cohort of the tests on two CPU cores; about 20 s a driver on a quiet machine.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from ray.cluster_utils import Cluster

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from mutants import measure

from faults import DRAWN, GRID, content, drive, start
from tune_ks.core.run_folder import RunFolder
from tune_ks.worker.attempts import read_attempts


def kills(place: Path, searches: int, seed: int) -> None:
    """One line a search: when its driver was killed, what was finished then, and what the same command made of it."""
    rng = random.Random(seed)
    spaces = {"grid": GRID, "tpe": DRAWN}
    seconds = {}
    straight = RunFolder(place / "straight")
    for name, text in spaces.items():
        (place / f"{name}.py").write_text(text)
        began = time.monotonic()
        code, said = drive(straight.root if name == "grid" else place / "drawn", place / f"{name}.py")
        assert code == 0, said
        seconds[name] = time.monotonic() - began
    expected = content(straight)
    print(f"uninterrupted: {', '.join(f'{name} {spent:.0f} s' for name, spent in seconds.items())}\n")
    print("| search | killed after | recorded by then | then | recorded twice | changed | keys and bits |")
    print("|---|---|---|---|---|---|---|")
    good = 0
    for number in range(searches):
        name = list(spaces)[number % 2]
        folder, log = RunFolder(place / f"run{number}"), place / f"run{number}.log"
        instant = rng.uniform(0.05, 1.0) * seconds[name]
        process = start(folder.root, place / f"{name}.py", log=log)
        time.sleep(instant)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        before = {key: folder.trial(key, "record.json").read_bytes() for key in folder.finished()}
        asked = set(folder.keys())
        code, _ = drive(folder.root, place / f"{name}.py", log=log)
        twice = sum(count > 1 for count in Counter(log.read_text().split()).values()) if log.exists() else 0
        changed = sum(folder.trial(key, "record.json").read_bytes() != text for key, text in before.items())
        same = (
            content(folder) == expected
            if name == "grid"
            else asked <= set(folder.keys()) and len(folder.finished()) == len(folder.keys()) == len(expected)
        )
        good += code == 0 and not twice and not changed and same
        print(
            f"| {number + 1}, {name} | {instant:.1f} s | {len(before)} of {len(expected)} | exit {code} | {twice} "
            f"| {changed} | {'same' if same else 'DIFFERENT'} |",
            flush=True,
        )
    print(f"\n{good} of {searches} as promised (seed {seed})")


def nodes(place: Path) -> None:
    """A node killed before its trials' first checkpoint, in the middle, twice in a row, and the node of every trial."""
    (place / "grid.py").write_text(GRID.replace('"epochs": 3', '"epochs": 12'))
    straight = RunFolder(place / "straight")
    code, said = drive(straight.root, place / "grid.py")
    assert code == 0, said
    print("| killed | when | exit | attempts on dead nodes | charged as failures | keys and bits | s |")
    print("|---|---|---|---|---|---|---|")
    moments = {
        "one node": ("attempts.json", 1),
        "one node, later": ("checkpoint.pt", 1),
        "two nodes, one after the other": ("checkpoint.pt", 2),
    }
    for what, (file, count) in moments.items():
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        folder = RunFolder(place / what.replace(" ", "_").replace(",", ""))
        try:
            workers = [cluster.add_node(num_cpus=1) for _ in range(2)]
            began = time.monotonic()
            process = start(folder.root, place / "grid.py", "--address", cluster.address)
            for node in workers[:count]:
                wait_for_file(folder, file, process)
                cluster.remove_node(node, allow_graceful=False)
                cluster.add_node(num_cpus=1)
            said, _ = process.communicate(timeout=600)
            spent = time.monotonic() - began
        finally:
            cluster.shutdown()
        tries = [attempt for key in folder.keys() for attempt in read_attempts(folder, key)]
        extra = len(tries) - len(folder.keys())
        same = "same" if content(folder) == content(straight) else "DIFFERENT"
        print(
            f"| {what} | after the first {file} | {process.returncode} | {extra} | {len(folder.failures())} | {same} "
            f"| {spent:.0f} |",
            flush=True,
        )


def wait_for_file(folder: RunFolder, name: str, process: subprocess.Popen) -> None:
    """Until some trial has it; an error when the driver ends before."""
    while not any(folder.root.glob(f"trials/*/{name}")):
        if process.poll() is not None:
            raise RuntimeError(f"the driver ended before: {process.communicate()[0]}")
        time.sleep(0.02)


def main() -> None:
    """One subcommand, one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=["kills", "nodes", "mutants"])
    parser.add_argument("--searches", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if args.table == "mutants":
        sys.exit(bool(measure(5000, args.seed)))
    with tempfile.TemporaryDirectory(prefix="tune_ks_reliability_") as place:
        if args.table == "kills":
            kills(Path(place), args.searches, args.seed)
        else:
            nodes(Path(place))


if __name__ == "__main__":
    main()
