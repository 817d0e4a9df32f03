"""STRM-n: the pixels more than n standard deviations above remote tissue (Bondarenko et al., JCMR 7, 2005).

Published for scars: a reader draws the remote, healthy myocardium. Nobody draws it here. Remote tissue is the image
above Otsu's threshold, which leaves out the air; its mean and its deviation are taken by the median m and the median
distance d from it, m + n 1.4826 d, which a tumour of less than half of the tissue hardly moves. The setting is n.
"""

import numpy as np

from tune_ks.evaluation.yardsticks.otsu import threshold
from tune_ks.evaluation.yardsticks.outlining import outlining

DEVIATIONS = (1, 2, 3, 4, 5, 6)  # n
NORMAL = 1.4826  # of normally distributed values: their standard deviation over the median distance from the median


def outline(image: np.ndarray, region: np.ndarray, deviations: float) -> np.ndarray:
    """The pixels of the region above the limit."""
    return region & (image > limit(image, deviations))


def limit(image: np.ndarray, deviations: float) -> float:
    """m + n 1.4826 d of the tissue; infinite where the image is constant."""
    tissue = image[image > threshold(image.ravel())].astype(np.float64)
    if len(tissue) == 0:
        return np.inf
    middle = np.median(tissue)
    return float(middle + deviations * NORMAL * np.median(np.abs(tissue - middle)))


YARDSTICK = outlining(outline, DEVIATIONS)
