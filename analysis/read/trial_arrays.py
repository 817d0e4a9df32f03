"""The arrays beside a record: per-image scores, the exported mask, the preview. None where one is absent or torn."""

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import pandas as pd

from tune_ks.core.arrays import MAX_ARRAY_BYTES, read_array, read_arrays
from tune_ks.core.record import SPLIT_CODES, yardstick_column
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.storage import StoragePath

LARGEST_SIDE = 4096  # pixels of an image, as the reader of images allows
MOST_CANDIDATES = 8  # of an image; a detection keeps up to 5
ROW_BYTES = 8  # of a value for one image of the cohort
INTEGERS = "biu"  # kinds of numpy's types: bool, integers with and without a sign
NUMBERS = INTEGERS + "f"


class Preview(NamedTuple):
    """Four fixed validation images, as this trial's mask leaves them and in full."""

    row: np.ndarray  # (4,) int, rows of cohort.csv
    sampled: np.ndarray  # (4, S, S) uint8
    full: np.ndarray  # (4, S, S) uint8


@dataclass(frozen=True, eq=False)
class MaskHistory:
    """How a learned mask moved, by whole distance from DC, 0 to D - 1."""

    probability: np.ndarray  # (E, D) mean inclusion probability at the end of each epoch
    count: np.ndarray  # (D,) int, coefficients there
    energy: np.ndarray  # (D,) their share of the training images' energy beyond DC


class Candidates(NamedTuple):
    """Where a detection looked for tumours: K places in each of n images, the best first. In pixels from 0."""

    row: np.ndarray  # (n,) int, rows of cohort.csv
    split: np.ndarray  # (n,) int, codes of SPLITS
    row_centre: np.ndarray  # (n, K)
    column_centre: np.ndarray  # (n, K)
    height: np.ndarray  # (n, K)
    width: np.ndarray  # (n, K)
    logit: np.ndarray  # (n, K); NaN where there is no such place
    hit: np.ndarray  # (n, K) bool
    true_box: np.ndarray  # (n, 4): top, left, height, width; NaN where there is no tumour


class ScoredImages(NamedTuple):
    """What one trial was scored on."""

    images: pd.DataFrame  # one row an image: row, split, label, patient_id, vendor; not to be changed
    score: np.ndarray  # (n,) float64, logits


def scored_images(
    root: StoragePath, key: str, cohort: pd.DataFrame, known: dict[bytes, pd.DataFrame]
) -> ScoredImages | None:
    """The images and scores of one trial; None when scores.npz is absent, torn, or names rows that the cohort lacks.

    ``known`` keeps what is read of the cohort: trials of the same images get the same table, not a copy.
    """
    return _scored_images(root, key, cohort, "score", known)


def image_scores(root: StoragePath, key: str, cohort: pd.DataFrame) -> pd.DataFrame | None:
    """One row an image of one trial: row, split, score (a logit), label, patient_id, vendor; None as above."""
    return _image_scores(root, key, cohort, "score")


def yardstick_scores(root: StoragePath, key: str, cohort: pd.DataFrame, name: str) -> pd.DataFrame | None:
    """As ``image_scores``, by a yardstick of the trial; None too where the trial does not hold its scores."""
    return _image_scores(root, key, cohort, yardstick_column(name))


def _image_scores(root: StoragePath, key: str, cohort: pd.DataFrame, column: str) -> pd.DataFrame | None:
    scored = _scored_images(root, key, cohort, column, {})
    return None if scored is None else scored.images.assign(score=scored.score)


def _scored_images(
    root: StoragePath, key: str, cohort: pd.DataFrame, column: str, known: dict[bytes, pd.DataFrame]
) -> ScoredImages | None:
    if cohort.empty:
        return None
    path = RunFolder(root).trial(key, "scores.npz")
    columns = arrays(path, ("row", "split", column), ROW_BYTES * len(cohort))  # an image is scored once
    if columns is None:
        return None
    row = columns["row"]
    split = columns["split"]
    score = columns[column]
    if not (row.shape == split.shape == score.shape and row.ndim == 1):
        return None
    if not (are_of(INTEGERS, row, split) and are_of(NUMBERS, score)):
        return None
    images = row.tobytes() + split.tobytes()
    if images not in known:
        if not np.isin(row, cohort.index).all():
            return None
        names = {code: name for name, code in SPLIT_CODES.items()}
        about = cohort.loc[row, ["label", "patient_id", "vendor"]].reset_index(drop=True)
        known[images] = about.assign(row=row, split=[names.get(int(s), "unknown") for s in split])
    return ScoredImages(known[images], score.astype(np.float64))


