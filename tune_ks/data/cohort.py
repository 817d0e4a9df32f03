"""Folder and sheets -> one table and one array of images, decoded once and cached; the split by patient.

Order of the work on an image: canonical orientation, zero-padded to a square, shrunk to S pixels a side by a central
crop of k-space (S = image_size, or the smallest image of the cohort where that is smaller: nothing is ever enlarged),
scaled so that the 1st and 99th percentile of its series become 0 and 1, clipped.
"""

import dataclasses
import hashlib
import itertools
import json
import math
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tune_ks.data import children, prepare
from tune_ks.data.dicom import ORIENTATIONS, Header
from tune_ks.data.items import LEFT_OUT, SPLITS, Item
from tune_ks.data.layouts import Layout, detect
from tune_ks.data.sheets import InputError
from tune_ks.record import digest, read_json
from tune_ks.seeding import generator
from tune_ks.storage import StoragePath, open_whole, write_whole

__all__ = [
    "Cohort",
    "CohortSettings",
    "InputError",
    "open_cohort",
    "read_table",
    "split_patients",
    "with_splits",
    "write_table",
]

VERSION = 1  # of what a cache holds; a change of the reader that changes any number raises it
HEADERS_PER_TASK = 64
LOCAL_FILES = 200  # at most so many uncompressed files are read in this very process: starting others takes longer
TEXTS = ("path", "patient_id", "vendor", "series", "split", "orientation", "model", "phase", "digest")
COLUMNS = (
    *("row", "path", "patient_id", "vendor", "series", "label", "slice", "position", "split"),
    *("orientation", "height", "width", "spacing_mm", "model", "field_t", "tr_ms", "te_ms", "flip_deg"),
    *("acquired_width", "thickness_mm", "phase", "low", "high", "mean", "p75", "p90", "digest"),
)
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


@dataclass(frozen=True)
class Cohort:
    """One row an image, and the images: ``images`` is a .npy file, float32 (n, S, S) in [0, 1], to be memory-mapped.

    Columns of ``table``: row (the image's index in ``images``), path (relative, /), patient_id, vendor, series, label
    (0, 1; NaN unknown), slice (from 1), position (slice / slices of the scan, 0 to 1), split ("" until split_patients),
    orientation (canonical | unknown | raw), height and width (pixels before padding), spacing_mm (of the cached image),
    model, field_t, tr_ms, te_ms, flip_deg, acquired_width (samples), thickness_mm, phase (ROW | COL | ""), low and high
    (the percentiles used, in the file's unit), mean, p75 and p90 (of the cached image), digest (of the stored pixels).
    NaN or "" where the file is silent.
    """

    table: pd.DataFrame
    skipped: pd.DataFrame  # path, reason: files that were asked for and cannot serve
    settings: CohortSettings
    images: Path
    fingerprint: str  # 12 hexadecimal digits of content and settings: the same on every machine
    image_side: int  # S, pixels
    left_out: dict[str, int] = field(default_factory=dict)  # reason -> files left aside on purpose
    layout: str = ""  # duke | table | folder: what the folder and its sheets look like
    masks: Path | None = None  # of the tumours: a .npy file, uint8 (n, S, S) of 0 and 1; only where a task needs them


def open_cohort(
    root: Path,
    settings: CohortSettings,
    image_size: int,
    cache_dir: Path,
    workers: int | None = None,
    progress: Progress | None = None,
    labels_required: bool = True,
    require_vendors: int = 1,
) -> Cohort:
    """Read a folder of DICOM files, or the cache of an earlier read of the very same files, sheets and settings.

    ``workers`` child processes decode (None: one a core). Without ``labels_required`` a folder needs no sheets and each
    first folder below ``root`` is a patient. Raises InputError when the folder cannot be used; a bad file never stops
    the scan, it is named in ``skipped``.
    """
    root, cache_dir = Path(root), Path(cache_dir)
    if image_size < 1:
        raise InputError(f"image_size must be at least 1 pixel, got {image_size}")
    layout = detect(root, labels_required, ignore=cache_dir)
    files = layout.files()
    signature = _signature(layout, files, settings, image_size, labels_required)
    if not (cache_dir / signature / "settings.json").exists():
        with children.Crew(workers or _cores()) as crew:
            scan = _Scan(layout, settings, image_size, crew, progress or (lambda *_: None))
            scan.write(cache_dir, signature, files, labels_required)
    cohort = dataclasses.replace(_read_cache(cache_dir / signature, settings), layout=layout.kind)
    vendors = sorted(cohort.table["vendor"].unique())
    if len(vendors) < require_vendors:
        raise InputError(
            f"{root} holds usable images of {_count(len(vendors), 'vendor')} ({', '.join(vendors)}), and this needs"
            f" {require_vendors}.{_reasons(cohort.skipped)}"
        )
    return cohort


