"""What a yardstick is: a classical classifier on a few numbers of an image, which a network has to beat."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Scores = Callable[[np.ndarray], np.ndarray]  # (n, F) numbers -> (n,) scores; a higher one means tumour


class Labelled(NamedTuple):
    """The numbers of some images, and whether each image shows a tumour."""

    numbers: np.ndarray  # (n, F) float64
    label: np.ndarray  # (n,) of 0 and 1


class Yardstick(NamedTuple):
    """``numbers`` maps images (n, S, S) float32 to (n, F) float64, each image by itself.

    ``fit`` takes the source vendor's training images, which have both classes, and its validation images, which alone
    may choose settings and may lack a class.
    """

    numbers: Callable[[np.ndarray], np.ndarray]
    fit: Callable[[Labelled, Labelled], Scores]
