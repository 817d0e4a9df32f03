"""k-means: the brightest of k clusters of the pixels' values (Lloyd, IEEE Trans. Inf. Theory 28, 1982).

The means start in the middles of k equal parts between the darkest and the brightest pixel, because tumours are small:
quantiles would all begin in other tissue. Each pixel goes to the nearest mean, and means are taken anew, until nothing
changes. The setting is k.
"""

import numpy as np

from tune_ks.evaluation.yardsticks.outlining import outlining

CLUSTERS = (2, 3, 4, 5)
MOST_ROUNDS = 100


def outline(image: np.ndarray, region: np.ndarray, clusters: float) -> np.ndarray:
    """The pixels of the region in the brightest cluster."""
    means = cluster_means(image[region], int(clusters))
    return region & (image > (means[-1] + means[-2]) / 2)


def cluster_means(values: np.ndarray, clusters: int) -> np.ndarray:
    """(k,) means of the clusters, rising; a cluster without a value keeps its last mean."""
    rising = np.sort(values.astype(np.float64))
    means = rising[0] + (np.arange(clusters) + 0.5) / clusters * (rising[-1] - rising[0])
    sums = np.concatenate([[0.0], rising.cumsum()])
    for _ in range(MOST_ROUNDS):
        inner = np.searchsorted(rising, (means[1:] + means[:-1]) / 2, side="right")
        ends = np.concatenate([[0], inner, [len(rising)]])  # where each cluster begins in the values, and the end
        counts = np.diff(ends)
        new = np.where(counts > 0, np.diff(sums[ends]) / np.maximum(counts, 1), means)
        if np.array_equal(new, means):
            break
        means = new
    return means


YARDSTICK = outlining(outline, CLUSTERS)
