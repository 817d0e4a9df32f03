"""Create a run folder, or make sure that an existing one belongs to the command that was given."""

import hashlib
import importlib.metadata
import platform
from pathlib import Path
from typing import Any

import torch

from tune_ks import __version__
from tune_ks.core.did_you_mean import did_you_mean_each
from tune_ks.core.domain_words import domain_of
from tune_ks.core.domains import require_others, sources_of
from tune_ks.core.metrics import METRICS
from tune_ks.core.record import FORMAT, migrated
from tune_ks.core.run_folder import RunFolder, write_json
from tune_ks.core.storage import StoragePath
from tune_ks.data.cohort.cohort import Cohort
from tune_ks.data.cohort.require_splits import require_splits
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.cohort.table import read_table, with_splits, words_of_table, write_table
from tune_ks.data.layouts.detect import LAYOUTS
from tune_ks.data.volumes import require_cube, require_slices
from tune_ks.planning.space import Space
from tune_ks.training.coils import require_values_serve_coils

LEARNING = ("tpe", "nsga2", "nsga3", "gp")  # samplers that read what trials found
CROSS_DOMAIN = "val_cross_domain"
SPACE_FIELDS = ("space", "question", "space_fingerprint", "search", "command")  # of search.json, for every search space
FINGERPRINT_FORMAT = 2  # of a cohort's fingerprint: see tune_ks.data.cohort.fingerprint
HEADER_COLUMNS = (  # of cohort.csv: what the files' headers say, whatever the image size
    *("orientation", "height", "width", "model", "field_t", "tr_ms", "te_ms", "flip_deg"),
    *("acquired_width", "thickness_mm", "phase"),
)
PACKAGES = ("ray", "torch", "optuna", "numpy", "pandas", "pydicom")


def require_vendors(space: Space, vendors: list[str]) -> None:
    """ValueError when the space trains on a vendor that the cohort does not have, or on several and none is left."""
    asked = sources_asked(space, vendors)
    absent = sorted({vendor for source in asked for vendor in sources_of(source)} - set(vendors))
    if absent:
        raise ValueError(
            f"the space {space.name!r} trains on {', '.join(absent)}, and the cohort has {', '.join(vendors)} only"
            f"{did_you_mean_each(absent, vendors)}"
        )
    for source in asked:
        require_others(source, vendors)


def sources_asked(space: Space, vendors: list[str]) -> list[str]:
    """What the trials of the space are trained on, sorted: a vendor, or several as one text."""
    return sorted({point.fixed["vendor"] for point in space.grid(vendors)})


def require_trainable(space: Space, cohort: Cohort, split_seed: int) -> None:
    """ValueError when the split of the cohort's patients leaves a trial of the space nothing to train or measure on."""
    vendors = sorted(cohort.table["vendor"].unique())
    sources = {vendor for source in sources_asked(space, vendors) for vendor in sources_of(source)}
    classes = METRICS[space.task().metric].classes
    require_splits(with_splits(cohort.table, split_seed), sources, classes)


def require_volumes(space: Space, cohorts: dict[int, Cohort]) -> None:
    """ValueError where the space's task reads volumes and a cohort (image size -> Cohort) does not hold them."""
    if space.task().group != "volume":
        return
    for size, cohort in cohorts.items():
        require_cube(cohort.image_side, size)
        require_slices(cohort.table, size)


def require_coil_images(space: Space, cohorts: dict[int, Cohort]) -> None:
    """ValueError where a cohort (image size -> Cohort) is of raw k-space, and the space asks for what that excludes."""
    if not any(cohort.holds_kspace for cohort in cohorts.values()):
        return
    vendors = sorted(next(iter(cohorts.values())).table["vendor"].unique())
    for block in space.grid(vendors):
        require_values_serve_coils(block.fixed, block.drawn)


def require_objectives(space: Space, cohort: Cohort, split_seed: int) -> None:
    """ValueError where a sampler learns from an objective that no trial can have: it would draw at random.

    The cross-domain metric of validation needs another vendor that validates; one that only tests has none.
    """
    if space.search["sampler"] not in LEARNING or CROSS_DOMAIN not in space.search["objectives"]:
        return
    vendors = sorted(cohort.table["vendor"].unique())
    table = with_splits(cohort.table, split_seed)
    classes = set(METRICS[space.task().metric].classes)
    labels = table[table["split"] == "val"].dropna(subset="label").groupby("vendor")["label"].agg(set)
    validating = {vendor for vendor, of_vendor in labels.items() if classes <= of_vendor}
    word = words_of_table(table).one
    for source in sources_asked(space, vendors):
        if not validating - set(sources_of(source)):
            raise ValueError(
                f"the sampler {space.search['sampler']!r} would learn from {CROSS_DOMAIN}, and no {word} but "
                f"{source} has validation images of each class: write 'objectives': ['val_in_domain', "
                f"'realised_rate'] in SEARCH, or give another {word} validation patients"
            )


