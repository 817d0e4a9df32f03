"""Region growing from one seed (Adams and Bischof, IEEE Trans. PAMI 14, 1994, with one region).

Nobody chooses the seed: it is the pixel of the region with the brightest mean over 3 x 3 pixels, s. The outline grows
from it to all neighbours along an axis that are brighter than s - t (s - m), with the median m of the region. The
setting is t.
"""

import numpy as np

from tune_ks.evaluation.yardsticks.outlining import labelled_pieces, outlining

TOLERANCES = (0.2, 0.35, 0.5, 0.65, 0.8)


def outline(image: np.ndarray, region: np.ndarray, tolerance: float) -> np.ndarray:
    """The piece of bright pixels of the region that holds the seed."""
    from scipy.ndimage import uniform_filter

    smooth = np.where(region, uniform_filter(image.astype(np.float64), 3), -np.inf)
    seed = np.unravel_index(smooth.argmax(), smooth.shape)
    limit = smooth[seed] - tolerance * (smooth[seed] - np.median(image[region]))
    joined = region & (image > limit)
    joined[seed] = True
    pieces, _ = labelled_pieces(joined)
    return pieces == pieces[seed]


YARDSTICK = outlining(outline, TOLERANCES, pieces=(False,))
