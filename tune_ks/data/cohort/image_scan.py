"""One reading of a folder of magnitude images, DICOM files or NIfTI volumes: files and sheets -> table and images.

Each image is brought to canonical orientation, padded with zeros to a square, shrunk to S pixels a side by a central
crop of k-space (S = image_size, or the smallest image of the cohort where that is smaller: nothing is ever enlarged),
scaled so that the 1st and 99th percentile of its series become 0 and 1, and clipped.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd

from tune_ks.core.domain_words import VENDOR
from tune_ks.data.cohort.cache_texts import Decoded
from tune_ks.data.cohort.candidates import Candidate, fill_slices
from tune_ks.data.cohort.domains import (
    about_vendor_column,
    domain_columns,
    domain_of_image,
    require_domains,
    why_without,
)
from tune_ks.data.cohort.fingerprint import fingerprints
from tune_ks.data.cohort.image_table import NO_FACTS, image_table
from tune_ks.data.cohort.position_matched import unmatched_negatives
from tune_ks.data.cohort.reasons import Account
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.cohort.usual_size import least_side, side_of
from tune_ks.data.layouts.base import FileStatus, Layout, shown
from tune_ks.data.layouts.items import Item, Listing
from tune_ks.data.layouts.labels import with_site
from tune_ks.data.layouts.sheets import InputError
from tune_ks.data.new_array import keep_rows, new_array
from tune_ks.data.progress import Progress
from tune_ks.data.vendors import about_unused_names

NO_DOMAIN = "unknown"  # what images are called that need no domain and have none


class FileReader(Protocol):
    """Reads the files of one kind. Where an answer is a text, it is the reason why the file cannot serve."""

    needs: str  # what files must be, in a message
    makers: set[str]  # what the files that ``headers`` could read, or their sheet, call their maker; "" for nothing

    def headers(self, items: list[Item]) -> Iterable[tuple[Item, list[Candidate] | str]]:
        """The images of each item, as far as its file's header tells them."""

    def pixels(self, candidates: list[Candidate], images: Path) -> Iterable[tuple[Candidate, dict[str, Any] | str]]:
        """Write the image of each candidate that has a row to ``images``. Its facts."""

    def named(self, skipped: list[tuple[str, str]], kept: list[Candidate]) -> list[tuple[str, str]]:
        """The paths and reasons of what was skipped, in the names that the user knows."""


class ImagePlan(NamedTuple):
    """The files that count, and the side that their images get."""

    candidates: list[Candidate]
    side: int