def default_run(runs: Path, space: Space, cohort: Cohort) -> Path:
    """The folder of a space and a cohort: named after both, so that the same command finds it again."""
    named = [_named_after(runs, space, fingerprint) for fingerprint in (cohort.fingerprint, cohort.fingerprint_1)]
    if not named[0].exists() and (named[1] / "search.json").exists():
        return named[1]  # of a version that named it after a fingerprint of format 1
    return named[0]


def _named_after(runs: Path, space: Space, fingerprint: str) -> Path:
    both = hashlib.sha256(f"{space.fingerprint()}/{fingerprint}".encode()).hexdigest()[:8]
    return runs / f"{space.name}-{both}"


def is_of_cohort(search: dict[str, Any], cohort: Cohort) -> bool:
    """Whether search.json names this cohort, by a fingerprint of the format that it was written in.

    A run folder of format 1 that was continued by a later version also names the fingerprint of format 2.
    """
    known = search.get("cohort", {})
    later = known.get("fingerprint_2")
    if later is not None and later != cohort.fingerprint:
        return False
    return known.get("fingerprint") == _fingerprint_of_format(known, cohort)


def _fingerprint_of_format(known: dict[str, Any], cohort: Cohort) -> str:
    """The cohort's fingerprint of the format that the ``cohort`` of a search.json was written in."""
    return cohort.fingerprint_1 if known.get("fingerprint_format", 1) == 1 else cohort.fingerprint


def _require_cohort(folder: RunFolder, search: dict[str, Any], cohort: Cohort) -> None:
    """ValueError where the run folder's images are not this cohort's, with what differs where the folder says it.

    Of a cohort that is not decoded, only a dry run's, nothing but its settings can be compared.
    """
    another_domain = "another kind of domain (--domain)"
    _require_equal(folder, another_domain, domain_of(search), cohort.settings.domain)
    if not cohort.is_decoded:
        _require_settings(folder, search, cohort)
        return
    known = search.get("cohort", {})
    another = "another cohort (other images, labels, tumour masks or settings)"
    _require_equal(folder, another, known.get("fingerprint"), _fingerprint_of_format(known, cohort))
    headers = "another cohort (the same pixels under other headers, or read by another version)"
    _require_equal(folder, headers, known.get("fingerprint_2", cohort.fingerprint), cohort.fingerprint)
    _require_whole_table(folder, cohort)
    if known.get("fingerprint_format", 1) == 1 and "fingerprint_2" not in known and folder.cohort_csv.exists():
        _require_same_headers(folder, cohort)


def _require_whole_table(folder: RunFolder, cohort: Cohort) -> None:
    """ValueError where cohort.csv, from which trials take their images, has not as many rows as the cohort."""
    if not folder.cohort_csv.exists():
        return
    rows = len(read_table(folder.cohort_csv))
    if rows != len(cohort.table):
        raise ValueError(
            f"{folder.cohort_csv} has {rows} rows, and the cohort {len(cohort.table)} images: it is damaged or was cut "
            "short. Put a whole copy in its place, or give another --run"
        )


def _require_settings(folder: RunFolder, search: dict[str, Any], cohort: Cohort) -> None:
    """ValueError where the images of the run folder were read in another way than those of the cohort."""
    default = CohortSettings().facts()
    known = default | search.get("cohort", {}).get("settings", {})
    asked = default | cohort.settings.facts()
    for name in sorted({*known, *asked}):
        option = f"--{name.replace('_', '-')}"
        _require_equal(folder, f"another cohort (another {option})", known.get(name), asked.get(name))


def _require_same_headers(folder: RunFolder, cohort: Cohort) -> None:
    """ValueError where cohort.csv of an older run folder has other values of the headers than the cohort.

    A fingerprint of format 1 does not cover them.
    """
    before = read_table(folder.cohort_csv)
    for name in HEADER_COLUMNS:
        differs = (before[name] != cohort.table[name]) & ~(before[name].isna() & cohort.table[name].isna())
        if differs.any():
            raise ValueError(
                f"{folder.root} was started on the same pixels under other headers: {name} of {int(differs.sum())} of"
                f" {len(before)} images is not what its cohort.csv says. Give another --run, or --fresh to set the old"
                " one aside"
            )


def note_fingerprint(folder: RunFolder, cohort: Cohort) -> None:
    """Let an older run folder that continues name the cohort's fingerprint of today's format too."""
    search = folder.read_search()
    known = search.get("cohort", {})
    if known.get("fingerprint_format", 1) < FINGERPRINT_FORMAT and "fingerprint_2" not in known:
        note(folder, "cohort", {**known, "fingerprint_2": cohort.fingerprint})


def require_same(folder: RunFolder, cohort: Cohort, split_seed: int) -> None:
    """ValueError that names what differs between the run folder and this command: images, how they are read, split."""
    search = folder.read_search()
    migrated(search)  # ValueError for a format that this program does not read
    _require_cohort(folder, search, cohort)
    another_split = "another split_seed (another split of the patients)"
    _require_equal(folder, another_split, search.get("split_seed"), split_seed)


