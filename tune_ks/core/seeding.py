"""One random stream per purpose, so that changing one never moves another."""

import hashlib

import numpy as np


def seed_for(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed for one purpose: ``seed_for(0, "mask", 3)`` is the mask noise of epoch 3.

    The same arguments give the same number on every machine and Python version.
    """
    text = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """The NumPy generator of one purpose: ``generator(split_seed, "split", "GE")``."""
    return np.random.default_rng(seed_for(seed, *purpose))