class ImageScan:
    """A ``Scan`` of the images that ``reader`` reads. ``progress`` is called with stage, done and total."""

    def __init__(
        self,
        layout: Layout,
        settings: CohortSettings,
        image_size: int,
        reader: FileReader,
        progress: Progress,
        exact_size: bool = False,
    ) -> None:
        self.layout = layout
        self.settings = settings
        self.image_size = image_size
        self.reader = reader
        self.progress = progress
        self.exact_size = exact_size
        self.account = Account()
        self.columns: tuple[str, ...] = ()  # of the sheet, that are not used

    def plan(self, files: list[FileStatus], labels_required: bool) -> ImagePlan:
        """The files that count, from the sheets and the headers alone, and the side that their images get."""
        listing = self._list(files, labels_required)
        left_out = +listing.left_out  # without the reasons that no file has
        self.account = Account(listing.skipped, left_out, listing.notes)
        self.columns = listing.columns
        candidates = self._read_headers(sorted(listing.items, key=lambda item: item.path))
        candidates = self._with_domains(candidates, labels_required)
        self._need_images(candidates, "file")
        if labels_required:
            require_domains(self.settings.domain, candidates)
        candidates = self._of_usual_size(candidates)
        self._need_images(candidates, "file")
        fill_slices(candidates)
        if self.settings.negatives == "position_matched":
            dropped = unmatched_negatives(candidates)
            for candidate in dropped:
                candidate.is_image = False
            self.account.left_out["negative slices dropped to match the positions of positive ones"] = len(dropped)
        images = [candidate for candidate in candidates if candidate.is_image]
        self._need_images(images, "labelled file")
        side = self._side(candidates)
        self.account.notes += _about_planes(images) + about_unused_names(self.settings.vendor_of, self.reader.makers)
        self.account.skipped = self.reader.named(self.account.skipped, candidates)
        return ImagePlan(candidates, side)

    def undecoded(self, plan: ImagePlan) -> tuple[pd.DataFrame, int]:
        """The table as far as sheets and headers tell it, and the side of its images; see Scan."""
        images = [candidate for candidate in plan.candidates if candidate.is_image]
        for candidate in images:
            candidate.facts = dict(NO_FACTS)
        return self._table(images, plan.side), plan.side

    def decode(self, plan: ImagePlan, folder: Path) -> Decoded:
        """Write images.npy: float32 (n, S, S) in [0, 1]."""
        images = folder / "images.npy"
        wanted = [candidate for candidate in plan.candidates if candidate.is_image]
        for row, candidate in enumerate(wanted):
            candidate.row = row
        store = new_array(images, np.float32, (len(wanted), plan.side, plan.side))
        del store  # the children open it by name
        self._read_pixels(plan.candidates, images)
        kept = [candidate for candidate in wanted if candidate.facts is not None]
        self._need_images(kept, "labelled file")
        if len(kept) < len(wanted):
            keep_rows(images, [candidate.row for candidate in kept])
        table = self._table(kept, plan.side)
        return Decoded(table, plan.side, fingerprints(table, plan.candidates, self.settings))

    def _list(self, files: list[FileStatus], labels_required: bool) -> Listing:
        self.progress("sheets", 0, 1)
        layout = dataclasses.replace(self.layout, domain_columns=domain_columns(self.settings.domain))
        listing = layout.listing(self.settings.series, labels_required, files)
        self.progress("sheets", 1, 1)
        listing.skipped = [(shown(path), reason) for path, reason in listing.skipped]
        foreign = [item for item in listing.items if shown(item.path) != item.path]
        if foreign:  # no table could hold such a name
            listing.items = [item for item in listing.items if shown(item.path) == item.path]
            listing.skipped += [(shown(item.path), "a name that is not UTF-8") for item in foreign]
        if self.settings.site:
            for item in listing.items:
                item.patient_id = with_site(self.settings.site, item.patient_id)
        return listing

    def _read_headers(self, items: list[Item]) -> list[Candidate]:
        """The images of all items whose files can be read; the others are skipped."""
        candidates: list[Candidate] = []
        for item, answer in self.reader.headers(items):
            if isinstance(answer, str):
                self.account.skipped.append((item.path, answer))
            else:
                candidates += answer
        self.account.left_out.update(candidate.left_out for candidate in candidates if candidate.left_out)
        return candidates

    def _with_domains(self, candidates: list[Candidate], required: bool) -> list[Candidate]:
        """The candidates with their domains. Those without one are skipped, or where none is required called so."""
        kept = []
        for candidate in candidates:
            candidate.domain = domain_of_image(self.settings.domain, candidate.item, candidate.header)
            if candidate.domain or not required:
                candidate.domain = candidate.domain or NO_DOMAIN
                kept.append(candidate)
            else:
                self.account.skipped.append((candidate.item.path, why_without(self.settings.domain, self.columns)))
        return kept

    def _of_usual_size(self, candidates: list[Candidate]) -> list[Candidate]:
        """The candidates but those that are too small for the models, or far smaller than the vendor's others."""
        sides: dict[str, list[int]] = {}
        for candidate in candidates:
            sides.setdefault(candidate.header.vendor, []).append(side_of(candidate))
        least = {vendor: least_side(of_vendor) for vendor, of_vendor in sides.items()}
        kept = []
        for candidate in candidates:
            side = side_of(candidate)
            path = candidate.item.path
            if side < least[candidate.header.vendor]:  # whatever the image size, so that all sizes have the same rows
                self.account.skipped.append((path, "far smaller than the vendor's other images"))
            elif self.exact_size and side < self.image_size:
                self.account.skipped.append((path, f"smaller than the models' {self.image_size} pixels"))
            else:
                kept.append(candidate)
        return kept

    def _side(self, candidates: list[Candidate]) -> int:
        """The side that all images get: nothing is enlarged. A note names the image that makes it less than asked."""
        smallest = min(candidates, key=side_of)
        side = side_of(smallest)
        if side >= self.image_size:
            return self.image_size
        self.account.notes.append(
            f"{self.image_size} pixels a side were asked for, and all images are sampled at {side}, which the smallest"
            f" has ({smallest.item.path})"
        )
        return side

    def _read_pixels(self, candidates: list[Candidate], images: Path) -> None:
        """Write the image of every candidate that has a row and note its facts; those that cannot serve are skipped."""
        in_series = self.settings.intensity == "series"  # files that become no image count in its percentiles
        wanted = [candidate for candidate in candidates if candidate.is_image or in_series]
        for candidate, answer in self.reader.pixels(wanted, images):
            if isinstance(answer, str):
                self.account.skipped.append((candidate.item.path, answer))
            else:
                candidate.facts = answer
        decoded = [candidate for candidate in candidates if candidate.facts is not None]
        self.account.skipped = self.reader.named(self.account.skipped, decoded)

    def _table(self, images: list[Candidate], side: int) -> pd.DataFrame:
        return image_table(images, side, is_vendor=self.settings.domain == VENDOR)

    def _need_images(self, usable: list[Candidate], noun: str) -> None:
        if not usable:
            lacks_vendor = any("vendor" in reason for _, reason in self.account.skipped)
            hint = about_vendor_column(self.columns) if lacks_vendor else ""
            root = self.layout.root
            raise InputError(f"{root} holds no usable {noun}.{self.account.reasons()} {self.reader.needs}{hint}")


def _about_planes(images: list[Candidate]) -> list[str]:
    """A note where the images are of several planes."""
    counts = Counter(candidate.header.plane for candidate in images if candidate.header.plane)
    if len(counts) < 2:
        return []
    planes = ", ".join(f"{count} {plane}" for plane, count in counts.most_common())
    return [f"images of several planes ({planes}): a network knows the planes that it was trained on"]
