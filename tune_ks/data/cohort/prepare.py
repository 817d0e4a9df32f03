"""Canonical images -> the working size and one intensity scale. This part of a scan runs in child processes."""

from pathlib import Path
from typing import Any

import numpy as np

from tune_ks.data.child_process import Report
from tune_ks.data.cohort.percentiles import PERCENTILES, percentiles
from tune_ks.data.dicom.reader import Header, UnusableFile, VendorNames, read_file, read_header, read_planned
from tune_ks.data.kspace import centre, to_image, to_kspace

MAX_VALUES = 2**24  # pixels that the percentiles of a series are taken from; of more, a regular subset is taken
CRASHED = "the decoder crashed or hung"
FLAT = "zero dynamic range"


def pad_to_square(image: np.ndarray) -> np.ndarray:
    """(H, W) -> (N, N), N = max(H, W), zeros around the centred image."""
    height, width = image.shape
    side = max(height, width)
    top = (side - height) // 2
    left = (side - width) // 2
    return np.pad(image, ((top, side - height - top), (left, side - width - left)))


def crop_kspace(image: np.ndarray, side: int) -> np.ndarray:
    """(N, N) -> (side, side), side <= N: |F^-1 of the centre of F image| side/N, F orthonormal; the mean is kept.

    This is what a scanner gives that acquires fewer coefficients over the same field of view: pixels grow by N/side.
    The image is taken for a magnitude: values below zero come back positive. Never enlarges.
    """
    size = image.shape[0]
    if side > size:
        raise ValueError(f"an image of {size} pixels a side cannot be enlarged to {side}")
    if side == size:
        return image
    small = to_image(centre(to_kspace(image), side))
    return (np.abs(small) * (side / size)).astype(np.float32)


def read_headers(
    report: Report,
    number: int,
    root: str,
    paths: list[str],
    crashed: list[int],
    orientation: str,
    vendors: list[str],
    vendor_of: dict[str, str],
) -> tuple[int, list[Header | str]]:
    """``number`` (of the task) and, for each file, its header or the reason why it cannot serve.

    ``crashed`` are the indices of files that crashed a child before: they are not read again. ``vendors`` stand in for
    makers that the files do not name, and ``vendor_of`` goes before what they say (VendorNames).
    """
    headers: list[Header | str] = []
    for i, path in enumerate(paths):
        report(i)
        names = VendorNames(vendor_of, vendors[i])
        headers.append(CRASHED if i in crashed else _header_or_reason(Path(root) / path, orientation, names))
    return number, headers


def write_group(
    report: Report,
    number: int,
    root: str,
    paths: list[str],
    rows: list[int],
    crashed: list[int],
    orientation: str,
    vendors: list[str],
    vendor_of: dict[str, str],
    intensity: str,
    images: str,
    headers: list[Header],
) -> tuple[int, list[dict[str, Any] | str]]:
    """Decode the files of one patient's series and write them, scaled to [0, 1], to their ``rows`` of ``images``.

    ``headers`` are what ``read_headers`` returned for these files. A row of -1 is a file that only counts in the
    percentiles; ``crashed`` are the indices of files that crashed a child before. Returns ``number`` (of the task) and,
    for each file, its facts (digest, low, high, mean, p75, p90) or the reason why it cannot serve.
    """
    store = np.load(images, mmap_mode="r+", allow_pickle=False)
    side = store.shape[1]
    stride = -(-len(paths) * side * side // MAX_VALUES) | 1  # odd, so that it does not stay in one column
    answers: list[dict[str, Any] | str] = []
    samples: list[np.ndarray] = []  # pixels of the series for its percentiles
    for i, (path, row) in enumerate(zip(paths, rows)):
        report(i)
        try:
            if i in crashed:
                raise UnusableFile(CRASHED)
            names = VendorNames(vendor_of, vendors[i])
            small, digest = _read_small(Path(root) / path, orientation, names, side, headers[i])
        except UnusableFile as unusable:
            answers.append(unusable.reason)
            continue
        if row >= 0:
            store[row] = small
        if intensity == "series":
            samples.append(small.ravel()[::stride])
            answers.append({"digest": digest})
        else:
            answers.append({"digest": digest, **_limits([small])})
    of_series = _limits(samples) if samples else {}
    for i, row in enumerate(rows):
        facts = answers[i]
        if row >= 0 and not isinstance(facts, str):
            answers[i] = _scale(store, row, facts | of_series)
    return number, answers


def _read_small(path: Path, orientation: str, names: VendorNames, side: int, header: Header) -> tuple[np.ndarray, str]:
    """The (side, side) image of one file in the file's intensity unit, and the digest of its stored pixels."""
    file = read_planned(path, header) or read_file(path, orientation, names)
    small = crop_kspace(pad_to_square(file.image), side)
    if small.min() == small.max():
        raise UnusableFile(FLAT)
    return small, file.digest


def _scale(store: np.ndarray, row: int, facts: dict[str, Any]) -> dict[str, Any] | str:
    """Scale one image of ``store`` so that low and high become 0 and 1. Its facts, or why it cannot serve."""
    low = facts["low"]
    high = facts["high"]
    if not high > low:
        return FLAT
    scaled = np.clip((store[row] - low) / (high - low), 0, 1)
    store[row] = scaled
    p75, p90 = percentiles([scaled], (75, 90))
    return facts | {"mean": float(scaled.mean(dtype=np.float64)), "p75": p75, "p90": p90}


def _limits(images: list[np.ndarray]) -> dict[str, float]:
    low, high = percentiles(images, PERCENTILES)
    return {"low": low, "high": high}


def _header_or_reason(path: Path, orientation: str, names: VendorNames) -> Header | str:
    try:
        return read_header(path, orientation, names)
    except UnusableFile as unusable:
        return unusable.reason
