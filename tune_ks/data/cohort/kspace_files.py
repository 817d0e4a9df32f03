"""The files of raw k-space of a folder that can serve, by their headers: readable, of one series, of a known domain."""

import math
import re
from collections import Counter
from collections.abc import Sized
from pathlib import Path
from typing import NamedTuple

from tune_ks.core.domain_words import FIELD_STRENGTH, VENDOR
from tune_ks.data.cohort.domains import tesla
from tune_ks.data.cohort.reasons import Account
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.layouts.base import FileStatus, shown
from tune_ks.data.layouts.fastmri import AnnotatedFile, FastMRI
from tune_ks.data.layouts.sheets import InputError
from tune_ks.data.progress import Progress
from tune_ks.data.raw.header import RawHeader
from tune_ks.data.raw.open import open_volume
from tune_ks.data.unusable import UnusableFile
from tune_ks.data.vendors import VendorNames

STUDY_LEVEL = "slices without a box, in a study with a finding that has no place"
MODEL = "model"  # as a domain: the scanner's model


class Readable(NamedTuple):
    """A raw file that can serve, and what is known of it before its values are read."""

    file: AnnotatedFile
    header: RawHeader
    vendor: str  # the maker of its scanner
    domain: str  # the vendor, unless the settings say otherwise
    shape: tuple[int, int, int, int]  # slices, coils, rows, columns
    series: str
    patient: str

    @property
    def rows(self) -> int:
        """Pixels along the readout in the field of view of the columns."""
        grid = self.header.encoded
        return max(1, round(grid.columns_mm * self.shape[2] / grid.rows_mm))

    def labels(self) -> dict[int, float]:
        """Number of a slice, from 0 -> its label (NaN: unknown). One that is neither 1 nor 0 is left out."""
        if not self.file.looked_at:
            return dict.fromkeys(range(self.shape[0]), math.nan)
        positive = {box.slice for box in self.file.boxes}
        labels: dict[int, float] = {}
        for number in range(self.shape[0]):
            if number in positive or not self.file.has_study_level:
                labels[number] = int(number in positive)
        return labels


class Chosen(NamedTuple):
    """The files that are read of a folder of raw k-space, and why the others are not."""

    readable: list[Readable]
    skipped: list[tuple[str, str]]  # path and reason of files that cannot serve
    left_out: Counter[str]  # reason -> files, or slices, left out on purpose


def chosen_files(
    layout: FastMRI, settings: CohortSettings, files: list[FileStatus], least: int, progress: Progress
) -> Chosen:
    """The files of one series that can serve, by their headers. ``least``: the fewest lines that a file may have.

    InputError where there is none, where it is not clear which series, or where a box lies outside its volume.
    """
    annotated, skipped = layout.annotated(settings.finding, files)
    readable = []
    for number, file in enumerate(annotated):
        progress("headers", number, len(annotated))
        try:
            readable.append(_read_header(layout.root, file, settings, least))
        except UnusableFile as unusable:
            skipped.append((shown(file.path), unusable.reason))
    progress("headers", len(annotated), len(annotated))
    require_files(readable, layout.root, Account(skipped))
    kept = _of_series(readable, settings.series, layout.root)
    left_out: Counter[str] = Counter()
    if len(kept) < len(readable):
        left_out["another series"] = len(readable) - len(kept)
    for volume in kept:
        without = volume.shape[0] - len(volume.labels())
        if without:
            left_out[STUDY_LEVEL] += without
        if any(box.slice >= volume.shape[0] for box in volume.file.boxes):
            raise InputError(f"{volume.file.path} has {volume.shape[0]} slices, and a box in a slice beyond them")
    return Chosen(kept, skipped, left_out)


def require_files(usable: Sized, root: Path, account: Account) -> None:
    """InputError, which says why, where nothing is left that can be used."""
    if not usable:
        raise InputError(f"{root} holds no usable file of raw k-space (fastMRI or ISMRMRD).{account.reasons()}")


def _read_header(root: Path, file: AnnotatedFile, settings: CohortSettings, least: int) -> Readable:
    with open_volume(root / file.path) as volume:
        vendor = VendorNames(settings.vendor_of, "").vendor(volume.header.maker)
        if not vendor:
            raise UnusableFile(f"unknown vendor ({volume.header.maker[:40] or 'missing or unreadable'})")
        grid = volume.header.reconstructed
        if file.boxes and not (grid.rows > 0 and grid.columns > 0 and grid.rows_mm > 0 and grid.columns_mm > 0):
            raise UnusableFile("its header does not give the reconstructed matrix, in which the boxes are drawn")
        if volume.shape[3] < least:
            raise UnusableFile(f"fewer lines than the models' {least} pixels")
        stem = Path(file.path).stem
        patient = f"patient_{volume.patient}" if volume.patient else stem
        domain = _domain(volume.header, vendor, settings.domain)
        return Readable(file, volume.header, vendor, domain, volume.shape, volume.series, patient)


def _domain(header: RawHeader, vendor: str, kind: str) -> str:
    """The domain of a file where a domain is of this ``kind``. UnusableFile where the header does not say it."""
    domains = {VENDOR: vendor, FIELD_STRENGTH: tesla(header.field_t), MODEL: _as_name(header.model)}
    domain = domains[kind]
    if not domain:
        raise UnusableFile(f"no {kind.replace('_', ' ')} in the header, which says the domain")
    return domain


def _of_series(readable: list[Readable], wanted: str | None, root: Path) -> list[Readable]:
    """The files of the series that is asked for. InputError where it is not clear which, or there is none."""
    counts = Counter(volume.series for volume in readable)
    known = ", ".join(f"{name!r} ({count} files)" for name, count in sorted(counts.items()))
    if wanted is None and len(counts) > 1:
        raise InputError(f"{root} holds several series: {known}. Choose one of them (--series)")
    if wanted is not None and wanted not in counts:
        raise InputError(f"{root} has no series {wanted!r}; it has {known}")
    return [volume for volume in readable if wanted in (None, volume.series)]


def _as_name(text: str) -> str:
    """The model of a scanner as the name of a domain: letters, digits and blanks."""
    return re.sub(r"[^\w ()-]+|_", " ", text).strip()[:40]
