"""What a search needs before it starts: its space, its data, its run folder and its plan. Writes no run folder."""

import argparse
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

from tune_ks.commands.analysis_steps import AnalysisSteps
from tune_ks.commands.arguments import FINALIST_SEEDS
from tune_ks.commands.output import RUNS, console, require_reachable, say
from tune_ks.commands.search_data import begin_reading, open_cohorts, survey_cohorts
from tune_ks.core.config import is_key
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.storage import storage_path

NOTHING = RunFolder("/nonexistent")  # stands for the run folder of a new search, which holds no trial


class PretrainedStart(NamedTuple):
    """A space after the word "pretrained" was replaced by weights."""

    space: Any
    chosen: dict[str, str]  # key of the config from scratch -> KEY@HASH that it starts from
    sources: list[RunFolder]  # that have these weights


@dataclass(frozen=True)
class PreparedSearch:
    """A search whose arguments, data and run folder have been checked; nothing has been written yet."""

    args: argparse.Namespace
    analysis: AnalysisSteps
    stages: Any  # of the output, with their times
    space: Any
    folder: RunFolder
    cohorts: dict[int, Any]  # image size -> Cohort
    vendors: list[str]  # of the cohort
    plan: Any
    weights: dict[str, RunFolder]  # KEY@HASH that the run folder lacks -> the run folder to copy it from
    notes: dict[str, Any]  # fields of search.json that let the same command continue in the same way


def prepare(args: argparse.Namespace, analysis: AnalysisSteps) -> PreparedSearch:
    """Read the space and the data, find the run folder, and plan what it lacks. ValueError for what does not fit.

    A dry run decodes nothing: it takes what an earlier command has decoded, else what sheets and headers say.
    """
    require_reachable(args.run, args.init_from)
    begin_reading(args)  # before torch is imported here, which takes a second
    from tune_ks.commands.stages import Stages
    from tune_ks.planning.plan import plan_finalists, plan_search
    from tune_ks.planning.pretrained import absent_weights, notes_of, require_unchanged, weights_of
    from tune_ks.planning.space import Space, ask_more, load_space
    from tune_ks.planning.start_run import (
        default_run,
        other_processor,
        require_coil_images,
        require_objectives,
        require_same,
        require_same_space,
        require_trainable,
        require_vendors,
        require_volumes,
    )

    stages = Stages(console)
    given = args.space if isinstance(args.space, Space) else load_space(args.space)
    asked = ask_more(given, args.samples, args.seeds, args.rates or [])
    require_effective(args, asked)
    cohorts = survey_cohorts(args, asked, stages) if args.dry_run else open_cohorts(args, asked, stages)
    cohort = next(iter(cohorts.values()))
    vendors = sorted(cohort.table["vendor"].unique())
    require_vendors(asked, vendors)
    require_volumes(asked, cohorts)
    require_coil_images(asked, cohorts)
    require_trainable(asked, cohort, args.split_seed)
    require_objectives(asked, cohort, args.split_seed)
    space, chosen, sources = pretrained_start(args, asked, vendors, cohort)
    folder = RunFolder(args.run or default_run(RUNS, space, cohort))
    require_run_folder(folder, args.fresh)
    known = folder if folder.search_json.exists() and not args.fresh else NOTHING
    say_run_folder(args, space, cohort, folder, is_resumed=known is folder)
    if known is folder:
        require_unchanged(folder, args.init_from, chosen)
        require_same(folder, cohort, args.split_seed)
        if not args.extend:
            require_same_space(folder, space, "--extend to add it to what is there, ")
        if warning := other_processor(folder):
            say(f"warning: {warning}", style="yellow")
    plan = plan_search(space, known, vendors, args.retry_failed)
    notes: dict[str, Any] = {}
    if chosen:
        notes["init_from"] = notes_of(known, args.init_from, chosen)
    if args.finalists:
        notes["finalists"] = finalists(known, args, analysis)
        plan = plan_finalists(known, notes["finalists"]["configs"], args.finalist_seeds)
    weights = absent_weights(known, weights_of(space, plan), [known, *sources])
    return PreparedSearch(
        args=args,
        analysis=analysis,
        stages=stages,
        space=space,
        folder=folder,
        cohorts=cohorts,
        vendors=vendors,
        plan=plan,
        weights=weights,
        notes=notes,
    )


def require_effective(args: argparse.Namespace, space: Any) -> None:
    """ValueError for an option that would change nothing, since the person who gave it expects something of it."""
    from tune_ks.planning.pretrained import names_pretrained

    idle = []
    if args.fresh and args.extend:
        idle.append("--extend adds to a run folder, which --fresh sets aside: give one of the two")
    if args.from_scratch and not args.finalists:
        idle.append("--from-scratch is about finalists: it belongs to --finalists")
    if args.finalist_seeds != FINALIST_SEEDS and not args.finalists:
        idle.append("--finalist-seeds belongs to --finalists; --seeds is for all configurations")
    if args.samples is not None and space.search["sampler"] == "grid":
        idle.append(
            f"--samples is for the suggestions of a sampler, and the space {space.name!r} is a grid: --seeds repeats "
            "its points"
        )
    if args.init_from is not None and not names_pretrained(space):
        idle.append(
            f"--init-from gives the weights that 'pretrained' stands for, and the space {space.name!r} has no "
            "init_from that says it"
        )
    if idle:
        raise ValueError(idle[0])


