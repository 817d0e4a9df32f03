"""Check: what a search would understand of a folder, from its sheets and headers, in seconds. It writes nothing."""

import argparse
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from tune_ks.commands.about_cohort import say_cohort
from tune_ks.commands.output import OK, cache_beside, console, say
from tune_ks.commands.search_data import cohort_settings, phantom_folder, phantom_of

LAYOUTS = {  # kind of layout -> what it is, in words
    "table": "labels.csv and the files that it names",
    "maps": "maps.csv and the field maps that it names",
    "volumes": "labels.csv and the NIfTI volumes that it names, each slice an image",
    "mama_mia": "MAMA-MIA: NIfTI volumes, expert masks and the sheet; a slice is positive where the mask marks it",
    "odelia": "ODELIA: NIfTI volumes of one breast, a folder for each centre; positive is malignant",
    "breast_dcedl": "BreastDCEDL: NIfTI volumes, masks and sheets; positive by the mask, in the cropped release by pCR",
    "duke": "Duke-Breast-Cancer-MRI with its three sheets",
    "fastmri": "raw k-space of several coils (fastMRI or ISMRMRD) with the boxes of fastMRI+",
    "raw": "raw k-space of several coils (fastMRI or ISMRMRD), without labels",
    "nifti": "NIfTI volumes, without labels",
    "folder": "a folder for each patient, without labels",
}
SHOWN_SERIES = 5
SPLITS = ("train", "val", "test")
PHANTOM_WORDS = (
    "no --data was given, and no phantom is here: a search would first write {words} ({size}) into {place}{series}"
)


def check_command(args: argparse.Namespace) -> int:
    """Print what is there; ValueError with the message of a search where a search would refuse it."""
    from tune_ks.planning.space import load_space

    space = load_space(args.space)
    phantom = phantom_folder(space)
    if args.data is None and not phantom.exists():
        known = phantom_of(space)
        series = f", and read its series {known.series}" if known.series else ""
        say(PHANTOM_WORDS.format(words=known.words, size=known.size, place=phantom, series=series))
        return OK
    root = args.data or phantom
    layout, no_labels = layout_of(root, args.cache or cache_beside(None))
    cohorts = survey(args, space, layout, labels_required=no_labels is None)
    say_cohort(cohorts)
    print_vendors(cohorts[0], args.split_seed)
    if not (layout.holds_maps or layout.holds_kspace):
        say_sampled_bands(cohorts[-1], root)
    if no_labels is not None:
        raise no_labels
    require_searchable(args, space, dict(zip(space.image_sizes(), cohorts, strict=True)), root)
    say(f"a search of the space {space.name!r} would take this folder")
    return OK


def layout_of(root: Path, cache: Path) -> tuple[Any, ValueError | None]:
    """The layout of a folder, and where it has no labels the error that a search would end with."""
    from tune_ks.data.layouts.detect import detect
    from tune_ks.data.layouts.sheets import InputError

    no_labels = None
    try:
        layout = detect(root, labels_required=True, ignore=cache)
    except InputError as error:
        layout = detect(root, labels_required=False, ignore=cache)  # InputError where there is no such folder
        no_labels = error
    files = len(layout.files())
    say(f"layout: {LAYOUTS.get(layout.kind, layout.kind)}; {files} files in {root}")
    return layout, no_labels


def survey(args: argparse.Namespace, space: Any, layout: Any, labels_required: bool) -> list[Any]:
    """The cohort at every image size of the space, from sheets and headers."""
    from tune_ks.commands.stages import Stages
    from tune_ks.data.cohort.cohort import survey_cohort

    settings = cohort_settings(args, space)
    with Stages(console).stage("reading headers") as progress:
        return [
            survey_cohort(layout, settings, size, args.workers, progress, labels_required)
            for size in space.image_sizes()
        ]


def print_vendors(cohort: Any, split_seed: int) -> None:
    """A row for each vendor: images, patients, classes, patients by split, and sizes."""
    from tune_ks.data.cohort.table import with_splits
    from tune_ks.data.layouts.sheets import InputError

    table = cohort.table
    if table["label"].notna().any():
        with contextlib.suppress(InputError):  # too few patients, which require_searchable says
            table = with_splits(table, split_seed)
    shown = Table(cohort.words.one, box=None, pad_edge=False)
    for name in ("images", "patients", "with", "without", *SPLITS, "pixels", "tesla"):
        shown.add_column(name, justify="right")
    for vendor, images in table.groupby("vendor"):
        counts = [len(images), images["patient_id"].nunique()]
        counts += [int((images["label"] == label).sum()) for label in (1, 0)]
        counts += [images.loc[images["split"] == split, "patient_id"].nunique() for split in SPLITS]
        sides = images[["height", "width"]].max(axis=1)
        fields = sorted(images["field_t"].dropna().round(1).unique())
        shown.add_row(str(vendor), *map(str, counts), _range(sides), ", ".join(f"{field:g}" for field in fields))
    console.print(shown)
    say("with, without: images of either class; train, val, test: patients; pixels: the longer side")
    names = [repr(name) for name in sorted(set(table["series"])) if name]
    if names:
        more = " ..." if len(names) > SHOWN_SERIES else ""
        say(f"series: {', '.join(names[:SHOWN_SERIES])}{more}")


def _range(values: Sequence[float]) -> str:
    """'192', or '64 to 512'."""
    ends = dict.fromkeys([f"{min(values):g}", f"{max(values):g}"])
    return " to ".join(ends)


def say_sampled_bands(cohort: Any, root: Path) -> None:
    """Print how much of k-space holds anything, from a few images of each vendor."""
    from tune_ks.data.cohort.sample import IMAGES, sampled_bands

    for band in sampled_bands(cohort, root):
        say(f"{band.sentence()} (from {IMAGES} images or fewer)")


def require_searchable(args: argparse.Namespace, space: Any, cohorts: dict[int, Any], root: Path) -> None:
    """ValueError as a search raises it: classes, vendors, volumes, splits, objectives, tumour masks.

    ``cohorts``: image size -> Cohort.
    """
    from tune_ks.data.cohort.cohort import require_usable
    from tune_ks.data.cohort.map_scan import require_target
    from tune_ks.data.cohort.mask_source import mask_source
    from tune_ks.planning.start_run import (
        require_coil_images,
        require_objectives,
        require_trainable,
        require_vendors,
        require_volumes,
    )

    cohort = next(iter(cohorts.values()))
    require_usable(cohort, root, vendors=2)
    require_target(cohort.holds_maps, space.task().target, root)
    if space.task().reads_masks() and not cohort.holds_maps:
        mask_source(root, space.task().reads_organs(), cohort.settings.series)
    require_vendors(space, sorted(cohort.table["vendor"].unique()))
    require_volumes(space, cohorts)
    require_coil_images(space, cohorts)
    require_trainable(space, cohort, args.split_seed)
    require_objectives(space, cohort, args.split_seed)
