"""Shared by classifiers: channels by width, the smallest image, and a network whose only input is the image."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from tune_ks.core.config import TrialConfig
from tune_ks.core.options import Member, Option

WIDTH = Option("width", 1.0, "multiplies the network's channels", above=0, shapes=True)
DROPOUT = Option("dropout", 0.5, "share of the features that a training step leaves out", least=0, below=1)


@dataclass(frozen=True)
class Network(Member):
    """A line of the registry of networks. ``layers`` lists a network's plain layers in the order of its forward pass.

    Networks that state it can be trained in a pack.
    """

    layers: Callable[[Any], list[nn.Module]] | None = None  # of a network that ``build`` has made


class ImageClassifier(nn.Module):
    """s = w . dropout(f(x)) + b: any ``features`` f, (B, 1, S, S) -> (B, count), of the image only.

    Dropout is applied before the last layer only. With batch norms in the features, a training step on two half batches
    normalises each half by its own mean and deviation, so it differs from the step on the whole batch.
    """

    def __init__(self, features: nn.Module, count: int, dropout: float) -> None:
        super().__init__()
        self.features = features
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(count, 1))

    def forward(self, image: Tensor, acquisition: Tensor, condition: Tensor) -> Tensor:
        """(B, 1, S, S) images -> (B,) logits. Acquisition (B, A) and condition (B, 2) are not used."""
        return self.head(self.features(image)).squeeze(1)


def last_layer(network: nn.Module) -> nn.Linear | None:
    """The last linear layer of ``network.head``, which the network's features enter; None where there is none."""
    head = getattr(network, "head", None)
    layers = [layer for layer in head.modules() if isinstance(layer, nn.Linear)] if isinstance(head, nn.Module) else []
    return layers[-1] if layers else None


def widened(width: float, *channels: int) -> list[int]:
    """Each channel count times ``width``, rounded, at least 1."""
    return [max(1, round(width * count)) for count in channels]


def at_least(smallest: int) -> Callable[[TrialConfig, Mapping[str, Any]], None]:
    """A member's check: ValueError where the network needs larger images than the config's ``image_size``."""

    def check(config: TrialConfig, values: Mapping[str, Any]) -> None:
        if config.image_size < smallest:
            raise ValueError(
                f"the classifier {config.classifier!r} needs an image_size of {smallest} or more, "
                f"got {config.image_size}"
            )

    return check
