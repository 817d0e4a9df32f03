"""Search: prepare, search, analyse, and say what to do next. This is the command without a name."""

import argparse
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

from rich.table import Table

from tune_ks.commands.output import FAILED_TRIALS, INTERRUPTED, OK, console, say
from tune_ks.commands.prepare_search import AnalysisSteps, PreparedSearch, prepare
from tune_ks.core.front import call_of
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.system import machine_cores


def search_command(args: argparse.Namespace, analysis: AnalysisSteps) -> int:
    """The command; returns its exit code."""
    code, _ = search_and_analyse(args, analysis)
    return code


def search_and_analyse(args: argparse.Namespace, analysis: AnalysisSteps) -> tuple[int, RunFolder]:
    """Prepare, search, analyse; returns the exit code and the run folder.

    Heavy imports wait until the arguments are known to be good.
    """
    analysis.require_rule(args.rule, args.epsilon)
    resources = resources_of(args)
    search = prepare(args, analysis)
    if args.dry_run:
        print_dry_run(search)
        return OK, search.folder
    with held(search.folder, args.fresh) as halt:
        run_plan(search, resources, halt)
        return conclude(search, halt), search.folder


def resources_of(args: argparse.Namespace) -> Any:
    """The Resources that the arguments ask for."""
    from tune_ks.search.cluster import Resources, wanted_address

    return Resources(
        cpus=args.cpus_per_trial,
        gpus=args.gpus_per_trial,
        concurrent=args.concurrent,
        address=wanted_address(args.address),
        hang_after=args.hang_after,
        fused=args.fused,
    )


@contextmanager
def held(folder: RunFolder, fresh: bool) -> Iterator[Any]:
    """Hold the lock of a run folder, which with ``fresh`` is an empty one; yields what can end the search early.

    From here to the end the first signal ends the search with a report, and words that no terminal takes lie in RUN.
    """
    from tune_ks.core.lasting_words import log
    from tune_ks.core.lock import driver_lock
    from tune_ks.planning.start_run import set_aside
    from tune_ks.search.events import Halt

    halt = Halt(say)
    if fresh and folder.root.exists():
        with driver_lock(folder.root, say, halt.because):
            say(f"the earlier run folder is now {set_aside(folder.root)}")
    with driver_lock(folder.root, say, halt.because), halt.on_signals():
        log.lie_in(folder.root)
        yield halt


def run_plan(search: PreparedSearch, resources: Any, halt: Any) -> None:
    """Create the run folder or extend it, and run what the plan has left, until done or ``halt`` was given a reason."""
    from tune_ks.commands.live_viewers import fan_out
    from tune_ks.commands.progress import TrialTable
    from tune_ks.planning.pretrained import bring_weights
    from tune_ks.planning.start_run import create_run, extend_run, note, note_fingerprint
    from tune_ks.search.search import run_search

    args = search.args
    folder = search.folder
    if not folder.search_json.exists():
        cohort = next(iter(search.cohorts.values()))
        create_run(folder, search.space, cohort, args.split_seed, args.command_line, synthetic=args.data is None)
    else:
        note_fingerprint(folder, next(iter(search.cohorts.values())))
        if args.extend:
            extend_run(folder, search.space, args.command_line)
    say(f"plan: {search.plan}")
    if not search.plan.left:
        return
    for name, values in search.notes.items():
        note(folder, name, values)
    bring_weights(folder, search.weights)
    started = time.monotonic()
    images = {size: cohort.images for size, cohort in search.cohorts.items()}
    masks = {size: cohort.masks for size, cohort in search.cohorts.items() if cohort.masks}
    viewers = fan_out(live_viewers(args, folder), say)
    with TrialTable(console, search.plan, folder.readable_records()) as table:

        def show(event: Any) -> None:
            table.show(event)
            viewers(event)

        space = search.space.without_scheduler() if args.finalists else search.space
        run_search(space, folder, images, search.vendors, search.plan, resources, show, halt, masks)
    search.stages.add("search", time.monotonic() - started)


