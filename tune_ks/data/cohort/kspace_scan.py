"""One reading of a folder of raw k-space: files and boxes -> the table, the complex coil images and the boxes' masks.

The columns of k-space are the lines that the scanner acquired, and they stay what they are: of each slice the central S
of them are taken (S = image_size, or the fewest lines of any file where that is smaller: nothing is enlarged). Along
the readout the field of view is cut to that of the columns, so that pixels are square. Coils are compressed to at most
COILS. What is kept is the complex image of every coil, so that a mask M can act on the k-space of each:

    y_c = M F x_c        x' = sqrt(sum_c |F^-1 y_c|^2)

x' at full sampling is divided by its 99th percentile in the volume (or in the slice: ``intensity``). It is not clipped.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tune_ks.core.config import digest
from tune_ks.core.domain_words import FIELD_STRENGTH, VENDOR
from tune_ks.data.cohort.box_masks import mask_of
from tune_ks.data.cohort.cache_texts import Decoded
from tune_ks.data.cohort.fingerprint import VERSION
from tune_ks.data.cohort.image_table import NO_FACTS
from tune_ks.data.cohort.kspace_files import MODEL, Readable, chosen_files, require_files
from tune_ks.data.cohort.percentiles import PERCENTILES, percentiles
from tune_ks.data.cohort.prepare import FLAT
from tune_ks.data.cohort.reasons import Account
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.cohort.table import COLUMNS
from tune_ks.data.coils import COILS, Compression, coil_images, compression, covariance_of, root_sum_of_squares
from tune_ks.data.layouts.base import FileStatus, shown
from tune_ks.data.layouts.fastmri import FastMRI
from tune_ks.data.layouts.labels import with_site
from tune_ks.data.layouts.sheets import InputError, counted
from tune_ks.data.new_array import keep_rows, new_array
from tune_ks.data.occupied import acquired_lines
from tune_ks.data.progress import Progress
from tune_ks.data.raw.open import open_volume
from tune_ks.data.raw.volume import RawVolume, digest_of
from tune_ks.data.unusable import UnusableFile
from tune_ks.data.vendors import about_unused_names

MASKS = "boxes.npy"  # of a cache, beside images.npy: uint8 (n, S, S), 1 inside a box
COIL_COLUMN = "coils"  # of the table: how many channels of an image hold something
NEAR_CENTRE = 1 / 16  # of the lines: the strongest lies so near to the centre, where DC must be


class Surveyed(NamedTuple):
    """What the first pass over a volume says."""

    compression: Compression
    acquired: np.ndarray  # (columns,) bool


class KspaceScan:
    """One reading of a folder of the layout ``FastMRI``. A ``Scan``."""

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
        self.account = Account()

    def plan(self, files: list[FileStatus], labels_required: bool) -> list[Readable]:
        """The files that can serve, by their headers, of one series."""
        least = self.image_size if self.exact_size else 1
        chosen = chosen_files(self.layout, self.settings, files, least, self.progress)
        makers = {volume.header.maker for volume in chosen.readable}
        notes = about_unused_names(self.settings.vendor_of, makers)
        self.account = Account(chosen.skipped, chosen.left_out, notes)
        return chosen.readable

    def undecoded(self, plan: list[Readable]) -> tuple[pd.DataFrame, int]:
        """The table as far as headers and boxes tell it, and the side of its images; see Scan."""
        side = self._side(plan)
        coils = self._coils(plan)
        rows = []
        for volume in plan:
            for slice_number, label in volume.labels().items():
                known = {"acquired_width": math.nan, COIL_COLUMN: min(coils, volume.shape[1]), **NO_FACTS}
                rows.append(self._row(volume, slice_number, label, side) | known)
        return self._table(rows), side

    def decode(self, plan: list[Readable], folder: Path) -> Decoded:
        """Write images.npy, complex64 (n, coils, S, S), and MASKS."""
        side = self._side(plan)
        coils = self._coils(plan)
        count = sum(len(volume.labels()) for volume in plan)
        images = new_array(folder / "images.npy", np.complex64, (count, coils, side, side))
        masks = new_array(folder / MASKS, np.uint8, (count, side, side))
        rows: list[dict[str, Any]] = []
        energies = []
        for number, volume in enumerate(plan):
            self.progress("k-space", number, len(plan))
            try:
                surveyed = self._survey(volume)
                of_volume = self._fill(volume, surveyed, images, masks, len(rows))
            except UnusableFile as unusable:
                self.account.skipped.append((shown(volume.file.path), unusable.reason))
                continue
            rows += of_volume
            energies.append(surveyed.compression.energy)
        self.progress("k-space", len(plan), len(plan))
        require_files(rows, self.layout.root, self.account)
        table = self._table(rows)
        self._about_coils(table, energies, coils)
        images.flush()
        masks.flush()
        del images, masks
        keep_rows(folder / "images.npy", range(len(rows)))
        keep_rows(folder / MASKS, range(len(rows)))
        return Decoded(table, side, self._fingerprints(table))

    def _side(self, readable: list[Readable]) -> int:
        """The side that all images get: nothing is enlarged, so no line is ever made up."""
        columns = [volume.shape[3] for volume in readable]
        side = min(self.image_size, *columns)
        if side < self.image_size:
            self.account.notes.append(
                f"{self.image_size} pixels a side were asked for, and all images are sampled at {side}, which is the"
                " smallest number of lines"
            )
        if side < max(columns):
            self.account.notes.append(
                f"of the {_range(columns)} lines that a slice has, the central {side} are taken as acquired: a rate is"
                " a share of these"
            )
        return side

    def _coils(self, readable: list[Readable]) -> int:
        """How many channels an image gets; a note says what an image is here."""
        coils = min(COILS, max(volume.shape[1] for volume in readable))
        self.account.notes.append(
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
        rows = []
        with open_volume(self.layout.root / readable.file.path) as volume:
            for place, (number, label) in enumerate(readable.labels().items()):
                kspace = volume.kspace(number)
                few = surveyed.compression.apply(kspace, coils)
                images[first + place] = coil_images(few, readable.rows, side)
                boxes = [box for box in readable.file.boxes if box.slice == number]
                masks[first + place] = mask_of(boxes, readable.header, side)
                known = {
                    "acquired_width": int(surveyed.acquired.sum()),
                    COIL_COLUMN: min(coils, readable.shape[1]),
                    "digest": digest_of(kspace),
                }
                rows.append(self._row(readable, number, label, side) | known)
        of_values = self._scale(images[first : first + len(rows)])
        return [row | known for row, known in zip(rows, of_values, strict=True)]

    def _scale(self, images: np.ndarray) -> Iterator[dict[str, float]]:
        """Divide the images of one volume, in place; what the table says of the values of each. UnusableFile: flat."""
        combined = [root_sum_of_squares(image).astype(np.float32) for image in images]
        if self.settings.intensity == "series":
            highs = [_high(combined)] * len(combined)
        else:
            highs = [_high([image]) for image in combined]
        for image, magnitude, high in zip(images, combined, highs, strict=True):
            if not high > 0:
                raise UnusableFile(FLAT)
            image /= np.float32(high)
            scaled = magnitude / np.float32(high)
            p75, p90 = percentiles([scaled], (75, 90))
            yield {"low": 0.0, "high": high, "mean": float(scaled.mean(dtype=np.float64)), "p75": p75, "p90": p90}

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

    def _about_coils(self, table: pd.DataFrame, energies: list[float], coils: int) -> None:
        """Notes on compressed coils and on lines that were not acquired."""
        if min(energies) < 1:
            self.account.notes.append(
                f"the coils of a volume are compressed to {coils} (singular values over all its slices), which hold"
                f" {min(energies):.1%} of the energy or more"
            )
        partly = table[table["acquired_width"] < table["width"]]
        if len(partly):
            least = (partly["acquired_width"] / partly["width"]).min()
            self.account.notes.append(
                f"{counted(len(partly), 'image')} were stored with lines of zeros that were not acquired (as few as"
                f" {least:.0%} of the lines were): a rate counts the stored lines"
            )

    def _fingerprints(self, table: pd.DataFrame) -> dict[str, str]:
        names = ["path", "patient_id", "vendor", "series", "slice", "label", "digest", "field_t"]
        content = [VERSION, self.settings.facts(), table[names].to_json(orient="values")]
        fingerprint = digest(json.dumps(content, sort_keys=True).encode())
        return {"1": fingerprint, "2": fingerprint}


def _high(images: list[np.ndarray]) -> float:
    """The value that becomes 1 in these images."""
    return percentiles(images, PERCENTILES[1:])[0]


def _require_same(volume: RawVolume, readable: Readable) -> None:
    if volume.shape != readable.shape:
        raise UnusableFile("it changed while it was read")


def _range(values: list[int]) -> str:
    ends = dict.fromkeys([min(values), max(values)])
    return " to ".join(map(str, ends))
