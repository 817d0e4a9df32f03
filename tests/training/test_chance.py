"""Trainings that stay at chance: the definition by hand, in the record, and begun again with other weights."""

import copy
import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch

from benchmarks.alone import run_config, train
from tiny import write_tiny
from tune_ks.core.config import TrialConfig
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.dataset import open_splits
from tune_ks.training import training as state_of_training
from tune_ks.training.chance import LOSS_SHARE, stayed_at_chance
from tune_ks.training.tasks import build_task
from tune_ks.training.train import train_together
from tune_ks.training.training import Training

FIELDS = {"mask": "lowpass", "width": 0.05, "image_size": 64, "epochs": 2, "batch_size": 8, "settle": 0.5}
STUCK = TrialConfig("GE", 1.0, lr=1e-9, restarts=1, **FIELDS)
LABEL = np.repeat([0, 1], 50)  # the deviation of the AUC is 0.058


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Images of noise: their labels can not be learned."""
    torch.set_num_threads(1)
    cohort_csv, images_npy = write_tiny(tmp_path_factory.mktemp("tiny"))
    shape = np.load(images_npy).shape
    np.save(images_npy, np.random.default_rng(0).random(shape, np.float32))
    return cohort_csv, images_npy


@pytest.fixture(scope="module")
def splits(tiny):
    return open_splits(*tiny, "GE")


@pytest.mark.parametrize(
    ("losses", "aucs", "expected"),
    [
        ([0.70, 0.69], [0.5, 0.6], True),
        ([0.70, 0.66], [0.5, 0.6], False),  # the loss fell
        ([0.70, 0.69], [0.6, 0.65], False),  # the images are ranked
        ([0.70, 0.69], [0.45, 0.7], True),  # one lucky epoch is not enough
        ([0.70, 0.69], [0.2, 0.3], True),  # worse than chance is nothing learned
    ],
)
def test_the_definition_by_hand(losses, aucs, expected):
    assert stayed_at_chance(losses, math.log(2), aucs, LABEL) == expected


def test_where_chance_is_unknown_nothing_is_said():
    assert not stayed_at_chance([9.0], math.nan, [0.5], LABEL)
    assert not stayed_at_chance([9.0], math.log(2), [0.5], np.ones(4))
    assert stayed_at_chance([9.0], math.log(2), [0.5], LABEL)


def test_scores_that_know_nothing_are_rarely_beyond_the_limit():
    from tune_ks.core.metrics import auc

    rng = np.random.default_rng(0)
    values = [auc(LABEL, rng.random(len(LABEL))) for _ in range(1000)]
    flagged = [stayed_at_chance([0.7], math.log(2), [value], LABEL) for value in values]
    assert 0.96 < np.mean(flagged) < 0.99  # one-sided, two deviations


@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.2}, {"class_weights": "balanced"}])
def test_the_constant_loss_is_the_least_that_a_constant_reaches(options, tmp_path):
    splits = open_splits(*write_tiny(tmp_path, per_patient=5), "GE")
    task = build_task(dataclasses.replace(STUCK, **options))
    task.prepare(splits.train)
    batch = splits.train.gather(torch.arange(len(splits.train)))
    logits = torch.linspace(-3, 3, 2001)
    least = min(task.loss(logit.expand(len(batch.label)), batch).item() for logit in logits)
    assert task.constant_loss() == pytest.approx(least, abs=1e-5)


def test_a_training_that_learns_is_not_at_chance_and_may_restart_without_a_change(tmp_path):
    splits = open_splits(*write_tiny(tmp_path, patients=24), "GE")
    config = TrialConfig("GE", 1.0, lr=1e-3, **FIELDS | {"epochs": 12, "width": 0.1})
    plain = list(train(config, splits))
    losses = [epoch.loss for epoch in plain]
    assert min(losses) < LOSS_SHARE * math.log(2)
    assert [epoch.loss for epoch in train(dataclasses.replace(config, restarts=1), splits)] == losses


def test_one_at_chance_begins_again_once_with_other_weights(splits):
    training = Training(STUCK, splits)
    first = copy.deepcopy(training.pipeline.state_dict())
    numbers = [ends[training].number for ends in train_together([training], splits)]
    assert numbers == [1, 2, 1, 2]
    assert training.restarts == 1
    assert training.at_chance
    assert training.is_whole
    assert len(training.history) == 2
    weights = training.pipeline.state_dict()
    assert not torch.allclose(first["classifier.features.0.weight"], weights["classifier.features.0.weight"], atol=1e-3)
    without = Training(dataclasses.replace(STUCK, restarts=0), splits)
    assert [ends[without].number for ends in train_together([without], splits)] == [1, 2]
    assert without.at_chance
    assert without.restarts == 0
    assert "restarts" not in without.state()


def test_in_a_pack_it_begins_again_by_itself(splits):
    other = dataclasses.replace(STUCK, restarts=0, seed=1)
    alone = {config: [epoch.loss for epoch in train(config, splits)] for config in (STUCK, other)}
    members = [Training(config, splits) for config in (STUCK, other)]
    together = {config: [] for config in alone}
    for ends in train_together(members, splits):
        for training, epoch in ends.items():
            together[training.config].append(epoch.loss)
    assert [len(losses) for losses in together.values()] == [4, 2]
    for config, losses in together.items():
        assert losses == pytest.approx(alone[config], rel=1e-4)


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_resumed_before_and_after_the_restart_it_has_the_same_bits(stop, splits):
    *_, straight = train(STUCK, splits)
    *_, saved = itertools.islice(train(STUCK, splits), stop)
    *_, resumed = train(STUCK, splits, copy.deepcopy(saved.state))
    assert resumed.state["history"] == straight.state["history"]
    assert resumed.state["restarts"] == straight.state["restarts"] == 1
    for name, value in straight.state["weights"].items():
        assert torch.equal(value, resumed.state["weights"][name])


def test_a_restart_that_learns_is_no_longer_at_chance(splits, monkeypatch):
    answers = iter([True, False])
    cached = {}

    def first_attempt_only(losses, *others):
        """The first training stayed at chance, the second did not, however often it is asked."""
        key = tuple(losses)
        if key not in cached:
            cached[key] = next(answers)
        return cached[key]

    monkeypatch.setattr(state_of_training, "stayed_at_chance", first_attempt_only)
    training = Training(dataclasses.replace(STUCK, restarts=3, lr=1e-3), splits)
    numbers = [ends[training].number for ends in train_together([training], splits)]
    assert numbers == [1, 2, 1, 2]
    assert training.restarts == 1
    assert not training.at_chance


def test_the_record_says_so(tiny, tmp_path):
    folder = RunFolder(tmp_path)
    folder.cohort_csv.write_bytes(tiny[0].read_bytes())
    lines = []
    record = run_config(STUCK, folder, tiny[1], "cpu", lines.append)
    assert record.facts["at_chance"] is True
    assert record.facts["begun_again"] == 1
    assert [line["epoch"] for line in lines] == [1, 2, 1, 2]
    assert len(record.history) == 2


def test_the_record_of_a_training_that_learns_says_nothing(tmp_path):
    _, images_npy = write_tiny(tmp_path, patients=24)
    config = TrialConfig("GE", 1.0, lr=1e-3, **FIELDS | {"epochs": 12, "width": 0.1})
    record = run_config(config, RunFolder(tmp_path), images_npy, "cpu", lambda line: None)
    assert not {"at_chance", "begun_again"} & set(record.facts)
