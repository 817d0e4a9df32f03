"""Where the tumour lies in each image of a cohort, made when a task asks for it, with the images' own geometry.

Drawn masks (``masks.npz`` in the folder, as the phantom writes it) come first; else Duke's Annotation_Boxes, the same
rectangle in every slice of the box. An image of label 0 has no tumour: its mask is empty.
"""

import dataclasses
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tune_ks.core.arrays import read_arrays
from tune_ks.core.config import digest
from tune_ks.data.cohort.cohort import Cohort
from tune_ks.data.cohort.prepare import pad_to_square
from tune_ks.data.dicom.file import UnusableFile
from tune_ks.data.dicom.geometry import apply
from tune_ks.data.dicom.reader import read_geometry
from tune_ks.data.layouts.detect import detect
from tune_ks.data.layouts.sheets import InputError, read_columns

VERSION = 1  # of what is cached; a change that moves any pixel raises it
DRAWN = "masks.npz"
EDGES = ("Start Row", "End Row", "Start Column", "End Column")

Stored = Callable[[Mapping[str, Any], tuple[int, int]], np.ndarray]  # row of the table, (Rows, Columns) -> bool mask


def with_tumour_masks(cohort: Cohort, root: Path) -> Cohort:
    """The cohort of the folder ``root`` with its ``masks``, written beside its images the first time.

    Its fingerprint then holds what the masks were made of: with other masks it is another cohort.
    InputError where the folder does not say where its tumours lie, or not for every image of label 1.
    """
    drawn, boxes = Path(root) / DRAWN, detect(root, labels_required=False).sheets.get("boxes")
    if not drawn.is_file() and boxes is None:
        raise InputError(
            f"{root} does not say where its tumours lie, which segmentation needs: neither {DRAWN} (PATIENT: (n, rows,"
            " columns) of bool as the images are stored, PATIENT_slices: (n,) their slice numbers) nor Duke's"
            " Annotation_Boxes; use task = 'classification', or add one of them"
        )
    source = drawn if drawn.is_file() else boxes
    content = digest(f"{VERSION}".encode() + source.read_bytes())[:8]
    masks = cohort.images.with_name(f"masks-{content}.npy")
    if not masks.exists():
        _write(masks, cohort, Path(root), drawn_masks(drawn) if source == drawn else box_masks(boxes))
    fingerprint = digest(f"{cohort.fingerprint}/{content}".encode())
    return dataclasses.replace(cohort, masks=masks, fingerprint=fingerprint)


def shrink_by_area(mask: np.ndarray, side: int) -> np.ndarray:
    """(N, N) shares -> (side, side) bool: more than half of the pixel is covered.

    Where a central crop of k-space puts the pixels: pixel side // 2 stays at the place of pixel N // 2, so that pixel j
    covers N / side of the old pixels about N // 2 + (j - side // 2) N / side.
    """
    size = len(mask)
    ratio, old = size / side, np.arange(size)
    centre = size // 2 + (np.arange(side)[:, None] - side // 2) * ratio
    covered = np.minimum(centre + ratio / 2, old + 0.5) - np.maximum(centre - ratio / 2, old - 0.5)
    share = covered.clip(min=0) / ratio
    return share @ mask @ share.T > 0.5


def drawn_masks(path: Path) -> Stored:
    """Masks of ``masks.npz``, read patient by patient."""
    held: dict[str, dict[int, np.ndarray]] = {}  # of the last patient alone: a patient's rows stand together

    def of_row(row: Mapping[str, Any], shape: tuple[int, int]) -> np.ndarray:
        patient, number = row["patient_id"], row["slice"]
        if patient not in held:
            try:
                found = read_arrays(path, (patient, f"{patient}_slices"))
            except ValueError as error:
                raise InputError(f"{error}; every patient with a tumour needs both") from None
            masks, numbers = found.values()
            if masks.ndim != 3 or masks.dtype != bool or numbers.shape != masks.shape[:1]:
                raise InputError(
                    f"{path.name}: {patient} must be bool (n, rows, columns) with {patient}_slices (n,), got"
                    f" {masks.dtype} {masks.shape} and {numbers.shape}"
                )
            held.clear()
            held[patient] = dict(zip(numbers.tolist(), masks))
        if number not in held[patient]:
            known = ", ".join(f"{known:g}" for known in sorted(held[patient]))
            raise InputError(f"{path.name} has no mask of slice {number:g} of {patient}, only of {known}")
        return held[patient][number]

    return of_row


def box_masks(path: Path) -> Stored:
    """Rectangles of Duke's sheet: rows and columns as stored, counted from 1, both ends inside."""
    table = read_columns(path, "Patient ID", *EDGES)
    boxes = dict(zip(table["Patient ID"], table[list(EDGES)].to_numpy().tolist()))

    def of_row(row: Mapping[str, Any], shape: tuple[int, int]) -> np.ndarray:
        patient = row["patient_id"]
        try:
            top, bottom, left, right = (int(float(text)) for text in boxes[patient])
            if not (1 <= top <= bottom <= shape[0] and 1 <= left <= right <= shape[1]):
                raise ValueError
        except (KeyError, ValueError, OverflowError):
            raise InputError(
                f"{path.name}: the box of {patient} must lie in an image of {shape[0]} x {shape[1]} pixels, got"
                f" {', '.join(EDGES)} = {boxes.get(patient)}"
            ) from None
        mask = np.zeros(shape, bool)
        mask[top - 1 : bottom, left - 1 : right] = True
        return mask

    return of_row


def _write(path: Path, cohort: Cohort, root: Path, stored: Stored) -> None:
    """The masks of a cohort's table, whole or not at all."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(descriptor)
    try:
        shape = (len(cohort.table), cohort.image_side, cohort.image_side)
        masks = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
        for row in cohort.table[cohort.table["label"] == 1].to_dict("records"):
            masks[row["row"]] = _one(row, cohort, root, stored)
        masks.flush()
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _one(row: Mapping[str, Any], cohort: Cohort, root: Path, stored: Stored) -> np.ndarray:
    """(S, S) bool: one mask on the way of its image (turned, padded, shrunk)."""
    try:
        plan = read_geometry(root / row["path"], cohort.settings.orientation)
    except UnusableFile as unusable:
        raise InputError(f"{row['path']} was read before and cannot be now: {unusable.reason}") from None
    mask = stored(row, plan.stored)
    if mask.shape != plan.stored:
        raise InputError(f"the mask of {row['path']} must be {plan.stored} as its image is stored, got {mask.shape}")
    return shrink_by_area(pad_to_square(apply(mask.astype(np.float32), plan)), cohort.image_side)
