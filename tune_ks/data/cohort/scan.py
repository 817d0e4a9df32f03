"""One reading of a folder: files and sheets -> the table and the array of images of a cache.

Order of the work on an image: canonical orientation, zero-padded to a square, shrunk to S pixels a side by a central
crop of k-space (S = image_size, or the smallest image of the cohort where that is smaller: nothing is ever enlarged),
scaled so that the 1st and 99th percentile of its series become 0 and 1, clipped.
"""

import dataclasses
import itertools
import json
import math
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tune_ks.core.config import digest
from tune_ks.core.seeding import generator
from tune_ks.core.storage import write_whole
from tune_ks.data import child_process as children
from tune_ks.data.cohort import prepare
from tune_ks.data.cohort.table import COLUMNS, write_table
from tune_ks.data.dicom.reader import ORIENTATIONS, Header
from tune_ks.data.layouts.detect import Layout
from tune_ks.data.layouts.items import LEFT_OUT, Item
from tune_ks.data.layouts.sheets import InputError, counted

VERSION = 1  # of what a cache holds; a change of the reader that changes any number raises it
HEADERS_PER_TASK = 64
LOCAL_FILES = 200  # at most so many uncompressed files are read in this very process: starting others takes longer
Progress = Callable[[str, int, int], None]  # stage, done, of how many


@dataclass(frozen=True)
class CohortSettings:
    """What is read of a folder, and how. Raises ValueError naming the field, what came and what would do."""

    series: str | None = None  # None: the only one there is; for Duke, "pre"
    intensity: str = "series"  # series: percentiles over all files of a (patient, series); image: of each image alone
    orientation: str = "canonical"  # canonical | raw
    negatives: str = "all"  # all | position_matched: as many along the patient's axis as the positives have there

    def __post_init__(self) -> None:
        allowed = {
            "intensity": ("series", "image"),
            "orientation": ORIENTATIONS,
            "negatives": ("all", "position_matched"),
        }
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise ValueError(f"{name} must be one of {', '.join(values)}, got {getattr(self, name)!r}")


