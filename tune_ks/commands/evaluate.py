"""Evaluate and predict: exported models on other images, or on corrupted ones; nothing is trained."""

import argparse
import re
import shlex
from typing import Any

from tune_ks.commands.about_cohort import say_cohort
from tune_ks.commands.analysis_steps import AnalysisSteps
from tune_ks.commands.evaluated_cohort import note_cohort, require_same_cohort
from tune_ks.commands.explain import write_explained
from tune_ks.commands.other_series import read_in_series
from tune_ks.commands.output import OK, cache_beside, console, require_folder, require_reachable, say
from tune_ks.commands.predictions import assumed_patients, write_predictions
from tune_ks.commands.search_data import given_settings
from tune_ks.core.config import LOW_PASS, is_key
from tune_ks.core.front import call_of
from tune_ks.core.printable import shown
from tune_ks.core.record import migrated
from tune_ks.core.regular_files import without_links
from tune_ks.core.run_folder import RunFolder, read_json
from tune_ks.core.storage import StoragePath
from tune_ks.core.tables import write_csv
from tune_ks.core.way_out import damaged

TAKEN = (
    "_scores",
    "_predictions",
    "_cohort",
    "_patient",
    "_skipped",
    "_pointing",
)  # ends of the names of files that are written beside NAME.csv


def evaluate_command(args: argparse.Namespace, analysis: AnalysisSteps) -> int:
    """Read the other cohort with the settings of the run, score it, write the tables and the report."""
    from tune_ks.commands.stages import Stages
    from tune_ks.core.cut_short import require_whole_table
    from tune_ks.data.cohort.cohort import open_cohort
    from tune_ks.data.cohort.target_masks import with_target_masks
    from tune_ks.evaluation.other_cohort import side_of

    stages = Stages(console)
    require_reachable(args.run)
    folder = RunFolder(args.run)
    folder.require_own_folders()
    name = output_name(args)
    keys = chosen_keys(folder, args.all, args.key)
    require_whole_table(folder)
    if args.task == "evaluate" and not args.explain:  # each line of each model is a pass: references would be many
        keys = with_references(folder, keys)
    side = side_of(folder.read_record(keys[0]))
    labelled = args.task == "evaluate"
    masks = labelled and need_masks(folder, keys)
    settings = settings_for(folder, args)
    cache = args.cache or cache_beside(args.run)
    require_folder("--cache", cache)
    with stages.stage("reading images") as progress:

        def read(settings: Any) -> Any:
            return open_cohort(
                args.data, settings, side, cache, args.workers, progress, labels_required=labelled, exact_size=True
            )

        cohort, assumed = read_in_series(read, settings, is_named=args.series is not None, labelled=labelled)
        if masks:
            cohort = with_target_masks(cohort, args.data)
    say_cohort([cohort])
    results = results_of(folder, name, args)
    require_same_cohort(results, cohort)
    if not labelled:
        assumed = [*assumed, *assumed_patients(cohort)]
    lines: list[str] = []
    with stages.stage("scoring") as progress:
        note_cohort(results, cohort)  # before the results, which another cohort's must never replace
        if labelled:
            written, lines = write_scored(folder, name, keys, cohort, progress, args)
            lines = [*assumed, *lines]
        else:
            written, lines = write_predictions(folder, name, keys, cohort, progress, assumed, args.json)
    if labelled:
        with stages.stage("analysis"):
            written.append(analysis.show_evaluation(folder.root, name if results.parent.name == "external" else None))
    for line in lines:
        say(line)
    for path in written:
        say(f"wrote {path}")
    say(stages.budget())
    return OK


def results_of(folder: RunFolder, name: str, args: argparse.Namespace) -> StoragePath:
    """The table that this command writes."""
    for kind, is_asked in (("corruptions", args.corruptions), ("explained", args.explain)):
        if is_asked:
            return folder.root / kind / f"{name}.csv"
    return folder.root / "external" / (f"{name}.csv" if args.task == "evaluate" else f"{name}_predictions.csv")


def settings_for(folder: RunFolder, args: argparse.Namespace) -> Any:
    """The CohortSettings of the run, with those that this command gives in their place."""
    from tune_ks.data.cohort.settings import CohortSettings

    given = given_settings(args)
    try:
        of_run = dict(migrated(folder.read_search()).get("cohort", {}).get("settings", {}))
        return CohortSettings(**{**of_run, **given})
    except (TypeError, AttributeError) as error:
        raise ValueError(f"{folder.search_json} does not hold the settings of a cohort ({error})") from error


def need_masks(folder: RunFolder, keys: list[str]) -> bool:
    """Whether scores of the models' task need the masks of the tumours."""
    from tune_ks.training.tasks import task_of

    return any(task_of(folder.read_config(key)).reads_masks() for key in keys)


def write_scored(
    folder: RunFolder, name: str, keys: list[str], cohort: Any, progress: Any, args: argparse.Namespace
) -> tuple[list[StoragePath], list[str]]:
    """Score labelled images as ``evaluate`` was asked to; returns the paths that were written, and what to say."""
    if args.explain:
        table = labelled_images(folder, cohort)
        return write_explained(folder, name, keys, cohort, table, args.data, progress)
    write = write_corrupted if args.corruptions else write_external
    return write(folder, name, keys, cohort, progress), []


