"""The NIfTI volumes of a folder: each slice becomes an image of the cohort as a DICOM file does.

A slice is positive where the mask of its volume marks it, and negative at least MARGIN slices from all that it marks;
those in between are left out, as in the public slice task of Duke's data. Without a mask the label of the volume, which
is that of a patient or a breast, holds for the slices of its middle share (``Layout.middle``).
"""

import dataclasses
import importlib.util
import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tune_ks.data.child_process import ChildPool
from tune_ks.data.cohort.asking import Asking
from tune_ks.data.cohort.candidates import Candidate
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.layouts.items import LEFT_OUT, Item
from tune_ks.data.layouts.sheets import InputError
from tune_ks.data.nifti.slices import NAME, VolumeFacts, slice_name, volume_and_number
from tune_ks.data.progress import Progress
from tune_ks.data.vendors import VendorNames

MARGIN = 5  # slices between a marked slice and a negative one, as in tune_ks.data.layouts.duke
LOCAL_VOLUMES = 8  # up to so many are read in this process: starting child processes takes longer
VOLUMES_PER_TASK = 4
NO_VENDOR = "no vendor: NIfTI does not say the maker, so a sheet must (or name it: --vendor-of '=VENDOR')"
TOO_CLOSE = f"slices less than {MARGIN} from a tumour"
OUTSIDE = "slices outside the middle of a volume that has one label"


class VolumeReader:
    """Reads NIfTI volumes for an ``ImageScan``. Names of slices stand for the paths of images.

    ``middle`` is ``Layout.middle``. InputError where nibabel is not installed.
    """

    needs = "Files must be NIfTI volumes of real numbers, of three axes; a sheet names the vendors"

    def __init__(
        self, root: Path, settings: CohortSettings, pool: ChildPool, progress: Progress, middle: float
    ) -> None:
        if importlib.util.find_spec("nibabel") is None:
            raise InputError(f"{root} holds NIfTI volumes, which nibabel reads: pip install nibabel")
        self.root = root
        self.settings = settings
        self.asking = Asking(pool, "tune_ks.data.cohort.prepare_volumes", progress)
        self.middle = middle
        self.makers: set[str] = set()

    def headers(self, items: list[Item]) -> Iterator[tuple[Item, list[Candidate] | str]]:
        """The slices that each item stands for, or why its volume cannot serve."""
        by_file: dict[tuple[str, str], list[Item]] = defaultdict(list)  # several rows may be slices of one volume
        for item in items:
            self.makers.add(item.sheet_vendor)
            vendor = VendorNames(self.settings.vendor_of, item.sheet_vendor).vendor(item.sheet_vendor)
            if vendor:
                by_file[item.path, item.mask].append(dataclasses.replace(item, sheet_vendor=vendor))
            else:
                yield item, NO_VENDOR
        groups = list(by_file.values())
        chunks = [groups[i : i + VOLUMES_PER_TASK] for i in range(0, len(groups), VOLUMES_PER_TASK)]
        tasks = [self._header_task([group[0] for group in chunk]) for chunk in chunks]
        local = len(groups) <= LOCAL_VOLUMES
        for of_volume, answer in self.asking.answers("headers", "read_headers", chunks, tasks, local):
            if isinstance(answer, str):
                yield of_volume[0], answer
                continue
            for item in of_volume:
                yield item, _contradiction(item, answer) or _slices(item, answer, self.middle)

    def pixels(self, candidates: list[Candidate], images: Path) -> list[tuple[Candidate, dict[str, Any] | str]]:
        """Write the image of each slice that has a row to ``images``. Its facts, or why it cannot serve."""
        groups: dict[str, list[Candidate]] = defaultdict(list)
        for candidate in candidates:
            groups[volume_and_number(candidate.item.path)[0]].append(candidate)
        tasks = [self._pixel_task(path, group, images) for path, group in groups.items()]
        local = len(groups) <= LOCAL_VOLUMES
        return self.asking.answers("images", "write_group", list(groups.values()), tasks, local)

    def named(self, skipped: list[tuple[str, str]], kept: list[Candidate]) -> list[tuple[str, str]]:
        """Where no slice of a volume is kept, the volume once for each reason, in place of its slices."""
        alive = {volume_and_number(candidate.item.path)[0] for candidate in kept}
        named = []
        for path, reason in skipped:
            volume = path.rpartition(NAME)[0]
            named.append((volume if volume and volume not in alive else path, reason))
        return list(dict.fromkeys(named))

    def _header_task(self, items: list[Item]) -> dict[str, Any]:
        return {
            "paths": [str(self.root / item.path) for item in items],
            "masks": [str(self.root / item.mask) if item.mask else None for item in items],
            "vendors": [item.sheet_vendor for item in items],
            "known": [item.known for item in items],
            "crashed": [],
            "orientation": self.settings.orientation,
        }

    def _pixel_task(self, path: str, group: list[Candidate], images: Path) -> dict[str, Any]:
        return {
            "path": str(self.root / path),
            "slices": [int(candidate.item.slice) for candidate in group],
            "geometry": group[0].header.plan.geometry,
            "rows": [candidate.row for candidate in group],
            "crashed": [],
            "orientation": self.settings.orientation,
            "intensity": self.settings.intensity,
            "images": str(images),
        }


def _slices(volume: Item, facts: VolumeFacts, middle: float) -> list[Candidate]:
    """The slices that an item stands for: one, or all of its volume."""
    is_one = not math.isnan(volume.slice)
    slices = []
    for number in [int(volume.slice)] if is_one else range(1, facts.count + 1):
        label = _label(volume, number, facts, middle)
        item = dataclasses.replace(
            volume,
            path=slice_name(volume.path, number),
            label=label,
            slice=float(number),
            slices=float(facts.count),
        )
        candidate = Candidate(item, facts.header, is_image=label != LEFT_OUT)
        if label == LEFT_OUT:
            candidate.left_out = OUTSIDE if facts.tumour is None else TOO_CLOSE
        slices.append(candidate)
    return slices


def _contradiction(item: Item, facts: VolumeFacts) -> str:
    """Why an item cannot be meant; "" where it can."""
    if item.slice > facts.count:
        return "a slice number beyond the last slice of its volume"
    if not math.isnan(item.slice) or facts.tumour is None:
        return ""
    if item.label == 1 and not facts.tumour:
        return "its mask marks no voxel"
    if item.label == 0 and facts.tumour:
        return "labelled 0, and its mask marks voxels"
    return ""


def _label(item: Item, number: int, facts: VolumeFacts, middle: float) -> int | None:
    """The label of slice ``number``; None where nothing says it."""
    is_one = not math.isnan(item.slice)
    if facts.tumour is not None and not (is_one and item.label is not None):
        return mask_label(number, facts.tumour)
    if is_one or _is_middle(number, facts.count, middle):
        return item.label
    return LEFT_OUT


def mask_label(number: int, marked: list[int]) -> int:
    """1 for a marked slice, 0 at least MARGIN slices from every marked one, else LEFT_OUT."""
    distance = min([abs(number - other) for other in marked], default=MARGIN)
    if distance == 0:
        return 1
    return 0 if distance >= MARGIN else LEFT_OUT


def _is_middle(number: int, count: int, middle: float) -> bool:
    """Whether a slice lies in the middle share of ``count`` slices; at least one does."""
    outside = min(int(count * (1 - middle) / 2), (count - 1) // 2)
    return outside < number <= count - outside
