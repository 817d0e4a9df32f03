"""A pack of networks that share a forward pass: which configs can be packed, and the pass."""

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor

from tune_ks.core.config import TrialConfig
from tune_ks.data.dataset import Batch
from tune_ks.model.classifiers.together import Together
from tune_ks.model.masks.learned import LearnedMask, draw_together
from tune_ks.model.members import member_of, network_of, shaping_values
from tune_ks.model.pipeline import KSpaceClassifier, Restored
from tune_ks.model.sampling import zero_fill_together
from tune_ks.training.tasks import slices_of


class Network(NamedTuple):
    """A network of a pack."""

    config: TrialConfig
    pipeline: KSpaceClassifier
    noise: AbstractContextManager = nullcontext()  # the random state for its modules; by default torch's global state
    mask: Tensor | None = None  # (1 or B, H or 1, W): the images' masks where they are known; None: drawn or computed


class Passed(NamedTuple):
    """The output of one network for its batch."""

    restored: Restored
    output: Tensor | None  # logits of the classifier; None where it did not run


def pack_key(config: TrialConfig) -> tuple | None:
    """Configs with the same key can be trained in one pack; None for a config that must be trained alone.

    Rate, temperature, mask family, seed, dropout, settings of the optimiser, augmentation and frozen parts may differ
    within a pack. Trained alone are configs with a learned reconstruction, conditional trainings, networks that are
    not a sequence of plain layers, and configs that compare their source vendors (``invariance``).
    """
    if config.invariance != "none":
        return None
    plain_layers = network_of(config).layers is not None
    if not plain_layers or member_of(config, "reconstruction").learned or config.is_conditional:
        return None
    return (config.vendor, config.train_share, config.epochs, config.batch_size, *shaping_values(config).values())


def pass_together(
    networks: Sequence[Network],
    batches: Sequence[Batch],
    rates: Sequence[Tensor],
    unclassified: Collection[int] = (),
) -> list[Passed]:
    """Pass each network's batch, at its (B,) rates, through the network.

    Networks at the positions ``unclassified`` run without their classifier. The transforms and the classifiers of
    several networks run as one; those of a single network run by themselves.
    """
    restored = _restore_together(networks, [batch.image for batch in batches], rates)
    entering = []
    for position, network in enumerate(networks):
        if position not in unclassified:
            entering.append(Entering(network, restored[position].image, rates[position], batches[position].acquisition))
    outputs = iter(classify_together(entering))
    passed = []
    for position, images in enumerate(restored):
        output = None if position in unclassified else next(outputs)
        passed.append(Passed(images, output))
    return passed


def _restore_together(networks: Sequence[Network], images: Sequence[Tensor], rates: Sequence[Tensor]) -> list[Restored]:
    """The images of each network after sampling. Networks that train together all reconstruct by zero-filling."""
    masks = _masks_together(networks, rates)
    measurements = []
    for network, image, rate, mask in zip(networks, images, rates, masks, strict=True):
        with network.noise:
            measurements.append(network.pipeline.measure(image, rate, mask))
    sampled = [measurement for measurement in measurements if measurement is not None]
    if len(sampled) > 1:
        zero_fill_together(sampled)
    restored = []
    for network, image, rate, measurement in zip(networks, images, rates, measurements, strict=True):
        with network.noise:
            restored.append(network.pipeline.reconstruct(image, rate, measurement))
    return restored


class Undrawn(NamedTuple):
    """A learned mask of a pack, and the noise (B, H or 1, W) that its images' masks are drawn from."""

    position: int  # of its network in the pack
    mask: LearnedMask
    noise: Tensor


def _masks_together(networks: Sequence[Network], rates: Sequence[Tensor]) -> list[Tensor | None]:
    """The masks (1 or B, H or 1, W) of each network's images; None where it computes them itself, or does not sample.

    Random masks of one kind are drawn here, in one call. The random numbers are those of each network. The slices of a
    volume share one mask.
    """
    masks = [network.mask for network in networks]
    by_kind: dict[tuple, list[Undrawn]] = {}
    for position, network in enumerate(networks):
        mask = network.pipeline.sampling.mask
        is_drawn = mask.is_drawn and not network.pipeline.nothing_to_sample
        if network.mask is not None or not is_drawn:
            continue
        slices = slices_of(network.config)
        with network.noise:
            if isinstance(mask, LearnedMask) and mask.kind is not None:
                noise = mask.noise(len(rates[position]) // slices)
                noise = noise if slices == 1 else noise.repeat_interleave(slices, dim=0)
                by_kind.setdefault(mask.kind, []).append(Undrawn(position, mask, noise))
            elif slices > 1:
                masks[position] = mask.draw(rates[position])[::slices].repeat_interleave(slices, dim=0)
    for alike in by_kind.values():
        rates_of_alike = [rates[undrawn.position] for undrawn in alike]
        drawn = draw_together([undrawn.mask for undrawn in alike], rates_of_alike, [undrawn.noise for undrawn in alike])
        for undrawn, of_network in zip(alike, drawn, strict=True):
            masks[undrawn.position] = of_network
    return masks


class Entering(NamedTuple):
    """Input of one classifier: (B, 1, H, W) restored images, (B,) rates, (B, A) acquisition parameters."""

    network: Network
    image: Tensor
    rate: Tensor
    acquisition: Tensor


def classify_together(entering: Sequence[Entering]) -> Sequence[Tensor]:
    """The logits of each network, in the same order."""
    if not entering:
        return []
    first = entering[0]
    pipeline = first.network.pipeline
    if len(entering) == 1:
        with first.network.noise:
            return [pipeline.classify(first.image, first.rate, first.acquisition)]
    layers = network_of(first.network.config).layers
    if layers is None:
        raise TypeError(f"the classifier {first.network.config.classifier!r} runs alone, not in a pack")
    networks = [batch.network for batch in entering]
    layers_of_all = [layers(network.pipeline.classifier) for network in networks]
    together = Together(layers_of_all, [network.noise for network in networks])
    image = torch.cat([batch.image for batch in entering])
    rate = torch.cat([batch.rate for batch in entering])
    acquisition = torch.cat([batch.acquisition for batch in entering])
    return pipeline.classify(image, rate, acquisition, together).chunk(len(entering))
