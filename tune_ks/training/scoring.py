"""Scores and metrics of one network, or of a pack of networks."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from tune_ks.core.config import TrialConfig
from tune_ks.data.dataset import Batch, Images, Splits
from tune_ks.model.members import scored_values
from tune_ks.model.pipeline import KSpaceClassifier
from tune_ks.training.draws import compared_configs
from tune_ks.training.pack import Network, pass_together
from tune_ks.training.stored_fits import recall_fits
from tune_ks.training.tasks import slices_of, task_of
from tune_ks.training.views import outputs_over_views

EVALUATION_BATCH = 256
DRAWS = 4  # random masks over which the export gap is averaged


def val_metrics(networks: Sequence[Network], splits: Splits, vendor: str, device: str, parts: int) -> list[float]:
    """The metric of each network on one vendor's validation images, with its binary mask.

    For a conditional training it is the mean over ``compared_configs``.
    """
    images = splits.val[vendor]
    metrics = []  # one row per rate, one column per network
    for configs in zip(*(compared_configs(network.config) for network in networks), strict=True):
        at_rate = [network._replace(config=config) for network, config in zip(networks, configs, strict=True)]
        scores = score_together(at_rate, images, device, parts=parts)
        pairs = zip(configs, scores, strict=True)
        metrics.append([task_of(config).measure(images, of_network) for config, of_network in pairs])
    return np.mean(metrics, axis=0).tolist()


def score(
    pipeline: KSpaceClassifier,
    images: Images,
    config: TrialConfig,
    device: str = "cpu",
    random_mask: bool = False,
    parts: int = 1,
) -> np.ndarray:
    """(n,) scores of ``images`` with the binary mask, or with a random mask for each image (``random_mask``)."""
    return score_together([Network(config, pipeline)], images, device, random_mask, parts)[0]


@torch.no_grad()
def score_together(
    networks: Sequence[Network], images: Images, device: str = "cpu", random_mask: bool = False, parts: int = 1
) -> np.ndarray:
    """(M, n) scores of the same n images by M networks; see ``score``. (M, 0) where there are no images."""
    scores = []
    for batch, outputs in outputs_of(networks, images, device, random_mask, parts):
        of_batch = []
        for network, output in zip(networks, outputs, strict=True):
            of_batch.append(task_of(network.config).score(output, batch))
        scores.append(torch.stack(of_batch))
    if not scores:
        return np.empty((len(networks), 0), np.float32)
    return torch.cat(scores, dim=1).cpu().numpy()


@torch.no_grad()
def details_together(
    networks: Sequence[Network], images: Images, device: str = "cpu", parts: int = 1
) -> list[dict[str, np.ndarray]]:
    """For each network the ``details`` of its task, name -> (n, ...), with its binary mask; {} of no images."""
    batches: list[dict[str, list[np.ndarray]]] = [{} for _ in networks]
    for batch, outputs in outputs_of(networks, images, device, parts=parts):
        for network, output, of_network in zip(networks, outputs, batches, strict=True):
            for name, values in task_of(network.config).details(output, batch, network.config).items():
                of_network.setdefault(name, []).append(values.cpu().numpy())
    return [{name: np.concatenate(values) for name, values in of_network.items()} for of_network in batches]


@torch.no_grad()
def answers(
    pipeline: KSpaceClassifier, images: Images, config: TrialConfig, device: str = "cpu"
) -> dict[str, np.ndarray]:
    """Name -> (n, ...): what the network says of ``images`` without the truth, as its task gives it."""
    task = task_of(config)
    chunks = []
    for _, (output,) in outputs_of([Network(config, pipeline)], images, device):
        chunks.append({name: values.cpu() for name, values in task.answers(output).items()})
    return {name: torch.cat([chunk[name] for chunk in chunks]).numpy() for name in chunks[0]}


@torch.no_grad()
def outputs_of(
    networks: Sequence[Network], images: Images, device: str = "cpu", random_mask: bool = False, parts: int = 1
) -> Iterator[tuple[Batch, list[Tensor]]]:
    """The images batch by batch, with the output of each of M networks for them; see ``score``."""
    if len(images) == 0:
        return
    for network in networks:
        pipeline = network.pipeline
        pipeline.eval()
        pipeline.tell(scored_values(network.config))
        recall_fits(network.config.harmonise, pipeline.harmonisation, images)
        if random_mask:
            pipeline.sampling.mask.train()
    networks = [_with_mask(network, device) for network in networks]
    slices = slices_of(networks[0].config)
    size = slices * max(1, EVALUATION_BATCH // (parts * len(networks) * slices))
    for index in torch.arange(len(images), device=images.home(device)).split(size):
        batch = images.gather(index, device)
        rates = [rates_of(network.config, batch) for network in networks]
        passed = pass_together(networks, [batch] * len(networks), rates)
        yield batch, outputs_over_views(networks, batch, rates, passed)


def _with_mask(network: Network, device: str) -> Network:
    """The network with the one mask of all images, so that it is computed once.

    Unchanged where it brings a mask, where masks are drawn, and where there is nothing to sample.
    """
    pipeline = network.pipeline
    if network.mask is not None or pipeline.nothing_to_sample or pipeline.sampling.mask.is_drawn:
        return network
    return network._replace(mask=binary_mask(pipeline, network.config, device))


def binary_mask(pipeline: KSpaceClassifier, config: TrialConfig, device: str = "cpu") -> Tensor:
    """(1, H or 1, W) of 0 and 1: the mask that the config is scored with. The pipeline is in evaluation mode."""
    mask = pipeline.sampling.mask
    place = device if mask.learned else "cpu"  # the host looks up a fixed mask
    return mask.binary(torch.full((1,), config.sampling_rate, device=place))


def rates_of(config: TrialConfig, batch: Batch) -> Tensor:
    """(B,) rates: the config's sampling rate for every image of the batch."""
    return torch.full((len(batch.label),), config.sampling_rate, device=batch.label.device)
