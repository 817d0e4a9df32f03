"""Bias-field removal by N4 of SimpleITK: a smooth field is fitted so that the histogram of the intensities is sharp.

    x' = x exp(mean b - b)

b is the logarithm of the bias field, a cubic B-spline that is refined level by level (Tustison et al., IEEE Trans. Med.
Imaging 29:1310, 2010). It is fitted where x lies above FLOOR of the image's mean, and its mean is taken there too. What
is no option here is as SimpleITK has it: 200 bins, a full width at half maximum of 0.15, a Wiener noise of 0.01, and
a convergence threshold of 0.001.

The fit takes tens to hundreds of milliseconds an image, so each image is fitted once. What is kept of it are the
coefficients of the spline, half a kilobyte.
"""

import importlib.metadata
import importlib.util
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tune_ks.core.options import Member, Option
from tune_ks.model.harmonisations.bias_removal import mean_in, tissue_of
from tune_ks.model.harmonisations.fits_each_image import FitsEachImage

ORDER = 3  # of the spline: cubic


class N4(FitsEachImage):
    """The field is fitted on an image shrunk by a whole factor to about ``n4_side`` pixels a side."""

    seconds = 0.2  # on real patches

    def __init__(self, n4_side: int = 32, n4_levels: int = 4, n4_iterations: int = 50) -> None:
        super().__init__()
        self.options = (n4_side, n4_levels, n4_iterations)
        self.n4_side = n4_side
        self.n4_levels = n4_levels
        self.n4_iterations = n4_iterations

    def identity(self) -> tuple:
        return (*super().identity(), *self.options, _version())

    def fitted(self, image: np.ndarray) -> np.ndarray:
        """(C, C) float32: the coefficients of b."""
        height, width = image.shape
        of_rows = np.linalg.pinv(self._basis(height))
        of_columns = np.linalg.pinv(self._basis(width))
        return (of_rows @ self.log_bias(image) @ of_columns.T).astype(np.float32)

    def applied(self, image: Tensor, fits: np.ndarray) -> Tensor:
        height, width = image.shape[-2:]
        # on the host, where it is the same whatever the device and its precision
        fields = self._basis(height) @ fits @ self._basis(width).T
        bias = torch.from_numpy(fields.astype(np.float32)[:, None]).to(image)
        tissue = tissue_of(image)
        return image * (mean_in(tissue, bias) - bias).exp()

    def _basis(self, size: int) -> np.ndarray:
        return spline_basis(size, 2 ** (self.n4_levels - 1))

    def log_bias(self, image: np.ndarray) -> np.ndarray:
        """b (H, W) of one image (H, W) float32, as SimpleITK's filter finds it with one thread."""
        import SimpleITK as sitk  # here, because it is an optional package, and takes most of a second to import

        tissue = tissue_of(torch.from_numpy(image)).numpy().astype(np.uint8)
        whole = sitk.GetImageFromArray(image)
        shrink = sitk.ShrinkImageFilter()
        shrink.SetNumberOfThreads(1)
        shrink.SetShrinkFactor(max(1, min(image.shape) // self.n4_side))
        correction = sitk.N4BiasFieldCorrectionImageFilter()
        correction.SetNumberOfThreads(1)
        correction.SetMaximumNumberOfIterations([self.n4_iterations] * self.n4_levels)
        correction.Execute(shrink.Execute(whole), shrink.Execute(sitk.GetImageFromArray(tissue)))
        return sitk.GetArrayFromImage(correction.GetLogBiasFieldAsImage(whole))


@lru_cache(maxsize=1)
def _version() -> str:
    """The version of SimpleITK: another one may fit otherwise."""
    return importlib.metadata.version("SimpleITK")


@lru_cache(maxsize=16)
def spline_basis(size: int, elements: int) -> np.ndarray:
    """(size, elements + ORDER) float64: each cubic B-spline of ``elements`` equal intervals at ``size`` even points.

    The first point is the beginning of the first interval, the last one the end of the last.
    """
    basis = np.zeros((size, elements + ORDER))
    for point, place in enumerate(np.linspace(0, elements, size)):
        interval = min(int(place), elements - 1)
        t = place - interval
        basis[point, interval : interval + ORDER + 1] = [
            (1 - t) ** 3 / 6,
            (3 * t**3 - 6 * t**2 + 4) / 6,
            (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6,
            t**3 / 6,
        ]
    return basis


def _require_package(config: Any, values: Mapping[str, Any]) -> None:
    """ValueError where SimpleITK is not installed."""
    if importlib.util.find_spec("SimpleITK") is None:
        raise ValueError("harmonise 'n4' needs SimpleITK, which is not installed: pip install 'tune_ks[n4]'")


OPTIONS = (
    Option("n4_side", 32, "pixels a side, about, of the shrunk image on which N4 fits the bias field", int, least=8),
    Option("n4_levels", 4, "levels of N4; each halves the parts of the spline, the last has 2^(levels - 1)", int,
           least=1, most=6),
    Option("n4_iterations", 50, "most iterations of N4 at a level", int, least=1, most=1000),
)  # fmt: skip
MEMBER = Member(N4, OPTIONS, check=_require_package)
