"""The front door: start or resume a search, evaluate its models elsewhere; say where it went and what to type next.

python run_search.py                                     the quick search on a phantom, nothing else needed
python run_search.py --data DIR --space paper            a search on your own DICOM files
python run_search.py evaluate RUN --data DIR             the chosen models on another cohort
python run_search.py evaluate RUN --data DIR --corruptions      ... as images get worse
python run_search.py predict RUN --data DIR              their scores for images without labels
python run_search.py merge RUN_A RUN_B --into RUN        the trials of several run folders of one cohort in one

Exit codes: 0 all done; 1 some trials failed; 2 it could not go on (what came, the run folder or the storage is not
what it must be: one message says what); 130 interrupted, or trials are left: the same command goes on.
"""

import argparse
import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tune_ks.record import RunFolder, is_key, read_json
from tune_ks.storage import storage_path, write_whole

PHANTOM = Path("phantom")
RUNS = Path("runs")
OK, FAILED_TRIALS, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
console = Console(highlight=False)


def say(text: str, style: str | None = None) -> None:
    """One line, never folded: a command or a path must be whole to be copied."""
    console.print(text, style=style, soft_wrap=True, markup=False)


def main(argv: list[str] | None = None) -> int:
    """Run one command line; returns the exit code. What the user can mend is one message, never a traceback."""
    argv = sys.argv[1:] if argv is None else argv
    if argv and argv[0] in ("evaluate", "predict"):
        args, command = evaluate_parser(argv[0]).parse_args(argv[1:]), evaluate_command
    elif argv and argv[0] == "merge":
        args, command = merge_parser().parse_args(argv[1:]), merge_command
    else:
        args, command = search_parser().parse_args(argv), search_command
    # a resumed search must not be set aside
    args.command_line = "python run_search.py " + shlex.join(word for word in argv if word != "--fresh")
    try:
        with sigterm_as_interrupt():
            return command(args)
    except KeyboardInterrupt:
        print(
            f"interrupted; nothing finished is lost. The same command goes on:\n  {args.command_line}", file=sys.stderr
        )
        return INTERRUPTED
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """SIGTERM ends a command as Ctrl-C does; while trials run, the search has its own way with both."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def search_parser() -> argparse.ArgumentParser:
    """The arguments of a search."""
    parser = argparse.ArgumentParser(
        prog="run_search.py",
        description="Search for the share of k-space that a classifier should see, then analyse and choose the rate. "
        "The same command again goes on where it was. Other commands: evaluate, predict, merge (with --help of their "
        "own).",
        epilog=f"exit codes: {(__doc__ or '').partition('Exit codes: ')[2].strip()}",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    what = parser.add_argument_group("what is asked")
    what.add_argument("--space", default="quick", help="a name in search_spaces/, or the path of a file of your own")
    what.add_argument("--split-seed", type=int, default=0, help="which patients train, validate and test: of the run")
    add_data_arguments(
        parser, "a folder of DICOM in Duke's layout, or with labels.csv; without it a phantom is written"
    )
    what.add_argument("--samples", type=int, help="suggestions for each point, instead of what the space says")
    what.add_argument("--seeds", type=int, help="seeds of each configuration, instead of what the space says")
    what.add_argument("--rates", type=float, nargs="+", help="sampling rates, added to every list of them in the space")
    what.add_argument(
        "--finalists", action="store_true", help="train the chosen rates and their neighbours with more seeds"
    )
    what.add_argument("--finalist-seeds", type=int, default=5, help="how many seeds the finalists get")
    where = parser.add_argument_group("where it goes")
    where.add_argument("--run", help="the run folder, or s3://BUCKET/PREFIX; otherwise runs/SPACE-<hash of both>")
    where.add_argument("--fresh", action="store_true", help="start anew; an earlier run folder is renamed, not deleted")
    where.add_argument(
        "--extend", action="store_true", help="let a run folder take a changed space; it keeps its trials"
    )
    where.add_argument("--retry-failed", action="store_true", help="run the failed trials again")
    where.add_argument("--dry-run", action="store_true", help="print the plan and an estimate of time; start nothing")
    how = parser.add_argument_group("what it may use")
    how.add_argument("--address", help="a running Ray cluster (auto, or host:port); otherwise this machine")
    how.add_argument("--cpus-per-trial", type=float, default=1, help="CPUs, and so torch threads, of a trial")
    how.add_argument("--gpus-per-trial", type=float, help="0.25 packs four trials on one; otherwise 1 if there is any")
    how.add_argument("--concurrent", type=int, help="at most so many trials at once; otherwise as many as fit")
    how.add_argument("--hang-after", type=float, default=3600, help="seconds without an epoch: the trial is ended")
    viewers = parser.add_argument_group("who else may watch (RUN/tensorboard is written at the end in any case)")
    viewers.add_argument("--mlflow", metavar="URI", help="an MLflow server, or sqlite:///FILE; needs tune_ks[mlflow]")
    viewers.add_argument("--tensorboard", action="store_true", help="write RUN/tensorboard while the search runs")
    choice = parser.add_argument_group("how the rate is chosen (python -m analysis RUN --help has more)")
    choice.add_argument("--rule", default="epsilon", help="the selection rule")
    choice.add_argument("--epsilon", type=float, default=0.02, help="tolerated loss of in-domain AUC")
    choice.add_argument("--no-images", action="store_true", help="leave images of patients out of the report")
    return parser


def evaluate_parser(name: str) -> argparse.ArgumentParser:
    """The arguments of ``evaluate`` and ``predict``."""
    parser = argparse.ArgumentParser(
        prog=f"run_search.py {name}",
        description={
            "evaluate": "Score another cohort with the exported models: writes RUN/external/NAME.csv and the scores.",
            "predict": "Score images that need no labels: writes RUN/external/NAME_predictions.csv.",
        }[name],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.set_defaults(task=name, corruptions=False)
    if name == "evaluate":
        parser.add_argument(
            "--corruptions",
            action="store_true",
            help="score corrupted images (ghosting, motion, noise ...) at five severities with the chosen models and "
            "full sampling, nothing retrained: writes RUN/corruptions/NAME.csv",
        )
    parser.add_argument("run", help="the run folder (or s3:// URL) of a search")
    add_data_arguments(parser, "the other cohort's folder", required=True)
    parser.add_argument("--all", action="store_true", help="every finished trial, not only the chosen ones")
    parser.add_argument("--name", help="name of the output; otherwise the data folder's name")
    return parser


def merge_parser() -> argparse.ArgumentParser:
    """The arguments of ``merge``."""
    parser = argparse.ArgumentParser(
        prog="run_search.py merge",
        description="Bring the trials of several run folders of one cohort and one split into one. The sources stay as "
        "they are. A question that two of them answered differently is refused, and named.",
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folders of searches")
    parser.add_argument("--into", required=True, help="the run folder that takes them; new, or one of theirs")
    return parser


def add_data_arguments(parser: argparse.ArgumentParser, meaning: str, required: bool = False) -> None:
    """Where the images are and how they are read: the same for every command."""
    data = parser.add_argument_group("the data")
    data.add_argument("--data", type=Path, required=required, help=meaning)
    data.add_argument("--series", help="pre, post_1 ...; otherwise pre for Duke, post_1 for the phantom")
    data.add_argument("--intensity", choices=["series", "image"], help="scaled by percentiles of the series or image")
    data.add_argument("--orientation", choices=["canonical", "raw"], help="raw keeps GE upside down, to measure that")
    data.add_argument("--negatives", choices=["all", "position_matched"], help="which slices without a tumour")
    data.add_argument("--cache", type=Path, help="folder of decoded images; otherwise 'cache' beside the run folder")
    data.add_argument("--workers", type=int, help="processes that decode DICOM; otherwise one a CPU")


# ---------------------------------------------------------------------------------------------------------- search


def search_command(args: argparse.Namespace) -> int:
    """Data, plan, search, analysis, in this order. Heavy imports wait until the arguments are known to be good."""
    require_rule(args)
    from tune_ks.begin import default_run, require_same, require_vendors, set_aside
    from tune_ks.cluster import Resources
    from tune_ks.console import Stages, duration
    from tune_ks.estimate import estimate_seconds
    from tune_ks.lock import driver_lock
    from tune_ks.plan import plan_finalists, plan_search
    from tune_ks.space import ask_more, load_space
    from tune_ks.watch import Halt

    address = args.address or os.environ.get("RAY_ADDRESS")  # which `ray job submit` sets
    resources = Resources(args.cpus_per_trial, args.gpus_per_trial, args.concurrent, address, args.hang_after)
    stages = Stages(console)
    space = ask_more(load_space(args.space), args.samples, args.seeds, args.rates or [])
    cohorts = open_cohorts(args, space.image_sizes(), stages)
    cohort = next(iter(cohorts.values()))
    vendors = sorted(cohort.table["vendor"].unique())
    require_vendors(space, vendors)
    folder = RunFolder(args.run or default_run(RUNS, space, cohort))
    state = "resumed" if folder.search_json.exists() and not args.fresh else "new"
    say(f"run folder: {folder.root} ({state})")
    if state == "resumed":
        require_same(folder, space, cohort, args.split_seed, args.extend)
    known = folder if state == "resumed" else RunFolder("/nonexistent")
    plan = plan_search(space, known, vendors, args.retry_failed)
    if args.finalists:
        plan = plan_finalists(known, finalists(known, args), args.finalist_seeds)
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
        complete = run_plan(args, stages, space, folder, cohorts, plan, resources, halt)
        return conclude(args, stages, space, folder, vendors, complete)


def run_plan(
    args: argparse.Namespace,
    stages: Any,
    space: Any,
    folder: RunFolder,
    cohorts: dict[int, Any],
    plan: Any,
    resources: Any,
    halt: Any,
) -> bool:
    """Begin the run folder or add to it, and run what the plan has left. False when ``halt`` was given a reason."""
    from tune_ks.begin import begin_run, extend_run
    from tune_ks.console import TrialTable
    from tune_ks.loggers import fan_out
    from tune_ks.search import run_search

    cohort = next(iter(cohorts.values()))
    vendors = sorted(cohort.table["vendor"].unique())
    if not folder.search_json.exists():
        begin_run(folder, space, cohort, args.split_seed, args.command_line, synthetic=args.data is None)
    elif args.extend:
        extend_run(folder, space, args.command_line)
    say(f"plan: {plan}")
    started = time.monotonic()
    if plan.left:
        images = {size: each.images for size, each in cohorts.items()}
        viewers = fan_out(live_viewers(args, folder), say)
        asked = space.without_scheduler() if args.finalists else space
        with TrialTable(console, plan, folder.records()) as table:

            def show(event: Any) -> None:
                table.show(event)
                viewers(event)

            run_search(asked, folder, images, vendors, plan, resources, show, halt)
        stages.add("search", time.monotonic() - started)
    return not halt.reason


def live_viewers(args: argparse.Namespace, folder: RunFolder) -> list[Any]:
    """What ``--mlflow`` and ``--tensorboard`` ask for. ValueError where one cannot listen."""
    from tune_ks.loggers import MlflowLogger, TensorBoardLogger

    viewers = []
    if args.mlflow:
        viewers.append(MlflowLogger(args.mlflow, folder.root.name))
    if args.tensorboard:
        viewers.append(TensorBoardLogger(folder.root))
    return viewers


def conclude(
    args: argparse.Namespace, stages: Any, space: Any, folder: RunFolder, vendors: list[str], complete: bool
) -> int:
    """Export, analyse, and say what was found, what failed and what to type next."""
    from tune_ks.exports import export_run
    from tune_ks.plan import plan_search

    with stages.stage("export"):
        export_run(folder)
    with stages.stage("analysis"):
        analyse_run(folder, args)
    say(stages.budget())
    left = plan_search(space, folder, vendors)
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


def open_cohorts(args: argparse.Namespace, image_sizes: list[int], stages: Any) -> dict[int, Any]:
    """image size -> Cohort, decoded once each. Writes the phantom first where no data were given."""
    from tune_ks.data.cohort import CohortSettings, open_cohort
    from tune_ks.data.phantom import VERSION, PhantomSettings, write_phantom

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


def cache_beside(run: str | None) -> Path:
    """Where decoded images are kept: beside the run folder; in ``runs`` where that is none of a file system."""
    root = storage_path(run) if run else None
    return (root.parent if isinstance(root, Path) else RUNS) / "cache"


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


def analyse_run(folder: RunFolder, args: argparse.Namespace) -> None:
    """Analyse what the run folder holds now, and say what was chosen."""
    from analysis import analyse, print_analysis

    print_analysis(analyse(folder.root, rule=args.rule, epsilon=args.epsilon, images=not args.no_images), console)


def require_rule(args: argparse.Namespace) -> None:
    """Refuse a rule or an epsilon that the analysis would refuse after the whole search."""
    from analysis.selection import Options
    from analysis.study import require_settings

    require_settings(args.rule, Options(epsilon=args.epsilon))


def finalists(folder: RunFolder, args: argparse.Namespace) -> list[dict[str, Any]]:
    """The configs, without seeds, of the rates that the rule chooses now and of their neighbours; writes nothing."""
    from analysis.load import load
    from analysis.selection import Options
    from analysis.study import compute, finalists_of

    chosen = {}
    if folder.search_json.exists():
        chosen = finalists_of(compute(load(folder.root), args.rule, Options(epsilon=args.epsilon)))
    found = [config for configs in chosen.values() for config in configs]
    if not found:
        raise ValueError("this run has no chosen rate yet: run the same search without --finalists first")
    return found


# ----------------------------------------------------------------------------------------------------------- merge


def merge_command(args: argparse.Namespace) -> int:
    """Several run folders of one cohort into one."""
    from tune_ks.lock import driver_lock
    from tune_ks.merge import merge_runs, require_mergeable

    target = RunFolder(args.into)
    sources = [RunFolder(root) for root in args.runs]
    require_mergeable(sources, target)
    with driver_lock(target.root, say, lambda reason: None):
        counts = merge_runs(sources, target)
    say(f"{target.root}: {counts.finished} finished trials and {counts.unfinished} others taken over")
    say(f"next:\n  python -m analysis {target.root}")
    return OK


# -------------------------------------------------------------------------------------------------------- evaluate


def evaluate_command(args: argparse.Namespace) -> int:
    """Read the other cohort as the run read its own, score it, write the tables."""
    from tune_ks.console import Stages
    from tune_ks.data.cohort import CohortSettings, open_cohort
    from tune_ks.evaluate import evaluate, probabilities, side_of
    from tune_ks.robustness import robustness, write_robustness

    stages = Stages(console)
    folder = RunFolder(args.run)
    name = output_name(args)
    keys = chosen_keys(folder, args.all)
    side = side_of(folder.read_record(keys[0]))
    # the run's own settings hold for the other cohort too, unless this command says otherwise
    asked = {name: getattr(args, name) for name in ("series", "intensity", "orientation", "negatives")}
    try:
        settings = dict(folder.read_search().get("cohort", {}).get("settings", {}))
        settings = CohortSettings(**(settings | {name: value for name, value in asked.items() if value}))
    except (TypeError, AttributeError) as error:
        raise ValueError(f"{folder.search_json} does not hold the settings of a cohort ({error})") from error
    cache = args.cache or cache_beside(args.run)
    labelled = args.task == "evaluate"
    with stages.stage("reading DICOM") as progress:
        cohort = open_cohort(
            args.data, settings, side, cache, args.workers, progress, labels_required=labelled, require_vendors=1
        )
    if args.corruptions:
        table = labelled_images(folder, cohort)
        with stages.stage("scoring") as progress:
            worse = robustness(folder, with_full_sampling(folder, keys), table, cohort.images, progress)
        for path in write_robustness(folder, name, worse):
            say(f"wrote {path}")
        say(f"next: python -m analysis {folder.root}     shows AUC against severity")
        say(stages.budget())
        return OK
    with stages.stage("scoring") as progress:
        found = evaluate(folder, keys, cohort.table, cohort.images, progress)
    external = folder.root / "external"
    if labelled:
        outputs = {f"{name}.csv": found.summary, f"{name}_scores.csv": found.scores}
        table = Table(*found.summary.columns, box=None)
        for line in found.summary.itertuples(index=False):
            table.add_row(*(f"{value:.3f}" if isinstance(value, float) else str(value) for value in line))
        console.print(table)
    else:
        outputs = {f"{name}_predictions.csv": probabilities(found.scores)}
    for file, frame in outputs.items():
        write_whole(external / file, frame.to_csv(index=False).encode())
        say(f"wrote {external / file}")
    say(stages.budget())
    return OK


def labelled_images(folder: RunFolder, cohort: Any) -> Any:
    """The images that no model was trained on: the test patients of the run's own cohort, or all of another one."""
    from tune_ks.data.cohort import read_table

    if cohort.fingerprint == folder.read_search().get("cohort", {}).get("fingerprint"):
        table = read_table(folder.cohort_csv)
        return table[table["split"] == "test"]
    return cohort.table