def say_run_folder(args: argparse.Namespace, space: Any, cohort: Any, folder: RunFolder, is_resumed: bool) -> None:
    """Print where the results go; of a dry run on images that are not decoded, what is not known before."""
    if cohort.is_decoded:
        say(f"run folder: {folder.root} ({'resumed' if is_resumed else 'new'})")
    elif is_resumed:
        say(f"run folder: {folder.root} (resumed, if it is of these images: they are not decoded yet)")
    elif args.run:
        say(f"run folder: {folder.root} (new)")
    else:
        say(f"run folder: {RUNS}/{space.name}-HASH (named after the images, which are not decoded yet)")
        others = [str(root) for root in sorted(RUNS.glob(f"{space.name}-*")) if (root / "search.json").exists()]
        if others and not args.fresh:
            say(f"  what {', '.join(others)} holds is not trained again, if it is of these images")


def require_run_folder(folder: RunFolder, fresh: bool) -> None:
    """ValueError for a folder that leads elsewhere by a link or is not whole, and for ``fresh`` on no run folder.

    ``fresh`` would rename the folder, which may be any folder of the user.
    """
    if fresh and folder.is_other_folder():
        raise ValueError(
            f"{folder.root} is no run folder (it has no search.json), so --fresh leaves it alone: give another --run"
        )
    if not fresh:
        folder.require_own_folders()
        folder.require_whole()


def pretrained_start(args: argparse.Namespace, space: Any, vendors: list[str], cohort: Any) -> PretrainedStart:
    """Choose the weights for every config that says "pretrained", from the run that ``--init-from`` names.

    Where that run is gone, the choice that an earlier command of the same search noted in its run folder is used, and
    the weights that it copied there.
    """
    from tune_ks.planning.pretrained import Pretrained, as_pretrained, names_pretrained, resolve

    place = args.init_from
    if place is None:
        if names_pretrained(space):
            raise ValueError(f"the space {space.name!r} begins from pretrained weights: give --init-from RUN")
        return PretrainedStart(space, {}, [])
    if not storage_path(place).exists():
        return noted_start(args, space, vendors, cohort)
    source = Pretrained(place)
    resolved, chosen = resolve(space, vendors, lambda config: source.choose(as_pretrained(space, config)))
    return PretrainedStart(resolved, chosen, [source.folder])


def noted_start(args: argparse.Namespace, space: Any, vendors: list[str], cohort: Any) -> PretrainedStart:
    """What an earlier command of this search chose. ValueError where no run folder of this search noted it."""
    from tune_ks.planning.pretrained import resolve_as_noted
    from tune_ks.planning.start_run import default_run

    folders = [RunFolder(args.run)] if args.run else [RunFolder(root) for root in sorted(RUNS.glob(f"{space.name}-*"))]
    for folder in folders:
        noted = resolve_as_noted(space, vendors, args.init_from, folder)
        if noted is None:
            continue
        resolved, chosen = noted
        if args.run or not cohort.is_decoded or default_run(RUNS, resolved, cohort) == folder.root:
            return PretrainedStart(resolved, chosen, [])
    raise ValueError(f"--init-from: there is no {args.init_from}, and no run folder of this search that began from it")


def finalists(folder: RunFolder, args: argparse.Namespace, analysis: AnalysisSteps) -> dict[str, Any]:
    """The rule, and the configs, without seeds, of the rates that it chooses and of their neighbours; writes nothing.

    Finalists of an earlier choice are trained to their end before there is another choice, which half of them trained
    would distort. A config that a conditional training screened starts from its weights, or, with ``--from-scratch``,
    from none.
    """
    from tune_ks.planning.plan import plan_finalists

    asked = {"rule": args.rule, "epsilon": args.epsilon, "from_scratch": args.from_scratch}
    before = folder.read_search().get("finalists", {})
    is_same_choice = {**before, **asked} == before
    if is_same_choice and plan_finalists(folder, before["configs"], args.finalist_seeds).left:
        return before
    chosen: dict[str, list[dict[str, Any]]] = {}
    if folder.search_json.exists():
        chosen = analysis.finalists(folder.root, args.rule, args.epsilon)
    configs = list(chain.from_iterable(chosen.values()))
    if chosen and not configs:
        raise ValueError(
            f"the rule {args.rule!r} chooses no rate in {folder.root}, so there are no finalists: its report says why; "
            "another --rule may choose one"
        )
    if not configs:
        raise ValueError("this run has no chosen rate yet: run the same search without --finalists first")
    return {**asked, "configs": [_with_start(folder, config, args.from_scratch) for config in configs]}


def _with_start(folder: RunFolder, config: dict[str, Any], from_scratch: bool) -> dict[str, Any]:
    """A finalist with the weights that it starts from, as ``init_from``: seed -> KEY@HASH.

    The analysis gives KEY alone for a trial that a conditional training screened.
    """
    from tune_ks.planning.pretrained import named

    config = dict(config)
    init_from = config.pop("init_from", {})
    screened = {seed: named(folder, key) for seed, key in init_from.items() if is_key(key)}
    if not init_from or (screened and from_scratch):
        return config
    return {**config, "init_from": {**init_from, **screened}}
