"""What a search needs before it starts: its space, its data, its run folder and its plan. Writes no run folder."""

import argparse
import re
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from tune_ks.commands.analysis_steps import AnalysisSteps
from tune_ks.commands.output import RUNS, cache_beside, console, say
from tune_ks.core.config import is_key
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.storage import storage_path

PHANTOM = Path("phantom")
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
    begin_reading_workbooks(args)  # before torch is imported here, which takes a second
    from tune_ks.commands.progress import Stages
    from tune_ks.planning.plan import plan_finalists, plan_search
    from tune_ks.planning.pretrained import absent_weights, notes_of, require_unchanged, weights_of
    from tune_ks.planning.space import Space, ask_more, load_space
    from tune_ks.planning.start_run import (
        default_run,
        other_processor,
        require_coil_images,
        require_objectives,
        require_same,
        require_trainable,
        require_vendors,
        require_volumes,
    )

    stages = Stages(console)
    given = args.space if isinstance(args.space, Space) else load_space(args.space)
    asked = ask_more(given, args.samples, args.seeds, args.rates or [])
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
        require_same(folder, space, cohort, args.split_seed, args.extend)
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


def begin_reading_workbooks(args: argparse.Namespace) -> None:
    """Start the child process that will read the sheets, where there are workbooks and no images are decoded yet."""
    from tune_ks.data import child_process

    cache = args.cache or cache_beside(args.run)
    if cache.exists():  # the sheets are read no more, if it is of these images
        return
    workbooks = args.data.glob("*.xlsx") if args.data else PHANTOM.glob("*/*.xlsx")
    if any(workbooks):
        child_process.begin("tune_ks.data.layouts.sheets:import_reader")


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
    """ValueError for a folder that leads elsewhere by a link, and for ``fresh`` on a folder that is no run folder.

    ``fresh`` would rename the folder, which may be any folder of the user.
    """
    if fresh and folder.is_other_folder():
        raise ValueError(
            f"{folder.root} is no run folder (it has no search.json), so --fresh leaves it alone: give another --run"
        )
    if not fresh:
        folder.require_own_folders()


def require_apart(args: argparse.Namespace) -> None:
    """ValueError where a new run folder would lie in the data folder, whose files are images that others may read.

    A run folder that is there already, of an earlier version, goes on. ValueError too where --cache is a file.
    """
    if args.cache is not None and args.cache.exists() and not args.cache.is_dir():
        raise ValueError(f"--cache {args.cache} is a file: give a folder, which is made where it is not there")
    if args.data is None or "://" in str(args.run):
        return
    place = Path(args.run or RUNS)
    is_there = (place / "search.json").exists() if args.run else place.exists()
    if not is_there and place.resolve().is_relative_to(args.data.resolve()):
        raise ValueError(f"the run folder {place} would lie in the data folder {args.data}: give another --run")


def open_cohorts(args: argparse.Namespace, space: Any, stages: Any) -> dict[int, Any]:
    """Decode the images, once for every image size of the space, with tumour masks where its task reads them.

    Returns image size -> Cohort, and prints what the cohort holds. Without ``--data`` a phantom is written first.
    """
    from tune_ks.data.cohort.cohort import open_cohort
    from tune_ks.data.cohort.map_scan import require_target
    from tune_ks.data.cohort.target_masks import with_target_masks
    from tune_ks.data.layouts.detect import holds_maps

    require_apart(args)
    data = args.data or write_default_phantom(space, args.workers, stages)
    settings = cohort_settings(args, space)
    cache = args.cache or cache_beside(args.run)
    reads_masks = space.task().reads_masks()
    require_target(holds_maps(data), space.task().target, data)
    cohorts = {}
    with stages.stage("reading images") as progress:
        for size in space.image_sizes():
            cohorts[size] = open_cohort(data, settings, size, cache, args.workers, progress, require_vendors=2)
            if reads_masks:
                cohorts[size] = with_target_masks(cohorts[size], data, space.task().reads_organs())
    say_cohort(list(cohorts.values()))
    say_bands(max(cohorts.values(), key=lambda cohort: cohort.image_side))
    return cohorts


def survey_cohorts(args: argparse.Namespace, space: Any, stages: Any) -> dict[int, Any]:
    """As ``open_cohorts``, but nothing is decoded and nothing is written, neither images nor a phantom."""
    from tune_ks.data.cohort.cohort import cached_cohort, require_usable, survey_cohort
    from tune_ks.data.cohort.map_scan import require_target
    from tune_ks.data.cohort.mask_source import mask_source
    from tune_ks.data.cohort.target_masks import naming_masks
    from tune_ks.data.layouts.detect import detect

    require_apart(args)
    data = args.data or phantom_folder(space)
    settings = cohort_settings(args, space)
    cache = args.cache or cache_beside(args.run)
    is_planned = args.data is None and not data.exists()
    if is_planned:
        require_vendors_as_domains(settings)
        say(f"the phantom is not written yet: a search writes it into {data} first ({phantom_of(space).size})")
    cohorts = {}
    with stages.stage("reading headers") as progress:
        for size in space.image_sizes():
            if is_planned:
                cohorts[size] = phantom_of(space).plan(data, settings, size)
                require_target(cohorts[size].holds_maps, space.task().target, data)
                continue
            layout = detect(data, labels_required=True, ignore=cache)
            require_target(layout.holds_maps, space.task().target, data)
            cached = cached_cohort(layout, settings, size, cache)
            cohorts[size] = cached or survey_cohort(layout, settings, size, args.workers, progress)
            require_usable(cohorts[size], data, vendors=2)
    if space.task().reads_masks() and not is_planned:
        if not next(iter(cohorts.values())).holds_maps:
            mask_source(data, space.task().reads_organs(), settings.series)
        cohorts = {size: naming_masks(cohort, data) for size, cohort in cohorts.items()}
    say_cohort(list(cohorts.values()))
    if all(cohort.is_decoded for cohort in cohorts.values()):
        say_bands(max(cohorts.values(), key=lambda cohort: cohort.image_side))
    return cohorts


