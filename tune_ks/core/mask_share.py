"""What share of k-space a binary mask gives: of a real image, a kept coefficient gives its mirror too."""

import numpy as np


def distinct_rate(mask: np.ndarray) -> float:
    """Share of the k-space of a real image that the kept coefficients determine: k and -k are conjugates.

    ``mask`` (W,) or (H, W) of bool, DC at N // 2. It is the realised rate where every kept coefficient has its mirror
    kept too (a low-pass), and up to twice as much where none has. Mirroring an even axis about N // 2 leaves index 0,
    its own mirror.
    """
    mirrored = mask
    for axis, size in enumerate(mask.shape):
        mirrored = np.take(mirrored, (2 * (size // 2) - np.arange(size)) % size, axis=axis)
    return float((mask | mirrored).mean())
