"""One reading of a folder: files and sheets -> the table and the array of images of a cache.

Each image is brought to canonical orientation, padded with zeros to a square, shrunk to S pixels a side by a central
crop of k-space (S = image_size, or the smallest image of the cohort where that is smaller: nothing is ever enlarged),
scaled so that the 1st and 99th percentile of its series become 0 and 1, and clipped.
"""

import dataclasses
import json
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from tune_ks.core.domain_words import VENDOR
from tune_ks.core.storage import write_whole
from tune_ks.core.tables import write_csv
from tune_ks.data.child_process import ChildPool
from tune_ks.data.cohort import prepare
from tune_ks.data.cohort.candidates import Candidate, fill_slices
from tune_ks.data.cohort.domains import domain_columns, domain_of_image, require_domains, why_without
from tune_ks.data.cohort.fingerprint import VERSION, fingerprints
from tune_ks.data.cohort.position_matched import unmatched_negatives
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.cohort.table import COLUMNS, WHERE_GIVEN, write_table
from tune_ks.data.dicom.reader import VENDORS, Header
from tune_ks.data.layouts.base import FileStatus, Layout, shown
from tune_ks.data.layouts.items import LEFT_OUT, Item, Listing
from tune_ks.data.layouts.labels import with_site
from tune_ks.data.layouts.sheets import InputError, counted
from tune_ks.data.new_array import new_array
from tune_ks.data.whole_folder import whole_folder

NO_DOMAIN = "unknown"  # what images are called that need no domain and have none
FAR_SMALLER = 1 / 3  # of the usual side of the vendor's images: a smaller image is no image of the series
FEW = 1 / 4  # of the vendor's images: where more are far smaller, there is no usual side
HEADERS_PER_TASK = 64
LOCAL_FILES = 200  # up to so many uncompressed files are read in this process: starting child processes takes longer
LOCAL_HEADERS = 1500  # the same where only headers are read: on two cores no slower than two children that must start
SHOWN_REASONS = 5  # in a message
NO_FACTS = {**dict.fromkeys(("low", "high", "mean", "p75", "p90"), math.nan), "digest": ""}  # of undecoded pixels
Progress = Callable[[str, int, int], None]  # stage, files done, files in all


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
        self.pool = pool
        self.progress = progress
        self.exact_size = exact_size
        self.root = str(layout.root)
        self.local_headers = LOCAL_FILES
        self.skipped: list[tuple[str, str]] = []  # path and reason of files that cannot serve
        self.left_out: Counter[str] = Counter()  # reason -> files left out on purpose
        self.notes: list[str] = []

    def write(self, cache_dir: Path, signature: str, files: list[FileStatus], labels_required: bool) -> None:
        """Fill ``cache_dir/signature``, whole or not at all."""
        candidates, side = self._plan(files, labels_required)
        target = cache_dir / signature
        with whole_folder(target, (target / "settings.json").exists) as scratch:
            table = self._decode(candidates, side, scratch / "images.npy")
            if labels_required:
                require_both_classes(table, self._reasons())
            self._write_texts(scratch, table, side, fingerprints(table, candidates, self.settings))

    def survey(self, files: list[FileStatus], labels_required: bool) -> tuple[pd.DataFrame, int]:
        """The table as far as the headers tell it, and the side of its images. Decodes nothing and writes nothing.

        What the pixels say (low, high, mean, p75, p90, digest) is NaN or "", and a file whose pixels turn out to be
        unusable is still in it.
        """
        self.local_headers = LOCAL_HEADERS
        candidates, side = self._plan(files, labels_required)
        for candidate in candidates:
            candidate.facts = dict(NO_FACTS)
        return self._table([candidate for candidate in candidates if candidate.is_image], side), side

    def _plan(self, files: list[FileStatus], labels_required: bool) -> tuple[list[Candidate], int]:
        """The files that count, from the sheets and the headers alone, and the side that their images get."""
        listing = self._list(files, labels_required)
        self.skipped = listing.skipped
        self.left_out = listing.left_out
        self.notes = listing.notes
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
            sides.setdefault(candidate.header.vendor, []).append(_side_of(candidate))
        least = {vendor: _least_side(of_vendor) for vendor, of_vendor in sides.items()}
        kept = []
        for candidate in candidates:
            side = _side_of(candidate)
            if side < least[candidate.header.vendor]:  # whatever the image size, so that all sizes have the same rows
                self.skipped.append((candidate.item.path, "far smaller than the vendor's other images"))
            elif self.exact_size and side < self.image_size:
                self.skipped.append((candidate.item.path, f"smaller than the models' {self.image_size} pixels"))
            else:
                kept.append(candidate)
        return kept

    def _side(self, candidates: list[Candidate]) -> int:
        """The side that all images get: nothing is enlarged. A note names the image that makes it less than asked."""
        smallest = min(candidates, key=_side_of)
        side = _side_of(smallest)
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
        for item, answer in self._answers("headers", "read_headers", chunks, tasks, len(items) <= self.local_headers):
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
                self.skipped.append((candidate.item.path, why_without(self.settings.domain)))
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
            _keep_rows(images, [candidate.row for candidate in kept])
        return self._table(kept, side)

    def _table(self, images: list[Candidate], side: int) -> pd.DataFrame:
        return _table(images, side, is_vendor=self.settings.domain == VENDOR)

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
        for candidate, answer in self._answers("images", "write_group", groups, tasks, local):
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

    def _answers(
        self, stage: str, function: str, groups: list[list[Any]], tasks: list[dict[str, Any]], local: bool
    ) -> list[tuple[Any, Any]]:
        """Every file of ``groups`` with the answer of ``function`` of ``work`` for it, in the order of the groups.

        ``tasks`` are the arguments for each group. A group whose task was given up has crashed its children.
        """
        total = sum(map(len, groups))
        done = 0
        answers_of_group: dict[int, list[Any]] = {}
        self.progress(stage, 0, total)
        numbered = [{"number": number, **task} for number, task in enumerate(tasks)]
        for number, answers in self._run(function, numbered, local):
            answers_of_group[number] = answers
            done += len(answers)
            self.progress(stage, done, total)
        pairs: list[tuple[Any, Any]] = []
        for number, group in enumerate(groups):
            pairs += zip(group, answers_of_group.get(number, [prepare.CRASHED] * len(group)))
        return pairs

    def _run(self, function: str, tasks: list[dict[str, Any]], local: bool) -> Iterator[Any]:
        if local:
            return (getattr(self.work, function)(lambda _: None, **task) for task in tasks)
        return self.pool.run(f"{self.work.__name__}:{function}", tasks, _without_crashed)

    def _need_images(self, usable: list[Any], noun: str) -> None:
        if not usable:
            raise InputError(f"{self.root} holds no usable {noun}.{self._reasons()} {self.needs}")

    def _reasons(self) -> str:
        return reasons_of(Counter(reason for _, reason in self.skipped) + self.left_out)

    def _write_texts(self, folder: Path, table: pd.DataFrame, side: int, fingerprints: dict[str, str]) -> None:
        """Everything of the cache but the images."""
        skipped = pd.DataFrame(sorted(self.skipped), columns=["path", "reason"])
        settings = {
            "version": VERSION,
            "settings": self.settings.facts(),
            "image_size": self.image_size,
            "image_side": side,
            "fingerprints": fingerprints,
            "left_out": dict(sorted(self.left_out.items())),
            "notes": self.notes,
        }
        write_table(folder / "table.csv", table)
        write_csv(folder / "skipped.csv", skipped)
        write_whole(folder / "settings.json", json.dumps(settings, indent=1).encode())