def require_same_space(folder: RunFolder, space: Space, way_out: str = "") -> None:
    """ValueError where the space was never searched here; ``way_out`` says what may be given instead, if anything."""
    search = folder.read_search()
    spaces = [lines.get("space_fingerprint") for lines in (search, *search.get("earlier", []))]
    if space.fingerprint() not in spaces:
        raise ValueError(
            f"{folder.root} belongs to another search space (space {search.get('space')!r}): it has {spaces[0]}, this "
            f"command asks for {space.fingerprint()}. Give {way_out}another --run, or --fresh to set the old one aside"
        )


def processors() -> dict[str, str]:
    """The kinds of processors here, on which the last digits of a result depend: the CPU's instructions, the GPU."""
    kinds = {"cpu": torch.backends.cpu.get_cpu_capability()}
    if torch.cuda.is_available():
        kinds["gpu"] = torch.cuda.get_device_name()
    return kinds


def other_processor(folder: RunFolder) -> str | None:
    """A warning where the run was started on another kind of processor than this one; None where it was not.

    A run folder of version 0.1.0 does not say on which it was started.
    """
    versions = folder.read_search().get("versions", {})
    started = {name: versions[name] for name in ("cpu", "gpu") if name in versions}
    if not started or started == processors():
        return None
    return (
        f"this run was started on another kind of processor ({_kinds(started)}) than this one "
        f"({_kinds(processors())}), so new trials differ from what they would have been there, as another seed's would"
    )


def _kinds(processors: dict[str, str]) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in processors.items())


def _require_equal(folder: RunFolder, difference: str, before: object, now: object) -> None:
    if before != now:
        raise ValueError(
            f"{folder.root} belongs to {difference}: it has {before}, this command asks for {now}. "
            "Give another --run, or --fresh to set the old one aside"
        )


def extend_run(folder: RunFolder, space: Space, command: str) -> None:
    """Let the run folder hold another space too: search.json names it, and lists the earlier ones under ``earlier``."""
    search = folder.read_search()
    if search.get("space_fingerprint") == space.fingerprint():
        return
    before = {name: search.get(name) for name in SPACE_FIELDS}
    earlier = [lines for lines in search.get("earlier", []) if lines.get("space_fingerprint") != space.fingerprint()]
    values = {**search, **_space_fields(space, command), "earlier": [*earlier, before]}
    write_json(folder.search_json, values)


def note(folder: RunFolder, name: str, values: Any) -> None:
    """Set a field of search.json that a later command reads, so that it continues in the same way."""
    search = folder.read_search()
    if search.get(name) != values:
        write_json(folder.search_json, {**search, name: values})


def _space_fields(space: Space, command: str) -> dict[str, Any]:
    """The SPACE_FIELDS of a space."""
    return {
        "space": space.name,
        "question": space.question,
        "space_fingerprint": space.fingerprint(),
        "search": space.search,
        "command": command,
    }


def set_aside(root: StoragePath) -> StoragePath:
    """Rename a run folder, so that its name is free; nothing is deleted."""
    number = 1
    while (aside := root.with_name(f"{root.name}.before-{number}")).exists():
        number += 1
    return root.rename(aside)  # type: ignore[arg-type]  # both are paths of the same kind


def start_points(layout: str, synthetic: bool) -> list[dict[str, Any]]:
    """The sampling rates that a sampler tries first, and why. ``layout``: its name in LAYOUTS.

    The source study chose its rates by test scores of the Duke cohort: on Duke, starting from them would bring these
    test scores into the search. Every folder with Duke's sheets counts as Duke, except the phantom, which this program
    writes in the same layout.
    """
    full = {"sampling_rate": 1.0, "why": "full sampling"}
    if LAYOUTS[layout].of_source_study and not synthetic:
        return [full]
    return [
        full,
        {"sampling_rate": 62 / 256, "why": "the source study's choice on GE, 0.242"},
        {"sampling_rate": 57 / 256, "why": "the source study's choice on Siemens, 0.222"},
    ]


def create_run(folder: RunFolder, space: Space, cohort: Cohort, split_seed: int, command: str, synthetic: bool) -> None:
    """Write cohort.csv with its split, skipped.csv, and search.json last: without it a folder is no run folder."""
    table = with_splits(cohort.table, split_seed)
    write_table(folder.cohort_csv, table)
    write_table(folder.skipped_csv, cohort.skipped)
    packages = {name: importlib.metadata.version(name) for name in PACKAGES}
    groups = table.groupby(["vendor", "split", "label"], dropna=False)  # of images without a label too
    counts = groups.agg(images=("row", "size"), patients=("patient_id", "nunique"))
    values = {
        "format": FORMAT,
        **_space_fields(space, command),
        "split_seed": split_seed,
        "start_points": start_points(cohort.layout, synthetic) if space.search["sampler"] != "grid" else [],
        "cohort": {
            "fingerprint": cohort.fingerprint,
            "fingerprint_format": FINGERPRINT_FORMAT,
            "settings": cohort.settings.facts(),
            "synthetic": synthetic,
            "layout": cohort.layout,
            "counts": counts.reset_index().to_dict("records"),
        },
        "versions": {"tune_ks": __version__, "python": platform.python_version(), **packages, **processors()},
    }
    write_json(folder.search_json, values)
