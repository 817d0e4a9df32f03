"""Blur: convolution with a Gaussian whose width is a share of the image side."""

from torch import Tensor

STRENGTHS = (0.01, 0.02, 0.03, 0.04, 0.06)  # standard deviation, of the side


def corrupt(image: Tensor, strength: float, seed: int) -> Tensor:
    """x' = x convolved with a Gaussian of ``strength`` W pixels; MONAI's. Not random."""
    from monai.transforms.intensity.array import GaussianSmooth
    from monai.utils.type_conversion import convert_to_tensor

    return convert_to_tensor(GaussianSmooth(strength * image.shape[-1])(image))
