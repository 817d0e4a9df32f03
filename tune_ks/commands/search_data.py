"""The images of a search: the user's folder or a phantom, decoded once, or for a dry run known from headers alone."""

import argparse
import os
import re
from itertools import islice
from pathlib import Path
from typing import Any

from tune_ks.commands.about_cohort import say_bands, say_cohort
from tune_ks.commands.output import RUNS, cache_beside, require_folder, say
from tune_ks.core.regular_files import without_links

PHANTOM = Path("phantom")
BEGUN = 2  # children that begin early: on many cores they have read a thousand headers before the others have started


def require_apart(args: argparse.Namespace) -> None:
    """ValueError where a new run folder would lie in the data folder, whose files are images that others may read.

    A run folder that is there already, of an earlier version, goes on. ValueError too where --run or --cache is a file,
    or lies below one.
    """
    require_folder("--run", args.run or RUNS)
    require_folder("--cache", args.cache or cache_beside(args.run))
    if args.data is None or "://" in str(args.run):
        return
    place = Path(args.run or RUNS)
    is_there = (place / "search.json").exists() if args.run else place.exists()
    if not is_there and without_links(place).is_relative_to(without_links(args.data)):
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


def begin_reading(args: argparse.Namespace) -> None:
    """Start the child processes that will read the sheets and the headers, where no images are decoded yet."""
    from tune_ks.core.system import usable_cores
    from tune_ks.data import child_process
    from tune_ks.data.cohort.asking import DICOM_WORK, LOCAL_FILES

    cache = args.cache or cache_beside(args.run)
    if cache.exists():  # nothing is read any more, if it is of these images
        return
    workbooks = args.data.glob("*.xlsx") if args.data else PHANTOM.glob("*/*.xlsx")
    if any(workbooks):
        child_process.begin_call("tune_ks.data.layouts.sheets", "openpyxl")
    files = (name for _, _, names in os.walk(args.data or PHANTOM) for name in names)
    if len(list(islice(files, LOCAL_FILES + 1))) > LOCAL_FILES:
        child_process.begin_pool(min(BEGUN, args.workers or usable_cores()), DICOM_WORK)


def cohort_settings(args: argparse.Namespace, space: Any) -> Any:
    """The CohortSettings of a search: of the breast phantom its series after contrast, unless another is asked for."""
    from tune_ks.data.cohort.settings import CohortSettings

    series = args.series or (None if args.data else phantom_of(space).series)
    return CohortSettings(**{**given_settings(args), "series": series})


def given_settings(args: argparse.Namespace) -> dict[str, Any]:
    """The fields of CohortSettings that the arguments set. ValueError where one is no such value."""
    from tune_ks.data.vendors import named_vendor

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