class Scan:
    """One reading of a folder, from its files to its cache; ``progress`` is told stage, done, of how many."""

    def __init__(
        self, layout: Layout, settings: CohortSettings, image_size: int, crew: children.Crew, progress: Progress
    ) -> None:
        self.layout, self.settings, self.image_size = layout, settings, image_size
        self.crew, self.progress = crew, progress
        self.root = str(layout.root)
        self.skipped: list[tuple[str, str]] = []

    def write(self, cache_dir: Path, signature: str, files: list[tuple[str, int, int]], labels_required: bool) -> None:
        """Fill ``cache_dir/signature``, whole or not at all."""
        self.progress("sheets", 0, 1)
        listing = self.layout.listing(self.settings.series, labels_required, files)
        self.progress("sheets", 1, 1)
        self.skipped = listing.skipped
        left_out = listing.left_out
        items, headers = self._headers(sorted(listing.items, key=lambda item: item.path))
        self._need_images(items, "file")
        _fill_slices(items, headers)
        is_row = [item.label != LEFT_OUT for item in items]
        if self.settings.negatives == "position_matched":
            dropped = _unmatched(items, headers, is_row)
            left_out["negative slices dropped to match the positions of positive ones"] = len(dropped)
            is_row = [is_one and i not in dropped for i, is_one in enumerate(is_row)]
        self._need_images([item for item, is_one in zip(items, is_row) if is_one], "labelled file")
        side = min(self.image_size, *(max(header.height, header.width) for header in headers))
        cache_dir.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=cache_dir, prefix=f".{signature}."))
        try:
            table = self._decode(items, headers, is_row, side, scratch / "images.npy")
            self._check(table, labels_required)
            skipped = pd.DataFrame(sorted(self.skipped), columns=["path", "reason"])
            write_table(scratch / "table.csv", table)
            write_whole(scratch / "skipped.csv", skipped.to_csv(index=False).encode())
            facts = {
                "version": VERSION,
                "settings": dataclasses.asdict(self.settings),
                "image_size": self.image_size,
                "image_side": side,
                "fingerprint": _fingerprint(table, self.settings),
                "left_out": dict(sorted(left_out.items())),
            }
            write_whole(scratch / "settings.json", json.dumps(facts, indent=1).encode())
            scratch.chmod(0o755)
            try:
                os.rename(scratch, cache_dir / signature)
            except OSError:
                if not (cache_dir / signature / "settings.json").exists():  # else another process was faster
                    raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _headers(self, items: list[Item]) -> tuple[list[Item], list[Header]]:
        chunks = [items[i : i + HEADERS_PER_TASK] for i in range(0, len(items), HEADERS_PER_TASK)]
        common = {"root": self.root, "orientation": self.settings.orientation, "crashed": []}
        tasks = [{"number": n, "paths": [item.path for item in chunk], **common} for n, chunk in enumerate(chunks)]
        found: dict[int, list[Header | str]] = {}
        self.progress("headers", 0, len(items))
        for number, headers in self._run("read_headers", tasks, local=len(items) <= LOCAL_FILES):
            found[number] = headers
            self.progress("headers", sum(map(len, found.values())), len(items))
        usable: list[tuple[Item, Header]] = []
        for number, chunk in enumerate(chunks):
            for item, header in zip(chunk, found.get(number, [prepare.CRASHED] * len(chunk))):
                if isinstance(header, str):
                    self.skipped.append((item.path, header))
                elif item.sheet_vendor and item.sheet_vendor != header.vendor:
                    reason = f"the sheet says {item.sheet_vendor}, the file says {header.vendor}"
                    self.skipped.append((item.path, reason))
                else:
                    usable.append((item, header))
        return [item for item, _ in usable], [header for _, header in usable]

    def _decode(
        self, items: list[Item], headers: list[Header], is_row: list[bool], side: int, images: Path
    ) -> pd.DataFrame:
        """Fill ``images`` and return its table."""
        rows = np.where(is_row, np.cumsum(is_row) - 1, -1).tolist()
        store = np.lib.format.open_memmap(images, mode="w+", dtype=np.float32, shape=(sum(is_row), side, side))
        del store  # the children open it by name
        groups: dict[tuple[str, str], list[int]] = {}
        for i, item in enumerate(items):
            if is_row[i] or self.settings.intensity == "series":
                groups.setdefault((item.patient_id, item.series), []).append(i)
        common = {
            "root": self.root,
            "orientation": self.settings.orientation,
            "intensity": self.settings.intensity,
            "images": str(images),
        }
        tasks = [
            {
                "paths": [items[i].path for i in members],
                "rows": [rows[i] for i in members],
                "crashed": [],
                "number": number,
                **common,
            }
            for number, members in enumerate(groups.values())
        ]
        members_of = list(groups.values())
        total, done = sum(map(len, members_of)), 0
        local = total <= LOCAL_FILES and not any(header.compressed for header in headers)
        outcomes: dict[int, dict[str, Any] | str] = {}
        self.progress("images", 0, total)
        for number, results in self._run("write_group", tasks, local):
            outcomes |= zip(members_of[number], results)
            done += len(results)
            self.progress("images", done, total)
        kept = []
        for i in itertools.chain.from_iterable(members_of):
            outcome = outcomes.get(i, prepare.CRASHED)
            if isinstance(outcome, str):
                self.skipped.append((items[i].path, outcome))
            elif is_row[i]:
                kept.append(i)
        kept.sort()
        self._need_images(kept, "labelled file")
        if len(kept) < sum(is_row):
            _keep_rows(images, [rows[i] for i in kept])
        table = pd.DataFrame([_row(items[i], headers[i], outcomes[i], side) for i in kept])
        table.insert(0, "row", np.arange(len(table)))
        if table["label"].notna().all():
            table["label"] = table["label"].astype(int)
        return table[list(COLUMNS)]

    def _run(self, function: str, tasks: list[dict[str, Any]], local: bool) -> Iterator[Any]:
        if local:
            return (getattr(prepare, function)(lambda _: None, **task) for task in tasks)
        return self.crew.run(f"tune_ks.data.cohort.prepare:{function}", tasks, _without_crashed)

    def _need_images(self, found: list[Any], what: str) -> None:
        if not found:
            raise InputError(
                f"{self.root} holds no usable {what}.{reasons_of(why for _, why in self.skipped)}"
                " Files must be single-frame MR images in DICOM format, of a known maker"
            )

    def _check(self, table: pd.DataFrame, labels_required: bool) -> None:
        if not labels_required:
            return
        for vendor, labels in table.groupby("vendor")["label"]:
            counts = {name: int((labels == value).sum()) for name, value in (("positive", 1), ("negative", 0))}
            if not all(counts.values()):
                lacks = next(name for name, count in counts.items() if not count)
                raise InputError(
                    f"{vendor} has {counts['positive']} positive and {counts['negative']} negative images, so nothing"
                    f" can be measured on it; add {lacks} ones, or take its files out."
                    f"{reasons_of(why for _, why in self.skipped)}"
                )


