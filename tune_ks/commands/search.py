"""Search: prepare, search, analyse, and say what to do next. This is the command without a name."""

import argparse
import math
import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import Any

from rich.table import Table

from tune_ks.commands.analysis_steps import AnalysisSteps
from tune_ks.commands.output import FAILED_TRIALS, OK, console, say
from tune_ks.commands.prepare_search import PreparedSearch, prepare
from tune_ks.core.early_signals import INTERRUPTED
from tune_ks.core.front import call_of
from tune_ks.core.rate_words import rate_tick
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.storage import storage_path
from tune_ks.core.system import busy_cores, machine_cores

SHOWN_FAILURES = 3  # at the end of a search; the report has all of them


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
    check_viewers(args)
    gpus, slots = planned_slots(resources) if args.dry_run else (0.0, 0)
    search = prepare(args, analysis)
    if args.dry_run:
        print_dry_run(search, gpus, slots)
        return OK, search.folder
    with held(search.folder, args.fresh) as halt:
        run_plan(search, resources, halt)
        return conclude(search, halt), search.folder


def resources_of(args: argparse.Namespace) -> Any:
    """The Resources that the arguments ask for."""
    from tune_ks.search.resources import Resources, wanted_address

    return Resources(
        cpus=args.cpus_per_trial,
        gpus=args.gpus_per_trial,
        concurrent=args.concurrent,
        address=wanted_address(args.address),
        hang_after=args.hang_after,
        fused=args.fused,
        record_steps=args.record_steps,
    )


def check_viewers(args: argparse.Namespace) -> None:
    """ValueError where a program that is to show the search cannot be used, before anything is read or written."""
    if not args.mlflow and not args.tensorboard:
        return
    from tune_ks.commands.live_viewers import require_viewers

    require_viewers(args.mlflow, args.tensorboard, storage_path(args.run) if args.run else None)


def planned_slots(resources: Any) -> tuple[float, int]:
    """(GPUs of a trial, trials at once) of a search that is not started."""
    from tune_ks.search.resources import slots_here

    if resources.address is None:
        return slots_here(resources)
    from tune_ks.search.cluster import slots_of_running  # Ray takes a quarter of a second to import

    return slots_of_running(resources)


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
    note(folder, "trials", search.plan.trials)
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
        slots = table.has_slots
        run_search(space, folder, images, search.vendors, search.plan, resources, show, halt, masks, has_slots=slots)
    search.stages.add("search", time.monotonic() - started)


def live_viewers(args: argparse.Namespace, folder: RunFolder) -> list[Any]:
    """The loggers that ``--mlflow`` and ``--tensorboard`` ask for. ValueError where one cannot be used."""
    from tune_ks.commands.live_viewers import MlflowLogger, TensorBoardLogger

    viewers: list[MlflowLogger | TensorBoardLogger] = []
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
    say_failures(failures)
    if left or halt.reason:
        state = f"{left} trials are left" if left else "interrupted after the last trial"
        say(f"{state}; the same command goes on:\n  {args.command_line}")
        return INTERRUPTED
    say("next:")
    for what, command in next_steps(args, folder, bool(failures), has_no_network(folder)):
        say(f"  {command}  # {what}")  # a comment of the shell: the line can be copied whole
    return FAILED_TRIALS if failures else OK


def has_no_network(folder: RunFolder) -> bool:
    """Whether there are finished trials, all without a network; reads no further than the first that has one."""
    is_empty = True
    for record in folder.readable_records():
        if not record.scored_by:
            return False
        is_empty = False
    return not is_empty


def say_failures(failures: Mapping[str, str]) -> None:
    """Print the first failures of trials, and how many more there are."""
    for key, reason in list(failures.items())[:SHOWN_FAILURES]:
        say(f"failed: {key}: {reason}", style="red")
    hidden = len(failures) - SHOWN_FAILURES
    if hidden > 0:
        say(f"failed: {hidden} more, which the report lists", style="red")


