"""One reading of a folder of NIfTI volumes: each slice becomes an image of the cohort as a DICOM file does.

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
from types import ModuleType
from typing import Any, ClassVar

from tune_ks.data.cohort import prepare_volumes
from tune_ks.data.cohort.candidates import Candidate
from tune_ks.data.cohort.scan import Scan
from tune_ks.data.dicom.reader import VendorNames
from tune_ks.data.layouts.base import FileStatus
from tune_ks.data.layouts.items import LEFT_OUT, Item
from tune_ks.data.layouts.sheets import InputError
from tune_ks.data.nifti.slices import NAME, VolumeFacts, slice_name, volume_and_number

MARGIN = 5  # slices between a marked slice and a negative one, as in tune_ks.data.layouts.duke
LOCAL_VOLUMES = 8  # up to so many are read in this process: starting child processes takes longer
VOLUMES_PER_TASK = 4
NO_VENDOR = "no vendor: NIfTI does not say the maker, so a sheet must (or name it: --vendor-of '=VENDOR')"
TOO_CLOSE = f"slices less than {MARGIN} from a tumour"
OUTSIDE = "slices outside the middle of a volume that has one label"


class VolumeScan(Scan):
    """As ``Scan``, of a layout that ``holds_volumes``. Names of slices stand for the paths of images."""

    work: ClassVar[ModuleType] = prepare_volumes
    needs: ClassVar[str] = "Files must be NIfTI volumes of real numbers, of three axes; a sheet names the vendors"

    def _plan(self, files: list[FileStatus], labels_required: bool) -> tuple[list[Candidate], int]:
        if importlib.util.find_spec("nibabel") is None:
            raise InputError(f"{self.root} holds NIfTI volumes, which nibabel reads: pip install nibabel")
        candidates, side = super()._plan(files, labels_required)
        self._name_volumes(candidates)
        return candidates, side

    def _read_headers(self, items: list[Item]) -> list[Candidate]:
        """Every slice of the volumes that can be read; the other volumes are skipped."""
        named = []
        for item in items:
            vendor = VendorNames(self.settings.vendor_of, item.sheet_vendor).vendor(item.sheet_vendor)
            if vendor:
                named.append(dataclasses.replace(item, sheet_vendor=vendor))
            else:
                self.skipped.append((item.path, NO_VENDOR))
        by_file: dict[tuple[str, str], list[Item]] = defaultdict(list)  # several rows may be slices of one volume
        for item in named:
            by_file[item.path, item.mask].append(item)
        groups = list(by_file.values())
        chunks = [groups[i : i + VOLUMES_PER_TASK] for i in range(0, len(groups), VOLUMES_PER_TASK)]
        tasks = [self._header_task([group[0] for group in chunk]) for chunk in chunks]
        candidates: list[Candidate] = []
        local = len(groups) <= LOCAL_VOLUMES
        for of_volume, answer in self.asking.answers("headers", "read_headers", chunks, tasks, local):
            if isinstance(answer, str):
                self.skipped.append((of_volume[0].path, answer))
                continue
            for item in of_volume:
                candidates += self._slices(item, answer)
        return candidates

    def _header_task(self, items: list[Item]) -> dict[str, Any]:
        return {
            "root": self.root,
            "paths": [item.path for item in items],
            "masks": [item.mask for item in items],
            "crashed": [],
            "orientation": self.settings.orientation,
            "vendors": [item.sheet_vendor for item in items],
            "known": [item.known for item in items],
        }

    def _slices(self, volume: Item, facts: VolumeFacts) -> Iterator[Candidate]:
        """The slices that an item stands for; none where its label, its slice or its mask contradict each other."""
        reason = _contradiction(volume, facts)
        if reason:
            self.skipped.append((volume.path, reason))
            return
        is_one = not math.isnan(volume.slice)
        for number in [int(volume.slice)] if is_one else range(1, facts.count + 1):
            label = _label(volume, number, facts, self.layout.middle)
            if label == LEFT_OUT:
                self.left_out[OUTSIDE if facts.tumour is None else TOO_CLOSE] += 1
            item = dataclasses.replace(
                volume,
                path=slice_name(volume.path, number),
                label=label,
                slice=float(number),
                slices=float(facts.count),
            )
            yield Candidate(item, facts.header, is_image=label != LEFT_OUT)

    def _read_pixels(self, candidates: list[Candidate], images: Path) -> None:
        """Write the image of every slice that has a row and note its facts; those that cannot serve are skipped."""
        groups: dict[str, list[Candidate]] = defaultdict(list)
        for candidate in candidates:
            if candidate.is_image or self.settings.intensity == "series":
                groups[volume_and_number(candidate.item.path)[0]].append(candidate)
        tasks = [self._pixel_task(path, group, images) for path, group in groups.items()]
        local = len(groups) <= LOCAL_VOLUMES
        for candidate, answer in self.asking.answers("images", "write_group", list(groups.values()), tasks, local):
            if isinstance(answer, str):
                self.skipped.append((candidate.item.path, answer))
            else:
                candidate.facts = answer
        self._name_volumes([candidate for candidate in candidates if candidate.facts is not None])

    def _pixel_task(self, path: str, group: list[Candidate], images: Path) -> dict[str, Any]:
        return {
            "root": self.root,
            "path": path,
            "slices": [int(candidate.item.slice) for candidate in group],
            "geometry": group[0].header.plan.geometry,
            "rows": [candidate.row for candidate in group],
            "crashed": [],
            "orientation": self.settings.orientation,
            "intensity": self.settings.intensity,
            "images": str(images),
        }

    def _name_volumes(self, kept: list[Candidate]) -> None:
        """Where no slice of a volume is kept, name the volume once for each reason, in place of its slices."""
        alive = {volume_and_number(candidate.item.path)[0] for candidate in kept}
        named = []
        for path, reason in self.skipped:
            volume = path.rpartition(NAME)[0]
            named.append((volume if volume and volume not in alive else path, reason))
        self.skipped = list(dict.fromkeys(named))


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
