"""A random forest on 16 x 16 pixels (Breiman, Mach. Learn. 45, 2001).

100 trees, 16 of the 256 pixels tried at each split, classes balanced in each tree's sample, random numbers from one
fixed seed. The smallest leaf has the best AUC on the validation images. A score is the log-odds of the trees' mean.
"""

import numpy as np

from tune_ks.evaluation.yardsticks import pixels
from tune_ks.evaluation.yardsticks.base import Labelled, NumberScores, of_numbers

TREES = 100
LEAVES = (1, 5)  # least training images in a leaf
USUAL = 5


def fit(train: Labelled, val: Labelled) -> NumberScores:
    """The forest with the leaves that validation chooses."""
    return pixels.best_setting(_fit, LEAVES, USUAL, train, val)


def _fit(leaf: int, train: Labelled) -> NumberScores:
    from sklearn.ensemble import RandomForestClassifier  # takes a second

    forest = RandomForestClassifier(TREES, min_samples_leaf=leaf, class_weight="balanced_subsample", random_state=0)
    forest.fit(train.numbers, train.label)
    tumour = int(np.flatnonzero(forest.classes_ == 1)[0])
    return lambda of_images: pixels.log_odds(TREES * forest.predict_proba(of_images)[:, tumour], TREES)


YARDSTICK = of_numbers(pixels.numbers, fit, slow=True)
