"""A cascade of U-Nets for a volume: the organ first, then the lesion within it, each seen along three axes.

    z_v = U_v(slices of x across axis v),    p = mean over v of sigmoid(z_v)
    u_v = U'_v(slices of x and of p across axis v)

Zabihollahy et al., Med. Phys. 47:1645, 2020: the myocardium of the left ventricle, then the scar within it, each by
three 2-D U-Nets whose answers vote. Here both stages are trained at once, so the second sees p beside the image: an
image cut out by p would not show a scar that the first stage, early on, takes for something else. No gradient passes
through p, so that each part learns from its own loss. The vote is the task's.
"""

import torch
from torch import Tensor, nn

from tune_ks.core.options import Option
from tune_ks.model.classifiers.base import DROPOUT, WIDTH, Network, at_least, widened
from tune_ks.model.classifiers.unet import CHANNELS, SMALLEST, basic_unet

START = -3.0  # the logits begin about here: organ and lesion fill a small part of a volume (Lin et al., ICCV 2017)
VIEWS = Option(
    "views", 3, "axes along which a volume is cut into slices, a U-Net for each: 3 vote, 1 is through the slices alone",
    int, choices=(1, 3), shapes=True,
)  # fmt: skip
STAGES = Option(
    "stages", 2, "2: the organ first, then the lesion within it; 1: the lesion at once",
    int, choices=(1, 2), shapes=True,
)  # fmt: skip


class Cascade(nn.Module):
    """``stages`` times ``views`` U-Nets. The batch is V volumes of S slices of S x S pixels, slice after slice.

    The channels of the output are the parts: the views of the first stage, then those of the second. It is trained
    alone, never in a pack: a U-Net is no sequence of plain layers.
    """

    def __init__(self, views: int, stages: int, channels: list[int], dropout: float) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        for inputs in range(1, stages + 1):
            networks = [basic_unet(channels, dropout, inputs) for _ in range(views)]
            for network in networks:
                nn.init.constant_(network.get_parameter("final_conv.1.bias"), START)
            self.stages.append(nn.ModuleList(networks))

    def forward(self, image: Tensor, acquisition: Tensor, condition: Tensor) -> Tensor:
        """(V S, 1, S, S) images -> (V S, parts, S, S) logits. Acquisition and condition are not used."""
        volume = unfolded(image)[:, None]
        entering = volume
        logits = []
        for networks in self.stages:
            of_views = [seen_along(axis, network, entering) for axis, network in enumerate(networks.children())]
            logit = torch.stack(of_views, dim=2)
            logits.append(logit)
            entering = torch.cat([volume, logit.detach().sigmoid().mean(2)[:, None]], dim=1)
        return torch.cat(logits, dim=2).flatten(0, 1)


def unfolded(image: Tensor) -> Tensor:
    """(V S, 1, S, S) slices -> (V, S, S, S) volumes. ValueError where the batch holds a part of a volume."""
    side = image.shape[-1]
    if image.shape[0] % side:
        raise ValueError(
            f"the classifier 'cascade' sees volumes of {side} slices, so a batch must hold a multiple of {side} images;"
            f" got {image.shape[0]}"
        )
    return image.reshape(-1, side, side, side)


def seen_along(axis: int, network: nn.Module, volume: Tensor) -> Tensor:
    """(V, C, S, S, S) volumes -> (V, S, S, S) logits of a 2-D network on slices across ``axis`` (0: as acquired)."""
    across = volume.movedim(2 + axis, 1)
    logit = network(across.flatten(0, 1))
    return logit[:, 0].unflatten(0, across.shape[:2]).movedim(1, 1 + axis)


def stages_of(parts: int) -> int:
    """Stages of a cascade with so many parts: there are 1 or 3 views, so only two stages make an even number."""
    return 2 if parts % 2 == 0 else 1


def build(width: float = 1.0, dropout: float = 0.5, views: int = 3, stages: int = 2) -> Cascade:
    """11,871,462 parameters at width 1; ``width`` multiplies every channel count."""
    return Cascade(views, stages, widened(width, *CHANNELS), dropout)


MEMBER = Network(build, (WIDTH, DROPOUT, VIEWS, STAGES), at_least(SMALLEST))