def mask(root: StoragePath, key: str) -> np.ndarray | None:
    """The exported binary mask: bool (W,) for lines, (H, W) for points, DC at the centre index N // 2."""
    array = _array(RunFolder(root).trial(key, "mask.npy"))
    return None if array is None else array.astype(bool)


def probability(root: StoragePath, key: str) -> np.ndarray | None:
    """The learned inclusion probabilities in [0, 1], of the mask's shape; None for fixed families."""
    array = _array(RunFolder(root).trial(key, "probability.npy"))
    return None if array is None or not np.isfinite(array).all() else array.astype(np.float64)


def preview(root: StoragePath, key: str) -> Preview | None:
    """The preview the worker wrote."""
    held = arrays(RunFolder(root).trial(key, "preview.npz"), ("row", "sampled", "full"), 4 * LARGEST_SIDE**2)
    if held is None or not are_of(INTEGERS, *held.values()):
        return None
    images = Preview(held["row"], held["sampled"].astype(np.uint8), held["full"].astype(np.uint8))
    same_shape = images.sampled.ndim == 3 and images.sampled.shape == images.full.shape
    return images if same_shape and images.row.shape == (len(images.full),) else None


def mask_history(root: StoragePath, key: str) -> MaskHistory | None:
    """The history of a learned mask; None too where its arrays do not fit together."""
    names = tuple(field.name for field in fields(MaskHistory))
    held = arrays(RunFolder(root).trial(key, "mask_history.npz"), names, 8 * LARGEST_SIDE**2)
    if held is None or not are_of(NUMBERS, *held.values()):
        return None
    values = {name: array.astype(np.float64) for name, array in held.items()}
    history = MaskHistory(**values)
    distances = history.count.shape
    fits = history.probability.ndim == 2 and history.probability.shape[1:] == distances == history.energy.shape
    finite = all(np.isfinite(array).all() for array in values.values())
    return history if fits and finite and len(history.probability) and history.count.sum() > 0 else None


def candidates(root: StoragePath, key: str, cohort: pd.DataFrame) -> Candidates | None:
    """The candidates of a detection; None where the trial has none, or where its arrays do not fit together."""
    limit = MOST_CANDIDATES * ROW_BYTES * len(cohort)
    held = arrays(RunFolder(root).trial(key, "candidates.npz"), Candidates._fields, limit)
    if held is None:
        return None
    placed = Candidates(**held)
    if not are_of(NUMBERS, *placed) or not are_of(INTEGERS, placed.row, placed.split, placed.hit):
        return None
    images = len(placed.row) if placed.row.ndim == 1 else -1
    shape = placed.logit.shape
    fits = placed.split.shape == (images,) and placed.true_box.shape == (images, 4)
    same = all(values.shape == shape for values in (*placed[2:6], placed.hit))
    has_places = len(shape) == 2 and shape[0] == images and shape[1] > 0
    return placed._replace(hit=placed.hit.astype(bool)) if fits and same and has_places else None


def _array(path: StoragePath) -> np.ndarray | None:
    """A mask, or the probabilities of one: numbers of a mask's shape; None where there is no such array."""
    try:
        array = read_array(path, 8 * LARGEST_SIDE**2)  # as float64
    except (OSError, ValueError):
        return None
    has_its_shape = array.ndim in (1, 2) and max(array.shape) <= LARGEST_SIDE
    return array if has_its_shape and are_of(NUMBERS, array) else None


def are_of(kinds: str, *values: np.ndarray) -> bool:
    """Whether all arrays are of these kinds of numbers (INTEGERS, NUMBERS), and not of texts, dates or records."""
    return all(value.dtype.kind in kinds for value in values)


def arrays(path: StoragePath, names: tuple[str, ...], limit: int = MAX_ARRAY_BYTES) -> dict[str, np.ndarray] | None:
    """The named arrays of an .npz, never a pickle; None when the file is absent, torn, too large, or lacks one.

    ``limit``: the most bytes of an array.
    """
    try:
        return read_arrays(path, names, limit)
    except (OSError, ValueError):
        return None