def next_steps(
    args: argparse.Namespace, folder: RunFolder, has_failures: bool, without_networks: bool = False
) -> list[tuple[str, str]]:
    """What may follow a search, and the command that does it, to be copied as it is.

    Without networks there is nothing that seeds would change, and no model to evaluate.
    """
    steps = []
    if has_failures:
        steps.append(("the failed trials again", f"{args.command_line} --retry-failed"))
    if not args.finalists and not without_networks:
        # a proof needs several seeds of a rate, and a grid gives most rates one
        steps.append(("more seeds of the chosen rates, to prove one", f"{args.command_line} --finalists"))
    if args.data is None:
        steps.append(("your own DICOM files", f"{call_of()} --data DIR --space paper"))
    if without_networks:
        return steps
    run = shlex.quote(str(folder.root))
    steps.append(("the chosen models on other images", f"{call_of('evaluate')} {run} --data DIR"))
    return steps


def print_dry_run(search: PreparedSearch, gpus: float, slots: int) -> None:
    """Print the plan, the time that it takes on this machine, GPU-hours and the room on the disk."""
    from tune_ks.planning.estimate import Load, estimate
    from tune_ks.planning.plan import about_fitness

    args = search.args
    print_plan(search.plan)
    if not search.plan.suggestions:  # which may be anything
        known = [record.config for record in search.folder.readable_records()]
        note = about_fitness([*chain.from_iterable(search.plan.jobs), *known])
        if note:
            say(note)
    where = f"{slots} trial{'s' * (slots != 1)} at once"
    say(f"slots: {where}, each with {args.cpus_per_trial:g} CPUs and {gpus:g} GPUs")
    if not search.plan.left:
        return
    load = Load(cores=machine_cores(), busy=busy_cores(), slots=slots)
    expected = estimate(search.plan, search.folder, search.cohorts, args.split_seed, load)
    for line in dry_run_words(expected, load, gpus):
        console.print(line, markup=False)
    say_undecoded(list(search.cohorts.values()))


def say_undecoded(cohorts: list[Any]) -> None:
    """Print how many images are decoded first; ``cohorts`` are one cohort at several image sizes."""
    undecoded = sum(not cohort.is_decoded for cohort in cohorts)
    if undecoded:
        images = len(cohorts[0].table)
        say(f"before that, {images} images are decoded{f' at {undecoded} sizes' if undecoded > 1 else ''}")


def dry_run_words(expected: Any, load: Any, gpus: float) -> list[str]:
    """Time, GPU-hours and disk of a planned search, in sentences."""
    from tune_ks.commands.stages import duration

    low, high = expected.together
    if math.isnan(low):
        lines = ["time: unknown, because all trials are still to be drawn and none was recorded here"]
    else:
        ends = dict.fromkeys([duration(low), duration(high)])
        busy = f" (the load of all programs is {load.busy:.1f} on {load.cores} cores)"
        lines = [f"time: {' to '.join(ends)} at the present load{busy}; {expected.basis}"]
    if gpus:
        hours = [seconds * gpus / 3600 for seconds in expected.total]
        if expected.has_records:
            lines.append(f"GPU-hours: {hours[0]:.2g} to {hours[1]:.2g}, by trials recorded in this run folder")
        else:
            lines.append(
                f"GPU-hours: unknown before a trial was recorded on such a GPU; at most {hours[1]:.2g}, if it were "
                "as slow as one core here"
            )
    run, cache = expected.run_bytes, expected.cache_bytes
    lines.append(f"disk: about {size(run)} in the run folder, {size(cache)} in the cache of decoded images")
    return lines


def size(count: float) -> str:
    """1234567 bytes as "1.2 MB"."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def print_plan(plan: Any) -> None:
    """Print what would run, by vendor and mask family."""
    table = Table("trained on", "mask", "rates", "trials", box=None, title="plan", title_justify="left")
    groups: dict[tuple[str, str], list[float]] = {}
    for config in chain.from_iterable(plan.jobs):
        groups.setdefault((config.vendor, config.mask), []).append(config.sampling_rate)
    for (vendor, mask), rates in sorted(groups.items()):
        table.add_row(vendor, mask, " ".join(map(rate_tick, sorted(set(rates)))), str(len(rates)))
    console.print(table)
    if plan.suggestions:
        say(f"and {plan.suggestions} suggestions that Optuna will make")
    say(str(plan))
