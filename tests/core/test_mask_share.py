"""The distinct rate, by hand."""

import numpy as np

from tune_ks.core.mask_share import distinct_rate


def test_distinct_rate_by_hand():
    """Eight lines, DC at 4: lines 3 and 5 are conjugates, line 0 is its own."""
    for kept, expected in (([4], 1), ([4, 5], 3), ([4, 3, 5], 3), ([0], 1), ([4, 5, 6, 7, 0], 8), (range(8), 8)):
        mask = np.zeros(8, bool)
        mask[list(kept)] = True
        assert distinct_rate(mask) == expected / 8
    half = np.zeros((4, 4), bool)
    half[2:, :] = True
    half[0, :] = True
    assert distinct_rate(half) == 1
