"""The slices of NIfTI volumes -> the working size and one intensity scale. Runs in child processes, as prepare does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tune_ks.data.child_process import Report
from tune_ks.data.cohort.prepare import CRASHED, Small, at_size, write_scaled
from tune_ks.data.dicom.geometry import Geometry
from tune_ks.data.nifti.slices import VolumeFacts, read_facts, read_slices
from tune_ks.data.unusable import UnusableFile, guarded


def read_headers(
    report: Report,
    number: int,
    paths: list[str],
    masks: list[str | None],
    vendors: list[str],
    known: list[dict[str, float]],
    crashed: list[int],
    orientation: str,
) -> tuple[int, list[VolumeFacts | str]]:
    """``number`` (of the task) and, for each volume, what is known of its slices, or why it cannot serve.

    Masks are read whole. ``crashed`` are the indices of volumes that crashed a child before.
    """
    answers: list[VolumeFacts | str] = []
    for i, path in enumerate(paths):
        report(i)
        if i in crashed:
            answers.append(CRASHED)
            continue
        mask = masks[i]
        mask_path = None if mask is None else Path(mask)
        answers.append(_facts_or_reason(Path(path), mask_path, orientation, vendors[i], known[i]))
    return number, answers


def write_group(
    report: Report,
    number: int,
    path: str,
    slices: list[int],
    geometry: Geometry,
    rows: list[int],
    crashed: list[Any],
    orientation: str,
    intensity: str,
    images: str,
) -> tuple[int, list[dict[str, Any] | str]]:
    """Read the slices of one volume and write them, scaled to [0, 1], to their ``rows`` of ``images``.

    Returns ``number`` (of the task) and the facts or the reason of each, as prepare_dicom.write_group does.
    """
    if crashed:
        return number, [CRASHED] * len(rows)
    side = np.load(images, mmap_mode="r", allow_pickle=False).shape[1]
    place_of = {slice_: place for place, slice_ in enumerate(slices)}

    def smalls() -> Iterator[tuple[int, Small | str]]:
        for read in read_slices(Path(path), orientation, slices, geometry):
            report(None)  # that it is alive: after a crash the volume is given up, and no slice is tried again
            yield place_of[read.number], at_size(read.image, read.digest, side)

    try:
        return number, guarded(lambda: write_scaled(images, rows, intensity, smalls()))
    except UnusableFile as unusable:  # the whole volume: what is damaged in one place is not trusted in another
        return number, [unusable.reason] * len(rows)


def _facts_or_reason(
    path: Path, mask: Path | None, orientation: str, vendor: str, known: dict[str, float]
) -> VolumeFacts | str:
    try:
        return guarded(lambda: read_facts(path, mask, orientation, vendor, known))
    except UnusableFile as unusable:
        return unusable.reason
