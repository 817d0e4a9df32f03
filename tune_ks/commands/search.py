"""Search: data, plan, search, analysis; say where it went and what to type next. The command without a name."""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from rich.table import Table

from tune_ks.commands.output import FAILED_TRIALS, INTERRUPTED, OK, RUNS, cache_beside, console, say
from tune_ks.core.config import is_key
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.storage import StoragePath, storage_path

PHANTOM = Path("phantom")


class AnalysisSteps(NamedTuple):
    """What a search asks of the analysis. run_search.py hands it in, so that tune_ks never imports the analysis."""

    require_rule: Callable[[str, float], None]  # ValueError for a rule or an epsilon that it would refuse later
    analyse: Callable[[StoragePath, str, float, bool], None]  # run folder, rule, epsilon, images: report and terminal
    finalists: Callable[[StoragePath, str, float], dict[str, list[dict[str, Any]]]]  # vendor -> configs without seeds


class Asked(NamedTuple):
    """One search as it was asked for."""

    args: argparse.Namespace
    analysis: AnalysisSteps
    stages: Any
    space: Any
    folder: RunFolder
    cohorts: dict[int, Any]  # image size -> Cohort
    vendors: list[str]  # of the cohort
    weights: dict[str, RunFolder]  # KEY@HASH that the run folder lacks -> whence it comes
    notes: dict[str, Any]  # fields of search.json by which the same command goes on


