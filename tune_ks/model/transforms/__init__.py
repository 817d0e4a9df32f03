"""F: every transform by name. A member is built from the ``axes`` along which it transforms."""

from tune_ks.core.options import Member
from tune_ks.model.transforms.cosine import Cosine
from tune_ks.model.transforms.fourier import Fourier
from tune_ks.model.transforms.hadamard import Hadamard

TRANSFORMS = {
    "fourier": Member(Fourier, takes_coils=True),
    "hadamard": Member(Hadamard),
    "cosine": Member(Cosine),
}
