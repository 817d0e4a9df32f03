"""One reading of a folder: files and sheets -> the table and the array of images of a cache.

Each image is brought to canonical orientation, padded with zeros to a square, shrunk to S pixels a side by a central
crop of k-space (S = image_size, or the smallest image of the cohort where that is smaller: nothing is ever enlarged),
scaled so that the 1st and 99th percentile of its series become 0 and 1, and clipped.
"""

import dataclasses
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from tune_ks.core.domain_words import VENDOR
from tune_ks.data.child_process import ChildPool
from tune_ks.data.cohort import prepare
from tune_ks.data.cohort.asking import Asking
from tune_ks.data.cohort.cache_texts import write_texts
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
from tune_ks.data.cohort.progress import Progress
from tune_ks.data.cohort.reasons import reasons_of, require_both_classes
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.cohort.usual_size import least_side, side_of
from tune_ks.data.dicom.reader import VENDORS, Header
from tune_ks.data.layouts.base import FileStatus, Layout, shown
from tune_ks.data.layouts.items import LEFT_OUT, Item, Listing
from tune_ks.data.layouts.labels import with_site
from tune_ks.data.layouts.sheets import InputError
from tune_ks.data.new_array import keep_rows, new_array
from tune_ks.data.whole_folder import whole_folder

NO_DOMAIN = "unknown"  # what images are called that need no domain and have none
HEADERS_PER_TASK = 64
LOCAL_FILES = 200  # up to so many uncompressed files are read in this process: starting child processes takes longer
LOCAL_HEADERS = 1500  # the same where only headers are read: on two cores no slower than two children that must start


