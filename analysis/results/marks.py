"""What is drawn over a preview image of a detection: the model's answer, and the true box where it was missed."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from analysis.read.trial_arrays import Candidates, Preview
from tune_ks.core.record import SPLIT_CODES


class Mark(NamedTuple):
    """A box, in shares of the image's side from 0 to 1."""

    kind: str  # found | missed | false
    top: float
    left: float
    height: float
    width: float


class Marks(NamedTuple):
    """The boxes of one image, and what they say."""

    words: str
    boxes: Sequence[Mark]


def marks_of(preview: Preview, candidates: Candidates) -> list[Marks]:
    """For each image of the preview its best candidate, which is the answer that LROC judges, and the box it misses.

    Without words and boxes for an image that the candidates do not hold.
    """
    side = preview.sampled.shape[-1]
    return [_of_image(int(row), side, candidates) for row in preview.row]


def _of_image(row: int, side: int, candidates: Candidates) -> Marks:
    here = np.flatnonzero((candidates.row == row) & (candidates.split == SPLIT_CODES["val"]))
    if not len(here):
        return Marks("", [])
    at = here[0]
    logit = float(candidates.logit[at, 0])
    kind = "found" if candidates.hit[at, 0] else "false"
    answer = _mark(kind, side, *_answer_box(candidates, at))
    truth = _mark("missed", side, *candidates.true_box[at].tolist())
    if answer is None or not math.isfinite(logit):
        return Marks("", [])
    if kind == "found":
        return Marks(f"found: the answer lies in the true box (logit {logit:.2f})", [answer])
    if truth is None:
        return Marks(f"false: there is no tumour, and this is the likeliest place (logit {logit:.2f})", [answer])
    return Marks(f"missed: the true box; false: the answer lies elsewhere (logit {logit:.2f})", [truth, answer])


def _answer_box(candidates: Candidates, at: int) -> tuple[float, float, float, float]:
    """top, left, height, width of the best candidate; its centre is the middle of a pixel."""
    height = float(candidates.height[at, 0])
    width = float(candidates.width[at, 0])
    top = float(candidates.row_centre[at, 0]) + 0.5 - height / 2
    left = float(candidates.column_centre[at, 0]) + 0.5 - width / 2
    return top, left, height, width


def _mark(kind: str, side: int, top: float, left: float, height: float, width: float) -> Mark | None:
    """The part of a box, given in pixels, that lies in the image; None where there is none."""
    if not all(math.isfinite(value) for value in (top, left, height, width)):
        return None
    bottom = min(top + height, side)
    right = min(left + width, side)
    top = max(top, 0.0)
    left = max(left, 0.0)
    if bottom <= top or right <= left:
        return None
    return Mark(kind, top / side, left / side, (bottom - top) / side, (right - left) / side)
