"""What a yardstick is: a classical method that answers a task without a network, which a network has to beat."""

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

import numpy as np


class Seen(Protocol):
    """Some images as a mask samples them, with their true answers. They may be too many to be in memory at once."""

    label: np.ndarray  # (n,) of 0 and 1
    acquisition: np.ndarray  # (n, A), the columns of Batch.acquisition

    def __len__(self) -> int:
        """n."""

    def chunks(self) -> Iterator[np.ndarray]:
        """The images in order, (B, S, S) float32 at a time; no image, no chunk."""

    def targets(self) -> Iterator[np.ndarray]:
        """The true masks of the same chunks, (B, S, S) bool; only of a task that reads masks."""

    def maps(self) -> Iterator[np.ndarray]:
        """The true maps of the same chunks, (B, S, S) float32; only of a task of maps."""


Scores = Callable[[Seen], np.ndarray]  # n images -> (n,) scores as the task's: a logit, a Dice coefficient


class Yardstick(NamedTuple):
    """``fit`` takes the source vendor's training images, which have both classes, and its validation images.

    The validation images alone may choose settings, and may lack a class. ``target`` is the kind of true answer (a name
    in TARGETS of tune_ks.training.tasks.base) of the tasks that it answers. ``slow``: it takes longer than a fraction
    of a second, so that it is computed only where a space asks for all yardsticks.
    """

    target: str
    fit: Callable[[Seen, Seen], Scores]
    slow: bool = False


class Labelled(NamedTuple):
    """The numbers of some images, and whether each image shows a tumour."""

    numbers: np.ndarray  # (n, F) float64
    label: np.ndarray  # (n,) of 0 and 1


NumberScores = Callable[[np.ndarray], np.ndarray]  # (n, F) numbers -> (n,) scores; a higher one means tumour
Numbers = Callable[[np.ndarray], np.ndarray]  # images (n, S, S) float32 -> (n, F) float64, each image by itself


def of_numbers(numbers: Numbers, fit: Callable[[Labelled, Labelled], NumberScores], slow: bool = False) -> Yardstick:
    """A classifier of images that are first reduced to a few numbers."""

    def labelled(images: Seen) -> Labelled:
        return Labelled(numbers_of(numbers, images), images.label)

    def fit_images(train: Seen, val: Seen) -> Scores:
        score = fit(labelled(train), labelled(val))
        return lambda images: score(numbers_of(numbers, images))

    return Yardstick("label", fit_images, slow)


def numbers_of(numbers: Numbers, images: Seen) -> np.ndarray:
    """(n, F); (0, 0) of no image."""
    of_chunks = [numbers(chunk) for chunk in images.chunks()]
    return np.concatenate(of_chunks) if of_chunks else np.empty((0, 0))


def has_both_classes(label: np.ndarray) -> bool:
    """Whether an AUC of these images is defined."""
    return len(np.unique(label)) == 2
