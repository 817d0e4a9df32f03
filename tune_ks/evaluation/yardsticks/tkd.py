"""Thresholded k-space division (TKD, threshold 0.2) of the sampled field: what QSM reaches without a network.

It learns nothing, so nothing is fitted: every validation and test image is sampled by the trial's exported mask, and
its zero-filled field is divided by the dipole kernel of its own geometry.
"""

import numpy as np
import torch

from tune_ks.core.config import TrialConfig
from tune_ks.data.dataset import CHUNK, Images, Splits
from tune_ks.data.dipole import GEOMETRY, truncated_division
from tune_ks.model.pipeline import KSpaceClassifier
from tune_ks.training.scoring import rates_of
from tune_ks.training.tasks import task_of

NAME = "tkd_0.2"
TARGET = "map"  # of the tasks that it answers
ZERO = 0.5  # the pixel of a field of 0 (tune_ks.data.cohort.map_scan)


def tkd_scores(
    pipeline: KSpaceClassifier, config: TrialConfig, splits: Splits, device: str = "cpu"
) -> dict[str, dict[str, np.ndarray]]:
    """split -> vendor -> (n,) scores of the task."""
    scores: dict[str, dict[str, np.ndarray]] = {"val": {}, "test": {}}
    for split, of_split in scores.items():
        for vendor, images in getattr(splits, split).items():
            of_split[vendor] = _scores(pipeline, config, images, device)
    return scores


@torch.no_grad()
def _scores(pipeline: KSpaceClassifier, config: TrialConfig, images: Images, device: str) -> np.ndarray:
    pipeline.eval()
    scores = [np.empty(0, np.float32)]
    for index in torch.arange(len(images)).split(CHUNK):
        batch = images.gather(index, device)
        measurement = pipeline.measure(batch.image, rates_of(config, batch))
        sampled = batch.image if measurement is None else measurement.zero_filled
        maps = inverted(sampled[:, 0].float().cpu().numpy(), batch.acquisition.cpu().numpy())
        answer = torch.from_numpy(maps)[:, None].to(batch.target)
        scores.append(task_of(config).score(answer, batch).cpu().numpy())
    return np.concatenate(scores)


def inverted(images: np.ndarray, acquisition: np.ndarray) -> np.ndarray:
    """(n, S, S) sampled field maps, their acquisition (n, A) with GEOMETRY last -> (n, S, S) susceptibility."""
    maps = np.empty(images.shape, np.float32)
    for number, (image, geometry) in enumerate(zip(images, acquisition[:, -len(GEOMETRY) :], strict=True)):
        voxel_x, voxel_y, _, b0_x, b0_y, _ = geometry.tolist()
        maps[number] = truncated_division(image - ZERO, (voxel_y, voxel_x), (b0_y, b0_x))
    return maps