class Scan:
    """One reading of a folder, from its files to its cache. ``progress`` is called with stage, done and total."""

    work: ClassVar[ModuleType] = prepare  # what child processes do: read_headers and write_group
    needs: ClassVar[str] = (
        "Files must be single-frame MR images in DICOM format, of a known maker (or name it: --vendor-of"
        " 'MAKER=VENDOR', or a column vendor in labels.csv)"
    )

    def __init__(
        self,
        layout: Layout,
        settings: CohortSettings,
        image_size: int,
        pool: ChildPool,
        progress: Progress,
        exact_size: bool = False,
    ) -> None:
        self.layout = layout
        self.settings = settings
        self.image_size = image_size
        self.progress = progress
        self.asking = Asking(pool, self.work, progress)
        self.exact_size = exact_size
        self.root = str(layout.root)
        self.local_headers = LOCAL_FILES
        self.skipped: list[tuple[str, str]] = []  # path and reason of files that cannot serve
        self.left_out: Counter[str] = Counter()  # reason -> files left out on purpose
        self.notes: list[str] = []
        self.columns: tuple[str, ...] = ()  # of the sheet, that are not used

    def write(self, cache_dir: Path, signature: str, files: list[FileStatus], labels_required: bool) -> None:
        """Fill ``cache_dir/signature``, whole or not at all."""
        candidates, side = self._plan(files, labels_required)
        target = cache_dir / signature
        with whole_folder(target, (target / "settings.json").exists) as scratch:
            table = self._decode(candidates, side, scratch / "images.npy")
            if labels_required:
                require_both_classes(table, self._reasons())
            write_texts(scratch, self, table, side, fingerprints(table, candidates, self.settings))

    def survey(self, files: list[FileStatus], labels_required: bool) -> tuple[pd.DataFrame, int]:
        """The table as far as the headers tell it, and the side of its images. Decodes nothing and writes nothing.

        What the pixels say (low, high, mean, p75, p90, digest) is NaN or "", and a file whose pixels turn out to be
        unusable is still in it.
        """
        self.local_headers = LOCAL_HEADERS
        candidates, side = self._plan(files, labels_required)
        for candidate in candidates:
            candidate.facts = dict(NO_FACTS)
        return self.image_table([candidate for candidate in candidates if candidate.is_image], side), side

    def _plan(self, files: list[FileStatus], labels_required: bool) -> tuple[list[Candidate], int]:
        """The files that count, from the sheets and the headers alone, and the side that their images get."""
        listing = self._list(files, labels_required)
        self.skipped = listing.skipped
        self.left_out = listing.left_out
        self.notes = listing.notes
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
            self.left_out["negative slices dropped to match the positions of positive ones"] = len(dropped)
        images = [candidate for candidate in candidates if candidate.is_image]
        self._need_images(images, "labelled file")
        side = self._side(candidates)
        self.notes += _about_planes(images)
        return candidates, side

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

    def _of_usual_size(self, candidates: list[Candidate]) -> list[Candidate]:
        """Without the files that are too small for the models, or far smaller than the vendor's others; see Cohort."""
        sides: dict[str, list[int]] = {}
        for candidate in candidates:
            sides.setdefault(candidate.header.vendor, []).append(side_of(candidate))
        least = {vendor: least_side(of_vendor) for vendor, of_vendor in sides.items()}
        kept = []
        for candidate in candidates:
            side = side_of(candidate)
            if side < least[candidate.header.vendor]:  # whatever the image size, so that all sizes have the same rows
                self.skipped.append((candidate.item.path, "far smaller than the vendor's other images"))
            elif self.exact_size and side < self.image_size:
                self.skipped.append((candidate.item.path, f"smaller than the models' {self.image_size} pixels"))
            else:
                kept.append(candidate)
        return kept

    def _side(self, candidates: list[Candidate]) -> int:
        """The side that all images get: nothing is enlarged. A note names the image that makes it less than asked."""
        smallest = min(candidates, key=side_of)
        side = side_of(smallest)
        if side >= self.image_size:
            return self.image_size
        self.notes.append(
            f"{self.image_size} pixels a side were asked for, and all images are sampled at {side}, which the smallest"
            f" has ({smallest.item.path})"
        )
        return side

    def _read_headers(self, items: list[Item]) -> list[Candidate]:
        """The items whose files can be read; the others are skipped."""
        chunks = [items[i : i + HEADERS_PER_TASK] for i in range(0, len(items), HEADERS_PER_TASK)]
        tasks = [self._task(chunk) for chunk in chunks]
        candidates = []
        local = len(items) <= self.local_headers
        for item, answer in self.asking.answers("headers", "read_headers", chunks, tasks, local):
            reason = answer if isinstance(answer, str) else _why_unusable(item, answer)
            if reason:
                self.skipped.append((item.path, reason))
            else:
                candidates.append(Candidate(item, answer, is_image=item.label != LEFT_OUT))
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
                self.skipped.append((candidate.item.path, why_without(self.settings.domain, self.columns)))
        return kept

    def _decode(self, candidates: list[Candidate], side: int, images: Path) -> pd.DataFrame:
        """Fill ``images`` and return its table."""
        wanted = [candidate for candidate in candidates if candidate.is_image]
        for row, candidate in enumerate(wanted):
            candidate.row = row
        store = new_array(images, np.float32, (len(wanted), side, side))
        del store  # the children open it by name
        self._read_pixels(candidates, images)
        kept = [candidate for candidate in wanted if candidate.facts is not None]
        self._need_images(kept, "labelled file")
        if len(kept) < len(wanted):
            keep_rows(images, [candidate.row for candidate in kept])
        return self.image_table(kept, side)

    def image_table(self, images: list[Candidate], side: int) -> pd.DataFrame:
        return image_table(images, side, is_vendor=self.settings.domain == VENDOR)

    def _read_pixels(self, candidates: list[Candidate], images: Path) -> None:
        """Write the image of every candidate that has a row and note its facts; those that cannot serve are skipped."""
        groups = self._series_groups(candidates)
        common = {"intensity": self.settings.intensity, "images": str(images)}
        tasks = []
        for group in groups:
            rows = [candidate.row for candidate in group]
            headers = [candidate.header for candidate in group]
            tasks.append(self._task([candidate.item for candidate in group], rows=rows, headers=headers, **common))
        is_small = sum(map(len, groups)) <= LOCAL_FILES
        local = is_small and not any(candidate.header.compressed for candidate in candidates)
        for candidate, answer in self.asking.answers("images", "write_group", groups, tasks, local):
            if isinstance(answer, str):
                self.skipped.append((candidate.item.path, answer))
            else:
                candidate.facts = answer

    def _series_groups(self, candidates: list[Candidate]) -> list[list[Candidate]]:
        """The files to decode, those of one patient's series together.

        Files that nobody chose lie in folders that say little: their own series and planes stay apart too.
        """
        groups: dict[tuple[str, ...], list[Candidate]] = {}
        for candidate in candidates:
            if candidate.is_image or self.settings.intensity == "series":
                series: tuple[str, ...] = (candidate.item.patient_id, candidate.item.series)
                if not candidate.item.is_chosen:
                    series += (candidate.header.series_hash, candidate.header.plane)
                groups.setdefault(series, []).append(candidate)
        return list(groups.values())

    def _task(self, items: list[Item], **more: Any) -> dict[str, Any]:
        """The keyword arguments that ``read_headers`` and ``write_group`` share, and ``more``."""
        return {
            "root": self.root,
            "paths": [item.path for item in items],
            "crashed": [],
            "orientation": self.settings.orientation,
            "vendors": [item.sheet_vendor for item in items],
            "vendor_of": self.settings.vendor_of,
            **more,
        }

    def _need_images(self, usable: list[Any], noun: str) -> None:
        if not usable:
            lacks_vendor = any("vendor" in reason for _, reason in self.skipped)
            hint = about_vendor_column(self.columns) if lacks_vendor else ""
            raise InputError(f"{self.root} holds no usable {noun}.{self._reasons()} {self.needs}{hint}")

    def _reasons(self) -> str:
        return reasons_of(Counter(reason for _, reason in self.skipped) + self.left_out)


def _about_planes(images: list[Candidate]) -> list[str]:
    """A note where the images are of several planes."""
    counts = Counter(candidate.header.plane for candidate in images if candidate.header.plane)
    if len(counts) < 2:
        return []
    planes = ", ".join(f"{count} {plane}" for plane, count in counts.most_common())
    return [f"images of several planes ({planes}): a network knows the planes that it was trained on"]


def _why_unusable(item: Item, header: Header) -> str:
    """Why a file that can be read does not serve; "" where it does."""
    if header.is_localizer and not item.is_chosen:
        return "a localizer (ImageType)"
    return _vendor_conflict(item, header)


def _vendor_conflict(item: Item, header: Header) -> str:
    """The reason to skip a file whose maker is not the one that the sheet says; "" where they agree."""
    if item.sheet_vendor not in VENDORS or item.sheet_vendor == header.vendor:
        return ""  # where the sheet's name is of the user's own making, the maker that the file names goes before it
    return f"the sheet says {item.sheet_vendor}, the file says {header.vendor}"
