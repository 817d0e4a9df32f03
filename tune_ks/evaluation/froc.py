"""FROC: sensitivity at fixed numbers of false positives an image, from the candidates of a detection.

A threshold t calls every candidate whose logit is at least t. A tumour is found where a called candidate hits it; more
than one hit of it counts once, and a hit is never a false positive. The false positives are counted over all images,
with and without a tumour. The sensitivity at r false positives an image is the highest of any threshold with at most r
(no interpolation; Bandos et al., Biometrics 2009). Beyond the last candidate it stays as it is.
"""

import math
from collections.abc import Mapping

import numpy as np

from tune_ks.core.metrics import FALSE_POSITIVES, sensitivity_at


def sensitivities(label: np.ndarray, details: Mapping[str, np.ndarray]) -> dict[str, float]:
    """(n,) labels and the candidates' ``logit`` and ``hit`` (n, K) -> the sensitivity at each rate, by name.

    Every image of label 1 has one tumour. NaN where there is none, or a logit says nothing (a network that diverged).
    """
    logit = details["logit"].astype(np.float64)
    hit = details["hit"]
    tumours = int((label == 1).sum())
    if tumours == 0 or np.isnan(logit[:, 0]).any():
        return {sensitivity_at(words): math.nan for words in FALSE_POSITIVES}
    from monai.metrics.froc import compute_froc_curve_data  # takes seconds to import

    best_hit = np.where(hit, logit, -np.inf).max(axis=1)
    true_positives = best_hit[np.isfinite(best_hit)]
    false_positives = logit[~hit & ~np.isnan(logit)]
    # MONAI's curve leaves out the lowest threshold: this one, which calls no more than the candidate above it
    false_positives = np.append(false_positives, -np.inf)
    per_image, sensitivity = compute_froc_curve_data(false_positives, true_positives, tumours, len(label))
    at = {}
    for words, most in FALSE_POSITIVES.items():
        at[sensitivity_at(words)] = float(sensitivity[per_image <= most].max())
    return at
