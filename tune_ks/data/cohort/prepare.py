"""Canonical images -> the working size and one intensity scale. The part of a scan that runs in child processes."""

from pathlib import Path
from typing import Any

import numpy as np

from tune_ks.data import child_process as children
from tune_ks.data.dicom.reader import Header, UnusableFile, read_file, read_header

PERCENTILES = (1.0, 99.0)  # become 0 and 1
MAX_VALUES = 2**24  # pixels that the percentiles of a series are taken from; above it a regular subset is
CRASHED = "the decoder crashed or hung"
FLAT = "zero dynamic range"


def pad_to_square(image: np.ndarray) -> np.ndarray:
    """(H, W) -> (N, N), N = max(H, W), zeros around the centred image."""
    height, width = image.shape
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    return np.pad(image, ((top, side - height - top), (left, side - width - left)))


def crop_kspace(image: np.ndarray, side: int) -> np.ndarray:
    """(N, N) -> (side, side), side <= N: |F^-1 of the centre of F image| side/N, F orthonormal; the mean is kept.

    What a scanner that acquired fewer coefficients over the same field of view would give; pixels grow by N/side.
    Values below zero, which a magnitude has none of, would be folded up. Never enlarges.
    """
    size = image.shape[0]
    if side > size:
        raise ValueError(f"an image of {size} pixels a side cannot be enlarged to {side}")
    if side == size:
        return image
    kspace = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(image), norm="ortho"))
    first = size // 2 - side // 2  # keeps DC at side // 2
    kspace = kspace[first : first + side, first : first + side]
    small = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(kspace), norm="ortho"))
    return (np.abs(small) * (side / size)).astype(np.float32)


def read_headers(
    note: children.Note, number: int, root: str, paths: list[str], crashed: list[int], orientation: str
) -> tuple[int, list[Header | str]]:
    """``number`` (of the task) and the header of each file, or the reason why it cannot serve.

    ``crashed`` are places not to try.
    """
    found: list[Header | str] = []
    for i, path in enumerate(paths):
        note(i)
        found.append(CRASHED if i in crashed else _header_or_reason(Path(root) / path, orientation))
    return number, found


def write_group(
    note: children.Note,
    number: int,
    root: str,
    paths: list[str],
    rows: list[int],
    crashed: list[int],
    orientation: str,
    intensity: str,
    images: str,
) -> tuple[int, list[dict[str, Any] | str]]:
    """Decode the files of one patient's series and write them, scaled to [0, 1], to their rows of ``images``.

    ``rows`` is -1 for a file that only counts in the percentiles; ``crashed`` are places not to try. Returns ``number``
    (of the task) and, for each file, its facts (digest, low, high, mean, p75, p90) or the reason why it cannot serve.
    """
    store = np.load(images, mmap_mode="r+", allow_pickle=False)
    side = store.shape[1]
    stride = -(-len(paths) * side * side // MAX_VALUES) | 1  # odd, so that it does not walk along one column
    outcomes: list[dict[str, Any] | str] = []
    values: list[np.ndarray] = []
    for i, (path, row) in enumerate(zip(paths, rows)):
        try:
            note(i)
            if i in crashed:
                raise UnusableFile(CRASHED)
            _, image, digest = read_file(Path(root) / path, orientation)
            small = crop_kspace(pad_to_square(image), side)
            if small.min() == small.max():
                raise UnusableFile(FLAT)
        except UnusableFile as unusable:
            outcomes.append(unusable.reason)
            continue
        outcomes.append({"digest": digest})
        if intensity == "series":
            values.append(small.ravel()[::stride])
        else:
            outcomes[-1] |= _limits(small)
        if row >= 0:
            store[row] = small
    common = _limits(np.concatenate(values)) if values else {}
    for i, row in enumerate(rows):
        facts = outcomes[i]
        if isinstance(facts, str) or row < 0:
            continue
        facts |= common
        low, high = facts["low"], facts["high"]
        if not high > low:
            outcomes[i] = FLAT
            continue
        scaled = np.clip((store[row] - low) / (high - low), 0, 1)
        store[row] = scaled
        p75, p90 = np.percentile(scaled, (75, 90))
        facts |= {"mean": float(scaled.mean(dtype=np.float64)), "p75": float(p75), "p90": float(p90)}
    return number, outcomes


def _limits(values: np.ndarray) -> dict[str, float]:
    low, high = np.percentile(values, PERCENTILES)
    return {"low": float(low), "high": float(high)}


def _header_or_reason(path: Path, orientation: str) -> Header | str:
    try:
        return read_header(path, orientation)
    except UnusableFile as unusable:
        return unusable.reason
