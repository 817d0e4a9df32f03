"""The contract of M, and the pure functions that mask families share.

A mask has N coefficients: N = W for lines, N = H W for points. DC, and the centre of ``centre_fraction``, are always
kept; they count in the budget of round(rate N) coefficients.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from tune_ks.core.config import TrialConfig, digest
from tune_ks.core.options import Option, require
from tune_ks.core.seeding import seed_for

PROBABILITY_FLOOR = 1e-6  # inclusion probabilities stay this far from 0 and 1, so that their logits are finite


CENTRE = Option("centre_fraction", 0.0, "share of k-space nearest DC that is always kept, counted", least=0, most=1)
# not for coils: k and -k are conjugates of real images only
HERMITIAN = Option(
    "hermitian", "none", "tied: k and -k are kept or left together", str, choices=("none", "tied"), takes_coils=False
)
START = Option(
    "start_slope", None, "the logits start at start_slope (1/2 - |k| / k_max), DC highest; None: as published", least=0
)
TEMPERATURE = (
    Option("temperature", None, "of the relaxed draws", above=0),
    Option("temperature_end", None, "geometric annealing from temperature to here; None: constant", above=0),
)


class Mask(nn.Module, ABC):
    """M of y = M F x. In training mode a random, differentiable draw; in evaluation mode the exported binary mask.

    So ``mask.eval()`` in a network that is trained gives training on the exported mask (the settle epochs), and
    ``mask.train()`` in a network that is evaluated gives scores of random masks (for the export gap).

    ``radius`` (1, W) or (H, W) is the distance from DC, as Transform.radius gives it. ``rate`` is the sampling rate at
    which a learned family starts, ``lowest_rate`` the lowest rate it will be drawn at (None: ``rate``). With
    ``hermitian`` "tied", k and -k are kept or left out together. ValueError where the lowest rate keeps less than DC
    and the centre.
    """

    radius: Tensor  # (H or 1, W) distance from DC
    order: Tensor  # (N,) the seeded order in which equal coefficients are taken
    centre: Tensor  # (H or 1, W) bool, true where a coefficient is always kept
    mirror: Tensor  # of a tied mask: (N,) index of -k
    representative: Tensor  # of a tied mask: (N,) the smaller index of k and -k

    learned = True  # True where the family has parameters
    random = True  # True where training draws a new mask for every image

    def __init__(
        self,
        radius: Tensor,
        rate: float,
        *,
        lowest_rate: float | None = None,
        seed: int = 0,
        centre_fraction: float = 0.0,
        hermitian: str = "none",
        temperature: float = 1.0,
        temperature_end: float | None = None,
    ) -> None:
        super().__init__()
        lowest_rate = rate if lowest_rate is None else lowest_rate
        require_a_line(lowest_rate, radius)
        order = torch.randperm(radius.numel(), generator=torch.Generator().manual_seed(seed_for(seed, "ties")))
        # a number for all images, which training may anneal, or (B,) drawn for each image
        self.temperature: float | Tensor = temperature
        self.annealed = (temperature, temperature if temperature_end is None else temperature_end)
        self.rates_differ = False  # True where the rates of a batch differ
        self.tied = hermitian == "tied"
        if self.tied:
            self.register_buffer("mirror", mirror_index(radius.shape), persistent=False)
            self.register_buffer("representative", self.mirror.minimum(torch.arange(radius.numel())), persistent=False)
            # k and -k are neighbours in the order, so that a budget separates at most one pair
            order = order.argsort()[self.representative].argsort(stable=True)
        self.register_buffer("radius", radius, persistent=False)
        self.register_buffer("order", order, persistent=False)
        self.register_buffer("centre", self._centre(centre_fraction, lowest_rate), persistent=False)
        self.centre_digest = digest(self.centre.cpu().numpy().tobytes())  # compared without waiting for a GPU

    @property
    def kind(self) -> tuple[Any, ...] | None:
        """Random masks of equal kinds can be drawn in one call; None: each by itself."""
        return None

    def _centre(self, fraction: float, lowest_rate: float) -> Tensor:
        """(H or 1, W), true at DC and at the round(fraction N) coefficients nearest to it."""
        count = max(1, round(fraction * self.radius.numel()))
        if count > round(lowest_rate * self.radius.numel()):
            raise ValueError(
                f"centre_fraction is counted in the budget, so it must not be above the sampling_rate "
                f"{lowest_rate:.4g}; got {fraction:.4g}"
            )
        return self.nearest(count)

    def anneal(self, share: float) -> None:
        """Set the temperature of geometric annealing after ``share`` (0 to 1) of the training."""
        start, end = self.annealed
        if start != end:
            self.temperature = start * (end / start) ** share

    def nearest(self, count: int) -> Tensor:
        """(H or 1, W), true at the ``count`` coefficients nearest to DC, ties in radius taken in the seeded order."""
        kept = torch.zeros(self.radius.numel(), dtype=torch.bool, device=self.radius.device)
        kept[self.order[self.radius.flatten()[self.order].argsort(stable=True)[:count]]] = True
        return self.whole_pairs(kept.reshape(self.radius.shape))

    def centre_out(self, slope: float) -> Tensor:
        """(H or 1, W) starting logits, ``slope`` / 2 at DC and -``slope`` / 2 at the outermost coefficient.

        Without evidence the coefficients nearest to DC are kept, which hold the most energy. Around 0 every sigmoid has
        a gradient that can move its logit either way.
        """
        return slope * (0.5 - self.radius / self.radius.max().clamp(min=1))

    @abstractmethod
    def probability(self, rate: Tensor) -> Tensor:
        """(B,) rates -> (B, H or 1, W) inclusion probabilities; 1 at the centre. Row i depends on rate i alone."""

    @abstractmethod
    def draw(self, rate: Tensor) -> Tensor:
        """(B,) rates -> (B, H or 1, W), one mask per image, differentiable where the family is learned."""

    @property
    def is_drawn(self) -> bool:
        """Whether the next masks are drawn at random, for every image anew."""
        return self.random and self.training

    def prepare(self, rate: Tensor) -> object:
        """Called before an epoch with the (n,) rates of its images, on the host: compute beforehand what needs them."""

    def binary(self, rate: Tensor) -> Tensor:
        """(B,) rates -> (B, H or 1, W) of 0 and 1: the mask that is scored and exported."""
        return self.whole_pairs(keep_largest(self.probability(rate).detach(), self.order))

    def forward(self, rate: Tensor) -> Tensor:
        """(B,) rates -> (B, 1, H or 1, W)."""
        mask = self.draw(rate) if self.training else self.binary(self.distinct(rate)).expand(len(rate), -1, -1)
        return mask[:, None]

    def distinct(self, rate: Tensor) -> Tensor:
        """(B,) rates -> the rates, or (1,) where all are equal, so that probabilities are computed once."""
        return rate if self.rates_differ else rate[:1]

    def tie(self, values: Tensor) -> Tensor:
        """(..., H or 1, W) values. With a tied mask k and -k get the same value; otherwise they are unchanged."""
        return values.flatten(-2)[..., self.representative].reshape(values.shape) if self.tied else values

    def whole_pairs(self, mask: Tensor) -> Tensor:
        """(..., H or 1, W) mask. With a tied mask, a coefficient that was kept without its mirror is removed."""
        return mask * mask.flatten(-2)[..., self.mirror].reshape(mask.shape) if self.tied else mask


def mirror_index(shape: torch.Size) -> Tensor:
    """(N,) the flat index of -k for each k of an (H or 1, W) grid, DC at N // 2.

    On an axis of even length the first index is its own mirror.
    """
    rows, columns = ((2 * (size // 2) - torch.arange(size)) % size for size in shape)
    return (rows[:, None] * shape[1] + columns[None, :]).flatten()


def require_a_line(rate: float, radius: Tensor) -> None:
    """ValueError where the rate keeps less than one coefficient."""
    count = radius.numel()
    if rate * count < 1 - 1e-6:
        raise ValueError(
            f"sampling_rate must keep at least one of {count} coefficients, so be 1/{count} = {1 / count:.4g} or more; "
            f"got {rate:.4g}"
        )


def rescale_to_rate(prob: Tensor, rate: Tensor, centre: Tensor) -> Tensor:
    """(..., B or 1, H', W) probabilities -> (..., B, H', W) with mean ``rate`` (..., B). The c centre ones are 1.

    The N - c others have mean m and need the mean a = (rate N - c) / (N - c). They become p a / m where m >= a, else
    1 - (1 - p)(1 - a) / (1 - m); both lie within [0, 1] (Bahadir et al., IEEE TCI 2020, eq. 6).
    """
    others = (~centre).sum().clamp(min=1)  # kept as a tensor: reading its value would wait for a GPU at every step
    target = ((rate * centre.numel() - centre.sum()) / others).clamp(0, 1)[..., None, None]
    mean = torch.where(centre, 0, prob).sum((-2, -1), keepdim=True) / others
    mean = mean.clamp(PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)
    scaled = torch.where(mean >= target, prob * target / mean, 1 - (1 - prob) * (1 - target) / (1 - mean))
    return torch.where(centre, 1, scaled)


def keep_largest(prob: Tensor, order: Tensor) -> Tensor:
    """(B, H', W) probabilities -> (B, H', W) with ones at the round(mean(p) N) largest, at least one.

    Equal probabilities are taken in the seeded ``order`` (N,), not by index or radius. Otherwise an untrained mask,
    where all are equal, would become a low-pass filter.
    """
    count = (prob.flatten(1)[:, order].mean(1) * order.numel()).round().clamp(min=1)
    return keep_first(prob, order, count)


def keep_first(values: Tensor, order: Tensor, count: Tensor) -> Tensor:
    """(B, H', W) values -> (B, H', W) with ones at the ``count`` (B,) largest, equal ones taken in ``order`` (N,)."""
    falling = order[values.flatten(1)[:, order].argsort(dim=1, descending=True, stable=True)]
    kept = (torch.arange(order.numel(), device=order.device) < count[:, None]).to(values.dtype)
    return torch.empty_like(kept).scatter_(1, falling, kept).reshape(values.shape)


def check_temperature(config: TrialConfig, values: Mapping[str, Any]) -> None:
    """ValueError where the temperature is missing, or would be both annealed and drawn at random."""
    if values["temperature"] is None:
        raise ValueError(f"the mask {config.mask!r} needs a temperature above 0 (the paper space uses 1.0), got None")
    end = values["temperature_end"]
    require(end is None or config.rate_from is None, "temperature_end", "None where rate_from is given", end)
