"""The structural similarity of two images by its definition, as the slow twin of what the program computes."""

import numpy as np


def slow_ssim(first, second, window=11, deviation=1.5):
    """Wang et al. 2004, window by window: Gaussian weights, C1 = 0.01^2, C2 = 0.03^2, no border."""
    at = np.arange(window) - window // 2
    weight = np.exp(-(at[:, None] ** 2 + at[None, :] ** 2) / (2 * deviation**2))
    weight /= weight.sum()
    values = []
    for top in range(first.shape[0] - window + 1):
        for left in range(first.shape[1] - window + 1):
            x, y = (image[top : top + window, left : left + window] for image in (first, second))
            mx, my = (weight * x).sum(), (weight * y).sum()
            vx, vy = (weight * (x - mx) ** 2).sum(), (weight * (y - my) ** 2).sum()
            covariance = (weight * (x - mx) * (y - my)).sum()
            c1, c2 = 0.01**2, 0.03**2
            values.append((2 * mx * my + c1) * (2 * covariance + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2)))
    return np.mean(values)