def require_both_classes(table: pd.DataFrame, reasons: str) -> None:
    """InputError where a vendor has images of one class only; ``reasons`` say what was left out, as reasons_of does."""
    for vendor, labels in table.groupby("vendor")["label"]:
        positive = int((labels == 1).sum())
        negative = int((labels == 0).sum())
        if positive == 0 or negative == 0:
            lacks = "negative" if positive else "positive"
            raise InputError(
                f"{vendor} has {positive} positive and {negative} negative images, so nothing"
                f" can be measured on it; add {lacks} ones, or remove its files."
                f"{reasons}"
            )


def reasons_of(reasons: Iterable[str] | Counter[str]) -> str:
    """Of many files' reasons, or their counts: ' Left out: 12 files (truncated), 3 files (not MR).', or nothing."""
    counts = Counter(reasons)
    if not counts:
        return ""
    most = ", ".join(f"{counted(count, 'file')} ({reason})" for reason, count in counts.most_common(SHOWN_REASONS))
    hidden = len(counts) - SHOWN_REASONS
    more = f" and {hidden} more reasons" if hidden > 0 else ""
    return f" Left out: {most}{more}."


def _side_of(candidate: Candidate) -> int:
    """Pixels a side of the square that an image is padded to."""
    return max(candidate.header.height, candidate.header.width)


def _least_side(sides: list[int]) -> float:
    """The side from which on an image is no stranger among those of its vendor; 0 where they have no usual side."""
    usual = sorted(sides)[len(sides) // 2]
    strangers = sum(side < FAR_SMALLER * usual for side in sides)
    return FAR_SMALLER * usual if strangers <= FEW * len(sides) else 0


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


def _table(images: list[Candidate], side: int, is_vendor: bool) -> pd.DataFrame:
    """The cohort's table, a row for each image; ``is_vendor``: a domain is the scanner's maker."""
    table = pd.DataFrame([_table_row(candidate, side, is_vendor) for candidate in images])
    table.insert(0, "row", np.arange(len(table)))
    if table["label"].notna().all():
        table["label"] = table["label"].astype(int)
    given = [name for name in WHERE_GIVEN if (table[name] != "").any()]
    return table[[*COLUMNS, *given]]


def _table_row(candidate: Candidate, side: int, is_vendor: bool) -> dict[str, Any]:
    item = candidate.item
    header = candidate.header
    row = {name: value for name, value in vars(header).items() if name in COLUMNS}
    row |= {name: getattr(item, name) for name in ("path", "patient_id", "series", "slice", "split", "breast")}
    row["vendor"] = candidate.domain
    row["manufacturer"] = "" if is_vendor else header.vendor
    row["label"] = math.nan if item.label is None else item.label
    row["position"] = candidate.position
    row["spacing_mm"] = header.spacing_mm * max(header.height, header.width) / side
    assert candidate.facts is not None  # its image is finished
    return row | candidate.facts


def _keep_rows(images: Path, rows: list[int]) -> None:
    """Rewrite ``images`` with these rows only, in this order."""
    old = np.load(images, mmap_mode="r", allow_pickle=False)
    shorter = images.with_name("shorter.npy")
    new = new_array(shorter, old.dtype, (len(rows), *old.shape[1:]))
    for i, row in enumerate(rows):
        new[i] = old[row]
    new.flush()
    os.replace(shorter, images)


def _without_crashed(task: dict[str, Any], index: Any) -> dict[str, Any] | None:
    """The task without the file over which a child died; None when that is not known, or it was tried before."""
    if index is None or index in task["crashed"]:
        return None
    return {**task, "crashed": [*task["crashed"], index]}
