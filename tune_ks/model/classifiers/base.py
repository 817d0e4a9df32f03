"""What classifiers share: channels by width, the smallest image, and a network that sees the image alone."""

from torch import Tensor, nn

from tune_ks.core.config import TrialConfig


class ImageClassifier(nn.Module):
    """s = w . dropout(f(x)) + b: any ``features`` f, (B, 1, S, S) -> (B, count), that is told nothing but the image.

    Dropout stands before the last layer only. Where the features hold batch norms, a training step on half batches
    normalises each half by its own mean and deviation, so it is not to the bit the step on the whole batch.
    """

    def __init__(self, features: nn.Module, count: int, dropout: float) -> None:
        super().__init__()
        self.features = features
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(count, 1))

    def forward(self, image: Tensor, acquisition: Tensor, condition: Tensor) -> Tensor:
        """(B, 1, S, S) images -> (B,) logits. Acquisition (B, A) and condition (B, 2) are not used."""
        return self.head(self.features(image)).squeeze(1)


def widened(width: float, *channels: int) -> list[int]:
    """Each channel count times ``width``, rounded, at least 1."""
    return [max(1, round(width * count)) for count in channels]


def require_size(config: TrialConfig, smallest: int) -> None:
    """ValueError where the classifier needs a larger image than ``image_size``."""
    if config.image_size < smallest:
        raise ValueError(
            f"the classifier {config.classifier!r} needs an image_size of {smallest} or more, got {config.image_size}"
        )
