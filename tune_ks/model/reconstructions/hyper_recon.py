"""HyperRecon: x_hat = x_0 + U(x_0; kernels(lambda)), one network for every mix of losses."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tune_ks.core.config import DRAWN, UNIFORM, TrialConfig
from tune_ks.core.options import Member, Option, listed, require
from tune_ks.model.per_image import convolve_each, emit_convolutions, split_kernels
from tune_ks.model.reconstructions.base import TRAINING, Reconstruction, check_epochs
from tune_ks.model.reconstructions.image_losses import IMAGE_LOSSES
from tune_ks.model.sampling import Measurement
from tune_ks.model.transforms.base import Transform

HIDDEN = 64
LEVELS = 4  # of the U-Net: three halvings
SMALLEST = 2 ** (LEVELS - 1)  # pixels a side
OPTIONS = (
    Option("hyper_channels", 32, "channels of every level of the U-Net", int, above=0, shapes=True),
    Option(
        "mixed_losses",
        "l1 ssim",
        f"two or three of {', '.join(IMAGE_LOSSES)}; each is divided by its usual size",
        str,
        shapes=True,
    ),
    Option("loss_mix", 0.5, "lambda: of two losses the second one's share, of three the first one's", least=0, most=1),
    Option(
        f"loss_mix{DRAWN}", "fixed", "uniform: lambda is drawn for each training image, and one training serves all",
        str, choices=("fixed", UNIFORM),
    ),
    Option("loss_mix_rest", 0.5, "the second of three losses' share of what the first one leaves", least=0, most=1),
    Option(
        f"loss_mix_rest{DRAWN}", "fixed", "uniform: that share is drawn for each training image", str,
        choices=("fixed", UNIFORM),
    ),
)  # fmt: skip


class HyperRecon(Reconstruction):
    """A hypernetwork of four layers takes the shares c of the losses and emits every kernel and bias of a U-Net.

    Its loss of an image is sum_i c_i / s_i l_i, l_i from IMAGE_LOSSES with the scales s_i. Two losses have the shares
    (1 - lambda, lambda), three (a, (1 - a) b, (1 - a)(1 - b)). All shares are given, so that the size of the input is
    nearly the same for every mix. The U-Net's output is 0 before training. Wang, Dalca & Sabuncu, MELBA 2022
    (arXiv:2101.02194).

    ``loss_mix`` (lambda, or a) and ``loss_mix_rest`` (b) are numbers, or one value an image (B,) where they are drawn.
    """

    def __init__(
        self,
        transform: Transform,
        hyper_channels: int = 32,
        mixed_losses: str = "l1 ssim",
        loss_mix: float = 0.5,
        loss_mix_drawn: str = "fixed",
        loss_mix_rest: float = 0.5,
        loss_mix_rest_drawn: str = "fixed",
        **training: Any,
    ) -> None:
        """Whether a share is drawn is the caller's business: it then sets the attribute before each batch."""
        super().__init__(transform, **training)
        self.losses = [IMAGE_LOSSES[name] for name in mixed_losses.split()]
        self.loss_mix: float | Tensor = loss_mix
        self.loss_mix_rest: float | Tensor = loss_mix_rest
        convolutions = unet_convolutions(hyper_channels)
        self.shapes = [tuple(layer.weight.shape) for layer in convolutions]
        self.hypernetwork = emit_convolutions(convolutions, len(self.losses), HIDDEN, nn.LeakyReLU)

    def forward(self, measurement: Measurement) -> Tensor:
        zero_filled = measurement.zero_filled
        kernels = split_kernels(self.hypernetwork(self.shares(zero_filled)), self.shapes)
        height, width = zero_filled.shape[-2:]
        padding = (0, max(0, SMALLEST - width), 0, max(0, SMALLEST - height))
        residual = unet(functional.pad(zero_filled, padding, mode="replicate"), kernels)
        return zero_filled + residual[..., :height, :width]

    def shares(self, like: Tensor) -> Tensor:
        """(B, n) shares of the n losses, or (1, n) where all images have the same, on the device of ``like``."""
        first = _column(self.loss_mix, like)
        if len(self.losses) == 2:
            return torch.cat([1 - first, first], dim=1)
        first, rest = torch.broadcast_tensors(first, _column(self.loss_mix_rest, like))
        return torch.cat([first, (1 - first) * rest, (1 - first) * (1 - rest)], dim=1)

    def loss(self, measurement: Measurement, estimate: Tensor, image: Tensor) -> Tensor:
        """The mean over the images of sum_i c_i / s_i l_i."""
        restored = self.magnitude(estimate)
        scaled = [loss.of_images(measurement, restored, image) / loss.scale for loss in self.losses]
        return (self.shares(image) * torch.stack(scaled, dim=1)).sum(1).mean()