def require_vendors_as_domains(settings: Any) -> None:
    """ValueError where the domains of a phantom that is not written yet are not its vendors."""
    from tune_ks.core.domain_words import VENDOR

    if settings.domain != VENDOR:
        raise ValueError(
            f"--domain {settings.domain}: the phantom is not written yet, so that only its vendors are known; the same "
            "command without --dry-run writes it first"
        )


def phantom_of(space: Any) -> Any:
    """The phantom that stands in for data of a space. ValueError where SEARCH names none."""
    from tune_ks.data.phantom.phantoms import PHANTOMS

    name = space.search["phantom"]
    if name not in PHANTOMS:
        raise ValueError(f"phantom must be one of {', '.join(PHANTOMS)}, got {name!r}")
    return PHANTOMS[name]


def phantom_folder(space: Any) -> Path:
    """Where the phantom of a space lies, or will lie."""
    return PHANTOM / phantom_of(space).folder


def write_default_phantom(space: Any, workers: int | None, stages: Any) -> Path:
    """The folder of a phantom cohort, which stands in for data that were not given."""
    with stages.stage("phantom") as progress:
        return phantom_of(space).write(phantom_folder(space), workers, progress)


def cohort_settings(args: argparse.Namespace, space: Any) -> Any:
    """The CohortSettings of a search: of the breast phantom its series after contrast, unless another is asked for."""
    from tune_ks.data.cohort.settings import CohortSettings

    series = args.series or (None if args.data else phantom_of(space).series)
    return CohortSettings(**{**given_settings(args), "series": series})


def given_settings(args: argparse.Namespace) -> dict[str, Any]:
    """The fields of CohortSettings that the arguments set. ValueError where one is no such value."""
    from tune_ks.data.dicom.reader import named_vendor

    names = ("series", "intensity", "orientation", "negatives", "site", "domain", "finding")
    given = {name: getattr(args, name) for name in names if getattr(args, name)}
    if args.site and not re.fullmatch(r"[\w-][\w .+-]{0,39}", args.site):
        raise ValueError(f"--site must be 1 to 40 letters, digits, blanks and '.+-_', got {args.site!r}")
    vendor_of = {}
    for text in args.vendor_of or []:
        maker, separator, vendor = text.rpartition("=")
        if not separator:
            raise ValueError(
                f"--vendor-of must look like MAKER=VENDOR, got {text!r}; '=GE' is for files without a maker"
            )
        vendor_of[maker.strip()] = named_vendor(vendor)
    return {**given, "vendor_of": vendor_of} if vendor_of else given


def say_cohort(cohorts: list[Any]) -> None:
    """Print what a cohort holds, which is the same at every image size, and what was left out or skipped."""
    from tune_ks.core.domain_words import about_domains
    from tune_ks.data.cohort.doubts import doubts
    from tune_ks.data.layouts.sheets import counted

    cohort = cohorts[0]
    per_vendor = cohort.table.groupby("vendor").agg(images=("row", "size"), patients=("patient_id", "nunique"))
    counts = ", ".join(f"{v} {n.images} images of {n.patients} patients" for v, n in per_vendor.iterrows())
    sides = " and ".join(str(cohort.image_side) for cohort in cohorts)
    say(f"cohort: {counts}; sampled at {sides} px")
    if sentence := about_domains(cohort.settings.domain):
        say(f"{sentence} In-domain is the domain trained on, cross-domain the mean over the others.")
    sentence = "" if cohort.holds_maps else labels_of_patients(cohort.table)
    if sentence:
        say(sentence)
    unknown = int((cohort.table["orientation"] == "unknown").sum())
    if unknown:
        say(f"orientation unknown for {unknown} images: they are used as stored")
    along_rows = int((cohort.table["phase"] == "COL").sum())
    if along_rows:
        say(f"phase encoding runs along the other axis in {along_rows} images: lines stay the columns")
    for note in dict.fromkeys(chain.from_iterable((*cohort.notes, *doubts(cohort.table)) for cohort in cohorts)):
        say(f"warning: {note}", style="yellow")
    for reason, count in cohort.left_out.items():
        say(f"left out {count}: {reason}")
    examples = cohort.skipped.groupby("reason")["path"].first()
    for reason, count in cohort.skipped["reason"].value_counts().head(8).items():
        say(f"skipped {counted(count, 'file')}: {reason} (for example {examples[reason]})", style="yellow")


def say_bands(cohort: Any) -> None:
    """Print how much of the stored k-space of each vendor and series holds anything. Nothing of it is stored."""
    from tune_ks.data.occupied import FULLY_OCCUPIED, occupied_bands

    for band in occupied_bands(cohort.table, cohort.images):
        say(band.sentence(), style="yellow" if band.share <= FULLY_OCCUPIED else None)


def labels_of_patients(table: Any) -> str:
    """What to say where the labels are those of patients: no patient has images of both classes. Else ""."""
    classes = table.dropna(subset="label").groupby("patient_id")["label"].agg(["min", "max"])
    if classes.empty or (classes["min"] != classes["max"]).any():
        return ""
    positive = int((classes["max"] == 1).sum())
    return (
        f"labels: every image has the label of its patient ({positive} patients with it, {len(classes) - positive} "
        "without): images of a positive patient that show nothing count as positive too"
    )


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
