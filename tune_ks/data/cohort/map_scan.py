"""One reading of a folder of field maps: files and maps.csv -> the table, the images and the targets of a cache.

A field map is converted from Hz to ppm, padded with zeros to a square, and shrunk to S pixels a side by a central crop
of k-space, as is its susceptibility map. Both are then written in units of one window of the field, the same for every
file: because a field is proportional to the susceptibility, its scale must stay.

    image  = 1/2 + field / (HIGH - LOW), clipped to [0, 1]        target = chi / (HIGH - LOW)

So images are in [0, 1] like every other cohort's, and one half is no change of the field.
"""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tune_ks.core.arrays import read_arrays
from tune_ks.core.config import digest
from tune_ks.core.regular_files import without_links
from tune_ks.data.cohort.cache_texts import Decoded
from tune_ks.data.cohort.fingerprint import VERSION
from tune_ks.data.cohort.prepare import pad_to_square
from tune_ks.data.cohort.reasons import Account
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.cohort.table import COLUMNS
from tune_ks.data.dipole import GEOMETRY, ppm_of_hz
from tune_ks.data.kspace import centre, to_image, to_kspace
from tune_ks.data.layouts.base import FileStatus
from tune_ks.data.layouts.labels import with_site
from tune_ks.data.layouts.maps import MapLine, Maps
from tune_ks.data.layouts.sheets import InputError
from tune_ks.data.limits import MAX_SIDE
from tune_ks.data.new_array import new_array
from tune_ks.data.progress import Progress

LOW = -0.25  # ppm: becomes 0 of an image
HIGH = 0.25  # becomes 1; veins and deep nuclei at 3 T stay well inside
TARGETS = "maps.npy"  # of a cache, beside images.npy: float32 (n, S, S), the true susceptibility over HIGH - LOW
MAX_BYTES = MAX_SIDE**2 * 8  # of one array of a file


