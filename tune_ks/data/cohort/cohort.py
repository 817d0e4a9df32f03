"""A folder of images and its sheets -> one table and one array of images, decoded once and then cached.

A folder holds DICOM files, NIfTI volumes, raw k-space or field maps. ``_scan`` chooses how each kind is read.
"""

import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from tune_ks.core.domain_words import DomainWords, domain_words
from tune_ks.core.run_folder import read_json
from tune_ks.core.system import usable_cores
from tune_ks.core.tables import read_csv
from tune_ks.data.child_process import ChildPool
from tune_ks.data.cohort.dicom_files import DicomReader
from tune_ks.data.cohort.fingerprint import VERSION
from tune_ks.data.cohort.image_scan import FileReader, ImageScan
from tune_ks.data.cohort.kspace_scan import KspaceScan
from tune_ks.data.cohort.map_scan import MapScan
from tune_ks.data.cohort.reasons import reasons_of, require_both_classes
from tune_ks.data.cohort.scan import Scan, write_cache
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.cohort.table import read_table
from tune_ks.data.cohort.volume_files import VolumeReader
from tune_ks.data.layouts.base import FileStatus, Layout
from tune_ks.data.layouts.detect import LAYOUTS, detect
from tune_ks.data.layouts.fastmri import FastMRI
from tune_ks.data.layouts.maps import Maps
from tune_ks.data.layouts.sheets import InputError
from tune_ks.data.progress import Progress, silent
from tune_ks.data.whole_folder import remove_abandoned

SIGNATURE = re.compile("[0-9a-f]{16}")  # the name of a cache


@dataclass(frozen=True)
class Cohort:
    """A table with one row for each image, and the images, which are to be memory-mapped.

    Columns of ``table``: row (the image's index in ``images``), path (relative, /), patient_id, vendor, series, label
    (0, 1; NaN unknown), slice (from 1), position (slice / slices of the scan, 0 to 1), split ("" until split_patients),
    orientation (canonical | unknown | raw), height and width (pixels before padding), spacing_mm (of the cached image),
    model, field_t, tr_ms, te_ms, flip_deg, acquired_width (samples), thickness_mm, phase (ROW | COL | ""), low and high
    (the percentiles used, in the file's unit), mean, p75 and p90 (of the cached image), digest (of the stored pixels).
    NaN or "" where the file does not say. And breast (a text), where labels.csv says it of any image. Where the
    settings name another domain, vendor is the name of the image's domain, and manufacturer the maker of its scanner.
    The path of a slice of a NIfTI volume is PATH#SLICE, as tune_ks.data.nifti.slices.slice_name writes it.
    Of raw k-space also coils, the number of coil images; position is then known, and low is 0.
    """

    table: pd.DataFrame
    skipped: pd.DataFrame  # path, reason: files that were to be read and cannot serve
    settings: CohortSettings
    images: Path  # a .npy file, float32 (n, S, S) in [0, 1]; of raw k-space complex64 (n, coils, S, S)
    fingerprint: str  # 12 hexadecimal digits of content and settings: the same on every machine
    image_side: int  # S, pixels
    fingerprint_1: str = ""  # of format 1, by which run folders of version 0.2.0 and older know their cohort
    left_out: dict[str, int] = field(default_factory=dict)  # reason -> files left out on purpose
    layout: str = ""  # a key of LAYOUTS: what the folder and its sheets look like
    notes: tuple[str, ...] = ()  # what the user must know before believing a number
    # the targets, only where a task needs them: a .npy file (n, S, S); of tumours uint8 of 0 and 1, of maps float32
    masks: Path | None = None

    @property
    def holds_maps(self) -> bool:
        """Whether it is of field maps and their true answers, in place of DICOM images."""
        return bool(self.layout) and LAYOUTS[self.layout].holds_maps

    @property
    def holds_kspace(self) -> bool:
        """Whether its images are complex images of several coils, from raw k-space."""
        return bool(self.layout) and LAYOUTS[self.layout].holds_kspace

    @property
    def words(self) -> DomainWords:
        """What sentences call its domains."""
        return domain_words(self.settings.domain)

    @property
    def holds_volumes(self) -> bool:
        """Whether its images are slices of NIfTI volumes, in place of DICOM files; their paths end in #SLICE."""
        return bool(self.layout) and LAYOUTS[self.layout].holds_volumes

    @property
    def is_decoded(self) -> bool:
        """False for a survey of headers, which has neither images nor a fingerprint."""
        return self.fingerprint != ""


def open_cohort(
    root: Path,
    settings: CohortSettings,
    image_size: int,
    cache_dir: Path,
    workers: int | None = None,
    progress: Progress = silent,
    labels_required: bool = True,
    require_vendors: int = 1,
    exact_size: bool = False,
) -> Cohort:
    """Read a folder of images, or the cache of an earlier read of the same files, sheets and settings.

    ``workers`` child processes decode (None: one for each core). Where labels are not required, a folder needs no
    sheets: then each folder directly below ``root`` is a patient. ``exact_size`` skips the images that are smaller than
    ``image_size``, for models that were trained at that size; otherwise all are sampled at the smallest one's. Raises
    InputError when the folder cannot be used. A bad file never stops the scan, it is named in ``skipped``.
    """
    root = Path(root)
    cache_dir = Path(cache_dir)
    if image_size < 1:
        raise InputError(f"image_size must be at least 1 pixel, got {image_size}")
    remove_abandoned(cache_dir, lambda name: bool(SIGNATURE.fullmatch(name)))  # of whichever cohort: images of patients
    progress("files", 0, 1)
    layout = detect(root, labels_required, ignore=cache_dir)
    files = layout.files()
    progress("files", 1, 1)
    signature = _signature(layout, files, settings, image_size, labels_required, exact_size)
    if not (cache_dir / signature / "settings.json").exists():
        with ChildPool(workers or usable_cores()) as pool:
            scan = _scan(layout, settings, image_size, pool, progress, exact_size)
            write_cache(scan, cache_dir, signature, files, labels_required)
    remove_abandoned(cache_dir / signature, lambda name: name.startswith("fits-"))  # of training: stored_fits.py
    cohort = _read_cache(cache_dir / signature, layout, settings)
    _require_vendors(cohort, root, require_vendors)
    return cohort


