"""Scores of every yardstick on the images as one trial's exported mask samples them.

A yardstick sees what the trial's classifier is given, but for a learned reconstruction: its input is zero-filled. It is
trained on the trial's own training images, so that it stands at the same sampling rate as the network.
"""

from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import torch

from tune_ks.core.config import TrialConfig
from tune_ks.data.dataset import CHUNK, Images, Splits
from tune_ks.evaluation.yardsticks import YARDSTICKS
from tune_ks.evaluation.yardsticks.base import Labelled, Yardstick
from tune_ks.model.pipeline import KSpaceClassifier
from tune_ks.training.tasks import task_of

YardstickScores = dict[str, dict[str, dict[str, np.ndarray]]]  # yardstick -> split -> vendor -> (n,) scores
METRIC = "auc"  # of the tasks that yardsticks answer: they tell two classes of images apart
REMEMBERED = 128  # sets of numbers of one split and vendor that a process keeps: 280 bytes an image

_remembered: OrderedDict[tuple, np.ndarray] = OrderedDict()


def yardstick_scores(
    pipeline: KSpaceClassifier, config: TrialConfig, splits: Splits, mask: np.ndarray, device: str = "cpu"
) -> YardstickScores:
    """Fit every yardstick on the training images under ``mask``, and score all validation and test images.

    {} where the task is no classification, or the training images lack a class.
    """
    if task_of(config).metric != METRIC or len(splits.train.label.unique()) < 2:
        return {}
    lens = Lens(pipeline, config.sampling_rate, mask, device)
    return {name: _scores(yardstick, config.vendor, splits, lens) for name, yardstick in YARDSTICKS.items()}


def _scores(yardstick: Yardstick, vendor: str, splits: Splits, lens: "Lens") -> dict[str, dict[str, np.ndarray]]:
    """split -> vendor -> scores by one yardstick."""
    train = Labelled(lens.numbers(yardstick, splits.train), splits.train.label.numpy())
    source_val = splits.val[vendor]
    score = yardstick.fit(train, Labelled(lens.numbers(yardstick, source_val), source_val.label.numpy()))
    scores: dict[str, dict[str, np.ndarray]] = {"val": {}, "test": {}}
    for split, of_split in scores.items():
        for name, images in getattr(splits, split).items():
            of_split[name] = _scored(score, lens.numbers(yardstick, images))
    return scores


def _scored(score: Callable[[np.ndarray], np.ndarray], numbers: np.ndarray) -> np.ndarray:
    return score(numbers).astype(np.float32) if len(numbers) else np.empty(0, np.float32)


class Lens:
    """Images as one exported mask samples them, reduced to a yardstick's numbers."""

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

    def numbers(self, yardstick: Yardstick, images: Images) -> np.ndarray:
        """(n, F); remembered for the next trial of this process that sees the same images through the same mask."""
        if images.identity is None:
            return self._computed(yardstick, images)
        name = (yardstick.numbers, images.identity, self.name)
        if name not in _remembered:
            _remembered[name] = self._computed(yardstick, images)
            if len(_remembered) > REMEMBERED:
                _remembered.popitem(last=False)
        _remembered.move_to_end(name)
        return _remembered[name]

    @torch.no_grad()
    def _computed(self, yardstick: Yardstick, images: Images) -> np.ndarray:
        if len(images) == 0:
            return yardstick.numbers(np.empty((0, images.side, images.side), np.float32))
        chunks = []
        for index in torch.arange(len(images)).split(CHUNK):
            image = self.pipeline.harmonised(images.gather(index, self.device).image)
            if self.sampling is not None:
                rates = torch.full((len(index),), self.rate, device=image.device)
                image = self.sampling(image, rates).zero_filled
            chunks.append(yardstick.numbers(image[:, 0].float().cpu().numpy()))
        return np.concatenate(chunks)
