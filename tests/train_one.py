"""One training alone, epoch by epoch, as most tests want it."""

from tune_ks.training.train import TrainingFailed, train_together
from tune_ks.training.training import Training


def train(config, splits, state=None, device="cpu", parts=1, cross_domain_at=(), weights=None):
    """Yields each Epoch; raises TrainingFailed where the training fails."""
    training = Training(config, splits, state, device, weights)
    for ends in train_together([training], splits, parts, cross_domain_at):
        for epoch in ends.values():
            if isinstance(epoch, TrainingFailed):
                raise epoch
            yield epoch
