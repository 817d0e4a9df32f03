"""Several tests at once: p values that hold for all of them together (Holm, Scand. J. Statistics 1979)."""

import numpy as np


def holm(p_values: np.ndarray) -> np.ndarray:
    """(n,) p values -> (n,) adjusted ones: below alpha, a test holds though n were made; NaN stays and does not count.

    The smallest of m is multiplied by m, the next by m - 1 and so on; none is below the one before it or above 1.
    """
    p_values = np.asarray(p_values, float)
    adjusted = np.full(len(p_values), np.nan)
    (known,) = np.nonzero(np.isfinite(p_values))
    order = known[np.argsort(p_values[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.maximum.accumulate(p_values[order] * factors).clip(max=1.0)
    return adjusted