def _fingerprint(table: pd.DataFrame, settings: CohortSettings) -> str:
    """Content alone, without what differs between machines; a fixed split is content."""
    facts = table[["path", "patient_id", "vendor", "series", "label", "split", "digest"]].astype(object)
    rows = facts.where(facts.notna(), None).to_numpy().tolist()
    rows = [[int(cell) if isinstance(cell, float) else cell for cell in row] for row in rows]
    text = json.dumps([dataclasses.asdict(settings), rows], sort_keys=True)
    return digest(text.encode())


def _fill_slices(items: list[Item], headers: list[Header]) -> None:
    """Slices of the scan where no sheet tells: the file's own tag, else the last slice listed of any of the vendor's.

    Not the last one listed of the patient: where only some slices are listed, which one is last depends on the label.
    """
    last: dict[str, float] = {}
    for item, header in zip(items, headers):
        if not math.isnan(item.slice):
            last[header.vendor] = max(last.get(header.vendor, 0), item.slice)
    for item, header in zip(items, headers):
        if math.isnan(item.slices) and not math.isnan(item.slice):
            item.slices = header.scan_slices if header.scan_slices >= item.slice else last[header.vendor]


def _unmatched(items: list[Item], headers: list[Header], is_row: list[bool]) -> set[int]:
    """Negatives to drop, so that per vendor their slice positions are spread as the positives' are.

    Bins with equally many positives each, between the first and the last positive; the same number of negatives, drawn
    at random with a fixed seed, is kept in each. As many bins as leave at least half as many negatives as positives in
    every one, 10 at most. Looks at positions and labels of one vendor, at nothing else.
    """
    dropped: set[int] = set()
    for vendor in sorted({header.vendor for header in headers}):
        rows = [i for i, header in enumerate(headers) if header.vendor == vendor and is_row[i]]
        position = {i: items[i].slice / items[i].slices for i in rows}
        if any(map(math.isnan, position.values())):
            raise InputError(
                "negatives = 'position_matched' needs the slice number of every file, and some have none;"
                " give them in the column 'slice' of labels.csv, or use negatives = 'all'"
            )
        positive = np.array([position[i] for i in rows if items[i].label == 1])
        negative = np.array([i for i in rows if items[i].label == 0])
        if not len(positive) or not len(negative):
            continue
        where = np.array([position[i] for i in negative])
        for n_bins in range(min(10, len(positive)), 0, -1):
            edges = np.quantile(positive, np.linspace(0, 1, n_bins + 1))
            inside = (where >= edges[0]) & (where <= edges[-1])
            bins = np.where(inside, np.searchsorted(edges[1:-1], where, side="right"), -1)
            share = min(int((bins == b).sum()) for b in range(n_bins))
            if share >= len(positive) / n_bins / 2:
                break
        rng = generator(0, "position_matched", vendor)
        kept = [rng.permutation(negative[bins == b])[:share] for b in range(n_bins)]
        dropped |= set(negative.tolist()) - set(np.concatenate(kept).tolist())
    return dropped


def _row(item: Item, header: Header, facts: dict[str, Any], side: int) -> dict[str, Any]:
    return {
        "path": item.path,
        "patient_id": item.patient_id,
        "series": item.series,
        "label": math.nan if item.label is None else item.label,
        "slice": item.slice,
        "position": item.slice / item.slices,
        "split": item.split,
        **{name: value for name, value in vars(header).items() if name in COLUMNS},
        "spacing_mm": header.spacing_mm * max(header.height, header.width) / side,
        **facts,
    }


def _keep_rows(images: Path, rows: list[int]) -> None:
    """Rewrite ``images`` with these rows only, in this order."""
    old = np.load(images, mmap_mode="r", allow_pickle=False)
    shorter = images.with_name("shorter.npy")
    new = np.lib.format.open_memmap(shorter, mode="w+", dtype=old.dtype, shape=(len(rows), *old.shape[1:]))
    for i, row in enumerate(rows):
        new[i] = old[row]
    new.flush()
    os.replace(shorter, images)


def _without_crashed(task: dict[str, Any], note: Any) -> dict[str, Any] | None:
    """The task without the file over which a child died; None when that is not known, or it was tried before."""
    if note is None or note in task["crashed"]:
        return None
    return {**task, "crashed": [*task["crashed"], note]}


def reasons_of(skipped: Iterable[str]) -> str:
    """Of the reasons of many files: ' Left out: 12 files (truncated), 3 files (not MR).', or nothing."""
    counts = Counter(skipped)
    told = ", ".join(f"{counted(count, 'file')} ({reason})" for reason, count in counts.most_common(5))
    more = f" and {len(counts) - 5} more reasons" * (len(counts) > 5)
    return f" Left out: {told}{more}." if told else ""
