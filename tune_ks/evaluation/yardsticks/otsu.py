"""Otsu's threshold: the bright class of the two that lie farthest apart (Otsu, IEEE Trans. SMC 9, 1979).

The threshold has the highest variance between classes n0 n1 (m0 - m1)^2, with the number and the mean of the pixels of
each class; no histogram is made. The setting is how often it is taken: again among the pixels above the last one, so
that air, tissue and tumour can fall into three classes (Cheriet, Said and Suen, IEEE Trans. Image Process. 7, 1998).
"""

import numpy as np

from tune_ks.evaluation.yardsticks.outlining import outlining

TIMES = (1, 2, 3)


def outline(image: np.ndarray, region: np.ndarray, times: float) -> np.ndarray:
    """The pixels of the region above the last threshold."""
    values = image[region]
    limit = -np.inf
    for _ in range(int(times)):
        limit = threshold(values)
        values = values[values > limit]
    return region & (image > limit)


def threshold(values: np.ndarray) -> float:
    """The highest value of the dark class; where all values are equal that value, so that nothing is above it."""
    if len(values) == 0:
        return np.inf
    rising = np.sort(values.astype(np.float64))
    below = np.arange(1, len(rising))  # number of values in the dark class
    sums = rising.cumsum()
    mean_dark = sums[:-1] / below
    mean_bright = (sums[-1] - sums[:-1]) / (len(rising) - below)
    between = below * (len(rising) - below) * (mean_bright - mean_dark) ** 2
    between[rising[1:] == rising[:-1]] = -1.0  # equal values belong to one class
    if len(between) == 0 or between.max() < 0:
        return float(rising[-1])
    return float(rising[between.argmax()])


YARDSTICK = outlining(outline, TIMES)
