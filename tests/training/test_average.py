"""Averaged weights, by a slow twin; they are what is validated, chosen, scored and exported. Clipping, by hand."""

import copy
import dataclasses

import numpy as np
import pytest
import torch

from benchmarks.alone import finish, train
from tune_ks.core.config import TrialConfig
from tune_ks.core.metrics import auc
from tune_ks.evaluation.finish import exported_mask
from tune_ks.training import training as state_of_training
from tune_ks.training.scoring import score
from tune_ks.training.train import train_together
from tune_ks.training.training import Training

FIELDS = {"image_size": 64, "epochs": 4, "batch_size": 8, "lr": 1e-3, "settle": 0.5}
LEARNED = TrialConfig("GE", 0.25, temperature=1.0, mask_lr_multiplier=300.0, width=0.05, average=0.9, **FIELDS)
WITH_BATCH_NORM = TrialConfig("GE", 0.25, mask="lowpass", classifier="resnet18", width=0.05, average=0.6, **FIELDS)


def watched(config, splits, monkeypatch):
    """A training that has ended, and a copy of its weights before the first step and after every one."""
    training = Training(config, splits)
    weights = [copy.deepcopy(training.pipeline.state_dict())]
    end_step = training.end_step

    def end_and_keep():
        end_step()
        weights.append(copy.deepcopy(training.pipeline.state_dict()))

    monkeypatch.setattr(training, "end_step", end_and_keep)
    epochs = list(train_together([training], splits))
    return training, weights, [ends[training] for ends in epochs]


def plain_average(values, decay):
    """The average of a list of arrays by its definition, in double precision."""
    average = values[0]
    for step, value in enumerate(values[1:]):
        kept = min(decay, (1 + step) / (10 + step))
        average = kept * average + (1 - kept) * value
    return average


@pytest.mark.parametrize("config", [LEARNED, WITH_BATCH_NORM], ids=lambda config: config.classifier)
def test_the_average_is_that_of_the_definition(config, splits, monkeypatch):
    config = dataclasses.replace(config, settle=0, epochs=2)
    training, weights, _ = watched(config, splits, monkeypatch)
    met = 0
    for name, average in training.average.state_dict().items():
        values = [of_step[name].double().numpy() for of_step in weights]
        if name.endswith("num_batches_tracked"):
            assert average.item() == len(weights) - 1
            continue
        np.testing.assert_allclose(average, plain_average(values, config.average), rtol=1e-4, atol=1e-6)
        moved = np.abs(values[-1] - values[0]).max() > 1e-4
        assert not moved or not torch.equal(average, weights[-1][name])
        met += moved
    names = set(training.average.state_dict())
    assert ("sampling.mask.mask_logits" in names) == (config is not WITH_BATCH_NORM and config.mask == "gumbel")
    assert met > 10


@pytest.mark.parametrize("config", [LEARNED, WITH_BATCH_NORM], ids=lambda config: config.classifier)
def test_the_averages_are_what_is_validated_chosen_scored_and_exported(config, splits):
    training = Training(config, splits)
    averages = {}
    for ends in train_together([training], splits, cross_domain_at=[4]):
        epoch = ends[training]
        averages[epoch.number] = copy.deepcopy(training.average.state_dict())
        kept = copy.deepcopy(training.average.pipeline)
        images = splits.val["GE"]
        assert epoch.val == auc(images.label.numpy(), score(kept, images, config))
    best = epoch.state["best"]
    scored = finish(config, splits, epoch.state)
    for name, value in averages[best["epoch"]].items():
        assert torch.equal(best["weights"][name], value)
        assert torch.equal(scored.pipeline.state_dict()[name], value)
    last = training.average.pipeline
    others = splits.val["SIEMENS"]
    assert epoch.cross == auc(others.label.numpy(), score(last, others, config))


def test_the_network_settles_on_the_averaged_mask(splits):
    """The two masks part while the mask learns; in the settled epochs the network is trained on the exported one."""
    training = Training(LEARNED, splits)
    differ = {}
    for ends in train_together([training], splits):
        trained, _ = exported_mask(training.pipeline, 0.25)
        averaged, _ = exported_mask(training.average.pipeline, 0.25)
        differ[ends[training].number] = bool((trained != averaged).any())
    assert [differ[number] for number in (2, 3, 4)] == [True, False, False]


def test_without_averaging_a_checkpoint_has_none_and_the_weights_are_the_trained_ones(splits):
    plain = dataclasses.replace(LEARNED, average=0.0)
    assert plain.key() == dataclasses.replace(LEARNED, average=0).key() != LEARNED.key()
    averaged = list(train(LEARNED, splits))
    alone = list(train(plain, splits))
    assert "average" not in alone[-1].state
    assert set(averaged[-1].state) == {*alone[-1].state, "average"}
    assert averaged[0].loss == alone[0].loss  # the training itself is the same while the mask moves
    assert averaged[1].loss == alone[1].loss
    assert [epoch.val for epoch in averaged] != [epoch.val for epoch in alone]


def clipped(gradients, norm):
    """All gradients together scaled down to ``norm``, in double precision."""
    length = np.sqrt(sum((gradient.astype(float) ** 2).sum() for gradient in gradients))
    return [gradient * min(1, norm / length) for gradient in gradients], length


@pytest.mark.parametrize("norm", [0.05, 1e3])
def test_a_long_gradient_is_scaled_as_a_whole(norm, splits, monkeypatch):
    config = dataclasses.replace(LEARNED, average=0.0, clip_norm=norm, epochs=1, settle=0)
    clip = state_of_training.clip_gradient
    lengths = []

    def checked(optimizer, limit):
        before = [weight.grad.numpy().copy() for weight in optimizer.parameters()]
        clip(optimizer, limit)
        expected, length = clipped(before, limit)
        for weight, gradient in zip(optimizer.parameters(), expected, strict=True):
            np.testing.assert_allclose(weight.grad, gradient, rtol=1e-4, atol=1e-9)
        lengths.append(length)

    monkeypatch.setattr(state_of_training, "clip_gradient", checked)
    (epoch,) = train(config, splits)
    assert len(lengths) > 2
    assert all((length > norm) == (norm == 0.05) for length in lengths)
    (plain,) = train(dataclasses.replace(config, clip_norm=None), splits)
    assert (epoch.loss == plain.loss) == (norm == 1e3)  # one that is long enough changes no bit