def _column(value: float | Tensor, like: Tensor) -> Tensor:
    """(B,) values -> (B, 1); a number -> (1, 1), filled on the device of ``like``: a copy would wait for a GPU."""
    return value[:, None] if isinstance(value, Tensor) else like.new_full((1, 1), value)


def unet_convolutions(channels: int) -> list[nn.Conv2d]:
    """The convolutions of ``unet`` in the order in which it uses them, with their initial values."""
    inputs = [1, channels]
    inputs += [channels, channels] * (LEVELS - 1)  # down
    inputs += [2 * channels, channels] * (LEVELS - 1)  # up, beside what the same level held before
    convolutions = [nn.Conv2d(count, channels, 3, padding=1) for count in inputs]
    for layer in convolutions:  # by torch's own weights 14 layers without a norm would pass on next to nothing
        nn.init.kaiming_normal_(layer.weight, nonlinearity="leaky_relu")
        nn.init.zeros_(layer.get_parameter("bias"))
    last = nn.Conv2d(channels, 1, 1)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.get_parameter("bias"))
    return [*convolutions, last]


def unet(image: Tensor, kernels: list[tuple[Tensor, Tensor]]) -> Tensor:
    """(B, 1, H, W) -> (B, 1, H, W) by the kernels (B or 1, O, C, k, k) and biases (B or 1, O) of each image.

    LEVELS levels of two 3 x 3 convolutions, each followed by a leaky ReLU; between levels a maximum of 2 x 2 pixels,
    back up bilinear interpolation, and at the end a 1 x 1 convolution.
    """
    remaining = iter(kernels)
    held = []
    for level in range(LEVELS):
        image = _twice(image if level == 0 else functional.max_pool2d(image, 2), remaining)
        held.append(image)
    for level in reversed(range(LEVELS - 1)):
        size = held[level].shape[-2:]
        enlarged = functional.interpolate(image, size, mode="bilinear", align_corners=False)
        image = _twice(torch.cat([enlarged, held[level]], dim=1), remaining)
    return _convolved(image, *next(remaining))


def _twice(image: Tensor, kernels: Iterator[tuple[Tensor, Tensor]]) -> Tensor:
    for _ in range(2):
        image = functional.leaky_relu(_convolved(image, *next(kernels)))
    return image


def _convolved(image: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    """Each image by its own kernel, or all by the only one."""
    padding = kernel.shape[-1] // 2
    if len(kernel) == 1:
        return functional.conv2d(image, kernel[0], bias[0], padding=padding)
    return convolve_each(image, kernel, bias, 1, padding)


def check(config: TrialConfig, values: Mapping[str, Any]) -> None:
    """ValueError where the losses are unknown, or a mix of them is asked for and nothing is trained by it."""
    check_epochs(config, values)
    names = values["mixed_losses"].split()
    known = len(names) in (2, 3) and len(set(names)) == len(names) and set(names) <= set(IMAGE_LOSSES)
    allowed = f"two or three different ones of {listed(list(IMAGE_LOSSES))}, with a space between"
    require(known, "mixed_losses", allowed, values["mixed_losses"])
    for name in ("loss_mix_rest", f"loss_mix_rest{DRAWN}"):
        given = config.options.get(name)
        require(len(names) == 3 or given is None, name, "left out where two losses are mixed", given)
    of_the_mix = ("loss_mix", f"loss_mix{DRAWN}", "loss_mix_rest", "mixed_losses")
    mixed = [name for name in of_the_mix if name in config.options]
    if mixed and not (values["reconstruction_weight"] or values["reconstruction_epochs"]):
        raise ValueError(
            f"{mixed[0]} says by which losses the reconstruction is trained, and nothing asks for that training: give "
            "reconstruction_weight or reconstruction_epochs a value above 0"
        )


# no coils: the loss ``consistency`` compares with the k-space of one image
MEMBER = Member(HyperRecon, (*OPTIONS, *TRAINING), check, learned=True)