def live_viewers(args: argparse.Namespace, folder: RunFolder) -> list[Any]:
    """The loggers that ``--mlflow`` and ``--tensorboard`` ask for. ValueError where one cannot be used."""
    from tune_ks.commands.live_viewers import MlflowLogger, TensorBoardLogger

    viewers = []
    if args.mlflow:
        viewers.append(MlflowLogger(args.mlflow, folder.root.name))
    if args.tensorboard:
        viewers.append(TensorBoardLogger(folder.root))
    return viewers


def conclude(search: PreparedSearch, halt: Any) -> int:
    """Export and analyse; print the failures and what to do next. Returns the exit code.

    A signal that comes meanwhile lets all of it be written, and counts for the exit code.
    """
    from tune_ks.commands.exports import export_run
    from tune_ks.planning.plan import plan_search

    args = search.args
    folder = search.folder
    with search.stages.stage("export"):
        export_run(folder)
    with search.stages.stage("analysis"):
        search.analysis.analyse(folder.root, args.rule, args.epsilon, not args.no_images)
    say(search.stages.budget())
    left = plan_search(search.space, folder, search.vendors).left
    failures = folder.failures()
    for key, reason in list(failures.items())[:10]:
        say(f"failed: {key}: {reason}", style="red")
    if left or halt.reason:
        state = f"{left} trials are left" if left else "interrupted after the last trial"
        say(f"{state}; the same command goes on:\n  {args.command_line}")
        return INTERRUPTED
    say("\n  ".join(["next:", *next_steps(folder, is_phantom=args.data is None, has_failures=bool(failures))]))
    return FAILED_TRIALS if failures else OK


def next_steps(folder: RunFolder, is_phantom: bool, has_failures: bool) -> list[str]:
    """Commands that may follow a search, to be copied as they are, each with what it does."""
    steps = []
    if is_phantom:
        steps.append(f"{call_of()} --data DIR --space paper     the same on your own DICOM files")
    run = shlex.quote(str(folder.root))
    steps.append(f"{call_of('evaluate')} {run} --data DIR     the chosen models on another hospital's images")
    if has_failures:
        steps.append("the same command with --retry-failed     runs the failed trials again")
    return steps


def print_dry_run(search: PreparedSearch) -> None:
    """Print the plan and an estimate of its time."""
    from tune_ks.commands.progress import duration
    from tune_ks.planning.estimate import estimate_seconds
    from tune_ks.planning.plan import about_fitness

    args = search.args
    print_plan(search.plan)
    if not search.plan.suggestions:  # which may be anything
        known = [record.config for record in search.folder.readable_records()]
        note = about_fitness([*chain.from_iterable(search.plan.jobs), *known])
        if note:
            say(note)
    estimate = estimate_seconds(search.plan, search.folder, search.cohorts, args.split_seed)
    fitting = int(machine_cores() // args.cpus_per_trial)
    slots = max(1, min(args.concurrent or fitting, fitting))
    say(f"about {duration(estimate / slots)} on this machine, {slots} trials at once")


def print_plan(plan: Any) -> None:
    """Print what would run, by vendor and mask family."""
    table = Table("trained on", "mask", "rates", "trials", box=None, title="plan", title_justify="left")
    groups: dict[tuple[str, str], list[float]] = {}
    for config in chain.from_iterable(plan.jobs):
        groups.setdefault((config.vendor, config.mask), []).append(config.sampling_rate)
    for (vendor, mask), rates in sorted(groups.items()):
        table.add_row(vendor, mask, " ".join(f"{rate:.3g}" for rate in sorted(set(rates))), str(len(rates)))
    console.print(table)
    if plan.suggestions:
        say(f"and {plan.suggestions} suggestions that Optuna will make")
    say(str(plan))