def survey_cohort(
    layout: Layout,
    settings: CohortSettings,
    image_size: int,
    workers: int | None = None,
    progress: Progress = silent,
    labels_required: bool = True,
) -> Cohort:
    """What ``open_cohort`` would read, from the sheets and the headers alone: nothing is decoded, nothing is written.

    It has no fingerprint, and its ``images`` do not exist. A vendor may have one class: require_usable refuses that.
    InputError where the sheets contradict themselves, or no file can be used.
    """
    with ChildPool(workers or usable_cores()) as pool:
        scan = _scan(layout, settings, image_size, pool, progress)
        table, side = scan.undecoded(scan.plan(layout.files(), labels_required))
    return Cohort(
        table=table,
        skipped=pd.DataFrame(sorted(scan.account.skipped), columns=["path", "reason"]),
        settings=settings,
        images=layout.root / "not decoded",
        fingerprint="",
        image_side=side,
        left_out=dict(sorted(scan.account.left_out.items())),
        layout=layout.kind,
        notes=tuple(scan.account.notes),
    )


def cached_cohort(layout: Layout, settings: CohortSettings, image_size: int, cache_dir: Path) -> Cohort | None:
    """The cohort that an earlier read of the same files left in ``cache_dir``; None where there is none."""
    if not cache_dir.exists():  # then no signature is needed, which asks for the time of every file
        return None
    signature = _signature(layout, layout.files(), settings, image_size, labels=True, exact_size=False)
    if not (cache_dir / signature / "settings.json").exists():
        return None
    return _read_cache(cache_dir / signature, layout, settings)


def require_usable(cohort: Cohort, root: Path, vendors: int) -> None:
    """InputError as in ``open_cohort``: a vendor with images of one class only, or too few vendors."""
    if not cohort.holds_maps:
        require_both_classes(cohort.table, _reasons(cohort))
    _require_vendors(cohort, root, vendors)


def _scan(
    layout: Layout,
    settings: CohortSettings,
    image_size: int,
    pool: ChildPool,
    progress: Progress,
    exact_size: bool = False,
) -> Scan[Any]:
    """How a folder of this layout is read. InputError for a setting that it does not have."""
    if isinstance(layout, FastMRI):
        return KspaceScan(layout, settings, image_size, progress, exact_size)
    if settings.finding:
        raise InputError(f"--finding is for folders of raw k-space with boxes of fastMRI+; {layout.root} is none")
    if isinstance(layout, Maps):
        if settings.vendor_of:
            raise InputError(f"--vendor-of names makers of scanners; the domains of {layout.root} are in its maps.csv")
        return MapScan(layout, settings, image_size, progress)
    reader: FileReader
    if layout.holds_volumes:
        reader = VolumeReader(layout.root, settings, pool, progress, layout.middle)
    else:
        reader = DicomReader(layout.root, settings, pool, progress)
    return ImageScan(layout, settings, image_size, reader, progress, exact_size)


def _require_vendors(cohort: Cohort, root: Path, count: int) -> None:
    """InputError where the cohort has images of fewer vendors."""
    vendors = sorted(cohort.table["vendor"].unique())
    if len(vendors) < count:
        raise InputError(
            f"{root} holds usable images of {cohort.words.counted(len(vendors))} ({', '.join(vendors)}), and this needs"
            f" {count}: one to train on, the others to test on.{_reasons(cohort)}"
        )


def _reasons(cohort: Cohort) -> str:
    return reasons_of(Counter(cohort.skipped["reason"]) + Counter(cohort.left_out))


def _signature(
    layout: Layout,
    files: list[FileStatus],
    settings: CohortSettings,
    image_size: int,
    labels: bool,
    exact_size: bool,
) -> str:
    """The name of a cache: a hash of all that its content depends on."""
    facts = [VERSION, layout.kind, settings.facts(), image_size, labels, layout.sheet_digests(), exact_size]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for file in files:
        digest.update("\0".join(map(str, file)).encode(errors="surrogateescape") + b"\0")
    return digest.hexdigest()[:16]


def _read_cache(folder: Path, layout: Layout, settings: CohortSettings) -> Cohort:
    try:
        facts = read_json(folder / "settings.json")
        return Cohort(
            table=read_table(folder / "table.csv"),
            skipped=read_csv(folder / "skipped.csv", dtype=str, keep_default_na=False),
            settings=settings,
            images=folder / "images.npy",
            fingerprint=facts["fingerprints"]["2"],
            fingerprint_1=facts["fingerprints"]["1"],
            image_side=facts["image_side"],
            left_out=facts["left_out"],
            layout=layout.kind,
            notes=tuple(facts["notes"]),
        )
    except (ValueError, KeyError, FileNotFoundError) as error:
        raise InputError(f"the cache {folder} is damaged ({error}): delete it, it is made again") from error
