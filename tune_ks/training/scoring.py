"""What trained networks are worth: scores, metrics and masks, of one network or of several at once."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tune_ks.core.config import TrialConfig
from tune_ks.data.dataset import Batch, Images, Splits
from tune_ks.model.pipeline import KSpaceClassifier
from tune_ks.training.pack import Network, pass_together
from tune_ks.training.rates import compared_configs
from tune_ks.training.tasks import task_of

EVALUATION_BATCH = 256
DRAWS = 4  # random masks over which the export gap is averaged


def val_metrics(networks: Sequence[Network], splits: Splits, vendor: str, device: str, parts: int) -> list[float]:
    """Each network's metric of one vendor's validation images, with its binary mask; over several rates, their mean."""
    images, found = splits.val[vendor], []
    for asked in zip(*(compared_configs(network.config) for network in networks), strict=True):
        scores = score_together(
            [network._replace(config=config) for network, config in zip(networks, asked)], images, device, parts=parts
        )
        found.append([task_of(config).measure(images, one) for config, one in zip(asked, scores)])
    return [float(np.mean(column)) for column in zip(*found)]


def score(
    pipeline: KSpaceClassifier,
    images: Images,
    config: TrialConfig,
    device: str = "cpu",
    random_mask: bool = False,
    parts: int = 1,
) -> np.ndarray:
    """(n,) the task's scores of ``images`` with the binary mask, or with a random mask an image (``random_mask``)."""
    return score_together([Network(config, pipeline)], images, device, random_mask, parts)[0]


@torch.no_grad()
def score_together(
    networks: Sequence[Network], images: Images, device: str = "cpu", random_mask: bool = False, parts: int = 1
) -> np.ndarray:
    """(M, n) scores of the same images by M networks, as ``score``."""
    for config, pipeline, _ in networks:
        pipeline.eval()
        if config.temperature is not None:
            pipeline.sampling.mask.temperature = config.temperature
        if random_mask:
            pipeline.sampling.mask.train()
    found = []
    size = max(1, EVALUATION_BATCH // (parts * len(networks)))
    for index in torch.arange(len(images), device=images.home(device)).split(size):
        batch = images.gather(index, device)
        rates = [rates_of(network.config, batch) for network in networks]
        passed = pass_together(networks, [batch] * len(networks), rates)
        scores = [task_of(one.config).score(each.output, batch) for one, each in zip(networks, passed)]
        found.append(torch.stack(scores))
    return torch.cat(found, dim=1).cpu().numpy() if found else np.empty((len(networks), 0), np.float32)


def rates_of(config: TrialConfig, batch: Batch) -> Tensor:
    """(B,) the config's rate for every image of a batch."""
    return torch.full((len(batch.label),), config.sampling_rate, device=batch.label.device)