def split_patients(
    table: pd.DataFrame, split_seed: int, fractions: tuple[float, float, float] = (0.6, 0.2, 0.2)
) -> pd.Series:
    """ "train", "val" or "test" for each row, the same for all rows of a patient.

    Stratified by vendor and by which classes the patient has; a stratum of three patients or more has one in each
    split at least. Strata of fewer are pooled within their vendor. InputError for a vendor of fewer than 3 patients.
    """
    if len(fractions) != 3 or min(fractions) <= 0 or not math.isclose(sum(fractions), 1):
        raise ValueError(f"fractions must be three positive numbers that sum to 1, got {fractions}")
    known = table.dropna(subset="label").astype({"label": int})
    classes = known.groupby("patient_id")["label"].agg(lambda labels: "".join(map(str, sorted(set(labels)))))
    vendors = table.groupby("patient_id")["vendor"].agg(lambda names: "+".join(sorted(set(names))))
    patients = pd.DataFrame({"vendor": vendors, "classes": classes}).fillna({"classes": ""}).sort_index()
    split: dict[str, str] = {}
    for vendor, of_vendor in patients.groupby("vendor"):
        if len(of_vendor) < 3:
            raise InputError(
                f"{vendor} has {_count(len(of_vendor), 'patient')}: a split by patient into {', '.join(SPLITS)}"
                " needs at least 3"
            )
        sizes = of_vendor.groupby("classes")["classes"].transform("size")
        strata = of_vendor["classes"].where(sizes >= 3, "few")
        if (strata == "few").sum() in (1, 2):  # too few to be split: they join the largest stratum
            largest = strata[strata != "few"].value_counts().sort_index().idxmax()
            strata = strata.replace("few", largest)
        for stratum, members in of_vendor.groupby(strata):
            order = generator(split_seed, "split", vendor, stratum).permutation(len(members))
            n_val, n_test = (max(1, round(len(members) * fraction)) for fraction in fractions[1:])
            names = ["val"] * n_val + ["test"] * n_test + ["train"] * max(0, len(members) - n_val - n_test)
            if "train" not in names[: len(members)]:  # rounding up took them all
                names = ["val", "test"] + ["train"] * (len(members) - 2)
            split |= {members.index[i]: name for i, name in zip(order, names)}
    return table["patient_id"].map(split).rename("split")


def with_splits(table: pd.DataFrame, split_seed: int) -> pd.DataFrame:
    """A copy of the table whose ``split`` is filled: labels.csv's own where it has one, else ``split_patients``."""
    if table["split"].isin(SPLITS).all():
        return table.copy()
    return table.assign(split=split_patients(table, split_seed))


def read_table(path: StoragePath) -> pd.DataFrame:
    """A table as ``write_table`` wrote it. ValueError names the file, and the columns that are missing."""
    try:
        table = pd.read_csv(open_whole(path), dtype=str, keep_default_na=False, index_col=False)
        missing = [name for name in COLUMNS if name not in table]
        if missing:
            raise ValueError(f"it lacks {', '.join(missing)}")
        for name in table.columns.difference(TEXTS, sort=False):
            table[name] = pd.to_numeric(table[name])
        if not np.array_equal(table["row"], np.arange(len(table))):
            raise ValueError("its rows are not numbered 0, 1, 2 ...")
    except ValueError as error:  # pandas' own errors are ValueErrors
        raise ValueError(f"{path} is not a cohort table: {error}") from error
    return table


def write_table(path: StoragePath, table: pd.DataFrame) -> None:
    """Write a cohort's table as CSV, whole or not at all."""
    write_whole(path, table.to_csv(index=False).encode())


class _Scan:
    """One reading of a folder, from its files to its cache."""

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
        return self.crew.run(f"tune_ks.data.prepare:{function}", tasks, _without_crashed)

    def _need_images(self, found: list[Any], what: str) -> None:
        if not found:
            raise InputError(
                f"{self.root} holds no usable {what}.{_reasons(pd.DataFrame(self.skipped, columns=['path', 'reason']))}"
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
                    f"{_reasons(pd.DataFrame(self.skipped, columns=['path', 'reason']))}"
                )


def _signature(
    layout: Layout, files: Iterable[tuple[str, int, int]], settings: CohortSettings, image_size: int, labels: bool
) -> str:
    facts = [VERSION, layout.kind, dataclasses.asdict(settings), image_size, labels, layout.sheet_digests()]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for path, size, mtime in files:
        digest.update(f"{path}\0{size}\0{mtime}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()[:16]


def _fingerprint(table: pd.DataFrame, settings: CohortSettings) -> str:
    """Content alone, without what differs between machines; a fixed split is content."""
    facts = table[["path", "patient_id", "vendor", "series", "label", "split", "digest"]].astype(object)
    rows = facts.where(facts.notna(), None).to_numpy().tolist()
    rows = [[int(cell) if isinstance(cell, float) else cell for cell in row] for row in rows]
    text = json.dumps([dataclasses.asdict(settings), rows], sort_keys=True)
    return digest(text.encode())


def _read_cache(folder: Path, settings: CohortSettings) -> Cohort:
    try:
        facts = read_json(folder / "settings.json")
        return Cohort(
            table=read_table(folder / "table.csv"),
            skipped=pd.read_csv(folder / "skipped.csv", dtype=str, keep_default_na=False),
            settings=settings,
            images=folder / "images.npy",
            fingerprint=facts["fingerprint"],
            image_side=facts["image_side"],
            left_out=facts["left_out"],
        )
    except (ValueError, KeyError, FileNotFoundError) as error:
        raise InputError(f"the cache {folder} is damaged ({error}): delete it, it is made again") from error


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


def _reasons(skipped: pd.DataFrame) -> str:
    """' Left out: 12 files (truncated), 3 files (not MR).', or nothing."""
    counts = Counter(skipped["reason"])
    told = ", ".join(f"{_count(count, 'file')} ({reason})" for reason, count in counts.most_common(5))
    more = f" and {len(counts) - 5} more reasons" * (len(counts) > 5)
    return f" Left out: {told}{more}." if told else ""


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