def with_full_sampling(folder: RunFolder, keys: list[str]) -> list[str]:
    """The keys, and every finished trial at rate 1 beside them: what a lower rate is compared with."""
    full = [key for key in folder.finished() if folder.read_config(key).sampling_rate == 1]
    return sorted({*keys, *full})


def output_name(args: argparse.Namespace) -> str:
    """The first part of the names of the files in RUN/external/: a name, never a path."""
    name = args.data.resolve().name if args.name is None else args.name
    if not re.fullmatch(r"[\w-][\w .+-]{0,99}", name):
        raise ValueError(
            f"--name must be 1 to 100 letters, digits, blanks and '.+-_', not starting with a dot, got {name!r}"
        )
    return name


def chosen_keys(folder: RunFolder, every: bool) -> list[str]:
    """The keys of the trials that selection.json chose, or all finished ones."""
    if not folder.root.is_dir():
        raise ValueError(f"there is no run folder {folder.root}")
    finished = folder.finished()
    if not finished:
        raise ValueError(f"{folder.root} has no finished trial: run the search first")
    if every:
        return finished
    path = folder.root / "selection.json"
    if not path.exists():
        raise ValueError(f"{path} is missing: run `python -m analysis {folder.root}` first, or give --all")
    try:
        chosen = [key for choice in read_json(path)["choices"] for key in choice["keys"]]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} is not what the analysis writes ({error!r}): run it again") from error
    wrong = [key for key in chosen if not is_key(key)]
    if wrong:
        raise ValueError(f"{path} names {wrong[0]!r}, which is no key (12 hexadecimal digits): run the analysis again")
    if not chosen:
        raise ValueError(f"{path} holds no chosen trial: its analysis could choose no rate; give --all")
    return [key for key in finished if key in chosen]


if __name__ == "__main__":
    sys.exit(main())
