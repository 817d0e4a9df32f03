"""DICOM files -> the working size and one intensity scale. Runs in child processes, as prepare_volumes does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tune_ks.data.child_process import Report
from tune_ks.data.cohort.prepare import CRASHED, Small, at_size, write_scaled
from tune_ks.data.dicom.header import Header
from tune_ks.data.dicom.reader import HeaderReader, read_file, read_planned
from tune_ks.data.unusable import UnusableFile
from tune_ks.data.vendors import VendorNames


def read_headers(
    report: Report, number: int, paths: list[str], names: list[VendorNames], crashed: list[int], orientation: str
) -> tuple[int, list[Header | str]]:
    """``number`` (of the task) and, for each file, its header or the reason why it cannot serve.

    ``names``: what is known of each file's maker. ``crashed`` are the indices of files that crashed a child before:
    they are not read again.
    """
    reader = HeaderReader(orientation)
    headers: list[Header | str] = []
    for i, path in enumerate(paths):
        report(i)
        headers.append(CRASHED if i in crashed else _header_or_reason(reader, Path(path), names[i]))
    return number, headers


def write_group(
    report: Report,
    number: int,
    paths: list[str],
    names: list[VendorNames],
    headers: list[Header],
    rows: list[int],
    crashed: list[int],
    orientation: str,
    intensity: str,
    images: str,
) -> tuple[int, list[dict[str, Any] | str]]:
    """Decode the files of one patient's series and write them, scaled to [0, 1], to their ``rows`` of ``images``.

    ``headers`` are what ``read_headers`` returned for these files. A row of -1 is a file that only counts in the
    percentiles; ``crashed`` are the indices of files that crashed a child before. Returns ``number`` (of the task) and,
    for each file, its facts (digest, low, high, mean, p75, p90) or the reason why it cannot serve.
    """
    side = np.load(images, mmap_mode="r", allow_pickle=False).shape[1]

    def smalls() -> Iterator[tuple[int, Small | str]]:
        for i, path in enumerate(paths):
            report(i)
            if i in crashed:
                yield i, CRASHED
            else:
                yield i, _small_or_reason(Path(path), orientation, names[i], side, headers[i])

    return number, write_scaled(images, rows, intensity, smalls())


def _small_or_reason(path: Path, orientation: str, names: VendorNames, side: int, header: Header) -> Small | str:
    try:
        file = read_planned(path, header) or read_file(path, orientation, names)
    except UnusableFile as unusable:
        return unusable.reason
    return at_size(file.image, file.digest, side)


def _header_or_reason(reader: HeaderReader, path: Path, names: VendorNames) -> Header | str:
    try:
        return reader.read(path, names)
    except UnusableFile as unusable:
        return unusable.reason
