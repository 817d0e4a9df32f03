"""Full width at half maximum: the pixels at least half as bright as the brightest (Amado et al., JACC 44, 2004).

Published for scars within an outlined myocardium. The brightest pixel is that of the region.
"""

import numpy as np

from tune_ks.evaluation.yardsticks.outlining import outlining

HALF = 0.5


def outline(image: np.ndarray, region: np.ndarray, share: float) -> np.ndarray:
    """The pixels of the region at or above ``share`` of its maximum."""
    return region & (image >= share * image[region].max())


YARDSTICK = outlining(outline, (HALF,))
