"""Rician noise: complex Gaussian noise before the magnitude is taken (Gudbjartsson and Patz, MRM 34, 1995)."""

from torch import Tensor

STRENGTHS = (0.02, 0.04, 0.08, 0.12, 0.2)  # of the scaled intensities


def corrupt(image: Tensor, strength: float, seed: int) -> Tensor:
    """x' = sqrt((x + n1)^2 + n2^2), n1 and n2 normal with standard deviation ``strength``; MONAI's."""
    from monai.transforms.intensity.array import RandRicianNoise
    from monai.utils.type_conversion import convert_to_tensor

    noise = RandRicianNoise(prob=1.0, std=strength, sample_std=False)
    noise.set_random_state(seed % 2**32)
    return convert_to_tensor(noise(image))
