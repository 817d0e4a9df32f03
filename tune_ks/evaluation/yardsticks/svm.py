"""A support vector machine with a Gaussian kernel on 16 x 16 pixels (Cortes and Vapnik, Mach. Learn. 20, 1995).

    k(x, y) = exp(-gamma |x - y|^2),     gamma = 1 / F

of F = 256 pixels, each with mean 0 and deviation 1 over the training images. The penalty C has the best AUC on the
validation images. Classes are balanced; a score is the signed distance to the surface that separates them.
"""

import numpy as np

from tune_ks.evaluation.yardsticks import pixels
from tune_ks.evaluation.yardsticks.base import Labelled, NumberScores, of_numbers

PENALTIES = (0.1, 1.0, 10.0)  # C
USUAL = 1.0


def fit(train: Labelled, val: Labelled) -> NumberScores:
    """The machine with the penalty that validation chooses."""
    return pixels.best_setting(_fit, PENALTIES, USUAL, train, val)


def _fit(penalty: float, train: Labelled) -> NumberScores:
    from sklearn.svm import SVC  # takes a second

    mean = train.numbers.mean(0)
    deviation = np.maximum(train.numbers.std(0), 1e-9)
    machine = SVC(C=penalty, gamma=1 / train.numbers.shape[1], class_weight="balanced")
    machine.fit((train.numbers - mean) / deviation, train.label)
    return lambda of_images: machine.decision_function((of_images - mean) / deviation)


YARDSTICK = of_numbers(pixels.numbers, fit, slow=True)
