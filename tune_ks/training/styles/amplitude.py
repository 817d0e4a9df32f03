"""Amplitude mixing in Fourier space: the twin of the mask, which changes how much of a frequency there is.

The phase of F x, which holds where things are, stays; the amplitude is mixed with that of another image x_j of the same
batch:

    x' = |F^-1 [(1 - a) |F x| + a |F x_j|] exp(i angle F x)|

``amplitude_mix`` mixes all frequencies, a uniform in [0, strength) (FACT: Xu et al., CVPR 2021). ``amplitude_swap``
takes a = 1 where both frequencies are at most strength / 2 cycles a pixel and a = 0 elsewhere (FDA: Yang and Soatto,
CVPR 2020; their beta is strength / 2 of the side).
"""

import torch
from torch import Tensor

from tune_ks.training.styles.base import Style, member, uniform


class AmplitudeMix(Style):
    """All frequencies, partly."""

    def changed(self, image: Tensor) -> Tensor:
        return with_mixed_amplitude(image, partners(image), uniform(image, 0, self.strength))


class AmplitudeSwap(Style):
    """Low frequencies, wholly."""

    def changed(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        rows = torch.fft.fftfreq(height, device=image.device).abs()[:, None]
        columns = torch.fft.rfftfreq(width, device=image.device)
        low = torch.maximum(rows.expand(-1, len(columns)), columns) <= self.strength / 2
        return with_mixed_amplitude(image, partners(image), low.to(image.dtype))


def partners(image: Tensor) -> Tensor:
    """The images of the batch in a random order."""
    return image[torch.randperm(len(image), device=image.device)]


def with_mixed_amplitude(image: Tensor, other: Tensor, share: Tensor) -> Tensor:
    """(B, 1, H, W) images with the amplitude of ``other`` by ``share``, which fits (B, 1, H, W // 2 + 1)."""
    kspace = torch.fft.rfft2(image)
    amplitude = torch.lerp(kspace.abs(), torch.fft.rfft2(other).abs(), share)
    return torch.fft.irfft2(torch.polar(amplitude, kspace.angle()), s=image.shape[-2:]).abs()


MIX = member(AmplitudeMix, 1.0, most=1)
SWAP = member(AmplitudeSwap, 0.1, most=1)
