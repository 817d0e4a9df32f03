"""How long does the analysis of many trials take, how does it grow, and where does the time go?

    python -m benchmarks.analysis_speed --trials 100 300 1000
    python -m benchmarks.analysis_speed --trials 1000 --profile

The run folders are made up with known truth (tests/synthetic_run.py), without training: two vendors, the learned mask
and the low-pass. Each trial is a different configuration, as a sampler that draws temperatures makes them. Each number
of trials is measured in a child process, so that its peak memory is its own. Seconds of CPU stand beside those of the
clock, because they do not depend on other work on the machine.
"""

import argparse
import cProfile
import functools
import pstats
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import analysis
from analysis.choice.leave_one_out import leave_one_vendor_out
from analysis.choice.noninferior_run import proof_of_vendor
from analysis.read.load import load
from analysis.report.report import write_report
from analysis.statistics.fitted import fit_vendor
from analysis.statistics.intervals import metric_intervals
from analysis.statistics.pareto import pareto_front
from analysis.statistics.resampling import trial_draws
from analysis.statistics.uncertain_front import uncertain_front
from benchmarks.tools import answer, measure_in_child, parser, peak_mib, print_measurements, timed
from synthetic_run import WIDTH, make_cohort, write_run, write_trial
from tune_ks.core.config import TrialConfig
from tune_ks.core.run_folder import RunFolder

VENDORS = ("GE", "SIEMENS")
STAGES: dict[str, list[Callable]] = {  # column -> the functions whose seconds it adds up
    "load": [load],
    "resampling": [trial_draws, metric_intervals],
    "curves": [fit_vendor, uncertain_front],
    "fronts": [pareto_front],
    "proofs": [proof_of_vendor],
    "left out": [leave_one_vendor_out],
    "report": [write_report],
}


def main() -> None:
    """Print one row for each number of trials."""
    arguments = parser(__doc__)
    arguments.add_argument("--trials", type=int, nargs="+", default=[100, 300, 1000])
    arguments.add_argument("--patients", type=int, default=40, help="for each vendor; a quarter of them test patients")
    arguments.add_argument("--images", type=int, default=12, help="for each patient")
    arguments.add_argument("--profile", action="store_true", help="also print the functions that take longest")
    arguments.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)  # the child's side
    args = arguments.parse_args()
    if args.measure:
        answer(measure(args))
        return
    shared = ["--measure", "--patients", args.patients, "--images", args.images, *["--profile"] * args.profile]
    print_measurements(
        args.trials, lambda trials: measure_in_child("benchmarks.analysis_speed", "--trials", trials, *shared)
    )


def measure(args: argparse.Namespace) -> dict[str, float]:
    """Write a run folder, analyse it, and say how long each stage took."""
    with tempfile.TemporaryDirectory(prefix="tune_ks_analysis_") as scratch:
        folder = write_trials(Path(scratch), args.trials[0], args.patients, args.images)
        files = sum(path.stat().st_size for path in Path(scratch).rglob("*") if path.is_file())
        seconds = count_seconds()
        peak_before = peak_mib()
        profile = cProfile.Profile()
        analyse = functools.partial(profile.runcall, analysis.analyse) if args.profile else analysis.analyse
        whole = timed(analyse, folder.root)
        if args.profile:
            pstats.Stats(profile).sort_stats("tottime").print_stats(25)
        return {
            "trials": len(folder.finished()),
            "s": whole.wall,
            "CPU s": whole.cpu,
            **{f"{name} s": value for name, value in seconds.items()},
            "run folder MiB": files / 2**20,
            "page MiB": (folder.root / "report.html").stat().st_size / 2**20,
            "MiB before": peak_before,
            "peak MiB": peak_mib(),
        }


def write_trials(root: Path, trials: int, patients: int, images: int) -> RunFolder:
    """Every trial has another temperature (learned) or learning rate (low-pass); the first of a vendor is at rate 1."""
    folder = write_run(root, VENDORS, rates=(1.0,), seeds=(0,), masks=("gumbel",), patients=patients, images=images)
    cohort = make_cohort(VENDORS, patients, images)
    rng = np.random.default_rng(0)
    for number in range(trials - len(VENDORS)):
        if number // 2 % 2 == 0:
            fields = {"mask": "gumbel", "temperature": float(rng.uniform(0.5, 5))}
        else:
            fields = {"mask": "lowpass", "lr": float(rng.uniform(1e-4, 1e-2))}
        rate = int(rng.integers(1, WIDTH)) / WIDTH
        write_trial(folder, cohort, TrialConfig(VENDORS[number % 2], rate, **fields))
    return folder


def count_seconds() -> dict[str, float]:
    """Stage -> its seconds of CPU, which grow whenever one of its functions is called from now on.

    A function that another stage calls counts for that stage alone.
    """
    seconds = dict.fromkeys(STAGES, 0.0)
    active: list[str] = []
    for stage, functions in STAGES.items():
        for function in functions:
            replace_everywhere(function, counted(function, stage, seconds, active))
    return seconds


def counted(function: Callable, stage: str, seconds: dict[str, float], active: list[str]) -> Callable:
    """``function``, whose outermost calls add their seconds of CPU to ``seconds[stage]``."""

    @functools.wraps(function)
    def call(*positional: object, **named: object) -> object:
        if active:
            return function(*positional, **named)
        active.append(stage)
        started = time.process_time()
        try:
            return function(*positional, **named)
        finally:
            seconds[stage] += time.process_time() - started
            active.clear()

    return call


def replace_everywhere(function: Callable, other: Callable) -> None:
    """Let every module of the analysis that has imported ``function`` call ``other`` in its place."""
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == "analysis":
            for attribute, value in list(vars(module).items()):
                if value is function:
                    setattr(module, attribute, other)


if __name__ == "__main__":
    main()
