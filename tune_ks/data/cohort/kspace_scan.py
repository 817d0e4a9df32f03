"""One reading of a folder of raw k-space: files and boxes -> the table, the complex coil images and the boxes' masks.

The columns of k-space are the lines that the scanner acquired, and they stay what they are: of each slice the central S
of them are taken (S = image_size, or the fewest lines of any file where that is smaller: nothing is enlarged). Along
the readout the field of view is cut to that of the columns, so that pixels are square. Coils are compressed to at most
COILS. What is kept is the complex image of every coil, so that a mask M can act on the k-space of each:

    y_c = M F x_c        x' = sqrt(sum_c |F^-1 y_c|^2)

x' at full sampling is divided by its 99th percentile in the volume (or in the slice: ``intensity``). It is not clipped.
"""

import dataclasses
import json
import math
import re
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tune_ks.core.config import digest
from tune_ks.core.domain_words import FIELD_STRENGTH, VENDOR
from tune_ks.core.storage import write_whole
from tune_ks.core.tables import write_csv
from tune_ks.data.cohort.domains import tesla
from tune_ks.data.cohort.fingerprint import VERSION
from tune_ks.data.cohort.percentiles import percentiles
from tune_ks.data.cohort.prepare import FLAT, PERCENTILES
from tune_ks.data.cohort.scan import NO_FACTS, Progress, reasons_of, require_both_classes
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.cohort.table import COLUMNS, write_table
from tune_ks.data.coils import COILS, Compression, coil_images, compression, covariance_of, root_sum_of_squares
from tune_ks.data.dicom.file import UnusableFile
from tune_ks.data.dicom.reader import VendorNames
from tune_ks.data.layouts.base import FileStatus, shown
from tune_ks.data.layouts.fastmri import AnnotatedFile, Box, FastMRI
from tune_ks.data.layouts.labels import with_site
from tune_ks.data.layouts.sheets import InputError, counted
from tune_ks.data.new_array import new_array
from tune_ks.data.occupied import acquired_lines
from tune_ks.data.raw.header import RawHeader
from tune_ks.data.raw.open import open_volume
from tune_ks.data.raw.volume import RawVolume, digest_of
from tune_ks.data.whole_folder import whole_folder

MASKS = "boxes.npy"  # of a cache, beside images.npy: uint8 (n, S, S), 1 inside a box
COIL_COLUMN = "coils"  # of the table: how many channels of an image hold something
STUDY_LEVEL = "slices without a box, in a study with a finding that has no place"
MODEL = "model"  # as a domain: the scanner's model
NEAR_CENTRE = 1 / 16  # of the lines: the strongest lies so near to the centre, where DC must be


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


class Surveyed(NamedTuple):
    """What the first pass over a volume says."""

    compression: Compression
    acquired: np.ndarray  # (columns,) bool


