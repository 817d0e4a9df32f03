"""Several trainings as one: who may be packed together, and their networks' forward pass as one network's."""

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor

from tune_ks.core.config import TrialConfig
from tune_ks.data.dataset import Batch
from tune_ks.model.classifiers import PLAIN_LAYERS
from tune_ks.model.classifiers.together import Together
from tune_ks.model.pipeline import KSpaceClassifier, Restored

SAME = (  # what all of a pack must share: its images, their batches, and the shapes of the networks
    "vendor", "task", "classifier", "width", "image_size", "standardise", "transform", "pattern", "epochs", "batch_size"
)  # fmt: skip


class Network(NamedTuple):
    """One of several that are passed together."""

    config: TrialConfig
    pipeline: KSpaceClassifier
    noise: AbstractContextManager = nullcontext()  # whence its random numbers; otherwise torch's global generator


class Passed(NamedTuple):
    """One network's batch after its pipeline."""

    restored: Restored
    output: Tensor | None  # of the classifier; None where it was left out


def pack_key(config: TrialConfig) -> tuple | None:
    """Configs with the same key can be trained as one; None for one that is trained alone.

    Rate, temperature, mask family, seed, dropout, everything of the optimiser, augmentation and frozen parts may
    differ. A learned reconstruction, a network that is more than plain layers, and a conditional training go alone.
    """
    plain = config.classifier in PLAIN_LAYERS and config.reconstruction == "zero_filled" and config.rate_from is None
    return tuple(getattr(config, name) for name in SAME) if plain else None


def pass_together(
    networks: Sequence[Network],
    batches: Sequence[Batch],
    rates: Sequence[Tensor],
    unclassified: Collection[int] = (),
) -> list[Passed]:
    """Each network's own batch and (B,) rates through it; the positions ``unclassified`` leave their classifier out.

    Where there are several their classifiers run as one; one network runs as it always does.
    """
    restored = []
    for network, batch, rate in zip(networks, batches, rates, strict=True):
        with network.noise:
            restored.append(network.pipeline.restore(batch.image, rate))
    classified = [position for position in range(len(networks)) if position not in unclassified]
    images, facts = ([values[one] for one in classified] for values in (restored, batches))
    outputs = _classify(
        [networks[one] for one in classified],
        [one.image for one in images],
        [rates[one] for one in classified],
        [one.acquisition for one in facts],
    )
    found = dict(zip(classified, outputs, strict=True))
    return [Passed(one, found.get(position)) for position, one in enumerate(restored)]


def _classify(
    networks: list[Network], images: list[Tensor], rates: list[Tensor], acquisitions: list[Tensor]
) -> Sequence[Tensor]:
    """Each network's logits of its own restored images."""
    if not networks:
        return []
    config, pipeline, noise = networks[0]
    if len(networks) == 1:
        with noise:
            return [pipeline.classify(images[0], rates[0], acquisitions[0])]
    layers = PLAIN_LAYERS[config.classifier]
    together = Together([layers(one.pipeline.classifier) for one in networks], [one.noise for one in networks])
    stacked = (torch.cat(values) for values in (images, rates, acquisitions))
    return pipeline.classify(*stacked, together).chunk(len(networks))