def search_command(args: argparse.Namespace, analysis: AnalysisSteps) -> int:
    """Data, plan, search, analysis, in this order. Heavy imports wait until the arguments are known to be good."""
    analysis.require_rule(args.rule, args.epsilon)
    from tune_ks.commands.progress import Stages, duration
    from tune_ks.core.lock import driver_lock
    from tune_ks.planning.estimate import estimate_seconds
    from tune_ks.planning.plan import plan_finalists, plan_search
    from tune_ks.planning.pretrained import absent_weights, notes_of, require_unchanged, weights_of
    from tune_ks.planning.space import ask_more, load_space
    from tune_ks.planning.start_run import default_run, require_same, require_vendors, set_aside
    from tune_ks.search.cluster import Resources
    from tune_ks.search.events import Halt

    address = args.address or os.environ.get("RAY_ADDRESS")  # which `ray job submit` sets
    given = (args.cpus_per_trial, args.gpus_per_trial, args.concurrent, address, args.hang_after, args.fused)
    resources = Resources(*given)
    stages = Stages(console)
    space = ask_more(load_space(args.space), args.samples, args.seeds, args.rates or [])
    cohorts = open_cohorts(args, space.image_sizes(), stages, space.task().reads_masks)
    cohort = next(iter(cohorts.values()))
    vendors = sorted(cohort.table["vendor"].unique())
    require_vendors(space, vendors)
    space, chosen, sources = begin_from(args, space, vendors, cohort)
    folder = RunFolder(args.run or default_run(RUNS, space, cohort))
    state = "resumed" if folder.search_json.exists() and not args.fresh else "new"
    say(f"run folder: {folder.root} ({state})")
    if state == "resumed":
        require_unchanged(folder, args.init_from, chosen)
        require_same(folder, space, cohort, args.split_seed, args.extend)
    known = folder if state == "resumed" else RunFolder("/nonexistent")
    plan = plan_search(space, known, vendors, args.retry_failed)
    notes: dict[str, Any] = {"init_from": notes_of(known, args.init_from, chosen)} if chosen else {}
    if args.finalists:
        notes["finalists"] = finalists(known, args, analysis)
        plan = plan_finalists(known, notes["finalists"]["configs"], args.finalist_seeds)
    weights = absent_weights(known, weights_of(space, plan), [known, *sources])
    asked = Asked(args, analysis, stages, space, folder, cohorts, vendors, weights, notes)
    if args.dry_run:
        print_plan(plan)
        estimate = estimate_seconds(plan, folder, cohorts, args.split_seed)
        slots = max(1, min(args.concurrent or 10**6, int((os.cpu_count() or 1) // args.cpus_per_trial)))
        say(f"about {duration(estimate / slots)} on this machine, {slots} trials at once")
        return OK
    halt = Halt(say)
    if args.fresh and folder.root.exists():
        with driver_lock(folder.root, say, halt.because):
            say(f"the earlier run folder is now {set_aside(folder.root)}")
    with driver_lock(folder.root, say, halt.because):
        run_plan(asked, plan, resources, halt)
        return conclude(asked, complete=not halt.reason)


def begin_from(
    args: argparse.Namespace, space: Any, vendors: list[str], cohort: Any
) -> tuple[Any, dict[str, str], list[RunFolder]]:
    """The space with KEY@HASH for its word, what was chosen for which config, and the run folder that has the weights.

    Where that run folder is gone, what an earlier command of the same search wrote down, and copied, goes on.
    """
    from tune_ks.planning.pretrained import Pretrained, asks, remembered, resolve
    from tune_ks.planning.start_run import default_run

    place = args.init_from
    if place is None:
        if asks(space):
            raise ValueError(f"the space {space.name!r} begins from pretrained weights: give --init-from RUN")
        return space, {}, []
    if storage_path(place).exists():
        source = Pretrained(place)
        return *resolve(space, vendors, source.choose), [source.folder]
    for folder in [RunFolder(args.run)] if args.run else map(RunFolder, sorted(RUNS.glob(f"{space.name}-*"))):
        found = remembered(space, vendors, place, folder)
        if found and (args.run or default_run(RUNS, found[0], cohort) == folder.root):
            return *found, []
    raise ValueError(f"--init-from: there is no {place}, and no run folder of this search that began from it")


def run_plan(asked: Asked, plan: Any, resources: Any, halt: Any) -> None:
    """Begin the run folder or add to it, and run what the plan has left, until done or ``halt`` was given a reason."""
    from tune_ks.commands.live_viewers import fan_out
    from tune_ks.commands.progress import TrialTable
    from tune_ks.planning.pretrained import bring_weights
    from tune_ks.planning.start_run import begin_run, extend_run, note
    from tune_ks.search.search import run_search

    args, space, folder = asked.args, asked.space, asked.folder
    if not folder.search_json.exists():
        cohort = next(iter(asked.cohorts.values()))
        begin_run(folder, space, cohort, args.split_seed, args.command_line, synthetic=args.data is None)
    elif args.extend:
        extend_run(folder, space, args.command_line)
    say(f"plan: {plan}")
    if not plan.left:
        return
    for name, values in asked.notes.items():
        note(folder, name, values)
    bring_weights(folder, asked.weights)
    started = time.monotonic()
    images = {size: each.images for size, each in asked.cohorts.items()}
    masks = {size: each.masks for size, each in asked.cohorts.items() if each.masks}
    viewers = fan_out(live_viewers(args, folder), say)
    with TrialTable(console, plan, folder.records()) as table:

        def show(event: Any) -> None:
            table.show(event)
            viewers(event)

        searched = space.without_scheduler() if args.finalists else space
        run_search(searched, folder, images, asked.vendors, plan, resources, show, halt, masks)
    asked.stages.add("search", time.monotonic() - started)


def live_viewers(args: argparse.Namespace, folder: RunFolder) -> list[Any]:
    """What ``--mlflow`` and ``--tensorboard`` ask for. ValueError where one cannot listen."""
    from tune_ks.commands.live_viewers import MlflowLogger, TensorBoardLogger

    viewers = []
    if args.mlflow:
        viewers.append(MlflowLogger(args.mlflow, folder.root.name))
    if args.tensorboard:
        viewers.append(TensorBoardLogger(folder.root))
    return viewers


def conclude(asked: Asked, complete: bool) -> int:
    """Export, analyse, and say what was found, what failed and what to type next."""
    from tune_ks.commands.exports import export_run
    from tune_ks.planning.plan import plan_search

    args, stages, folder = asked.args, asked.stages, asked.folder
    with stages.stage("export"):
        export_run(folder)
    with stages.stage("analysis"):
        asked.analysis.analyse(folder.root, args.rule, args.epsilon, not args.no_images)
    say(stages.budget())
    left = plan_search(asked.space, folder, asked.vendors)
    failures = folder.failures()
    for key, reason in list(failures.items())[:10]:
        say(f"failed: {key}: {reason}", style="red")
    if left.left or not complete:
        say(f"{left.left or 'some'} trials are left; the same command goes on:\n  {args.command_line}")
        return INTERRUPTED
    say("next:")
    if args.data is None:
        say("  python run_search.py --data DIR --space paper     the same on your own DICOM files")
    say(f"  python run_search.py evaluate {folder.root} --data DIR     the chosen models on another hospital's images")
    if failures:
        say("  the same command with --retry-failed     runs the failed trials again")
    return FAILED_TRIALS if failures else OK


def open_cohorts(args: argparse.Namespace, image_sizes: list[int], stages: Any, masks: bool) -> dict[int, Any]:
    """image size -> Cohort, decoded once each, with its tumours' ``masks`` where they are asked for. Writes the phantom
    first where no data were given."""
    from tune_ks.data.cohort.cohort import open_cohort
    from tune_ks.data.cohort.scan import CohortSettings
    from tune_ks.data.cohort.tumour_masks import with_tumour_masks
    from tune_ks.data.phantom.write import VERSION, PhantomSettings, write_phantom

    series, data = args.series, args.data
    if data is None:
        with stages.stage("phantom") as progress:
            data = write_phantom(
                PHANTOM / f"version-{VERSION}", PhantomSettings(), workers=args.workers, progress=progress
            )
        series = series or "post_1"
    settings = {name: getattr(args, name) for name in ("intensity", "orientation", "negatives")}
    settings = CohortSettings(series=series, **{name: value for name, value in settings.items() if value})
    cache = args.cache or cache_beside(args.run)
    cohorts = {}
    with stages.stage("reading DICOM") as progress:
        for size in image_sizes:
            cohorts[size] = open_cohort(data, settings, size, cache, args.workers, progress, require_vendors=2)
            if masks:
                cohorts[size] = with_tumour_masks(cohorts[size], data)
    cohort = next(iter(cohorts.values()))
    per_vendor = cohort.table.groupby("vendor").agg(images=("row", "size"), patients=("patient_id", "nunique"))
    counts = ", ".join(f"{v} {n.images} images of {n.patients} patients" for v, n in per_vendor.iterrows())
    sides = " and ".join(str(each.image_side) for each in cohorts.values())
    say(f"cohort: {counts}; sampled at {sides} px")
    unknown = int((cohort.table["orientation"] == "unknown").sum())
    if unknown:
        say(f"orientation unknown for {unknown} images: they are used as stored")
    along_rows = int((cohort.table["phase"] == "COL").sum())
    if along_rows:
        say(f"phase encoding runs along the other axis in {along_rows} images: lines stay the columns")
    for reason, count in cohort.left_out.items():
        say(f"left out {count}: {reason}")
    for reason, count in cohort.skipped["reason"].value_counts().head(8).items():
        say(f"skipped {count} files: {reason}", style="yellow")
    return cohorts


def print_plan(plan: Any) -> None:
    """What would run, by vendor and family."""
    table = Table("trained on", "mask", "rates", "trials", box=None, title="plan", title_justify="left")
    groups: dict[tuple[str, str], list[float]] = {}
    for job in plan.jobs:
        for config in job:
            groups.setdefault((config.vendor, config.mask), []).append(config.sampling_rate)
    for (vendor, mask), rates in sorted(groups.items()):
        table.add_row(vendor, mask, " ".join(f"{rate:.3g}" for rate in sorted(set(rates))), str(len(rates)))
    console.print(table)
    if plan.draws:
        say(f"and {plan.draws} suggestions that Optuna will make")
    say(str(plan))


def finalists(folder: RunFolder, args: argparse.Namespace, analysis: AnalysisSteps) -> dict[str, Any]:
    """The rule, and the configs, without seeds, of the rates that it chooses and of their neighbours; writes nothing.

    Those that it chose before go on first: half of them trained, they are no ground for another choice. What one
    conditional training screened begins from its weights, or anew with ``--from-scratch``.
    """
    from tune_ks.planning.plan import plan_finalists
    from tune_ks.planning.pretrained import named

    chosen, before = {}, folder.read_search().get("finalists", {})
    asked = {"rule": args.rule, "epsilon": args.epsilon, "from_scratch": args.from_scratch}
    if {**before, **asked} == before and plan_finalists(folder, before["configs"], args.finalist_seeds).left:
        return before
    if folder.search_json.exists():
        chosen = analysis.finalists(folder.root, args.rule, args.epsilon)
    found = [config for configs in chosen.values() for config in configs]
    if not found:
        raise ValueError("this run has no chosen rate yet: run the same search without --finalists first")
    for config in found:
        begins = config.pop("init_from", {})
        screened = {seed: key for seed, key in begins.items() if is_key(key)}
        begins |= {seed: named(folder, key) for seed, key in screened.items()}
        if not (screened and args.from_scratch):
            config |= {"init_from": begins} if begins else {}
    return {**asked, "configs": found}
