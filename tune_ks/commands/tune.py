"""Tune: compare recipes within some minutes, and write a space file that searches the rates with the best one."""

import argparse
import math
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tune_ks.commands.output import FAILED_TRIALS, OK, RUNS, console, require_reachable, say
from tune_ks.commands.prepare_search import require_run_folder, say_run_folder
from tune_ks.commands.search import held, resources_of, say_undecoded
from tune_ks.commands.search_data import open_cohorts, survey_cohorts
from tune_ks.core.early_signals import INTERRUPTED
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.system import machine_cores

NAME = "tune"  # of its run folders, so that a search of the same space has another one
DONE = "tuned_minutes"  # field of search.json: a tuning of so many minutes has come to its end


@dataclass(frozen=True)
class PreparedTuning:
    """A tuning whose arguments, data and run folder have been checked; nothing has been written yet."""

    args: argparse.Namespace
    started: float  # of time.monotonic: when the command began
    stages: Any
    space: Any
    candidates: Any
    cohort: Any
    vendors: list[str]
    folder: RunFolder
    space_out: Path

    @property
    def seconds(self) -> float:
        return 60 * self.args.minutes


def tune_command(args: argparse.Namespace) -> int:
    """Prepare, train, compare, write the space file. Heavy imports wait until the arguments are known to be good."""
    started = time.monotonic()
    if args.space_out is not None:
        from tune_ks.commands.tuned_space import require_free

        require_free(args.space_out)
    resources = resources_of(args)
    tuning = prepare(args, started)
    if args.dry_run:
        print_dry_run(tuning)
        return OK
    with held(tuning.folder, args.fresh) as halt:
        train(tuning, resources, halt)
        return conclude(tuning, halt)


def prepare(args: argparse.Namespace, started: float) -> PreparedTuning:
    """Read the space and the data, find the run folder. ValueError for what does not fit.

    A dry run decodes nothing and writes nothing, as that of a search.
    """
    require_reachable(args.run)
    from tune_ks.commands.stages import Stages
    from tune_ks.commands.tuned_space import require_free
    from tune_ks.planning.candidates import candidates_of
    from tune_ks.planning.space import load_space
    from tune_ks.planning.start_run import (
        default_run,
        other_processor,
        require_same,
        require_same_space,
        require_vendors,
    )

    stages = Stages(console)
    space = load_space(args.space)
    candidates_of(space, ["GE"])  # before the data are read
    space = space._replace(name=NAME)
    cohorts = survey_cohorts(args, space, stages) if args.dry_run else open_cohorts(args, space, stages)
    cohort = next(iter(cohorts.values()))
    vendors = sorted(cohort.table["vendor"].unique())
    require_vendors(space, vendors)
    folder = RunFolder(args.run or default_run(RUNS, space, cohort))
    space_out = args.space_out or space_beside(folder)
    require_free(space_out)
    require_run_folder(folder, args.fresh)
    known = folder.search_json.exists() and not args.fresh
    say_run_folder(args, space, cohort, folder, is_resumed=known)
    if known:
        require_same(folder, cohort, args.split_seed)
        require_same_space(folder, space)
        if warning := other_processor(folder):
            say(f"warning: {warning}", style="yellow")
    return PreparedTuning(
        args=args,
        started=started,
        stages=stages,
        space=space,
        candidates=candidates_of(space, vendors),
        cohort=cohort,
        vendors=vendors,
        folder=folder,
        space_out=space_out,
    )


def space_beside(folder: RunFolder) -> Path:
    """RUN.py; in ``runs`` where the run folder is in an object store. A run folder itself holds nothing to execute."""
    parent = folder.root.parent if isinstance(folder.root, Path) else RUNS
    return parent / f"{folder.root.name}.py"


def train(tuning: PreparedTuning, resources: Any, halt: Any) -> None:
    """Create the run folder, and train what the minutes allow. ValueError where they allow no comparison."""
    from tune_ks.commands.tuning_progress import TuningProgress
    from tune_ks.planning.budget import Budget
    from tune_ks.planning.plan import Plan
    from tune_ks.planning.start_run import create_run, note
    from tune_ks.search.recipe_searcher import RecipeSearcher
    from tune_ks.search.search import run_search

    folder = tuning.folder
    if not folder.search_json.exists():
        command = tuning.args.command_line
        synthetic = tuning.args.data is None
        create_run(folder, tuning.space, tuning.cohort, tuning.args.split_seed, command, synthetic)
    if folder.read_search().get(DONE, 0) >= tuning.args.minutes:
        say("this tuning is done; more minutes would add to it")
        return
    progress = TuningProgress(console, tuning.candidates)
    tournaments = []

    def make_searcher(work: Any, slots: int) -> RecipeSearcher:
        used = sum(record.seconds or 0.0 for record in folder.readable_records()) / slots
        budget = Budget(tuning.seconds, slots, begun=tuning.started - used)
        halt.deadline = budget.begun + budget.seconds
        searcher = RecipeSearcher(tuning.candidates, folder, work, budget)
        tournaments.append(searcher.tournament)
        progress.begin(searcher.tournament)
        say_end(halt.deadline)
        return searcher

    images = {tuning.space.image_sizes()[0]: tuning.cohort.images}
    started = time.monotonic()
    with progress:
        nothing = Plan([], 0, 0, 0)
        run_search(
            tuning.space, folder, images, tuning.vendors, nothing, resources, progress.show, halt,
            make_searcher=make_searcher,
        )  # fmt: skip
    tuning.stages.add("training", time.monotonic() - started)
    if tournaments and tournaments[0].too_short:
        raise ValueError(tournaments[0].too_short)
    if not halt.interrupted:
        note(folder, DONE, tuning.args.minutes)