def write_external(folder: RunFolder, name: str, keys: list[str], cohort: Any, progress: Any) -> list[StoragePath]:
    """Write the metric and the scores of another cohort's images to RUN/external."""
    from tune_ks.evaluation.other_cohort import evaluate

    external = evaluate(folder, keys, cohort.table, cohort.images, progress, cohort.masks)
    return write_tables(folder, {f"{name}.csv": external.summary, f"{name}_scores.csv": external.scores})


def write_corrupted(folder: RunFolder, name: str, keys: list[str], cohort: Any, progress: Any) -> list[StoragePath]:
    """Write the scores of corrupted images to RUN/corruptions."""
    from tune_ks.evaluation.corrupted_images import robustness, write_robustness

    table = labelled_images(folder, cohort)
    result = robustness(folder, keys, table, cohort.images, progress, cohort.masks)
    return write_robustness(folder, name, result)


def write_tables(folder: RunFolder, tables: dict[str, Any]) -> list[StoragePath]:
    """Write tables to RUN/external by their file names; returns the paths."""
    paths = {folder.root / "external" / name: table for name, table in tables.items()}
    for path, table in paths.items():
        write_csv(path, table)
    return list(paths)


def labelled_images(folder: RunFolder, cohort: Any) -> Any:
    """The images that no model was trained on: the test patients of the run's cohort, or all of another cohort."""
    from tune_ks.data.cohort.table import read_table
    from tune_ks.planning.start_run import is_of_cohort

    if is_of_cohort(folder.read_search(), cohort):
        table = read_table(folder.cohort_csv)
        return table[table["split"] == "test"]
    return cohort.table


def with_references(folder: RunFolder, keys: list[str]) -> list[str]:
    """The keys, and those of the finished trials that they are compared with, of the same vendors trained on.

    These are full sampling, and the low-pass at the same rates.
    """
    configs = {key: folder.read_config(key) for key in folder.finished()}
    asked = {(configs[key].vendor, configs[key].sampling_rate) for key in keys}
    vendors = {vendor for vendor, _ in asked}
    references = set()
    for key, config in configs.items():
        is_low_pass = config.mask == LOW_PASS and (config.vendor, config.sampling_rate) in asked
        if is_low_pass or (config.is_full and config.vendor in vendors):
            references.add(key)
    return sorted({*keys, *references})


def output_name(args: argparse.Namespace) -> str:
    """How the names of the files in RUN/external/ begin: a name, never a path."""
    name = without_links(args.data).name if args.name is None else args.name
    if not re.fullmatch(r"[\w-][\w .+-]{0,99}", name):
        needs = "1 to 100 letters, digits, blanks and '.+-_', not starting with a dot"
        if args.name is None:
            raise ValueError(f"files cannot be named after the folder {name!r}: give --name NAME of {needs}")
        raise ValueError(f"--name must be {needs}, got {name!r}")
    if name.endswith(TAKEN):
        raise ValueError(f"--name must not end with {' or '.join(TAKEN)}, as other files do, got {name!r}")
    return name


def chosen_keys(folder: RunFolder, every: bool, key: str | None = None, instead: str = "--all") -> list[str]:
    """The keys of the finished trials that selection.json chose, or of all finished trials, or ``key`` alone.

    ``instead`` is the option of the command that needs no selection.json.
    """
    if not folder.root.is_dir():
        raise ValueError(f"there is no run folder {folder.root}: give the one that a search printed")
    finished = folder.finished()
    if not folder.search_json.is_file():  # it says how the images were read that the models were trained on
        raise ValueError(f"{folder.root} is not a run folder (no search.json): give the one that a search printed")
    if not finished:
        raise ValueError(f"{folder.root} has no finished trial: run the search first")
    if key is not None:
        if key not in finished:
            raise ValueError(
                f"{folder.root} has no finished trial {key}; RUN/trials lists the {len(finished)} there are"
            )
        return [key]
    if every:
        return finished
    selected = selected_keys(folder, instead)
    return [key for key in finished if key in selected]


def selected_keys(folder: RunFolder, instead: str) -> list[str]:
    """The keys in selection.json. ValueError, which names ``instead``, when it is missing or names no trial."""
    path = folder.root / "selection.json"
    if not path.exists():
        raise ValueError(
            f"{path} is missing: run `{call_of('analyse')} {shlex.quote(str(folder.root))}` first, or give {instead}"
        )
    values = read_json(path)
    keys: list[Any] = []
    try:
        for choice in values["choices"]:
            keys += choice["keys"]
    except (KeyError, TypeError) as error:
        raise ValueError(damaged(path, f"not what the analysis writes ({error})")) from error
    wrong = [key for key in keys if not is_key(key)]
    if wrong:
        raise ValueError(
            f"{path} names {shown(wrong[0])}, which is no key (12 hexadecimal digits): run the analysis again"
        )
    if not keys:
        raise ValueError(f"{path} holds no chosen trial: its analysis could choose no rate; give {instead}")
    return keys
