"""The contract of a harmonisation that fits something to each image by itself, which takes too long for every step.

Training applies it once to each stored image, before all augmentation (``beforehand``). A process remembers what was
fitted under a hash of the pixels, so that it fits an image once, however often it is scored. Of stored images
tune_ks.training.stored_fits also keeps the fits in files, for all processes.
"""

import hashlib
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Iterable
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from tune_ks.model.harmonisations.base import Harmonisation

REMEMBERED = 2**18  # images whose fit a process keeps: of N4 about 200 MB

_fits: OrderedDict[tuple, np.ndarray] = OrderedDict()  # identity, shape and hash of the pixels -> fit


class FitsEachImage(Harmonisation):
    """``fitted`` is slow and ``applied`` is quick. What is fitted depends on the image and on ``identity`` alone."""

    beforehand = True
    seconds: ClassVar[float]  # of a CPU, to fit one image of 64 pixels a side

    @abstractmethod
    def fitted(self, image: np.ndarray) -> np.ndarray:
        """What is fitted to one image (H, W) float32: a small array of numbers, of one shape for images of one size."""

    @abstractmethod
    def applied(self, image: Tensor, fits: np.ndarray) -> Tensor:
        """The harmonised images of (B, 1, H, W), of which ``fits`` (B, ...) were fitted."""

    @torch.no_grad()
    def forward(self, image: Tensor) -> Tensor:
        return self.applied(image, self.fits_of(image[:, 0].cpu().numpy()))

    def fits_of(self, images: np.ndarray) -> np.ndarray:
        """(n, ...): what was fitted to each of the images (n, H, W); computed where this process does not know it."""
        identity = self.identity()
        fits = []
        for image in images:
            name = _name(identity, image)
            if name not in _fits:
                _keep(name, self.fitted(np.ascontiguousarray(image, np.float32)))
            _fits.move_to_end(name)
            fits.append(_fits[name])
        return np.stack(fits)

    def remember(self, images: np.ndarray, fits: Iterable[np.ndarray]) -> None:
        """Take over what another process fitted to each of the images (n, H, W)."""
        identity = self.identity()
        for image, fit in zip(images, fits, strict=True):
            _keep(_name(identity, image), fit)


def _name(identity: tuple, image: np.ndarray) -> tuple:
    pixels = np.ascontiguousarray(image, np.float32)
    return identity, pixels.shape, hashlib.blake2b(pixels.tobytes(), digest_size=16).digest()


def _keep(name: tuple, fit: np.ndarray) -> None:
    _fits[name] = fit
    if len(_fits) > REMEMBERED:
        _fits.popitem(last=False)
