"""How long the analysis of many trials takes, how it grows, its memory, and where the time goes.

    OMP_NUM_THREADS=1 python benchmarks/analysis_speed.py 100 300 1000
    OMP_NUM_THREADS=1 python benchmarks/analysis_speed.py 1000 --profile

Run folders with known truth (tests/synthetic_run.py), written without training: two vendors, the learned mask and
low-pass, and each trial a configuration of its own, as a sampler that draws temperatures gives them. One process a
number of trials, so that its peak memory is its own. Seconds of CPU stand beside those of the clock: they do not
depend on who else is at work.
"""

import argparse
import cProfile
import functools
import json
import pstats
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from analysis.read.load import load
from analysis.report import report
from analysis.results import compute as study
from synthetic_run import WIDTH, make_cohort, write_run, write_trial
from tune_ks.core.config import TrialConfig
from tune_ks.core.run_folder import RunFolder

VENDORS = ("GE", "SIEMENS")
STAGES = {  # column -> the functions of analysis.results.compute that it is made of
    "resampling": ("trial_draws", "metric_intervals"),
    "curves": ("vendor_curves", "uncertain_front"),
    "fronts": ("pareto_front",),
    "proofs": ("proof_of_vendor",),
    "left out": ("leave_one_vendor_out",),
}


def main() -> None:
    """Print one line of Markdown a number of trials."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trials", type=int, nargs="+")
    parser.add_argument("--patients", type=int, default=40, help="a vendor; a quarter of them are test patients")
    parser.add_argument("--images", type=int, default=12, help="a patient")
    parser.add_argument("--profile", action="store_true", help="also print the functions that take longest")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)  # the child's side
    options = parser.parse_args()
    if options.measure:
        print("measured:" + json.dumps(measure(options)))
        return
    for number, trials in enumerate(options.trials):
        shared = ["--patients", str(options.patients), "--images", str(options.images)]
        words = [sys.executable, __file__, str(trials), "--measure", *shared, *["--profile"] * options.profile]
        child = subprocess.run(words, stdout=subprocess.PIPE, text=True)
        lines = child.stdout.splitlines()
        if child.returncode:
            sys.exit(f"{trials} trials: the analysis ended with {child.returncode}")
        found = json.loads(lines.pop().removeprefix("measured:"))
        if not number:
            print("| " + " | ".join(found) + " |\n|" + "---|" * len(found))
        print("| " + " | ".join(f"{value:.3g}" for value in found.values()) + " |", *lines, sep="\n", flush=True)


def measure(options: argparse.Namespace) -> dict[str, float]:
    """Write a run folder, analyse it, and say how long each part took. Stages lie in ``compute``, but for the ends."""
    trials = options.trials[0]
    with tempfile.TemporaryDirectory(prefix="tune_ks_analysis_") as scratch:
        folder = write_trials(Path(scratch), trials, options.patients, options.images)
        files = sum(path.stat().st_size for path in Path(scratch).rglob("*") if path.is_file()) / 2**20
        seconds = {name: 0.0 for name in ("load", *STAGES, "report")}
        for name, functions in STAGES.items():
            for function in functions:
                add_seconds(seconds, name, study, function)
        add_seconds(seconds, "load", study, "load")
        add_seconds(seconds, "report", report, "write_report")
        before, profile = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, cProfile.Profile()
        wall, cpu = time.perf_counter(), time.process_time()
        if options.profile:
            profile.enable()
        study.analyse(folder.root)
        profile.disable()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        if options.profile:
            pstats.Stats(profile).sort_stats("tottime").print_stats(25)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        page = (folder.root / "report.html").stat().st_size / 2**20
        stages = {f"{name} s": value for name, value in seconds.items()}
        sizes = {"run folder MiB": files, "page MiB": page, "MiB before": before, "peak MiB": peak}
        return {"trials": len(load(folder.root).trials), "s": wall, "CPU s": cpu, **stages, **sizes}


def write_trials(root: Path, trials: int, patients: int, images: int) -> RunFolder:
    """Every trial another temperature (learned) or learning rate (low-pass); the first of each vendor at full rate."""
    folder = write_run(root, VENDORS, rates=(1.0,), seeds=(0,), masks=("gumbel",), patients=patients, images=images)
    cohort, rng = make_cohort(VENDORS, patients, images), np.random.default_rng(0)
    for number in range(trials - len(VENDORS)):
        learned = number // 2 % 2 == 0
        drawn = float(rng.uniform(0.5, 5)) if learned else float(rng.uniform(1e-4, 1e-2))
        fields = {"mask": "gumbel", "temperature": drawn} if learned else {"mask": "lowpass", "lr": drawn}
        rate = int(rng.integers(1, WIDTH)) / WIDTH
        write_trial(folder, cohort, TrialConfig(VENDORS[number % 2], rate, **fields))
    return folder


def add_seconds(seconds: dict[str, float], name: str, module: object, function: str) -> None:
    """From now on each call of ``module.function`` adds its seconds of CPU to ``seconds[name]``."""
    called: Callable = getattr(module, function)

    @functools.wraps(called)
    def timed(*given: object, **named: object) -> object:
        started = time.process_time()
        try:
            return called(*given, **named)
        finally:
            seconds[name] += time.process_time() - started

    setattr(module, function, timed)


if __name__ == "__main__":
    main()
