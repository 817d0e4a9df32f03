"""Several networks as one: which configs can be trained together, and the shared forward pass."""

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor

from tune_ks.core.config import TrialConfig
from tune_ks.data.dataset import Batch
from tune_ks.model.classifiers.together import Together
from tune_ks.model.members import member_of, shaping_values
from tune_ks.model.pipeline import KSpaceClassifier, Restored


class Network(NamedTuple):
    """One of several networks that share a forward pass."""

    config: TrialConfig
    pipeline: KSpaceClassifier
    noise: AbstractContextManager = nullcontext()  # its random numbers; by default torch's global ones


class Passed(NamedTuple):
    """The result of one network for its batch."""

    restored: Restored
    output: Tensor | None  # of the classifier; None where it was left out


def pack_key(config: TrialConfig) -> tuple | None:
    """Configs with the same key can be trained as one; None for one that is trained alone.

    Rate, temperature, mask family, seed, dropout, everything of the optimiser, augmentation and frozen parts may
    differ. A learned reconstruction, a network that is more than plain layers, and a conditional training go alone.
    """
    plain_layers = member_of(config, "classifier").layers is not None
    if not plain_layers or member_of(config, "reconstruction").learned or config.rate_from is not None:
        return None
    return (config.vendor, config.epochs, config.batch_size, *shaping_values(config).values())


def pass_together(
    networks: Sequence[Network],
    batches: Sequence[Batch],
    rates: Sequence[Tensor],
    unclassified: Collection[int] = (),
) -> list[Passed]:
    """The batch and (B,) rates of each network through it; the positions ``unclassified`` leave their classifier out.

    Where there are several, their classifiers run as one; a lone network runs as it always does.
    """
    restored = []
    for network, batch, rate in zip(networks, batches, rates, strict=True):
        with network.noise:
            restored.append(network.pipeline.restore(batch.image, rate))
    entering = []
    for position, network in enumerate(networks):
        if position not in unclassified:
            entering.append(
                _Entering(network, restored[position].image, rates[position], batches[position].acquisition)
            )
    outputs = iter(_classify(entering))
    return [Passed(one, None if at in unclassified else next(outputs)) for at, one in enumerate(restored)]


class _Entering(NamedTuple):
    """What enters one network's classifier: (B, 1, H, W) restored images, (B,) rates, (B, A) acquisition parameters."""

    network: Network
    image: Tensor
    rate: Tensor
    acquisition: Tensor


def _classify(entering: list[_Entering]) -> Sequence[Tensor]:
    """The logits of each network, in the same order."""
    if not entering:
        return []
    first = entering[0]
    config, pipeline, noise = first.network
    if len(entering) == 1:
        with noise:
            return [pipeline.classify(first.image, first.rate, first.acquisition)]
    layers = member_of(config, "classifier").layers
    networks = [each.network for each in entering]
    together = Together([layers(each.pipeline.classifier) for each in networks], [each.noise for each in networks])
    image = torch.cat([each.image for each in entering])
    rate = torch.cat([each.rate for each in entering])
    acquisition = torch.cat([each.acquisition for each in entering])
    return pipeline.classify(image, rate, acquisition, together).chunk(len(entering))
