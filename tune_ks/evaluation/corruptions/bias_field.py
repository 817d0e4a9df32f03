"""Bias field: the coil is more sensitive on one side (van Leemput et al., IEEE Trans. Med. Imaging 18, 1999)."""

from torch import Tensor

STRENGTHS = (0.1, 0.2, 0.3, 0.4, 0.6)


def corrupt(image: Tensor, strength: float, seed: int) -> Tensor:
    """x' = x exp(sum of Legendre polynomials up to degree 3), coefficients uniform in +-``strength``; MONAI's."""
    from monai.transforms.intensity.array import RandBiasField

    field = RandBiasField(prob=1.0, coeff_range=(-strength, strength)).set_random_state(seed % 2**32)
    return field(image).as_tensor()
