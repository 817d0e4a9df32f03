"""Scores of every yardstick on the images as one trial's exported mask samples them.

A yardstick sees what the trial's classifier is given, but for a learned reconstruction: its input is zero-filled. It is
fitted to the trial's own training images, so that it stands at the same sampling rate as the network.
"""

from collections import OrderedDict
from collections.abc import Iterator
from functools import cached_property

import numpy as np
import torch

from tune_ks.core.config import TrialConfig
from tune_ks.core.metrics import METRICS
from tune_ks.data.dataset import CHUNK, Images, Splits
from tune_ks.evaluation.yardsticks import YARDSTICKS
from tune_ks.evaluation.yardsticks.base import Yardstick
from tune_ks.model.pipeline import KSpaceClassifier
from tune_ks.training.tasks import task_of

YardstickScores = dict[str, dict[str, dict[str, np.ndarray]]]  # yardstick -> split -> vendor -> (n,) scores
REMEMBERED = 128  # sets of scores by one yardstick that a process keeps: 4 bytes an image
KEPT_BYTES = 2**26  # sampled images of one split and vendor up to this size are sampled once for all yardsticks

_remembered: OrderedDict[tuple, dict[str, dict[str, np.ndarray]]] = OrderedDict()


def yardstick_scores(
    pipeline: KSpaceClassifier,
    config: TrialConfig,
    splits: Splits,
    mask: np.ndarray,
    device: str = "cpu",
    every: bool = False,
) -> YardstickScores:
    """Fit the yardsticks of the config's task under ``mask``, and score all validation and test images.

    The slow ones only where ``every`` is True. {} where no yardstick answers the task, or the training images lack a
    class that its metric needs.
    """
    task = task_of(config)
    classes = METRICS[task.metric].classes
    if not all((splits.train.label == value).any() for value in classes):
        return {}
    view = View(pipeline, config.sampling_rate, mask, device)
    seen = SeenSplits(config.vendor, splits, view)
    scores = {}
    for name, yardstick in YARDSTICKS.items():
        if yardstick.target == task.target and (every or not yardstick.slow):
            scores[name] = _scores(yardstick, seen)
    return scores


def _scores(yardstick: Yardstick, seen: "SeenSplits") -> dict[str, dict[str, np.ndarray]]:
    """split -> vendor -> scores; remembered for the next trial of this process with the same images and mask."""
    if seen.identity is None:
        return _computed(yardstick, seen)
    name = (yardstick.fit, seen.identity)
    if name not in _remembered:
        _remembered[name] = _computed(yardstick, seen)
        if len(_remembered) > REMEMBERED:
            _remembered.popitem(last=False)
    _remembered.move_to_end(name)
    return _remembered[name]


def _computed(yardstick: Yardstick, seen: "SeenSplits") -> dict[str, dict[str, np.ndarray]]:
    score = yardstick.fit(seen.train, seen.source_val)
    scores: dict[str, dict[str, np.ndarray]] = {}
    for split, of_split in seen.scored.items():
        scores[split] = {}
        for vendor, images in of_split.items():
            scores[split][vendor] = score(images).astype(np.float32) if len(images) else np.empty(0, np.float32)
    return scores


class View:
    """What one exported mask leaves of an image, on ``device``."""

    def __init__(self, pipeline: KSpaceClassifier, rate: float, mask: np.ndarray, device: str) -> None:
        self.pipeline = pipeline
        self.sampling = None if pipeline.nothing_to_sample else pipeline.sampling.eval()
        self.rate = rate
        self.device = device
        self.name: tuple = ("full",)
        if self.sampling is not None:
            transform = self.sampling.transform
            self.name = (type(transform).__name__, mask.shape, mask.tobytes())
        if pipeline.harmonises:
            self.name += pipeline.harmonisation.identity()

    @torch.no_grad()
    def of(self, image: torch.Tensor) -> np.ndarray:
        """(B, 1, S, S) images -> (B, S, S) float32, harmonised and zero-filled."""
        image = self.pipeline.harmonised(image)
        if self.sampling is not None:
            rates = torch.full((len(image),), self.rate, device=image.device)
            image = self.sampling(image, rates).zero_filled
        return image[:, 0].float().cpu().numpy()


class SeenImages:
    """The images of one split and vendor in one view: ``yardsticks.base.Seen``."""

    def __init__(self, images: Images, view: View) -> None:
        self.images = images
        self.view = view
        self.label = images.label.numpy()
        self.acquisition = images.acquisition.numpy()

    def __len__(self) -> int:
        return len(self.images)

    def chunks(self) -> Iterator[np.ndarray]:
        """(B, S, S) float32 at a time; sampled once where they are not too large."""
        fits = 4 * len(self.images) * self.images.side**2 <= KEPT_BYTES
        yield from self._kept if fits else self._sampled()

    def targets(self) -> Iterator[np.ndarray]:
        """(B, S, S) bool at a time."""
        for truth in self.maps():
            yield truth > 0

    def maps(self) -> Iterator[np.ndarray]:
        """(B, S, S) at a time, as they are stored."""
        for index in torch.arange(len(self.images)).split(CHUNK):
            if len(index):
                yield self.images.target(index)[:, 0].numpy()

    @cached_property
    def _kept(self) -> list[np.ndarray]:
        return list(self._sampled())

    def _sampled(self) -> Iterator[np.ndarray]:
        for index in torch.arange(len(self.images)).split(CHUNK):
            if len(index):
                yield self.view.of(self.images.gather(index, self.view.device).image)


class SeenSplits:
    """The images of one trial in one view."""

    def __init__(self, vendor: str, splits: Splits, view: View) -> None:
        self.train = SeenImages(splits.train, view)
        self.scored: dict[str, dict[str, SeenImages]] = {"val": {}, "test": {}}
        for split, of_split in self.scored.items():
            for name, images in getattr(splits, split).items():
                of_split[name] = SeenImages(images, view)
        self.source_val = self.scored["val"][vendor]
        identities = [images.identity for images in (splits.train, *splits.val.values(), *splits.test.values())]
        # of what is seen: equal for equal images under an equal mask; None where they are not those of a file
        self.identity = None if None in identities else (vendor, view.name, *identities)
