"""F: every transform by name."""

from tune_ks.transforms import fourier

TRANSFORMS = {"fourier": fourier.build}
