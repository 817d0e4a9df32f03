"""F: every transform by name."""

from tune_ks.transforms.cosine import CosineTransform
from tune_ks.transforms.fourier import FourierTransform
from tune_ks.transforms.hadamard import HadamardTransform

TRANSFORMS = {"fourier": FourierTransform, "hadamard": HadamardTransform, "cosine": CosineTransform}