class MapScan:
    """One reading of a folder of the layout ``Maps``. A ``Scan``."""

    def __init__(self, layout: Maps, settings: CohortSettings, image_size: int, progress: Progress) -> None:
        self.layout = layout
        self.settings = settings
        self.image_size = image_size
        self.progress = progress
        self.account = Account()

    def plan(self, files: list[FileStatus], labels_required: bool) -> list[MapLine]:
        """The lines of maps.csv."""
        return self.layout.lines()

    def undecoded(self, plan: list[MapLine]) -> tuple[pd.DataFrame, int]:
        """The table as far as maps.csv and the first file tell it, and the side of its images; see Scan."""
        shape = self._read(plan[0])[0].shape
        side = min(self.image_size, max(shape))
        rows = [self._row(line, shape, side) for line in plan]
        return pd.DataFrame(rows, columns=[*COLUMNS, *GEOMETRY]).fillna({"digest": ""}), side

    def decode(self, plan: list[MapLine], folder: Path) -> Decoded:
        """Write images.npy and TARGETS, both float32 (n, S, S)."""
        fields: list[np.ndarray] = []
        maps: list[np.ndarray] = []
        for number, line in enumerate(plan):
            self.progress("maps", number, len(plan))
            field, chi = self._read(line)
            fields.append(field)
            maps.append(chi)
        self.progress("maps", len(plan), len(plan))
        side = self._side(fields)
        images = new_array(folder / "images.npy", np.float32, (len(plan), side, side))
        targets = new_array(folder / TARGETS, np.float32, (len(plan), side, side))
        rows = []
        for row, (line, field, chi) in enumerate(zip(plan, fields, maps, strict=True)):
            images[row] = self._image(shrunk(field, side))
            targets[row] = shrunk(chi, side) / (HIGH - LOW)
            if not targets[row].any():
                raise InputError(f"{line.item.path}: chi_ppm is 0 everywhere, so no score is defined for it")
            rows.append(self._row(line, field.shape, side) | _facts(images[row], field, chi))
        images.flush()
        targets.flush()
        table = pd.DataFrame(rows, columns=[*COLUMNS, *GEOMETRY])
        table["row"] = np.arange(len(table))
        return Decoded(table, side, self._fingerprints(table))

    def _read(self, line: MapLine) -> tuple[np.ndarray, np.ndarray]:
        """(rows, columns) field and susceptibility in ppm. InputError where the file does not hold them."""
        path = self.layout.root / line.item.path
        try:
            arrays = read_arrays(without_links(path), ("field_hz", "chi_ppm"), MAX_BYTES)
        except (ValueError, OSError):
            raise InputError(
                f"{line.item.path} is no .npz file that holds field_hz and chi_ppm whole; the task 'map' needs both"
            ) from None
        field, chi = arrays["field_hz"], arrays["chi_ppm"]
        is_whole = field.ndim == 2 and field.shape == chi.shape and 0 < max(field.shape) <= MAX_SIDE
        if not is_whole or field.dtype.kind != "f" or chi.dtype.kind != "f":
            raise InputError(
                f"{line.item.path}: field_hz and chi_ppm must be two arrays of floats of one shape (rows, columns), got"
                f" {field.dtype} {field.shape} and {chi.dtype} {chi.shape}"
            )
        if not (np.isfinite(field).all() and np.isfinite(chi).all()):
            raise InputError(f"{line.item.path} holds values that are no finite numbers")
        return ppm_of_hz(field.astype(np.float64), line.field_t), chi.astype(np.float64)

    def _side(self, fields: list[np.ndarray]) -> int:
        """The side that all images get: nothing is enlarged."""
        smallest = min(max(field.shape) for field in fields)
        if smallest < self.image_size:
            self.account.notes.append(
                f"{self.image_size} pixels a side were asked for, and all images are sampled at {smallest}, which the"
                " smallest has"
            )
        return min(self.image_size, smallest)

    def _image(self, field: np.ndarray) -> np.ndarray:
        """Clipped, with a note where it had to be."""
        image = (field - LOW) / (HIGH - LOW)
        if image.min() < 0 or image.max() > 1:
            note = f"a field beyond {LOW:g} to {HIGH:g} ppm is cut off at that value"
            if note not in self.account.notes:
                self.account.notes.append(note)
        return np.clip(image, 0, 1)

    def _row(self, line: MapLine, shape: tuple[int, ...], side: int) -> dict[str, Any]:
        """A row of the table, without what the pixels say."""
        grown = max(shape) / side  # pixels grow where k-space is cropped
        geometry = dict(zip(GEOMETRY, line.geometry))
        for name in GEOMETRY[:2]:
            geometry[name] *= grown
        known = {
            "path": line.item.path,
            "patient_id": with_site(self.settings.site, line.item.patient_id),
            "vendor": line.item.sheet_vendor,
            "series": "",
            "label": line.item.label,
            "split": line.item.split,
            "orientation": "raw",
            "height": shape[0],
            "width": shape[1],
            "spacing_mm": geometry["voxel_x_mm"],
            "thickness_mm": geometry["voxel_z_mm"],
            "model": "",
            "phase": "",
            "field_t": line.field_t,
            "digest": "",
        }
        return dict.fromkeys(COLUMNS, math.nan) | known | geometry

    def _fingerprints(self, table: pd.DataFrame) -> dict[str, str]:
        content = table[["path", "patient_id", "vendor", "label", "split", "digest", "field_t", *GEOMETRY]]
        fingerprint = digest(json.dumps([VERSION, self.settings.facts(), content.to_numpy().tolist()]).encode())
        return {"1": fingerprint, "2": fingerprint}


def shrunk(values: np.ndarray, side: int) -> np.ndarray:
    """(rows, columns) real values of either sign -> (side, side) by a central crop of k-space; the mean is kept."""
    square = pad_to_square(values)
    if len(square) == side:
        return square
    return to_image(centre(to_kspace(square), side)).real * (side / len(square))


def require_target(holds_maps: bool, target: str, root: Path) -> None:
    """InputError where a task needs maps and the folder has none, or the other way round."""
    if target == "map" and not holds_maps:
        raise InputError(
            f"{root} holds no maps, which the task 'map' needs: give a folder with maps.csv, or no --data for a phantom"
        )
    if target != "map" and holds_maps:
        raise InputError(
            f"{root} holds field maps and no labels, so it serves the task 'map' only: choose a space of that task"
        )


def _facts(image: np.ndarray, field: np.ndarray, chi: np.ndarray) -> dict[str, Any]:
    p75, p90 = np.percentile(image, (75, 90))
    content = hashlib.sha256(np.ascontiguousarray(field).tobytes() + np.ascontiguousarray(chi).tobytes())
    return {
        "low": LOW,
        "high": HIGH,
        "mean": float(image.mean(dtype=np.float64)),
        "p75": float(p75),
        "p90": float(p90),
        "digest": content.hexdigest()[:16],
    }