def say_end(deadline: float) -> None:
    """Print when the tuning ends at the latest."""
    from tune_ks.commands.stages import duration

    left = max(0.0, deadline - time.monotonic())
    ends = datetime.now() + timedelta(seconds=left)
    say(f"training ends within {duration(left)}, at {ends:%H:%M:%S}")


def conclude(tuning: PreparedTuning, halt: Any) -> int:
    """Print the comparison, write the space file, say what to do next. Returns the exit code."""
    from tune_ks.commands.tuned_space import next_command, space_text, write_space
    from tune_ks.commands.tuning_words import conclusions, table_lines
    from tune_ks.planning.budget import RUNGS, rungs_of
    from tune_ks.planning.scoreboard import RULE, Scoreboard

    candidates = tuning.candidates
    command = tuning.args.command_line
    board = Scoreboard(candidates)
    epochs = sorted({record.config.epochs for record in board.read(tuning.folder)})
    comparison = board.compare(epochs or rungs_of(candidates.epochs, RUNGS))
    if comparison is None and not halt.interrupted:
        raise ValueError(nothing_compared(tuning, board))
    if comparison is not None:
        say(f"validation AUC of {len(comparison.rows) + len(comparison.others)} recipes:")
        for line in table_lines(comparison, candidates):
            say(f"  {line}")
        say(f"rule: {RULE}")
        for sentence in conclusions(comparison, candidates):
            say(sentence)
    failures = list(board.failures.items())
    for key, reason in failures[:10]:
        say(f"failed: {key}: {reason}", style="red")
    say(tuning.stages.budget())
    if comparison is None or halt.interrupted:  # an interrupted tuning may have compared nothing yet
        say(f"the tuning is not at its end; the same command goes on:\n  {command}")
        return INTERRUPTED
    following = next_command(tuning.args, tuning.space_out)
    write_space(
        tuning.space_out, space_text(comparison, candidates, tuning.vendors, command, following, tuning.cohort.words)
    )
    say(f"wrote {tuning.space_out}: a search of the rates with the best recipe")
    say(f"next:\n  {following}")
    return FAILED_TRIALS if failures else OK


def nothing_compared(tuning: PreparedTuning, board: Any) -> str:
    """Why no recipe could be compared with the default."""
    word = tuning.cohort.words.one
    if board.failures:
        key, reason = next(iter(board.failures.items()))
        return f"the default recipe could not be trained, so there is nothing to compare with: {key}: {reason}"
    if any(math.isnan(value) for value in board.values.values()):
        return f"the default recipe has no validation AUC: a source {word} needs validation images of both labels"
    return (
        f"--minutes {tuning.args.minutes:g} ended before the default recipe was trained to epoch "
        f"{tuning.candidates.epochs} for every {word} and both rates. What was trained is kept: the same command with "
        "more minutes goes on"
    )


def print_dry_run(tuning: PreparedTuning) -> None:
    """Print what may be tried, and what fits into the minutes on this machine, from a few timed steps."""
    from tune_ks.commands.stages import duration
    from tune_ks.planning.budget import (
        choose_rungs,
        least_seconds,
        pace_of_default,
        recipes_that_fit,
        search_seconds,
    )
    from tune_ks.planning.estimate import Timer

    args = tuning.args
    candidates = tuning.candidates
    for name, domain in candidates.drawn.items():
        say(f"  {name}: {domain.domain_str}, the default is {candidates.default[name]}")
    fitting = int(machine_cores() // args.cpus_per_trial)
    slots = max(1, min(args.concurrent or fitting, fitting))
    timer = Timer({tuning.space.image_sizes()[0]: tuning.cohort}, args.split_seed)
    pace = pace_of_default(candidates, timer.seconds_of, slots)
    rungs = choose_rungs(candidates.epochs, pace, search_seconds(tuning.seconds))
    count = recipes_that_fit(rungs, pace, search_seconds(tuning.seconds))
    least = duration(least_seconds(candidates.epochs, pace))
    say(
        f"about {pace.epoch:.1f} s an epoch of a recipe, {slots} trainings at once: about {count} recipes in "
        f"{args.minutes:g} minutes, compared after {' and '.join(map(str, rungs))} epochs; the least is {least}"
    )
    say_undecoded([tuning.cohort])
