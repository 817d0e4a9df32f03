"""F: every transform by name."""

from tune_ks.model.transforms.cosine import CosineTransform
from tune_ks.model.transforms.fourier import FourierTransform
from tune_ks.model.transforms.hadamard import HadamardTransform

TRANSFORMS = {"fourier": FourierTransform, "hadamard": HadamardTransform, "cosine": CosineTransform}
