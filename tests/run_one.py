"""One training by itself, without Ray: what tests compare a search, a pack or a resumed trial with."""

from tune_ks.evaluation.finish import finish_trainings
from tune_ks.training.train import TrainingFailed, train_together
from tune_ks.training.training import Training
from tune_ks.worker.run_pack import run_pack


def train(config, splits, state=None, device="cpu", parts=1, cross_domain_at=(), weights=None):
    """Yields each Epoch; raises TrainingFailed where the training fails."""
    training = Training(config, splits, state, device, weights)
    for ends in train_together([training], splits, parts, cross_domain_at):
        for epoch in ends.values():
            if isinstance(epoch, TrainingFailed):
                raise epoch
            yield epoch


def run_config(config, folder, images_npy, device, report, masks_npy=None):
    """The record of one config, trained from its checkpoint if it has one; its failure is raised.

    ``report`` is called with every line of the history.
    """

    def report_and_continue(_, line):
        report(line)
        return True

    ((_, result),) = run_pack([config], folder, images_npy, device, report_and_continue, masks_npy=masks_npy)
    if isinstance(result, Exception):
        raise result
    return result


def finish(config, splits, state, device="cpu"):
    """The scores of one training with its best weights."""
    return finish_trainings([config], splits, [state], device)[0]
