"""The network s = C(R(M F h(x)), a), built of its parts."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from tune_ks.core.config import TrialConfig
from tune_ks.model.harmonisations.base import Harmonisation
from tune_ks.model.masks.base import Mask
from tune_ks.model.members import member_of, scored_values
from tune_ks.model.pointwise import avoid_strided_pointwise
from tune_ks.model.reconstructions.base import Reconstruction
from tune_ks.model.sampling import Measurement, Sampling, combined
from tune_ks.model.transforms.base import Transform


class Restored(NamedTuple):
    """``image`` (B, 1, H, W) after sampling, its ``measurement``, and R's ``estimate`` (B, 1, H, W).

    Measurement and estimate are None where the pipeline does not sample.
    """

    image: Tensor
    measurement: Measurement | None
    estimate: Tensor | None


class KSpaceClassifier(nn.Module):
    """Image -> harmonised image -> sampled k-space -> image -> logit, or a map of logits.

    ``nothing_to_sample`` is True where every rate is 1, or a fixed mask was applied beforehand. The transforms are then
    skipped. In every case an image at rate 1 enters the classifier as it was harmonised, bit for bit. ``harmonises`` is
    False where h changes nothing, or was applied beforehand.
    """

    def __init__(
        self,
        config: TrialConfig,
        harmonisation: Harmonisation,
        sampling: Sampling,
        reconstruction: Reconstruction,
        classifier: nn.Module,
    ) -> None:
        super().__init__()
        self.harmonisation = harmonisation
        self.harmonises = config.harmonise != "none"
        self.sampling = sampling
        self.reconstruction = reconstruction
        self.classifier = classifier
        self.image_size = config.image_size
        self.standardised = config.standardise == "image"
        self.nothing_to_sample = config.is_full
        self.rates_vary = config.rate_from is not None or config.rate_start is not None

    def tell(self, values: Mapping[str, Any]) -> None:
        """Give its parts the options that training draws: (B,) values of a batch, or those that are scored."""
        for name, value in values.items():
            for part in (self.sampling.mask, self.reconstruction, self.classifier):
                if hasattr(part, name):
                    setattr(part, name, value)

    def restore(self, image: Tensor, rate: Tensor, mask: Tensor | None = None) -> Restored:
        """(B, 1, H, W) images and (B,) rates -> the images after sampling, by ``mask`` where it is given."""
        return self.reconstruct(image, rate, self.measure(image, rate, mask))

    def measure(self, image: Tensor, rate: Tensor, mask: Tensor | None = None) -> Measurement | None:
        """The first half of ``restore``; None where there is nothing to sample."""
        return None if self.nothing_to_sample else self.sampling(self.harmonised(image), rate, mask)

    def harmonised(self, image: Tensor) -> Tensor:
        """h(x)."""
        return self.harmonisation(image) if self.harmonises else image

    def reconstruct(self, image: Tensor, rate: Tensor, measurement: Measurement | None) -> Restored:
        """The second half of ``restore``."""
        if measurement is None:
            return Restored(combined(self.harmonised(image)), None, None)
        estimate = self.reconstruction(measurement)
        restored = self.reconstruction.magnitude(estimate)
        if self.rates_vary:  # some rates may be 1
            restored = torch.where(rate[:, None, None, None] == 1, measurement.full, restored)
        return Restored(restored, measurement, estimate)

    def classify(
        self, restored: Tensor, rate: Tensor, acquisition: Tensor, network: Callable[..., Tensor] | None = None
    ) -> Tensor:
        """(B, 1, H, W) restored images, (B,) rates, (B, A) acquisition parameters -> (B,) or (B, 1, H, W) logits.

        The image is resized to the classifier's size after sampling, never before: an enlarged image has empty outer
        k-space, so that a low rate would lose nothing. A map of logits is resized to the size of the image.
        ``network`` replaces the classifier; a pack passes its classifiers as one.
        """
        # the transforms need float32; the network is trained in bfloat16 on a GPU. Scores stay float32: bfloat16 would
        # give many images the same score
        in_bfloat16 = restored.is_cuda and self.classifier.training
        with torch.autocast(restored.device.type, dtype=torch.bfloat16, enabled=in_bfloat16):
            entering = resized(restored, self.image_size)
            if self.standardised:
                entering = standardised(entering)
            logit = (network or self.classifier)(entering, acquisition, self.condition(rate)).float()
        return resized(logit, restored.shape[-1]) if logit.dim() == 4 else logit

    def condition(self, rate: Tensor) -> Tensor:
        """(B,) rates -> (B, 2) log2 rate and log2 temperature, the input of a conditional classifier."""
        temperature = self.sampling.mask.temperature
        if not isinstance(temperature, Tensor):
            temperature = rate.new_full((1,), temperature)  # filled on the device, so that nothing is copied to a GPU
        return torch.stack([rate.log2(), temperature.flatten().expand(rate.shape[0]).to(rate.dtype).log2()], dim=1)

    def forward(self, image: Tensor, rate: Tensor, acquisition: Tensor) -> Tensor:
        """(B, 1, H, W) images, (B,) rates, (B, A) acquisition parameters -> (B,) or (B, 1, H, W) logits."""
        return self.classify(self.restore(image, rate).image, rate, acquisition)


def resized(image: Tensor, side: int) -> Tensor:
    """(B, 1, H, W) -> (B, 1, side, side), bilinear; unchanged where it has that size."""
    if image.shape[-1] == side:
        return image
    return functional.interpolate(image, (side, side), mode="bilinear", align_corners=False)


def standardised(image: Tensor) -> Tensor:
    """(B, 1, H, W) -> each image with mean 0 and deviation 1 over its pixels; a constant image becomes (nearly) 0."""
    mean = image.mean((-2, -1), keepdim=True)
    return (image - mean) / image.std((-2, -1), keepdim=True, correction=0).clamp(min=1e-3)


def build_pipeline(config: TrialConfig, side: int) -> KSpaceClassifier:
    """The network of one config for square images of ``side`` pixels. ValueError names an unknown member.

    A conditional training has one network, built from ``config.training()``, for all that it is scored at.
    """
    scored = scored_values(config)
    config = config.training()
    transform = build_transform(config)
    mask = build_mask(config, transform.radius(1 if config.pattern == "lines" else side, side))
    reconstruction, classifier = _networks(config, transform)
    harmonisation = build_member(config, "harmonise")
    sampling = Sampling(transform, mask, config.mask_jitter)
    pipeline = KSpaceClassifier(config, harmonisation, sampling, reconstruction, classifier)
    pipeline.tell(scored)
    avoid_strided_pointwise(pipeline)
    # faster convolutions, on a CPU by a tenth; torch's types of ``to`` leave the memory format out
    return pipeline.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def build_transform(config: TrialConfig) -> Transform:
    """F along the last axis for lines, along the last two for points."""
    return build_member(config, "transform", axes=(-1,) if config.pattern == "lines" else (-2, -1))


def build_mask(config: TrialConfig, radius: Tensor) -> Mask:
    """M for a grid of the given ``radius`` (1, W) or (H, W)."""
    mask = build_member(
        config,
        "mask",
        radius=radius,
        rate=config.sampling_rate,
        lowest_rate=config.lowest_rate,
        seed=config.seed,
    )
    mask.rates_differ = config.rate_from is not None
    return mask


def network_shapes(config: TrialConfig) -> dict[str, tuple[int, ...]]:
    """Name in the pipeline's state -> shape of each tensor of R and C, computed without allocating them.

    The mask's tensors, as large as one image, are left out.
    """
    with torch.device("meta"):
        reconstruction, classifier = _networks(config, build_transform(config))
    shapes = {}
    for part, network in (("reconstruction", reconstruction), ("classifier", classifier)):
        for name, value in network.state_dict().items():
            shapes[f"{part}.{name}"] = tuple(value.shape)
    return shapes


def _networks(config: TrialConfig, transform: Transform) -> tuple[Reconstruction, nn.Module]:
    """R and C. C is built first, so that with one seed its initial weights are the same for every R."""
    classifier = build_member(config, "classifier")
    return build_member(config, "reconstruction", transform=transform), classifier


def build_member(config: TrialConfig, field: str, **given: Any) -> Any:
    """Build the member that ``field`` of the config names, from the arguments of its registry and its options."""
    member = member_of(config, field)
    return member.build(**given, **member.checked_values(config))