class KspaceScan:
    """One reading of a folder of the layout ``FastMRI``. The methods and their results are those of ``scan.Scan``."""

    def __init__(
        self,
        layout: FastMRI,
        settings: CohortSettings,
        image_size: int,
        progress: Progress,
        exact_size: bool = False,
    ) -> None:
        if settings.negatives != "all":
            raise InputError("--negatives position_matched is for DICOM folders; of raw k-space all slices are read")
        if settings.domain not in (VENDOR, FIELD_STRENGTH, MODEL):
            raise InputError(
                f"--domain must be {VENDOR}, {FIELD_STRENGTH} or {MODEL} of raw k-space, got {settings.domain!r}"
            )
        self.layout = layout
        self.settings = settings
        self.image_size = image_size
        self.progress = progress
        self.exact_size = exact_size
        self.skipped: list[tuple[str, str]] = []
        self.left_out: Counter[str] = Counter()
        self.notes: list[str] = []

    def write(self, cache_dir: Path, signature: str, files: list[FileStatus], labels_required: bool) -> None:
        """Fill ``cache_dir/signature``, whole or not at all."""
        readable = self._plan(files)
        side = self._side(readable)
        coils = self._coils(readable)
        count = sum(len(volume.labels()) for volume in readable)
        target = cache_dir / signature
        with whole_folder(target, (target / "settings.json").exists) as scratch:
            images = new_array(scratch / "images.npy", np.complex64, (count, coils, side, side))
            masks = new_array(scratch / MASKS, np.uint8, (count, side, side))
            rows: list[dict[str, Any]] = []
            energies = []
            for number, volume in enumerate(readable):
                self.progress("k-space", number, len(readable))
                try:
                    surveyed = self._survey(volume)
                    of_volume = self._fill(volume, surveyed, images, masks, len(rows))
                except UnusableFile as unusable:
                    self.skipped.append((shown(volume.file.path), unusable.reason))
                    continue
                rows += of_volume
                energies.append(surveyed.compression.energy)
            self.progress("k-space", len(readable), len(readable))
            self._need(rows)
            table = self._table(rows)
            self._about_coils(table, energies, coils)
            if labels_required:
                require_both_classes(table, reasons_of(Counter(reason for _, reason in self.skipped) + self.left_out))
            images.flush()
            masks.flush()
            del images, masks
            _shorten(scratch / "images.npy", len(rows))
            _shorten(scratch / MASKS, len(rows))
            self._write_texts(scratch, table, side)

    def survey(self, files: list[FileStatus], labels_required: bool) -> tuple[pd.DataFrame, int]:
        """The table as far as headers and boxes tell it, and the side of its images. Writes nothing."""
        readable = self._plan(files)
        side = self._side(readable)
        coils = self._coils(readable)
        rows = []
        for volume in readable:
            for slice_number, label in volume.labels().items():
                known = {"acquired_width": math.nan, COIL_COLUMN: min(coils, volume.shape[1]), **NO_FACTS}
                rows.append(self._row(volume, slice_number, label, side) | known)
        return self._table(rows), side

    def _plan(self, files: list[FileStatus]) -> list[Readable]:
        """The files that can serve, by their headers, of one series."""
        annotated, self.skipped = self.layout.annotated(self.settings.finding, files)
        readable = []
        for number, file in enumerate(annotated):
            self.progress("headers", number, len(annotated))
            try:
                readable.append(self._read_header(file))
            except UnusableFile as unusable:
                self.skipped.append((shown(file.path), unusable.reason))
        self.progress("headers", len(annotated), len(annotated))
        readable = self._of_series(readable)
        self._need(readable)
        for volume in readable:
            without = volume.shape[0] - len(volume.labels())
            if without:
                self.left_out[STUDY_LEVEL] += without
            beyond = sum(box.slice >= volume.shape[0] for box in volume.file.boxes)
            if beyond:
                raise InputError(f"{volume.file.path} has {volume.shape[0]} slices, and a box in a slice beyond them")
        return readable

    def _read_header(self, file: AnnotatedFile) -> Readable:
        with open_volume(self.layout.root / file.path) as volume:
            vendor = VendorNames(self.settings.vendor_of, "").vendor(volume.header.maker)
            if not vendor:
                raise UnusableFile(f"unknown vendor ({volume.header.maker[:40] or 'missing or unreadable'})")
            grid = volume.header.reconstructed
            if file.boxes and not (grid.rows > 0 and grid.columns > 0 and grid.rows_mm > 0 and grid.columns_mm > 0):
                raise UnusableFile("its header does not give the reconstructed matrix, in which the boxes are drawn")
            if self.exact_size and volume.shape[3] < self.image_size:
                raise UnusableFile(f"fewer lines than the models' {self.image_size} pixels")
            stem = Path(file.path).stem
            patient = f"patient_{volume.patient}" if volume.patient else stem
            domain = self._domain(volume.header, vendor)
            return Readable(file, volume.header, vendor, domain, volume.shape, volume.series, patient)

    def _domain(self, header: RawHeader, vendor: str) -> str:
        """UnusableFile where the header does not say it."""
        domains = {VENDOR: vendor, FIELD_STRENGTH: tesla(header.field_t), MODEL: _as_name(header.model)}
        domain = domains[self.settings.domain]
        if not domain:
            raise UnusableFile(f"no {self.settings.domain.replace('_', ' ')} in the header, which says the domain")
        return domain

    def _of_series(self, readable: list[Readable]) -> list[Readable]:
        """The files of the series that is asked for. InputError where it is not clear which, or there is none."""
        counts = Counter(volume.series for volume in readable)
        wanted = self.settings.series
        known = ", ".join(f"{name!r} ({count} files)" for name, count in sorted(counts.items()))
        if wanted is None and len(counts) > 1:
            raise InputError(f"{self.layout.root} holds several series: {known}. Choose one of them (--series)")
        if wanted is not None and wanted not in counts:
            raise InputError(f"{self.layout.root} has no series {wanted!r}; it has {known}")
        kept = [volume for volume in readable if wanted in (None, volume.series)]
        if len(kept) < len(readable):
            self.left_out["another series"] = len(readable) - len(kept)
        return kept

    def _side(self, readable: list[Readable]) -> int:
        """The side that all images get: nothing is enlarged, so no line is ever made up."""
        columns = [volume.shape[3] for volume in readable]
        side = min(self.image_size, *columns)
        if side < self.image_size:
            self.notes.append(
                f"{self.image_size} pixels a side were asked for, and all images are sampled at {side}, which is the"
                " smallest number of lines"
            )
        if side < max(columns):
            self.notes.append(
                f"of the {_range(columns)} lines that a slice has, the central {side} are taken as acquired: a rate is"
                " a share of these"
            )
        return side

    def _coils(self, readable: list[Readable]) -> int:
        """How many channels an image gets; a note says what an image is here."""
        coils = min(COILS, max(volume.shape[1] for volume in readable))
        self.notes.append(
            f"the images are no magnitudes: the mask acts on the k-space of {counted(coils, 'coil')}, and the root of"
            " the sum of their squares is taken after it"
        )
        return coils

    def _survey(self, readable: Readable) -> Surveyed:
        """The compression of the coils, and the lines that hold anything. UnusableFile where DC is not central."""
        coils, columns = readable.shape[1], readable.shape[3]
        covariance = np.zeros((coils, coils), np.complex128)
        acquired = np.zeros(columns, bool)
        energy = np.zeros(columns)
        with open_volume(self.layout.root / readable.file.path) as volume:
            _require_same(volume, readable)
            for kspace in volume.slices():
                if not np.isfinite(kspace).all():
                    raise UnusableFile("its k-space holds values that are no finite numbers")
                covariance += covariance_of(kspace)
                acquired |= acquired_lines(kspace)
                energy += (np.abs(kspace).astype(np.float64) ** 2).sum(axis=(0, 1))
        if not acquired.any():
            raise UnusableFile(FLAT)
        if abs(int(energy.argmax()) - columns // 2) > max(1, NEAR_CENTRE * columns):
            raise UnusableFile("DC is not at the centre of its lines")
        return Surveyed(compression(covariance), acquired)

    def _fill(
        self, readable: Readable, surveyed: Surveyed, images: np.ndarray, masks: np.ndarray, first: int
    ) -> list[dict[str, Any]]:
        """Write the slices of one volume from row ``first`` on, scaled; their rows of the table."""
        coils, side = images.shape[1:3]
        combined = []
        rows = []
        with open_volume(self.layout.root / readable.file.path) as volume:
            for place, (number, label) in enumerate(readable.labels().items()):
                kspace = volume.kspace(number)
                few = surveyed.compression.apply(kspace, coils)
                images[first + place] = coil_images(few, readable.rows, side)
                combined.append(root_sum_of_squares(images[first + place]).astype(np.float32))
                boxes = [box for box in readable.file.boxes if box.slice == number]
                masks[first + place] = mask_of(boxes, readable.header, side)
                known = {
                    "acquired_width": int(surveyed.acquired.sum()),
                    COIL_COLUMN: min(coils, readable.shape[1]),
                    "digest": digest_of(kspace),
                }
                rows.append(self._row(readable, number, label, side) | known)
        groups = [combined] if self.settings.intensity == "series" else [[image] for image in combined]
        highs = [percentiles(group, PERCENTILES[1:])[0] for group in groups]
        for place, (row, image) in enumerate(zip(rows, combined, strict=True)):
            high = highs[0] if len(highs) == 1 else highs[place]
            if not high > 0:
                raise UnusableFile(FLAT)
            images[first + place] /= np.float32(high)
            scaled = image / np.float32(high)
            p75, p90 = percentiles([scaled], (75, 90))
            row |= {"low": 0.0, "high": high, "mean": float(scaled.mean(dtype=np.float64)), "p75": p75, "p90": p90}
        return rows

    def _row(self, volume: Readable, number: int, label: float, side: int) -> dict[str, Any]:
        """A row of the table, without what the values say."""
        header = volume.header
        known = {
            "path": volume.file.path,
            "patient_id": with_site(self.settings.site, volume.patient),
            "vendor": volume.domain,
            "manufacturer": "" if self.settings.domain == VENDOR else volume.vendor,
            "series": volume.series,
            "label": label,
            "slice": number + 1,
            "position": (number + 1) / volume.shape[0],
            "split": "",
            "orientation": "raw",
            "height": volume.rows,
            "width": volume.shape[3],
            "spacing_mm": header.encoded.columns_mm / side,
            "model": header.model,
            "phase": "ROW",  # the phase runs along a row, so that lines are columns
        }
        known |= {name: getattr(header, name) for name in ("field_t", "tr_ms", "te_ms", "flip_deg", "thickness_mm")}
        return dict.fromkeys(COLUMNS, math.nan) | known

    def _table(self, rows: list[dict[str, Any]]) -> pd.DataFrame:
        more = [COIL_COLUMN] if self.settings.domain == VENDOR else ["manufacturer", COIL_COLUMN]
        table = pd.DataFrame(rows, columns=[*COLUMNS, *more])
        table["row"] = np.arange(len(table))
        return table

    def _need(self, usable: list[Any]) -> None:
        if not usable:
            reasons = reasons_of(Counter(reason for _, reason in self.skipped) + self.left_out)
            raise InputError(f"{self.layout.root} holds no usable file of raw k-space (fastMRI or ISMRMRD).{reasons}")

    def _about_coils(self, table: pd.DataFrame, energies: list[float], coils: int) -> None:
        """Notes on compressed coils and on lines that were not acquired."""
        if min(energies) < 1:
            self.notes.append(
                f"the coils of a volume are compressed to {coils} (singular values over all its slices), which hold"
                f" {min(energies):.1%} of the energy or more"
            )
        partly = table[table["acquired_width"] < table["width"]]
        if len(partly):
            least = (partly["acquired_width"] / partly["width"]).min()
            self.notes.append(
                f"{counted(len(partly), 'image')} were stored with lines of zeros that were not acquired (as few as"
                f" {least:.0%} of the lines were): a rate counts the stored lines"
            )

    def _write_texts(self, folder: Path, table: pd.DataFrame, side: int) -> None:
        """Everything of the cache but the arrays."""
        names = ["path", "patient_id", "vendor", "series", "slice", "label", "digest", "field_t"]
        content = [VERSION, self.settings.facts(), table[names].to_json(orient="values")]
        fingerprint = digest(json.dumps(content, sort_keys=True).encode())
        settings = {
            "version": VERSION,
            "settings": self.settings.facts(),
            "image_size": self.image_size,
            "image_side": side,
            "fingerprints": {"1": fingerprint, "2": fingerprint},
            "left_out": dict(sorted(self.left_out.items())),
            "notes": self.notes,
        }
        write_table(folder / "table.csv", table)
        write_csv(folder / "skipped.csv", pd.DataFrame(sorted(self.skipped), columns=["path", "reason"]))
        write_whole(folder / "settings.json", json.dumps(settings, indent=1).encode())


def mask_of(boxes: list[Box], header: RawHeader, side: int) -> np.ndarray:
    """(side, side) uint8: 1 where more than half of a pixel lies in a box; of a small box the pixel with most of it.

    Boxes are pixels of the reconstructed matrix, ``y`` counted from its last row (see the layout). Both grids have
    index n // 2 at the same place.
    """
    mask = np.zeros((side, side), np.uint8)
    grid = header.reconstructed
    pixel_mm = header.encoded.columns_mm / side
    for box in boxes:
        top = grid.rows - box.y - box.height
        row_share = _covered(top, box.height, grid.rows, grid.rows_mm, side, pixel_mm)
        column_share = _covered(box.x, box.width, grid.columns, grid.columns_mm, side, pixel_mm)
        share = np.outer(row_share, column_share)
        mask[share > 0.5] = 1
        if not (share > 0.5).any() and share.any():
            mask[np.unravel_index(share.argmax(), share.shape)] = 1
    return mask


def _covered(start: float, length: float, count: float, field_mm: float, side: int, pixel_mm: float) -> np.ndarray:
    """(side,) share of each new pixel that the old ones from ``start`` on cover, of ``count`` in ``field_mm``."""
    old_mm = field_mm / count
    low = (start - 0.5 - count // 2) * old_mm / pixel_mm  # in new pixels, from the centre of the one in the middle
    high = low + length * old_mm / pixel_mm
    centre = np.arange(side) - side // 2
    return (np.minimum(centre + 0.5, high) - np.maximum(centre - 0.5, low)).clip(min=0)


def with_boxes(cohort: Any) -> Any:
    """The cohort of a folder of raw k-space, with the masks of its boxes that lie beside its images."""
    return dataclasses.replace(cohort, masks=cohort.images.with_name(MASKS))


def _as_name(text: str) -> str:
    """The model of a scanner as the name of a domain: letters, digits and blanks."""
    return re.sub(r"[^\w ()-]+|_", " ", text).strip()[:40]


def _require_same(volume: RawVolume, readable: Readable) -> None:
    if volume.shape != readable.shape:
        raise UnusableFile("it changed while it was read")


def _shorten(path: Path, count: int) -> None:
    """Keep the first ``count`` entries of an array, where skipped files left room at its end."""
    old = np.load(path, mmap_mode="r", allow_pickle=False)
    if len(old) == count:
        return
    shorter = path.with_name("shorter.npy")
    new = new_array(shorter, old.dtype, (count, *old.shape[1:]))
    for number in range(count):
        new[number] = old[number]
    new.flush()
    shorter.replace(path)


def _range(values: list[int]) -> str:
    ends = dict.fromkeys([min(values), max(values)])
    return " to ".join(map(str, ends))
