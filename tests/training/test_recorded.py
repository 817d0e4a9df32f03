"""A recorded step: replays give the numbers of ordinary steps; what cannot be recorded trains as ever.

No GPU is needed: a tape stands for the graph (tests/tape.py).
"""

import copy
import dataclasses

import pytest
import torch

from benchmarks import same_step
from benchmarks.synthetic import synthetic
from tape import Tape
from tune_ks.core.config import TrialConfig
from tune_ks.training.noise import Noise
from tune_ks.training.recorded import WARM_UP, RecordedStep, why_unrecorded
from tune_ks.training.tasks import task_of
from tune_ks.training.tasks.classification import Classification
from tune_ks.training.train import train_together
from tune_ks.training.training import Training

# a power of two: as float32, as a replay reads it, it is the same number
FIELDS = {"width": 0.05, "image_size": 64, "epochs": 2, "batch_size": 2, "lr": 2**-10, "dropout": 0.5, "settle": 0.0}
FULL = 4  # whole batches of an epoch; one of a single image follows
REPLAYED = 2 * FULL - WARM_UP  # in two epochs
GUMBEL = TrialConfig("GE", 0.25, temperature=1.0, **FIELDS)
SMALLER = {  # of members that take seconds otherwise
    "reconstruction hyper_recon": {"hyper_channels": 4},
    "harmonise n4": {"n4_side": 16, "n4_levels": 1, "n4_iterations": 2},
}
NAMES = {  # each config once
    dataclasses.replace(config, **FIELDS, **SMALLER.get(name, {})): name for name, config in same_step.every_member()
}
MEMBERS = {name: config for config, name in NAMES.items()}
NOT_HERE = {  # read by the host on a CPU; on a GPU tests/worker/test_simulated_gpu.py replays them
    "classifier alexnet_hyper",
    "classifier alexnet_adaptive",
}
UNRECORDED = {"style corruption", "lines, conditional", "points, conditional"}  # the host draws, or looks up by a rate


@pytest.fixture(scope="module")
def images():
    return {masks: synthetic(2 * FULL + 1, 64, masks) for masks in (False, True)}


@pytest.fixture
def splits(images):
    return images[False]


def trained(config, splits, recorded=None, state=None, until=None):
    """The training after its last epoch, or after the epoch ``until``."""
    training = Training(config, splits, state)
    for _ in train_together([training], splits, recorded=recorded):
        if len(training.history) == until:
            break
    return training


def tensors_of(training):
    """Weights, state of the task, moments, averages: everything that training changes."""
    state = training.state()
    values = {**state["weights"], **state["task"]}
    for number, moments in state["optimizer"]["state"].items():
        values |= {f"{number} {name}": value for name, value in moments.items()}
    return values | {f"average {name}": value for name, value in state.get("average", {}).items()}


def require_same(one, other, tolerance=0.0):
    losses = [[line["loss"] for line in training.history] for training in (one, other)]
    assert losses[1] == pytest.approx(losses[0], rel=tolerance, abs=0)
    expected, found = tensors_of(one), tensors_of(other)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=tolerance, atol=tolerance, msg=f"{name} differs")


def test_the_walk_replays_nearly_every_member():
    assert MEMBERS.keys() >= NOT_HERE | UNRECORDED
    assert len(MEMBERS) - len(NOT_HERE | UNRECORDED) > 30


@pytest.mark.parametrize("name", MEMBERS)
def test_replays_give_the_bits_of_ordinary_steps(name, images):
    """But for the rounding of a learning rate that falls: its factors are numbers with more digits than float32 has."""
    config = MEMBERS[name]
    on = images[task_of(config).reads_masks()]
    recorded = RecordedStep(Tape())
    by_replays = trained(config, on, recorded)
    falls = config.schedule != "constant"
    require_same(trained(config, on), by_replays, tolerance=1e-5 if falls else 0.0)
    assert recorded.taken == 2 * (FULL + 1)
    assert (recorded.replayed == 0) == (name in NOT_HERE | UNRECORDED)
    if recorded.replayed:
        assert recorded.replayed == (REPLAYED if recorded.recorder.recordings == 1 else 2 * (FULL - WARM_UP))
        assert recorded.failure is recorded.reason is None


EVERYTHING = {"average": 0.8, "clip_norm": 0.5, "mixup": 0.4, "mask_moment": "shared", "augment": "warp"}
CHANGES = {  # what differs -> recordings in four epochs
    "nothing": ({}, 1),
    "the mask settles": ({"settle": 0.5}, 2),
    "the temperature falls": ({"temperature_end": 0.25}, 4),
    "the mask of each epoch is another one": ({"mask": "lowpass", "temperature": None, "rate_start": 0.9}, 1),
    "the reconstruction is trained alone": (
        {"reconstruction": "hqs_net", "reconstruction_channels": 2, "reconstruction_weight": 1.0,
         "reconstruction_epochs": 2, "settle": 0.25}, 3),
    "all that a step can do": (EVERYTHING, 1),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_step_is_recorded_anew_where_the_host_decides_otherwise(name, splits):
    changes, recordings = CHANGES[name]
    config = dataclasses.replace(GUMBEL, epochs=4, **changes)
    recorded = RecordedStep(Tape())
    require_same(trained(config, splits), trained(config, splits, recorded))
    assert recorded.recorder.recordings == recordings
    assert recorded.replayed == 4 * FULL - recordings * WARM_UP


def test_a_training_resumes_either_way(splits):
    config = dataclasses.replace(GUMBEL, epochs=4, average=0.8)
    straight = trained(config, splits)
    for first, then in ((None, RecordedStep(Tape())), (RecordedStep(Tape()), None)):
        stopped = trained(config, splits, first, until=2)
        resumed = trained(config, splits, then, state=copy.deepcopy(stopped.state()))
        require_same(straight, resumed)
        assert (first or then).replayed == REPLAYED


class NoMemory(Tape):
    def record(self, function):
        super().record(function)
        raise torch.OutOfMemoryError("no memory for the graph\nand a second line")


def test_without_memory_for_a_recording_steps_are_ordinary(splits):
    recorded = RecordedStep(NoMemory())
    require_same(trained(GUMBEL, splits), trained(GUMBEL, splits, recorded))
    assert recorded.recorder.recordings == 1  # not tried again
    assert recorded.summary == "0 of 10 steps replayed; OutOfMemoryError: no memory for the graph"


def test_a_step_whose_values_the_host_reads_is_not_recorded(splits, monkeypatch):
    loss = Classification.loss

    def read(self, output, batch):
        assert output.sum().item() < 1e9
        return loss(self, output, batch)

    monkeypatch.setattr(Classification, "loss", read)
    recorded = RecordedStep(Tape())
    require_same(trained(GUMBEL, splits), trained(GUMBEL, splits, recorded))
    assert "the host reads a value" in recorded.summary


def test_a_module_that_replaces_its_tensors_is_not_recorded(splits, monkeypatch):
    loss = Classification.loss

    def replace(self, output, batch):
        self.kept = [*getattr(self, "kept", []), output.detach().mean()]  # so that no address comes again
        self.mean = self.kept[-1]
        return loss(self, output, batch)

    monkeypatch.setattr(Classification, "loss", replace)
    recorded = RecordedStep(Tape())
    require_same(trained(GUMBEL, splits), trained(GUMBEL, splits, recorded))
    assert recorded.recorder.recordings == 0
    assert "puts new tensors in place" in recorded.summary


def test_the_tape_sees_a_number_of_python_that_changes_from_step_to_step(splits, monkeypatch):
    """Without this the tests above could pass by looking at nothing."""
    update = Training.update
    config = dataclasses.replace(GUMBEL, schedule="cosine")

    def as_before(self, skip, factors):
        return update(self, skip, self.factors(self.steps_done))

    monkeypatch.setattr(Training, "update", as_before)
    with pytest.raises(AssertionError):
        require_same(trained(config, splits), trained(config, splits, RecordedStep(Tape())), tolerance=1e-5)


def test_why_a_training_is_not_recorded(splits):
    alone = Training(GUMBEL, splits)
    assert why_unrecorded([alone], 1) is None
    assert "several" in why_unrecorded([alone, alone], 1)
    assert "in parts" in why_unrecorded([alone], 2)
    conditional = Training(MEMBERS["lines, conditional"], splits)
    assert "drawn for every image" in why_unrecorded([conditional], 1)


def test_a_pack_is_trained_as_ever_and_recorded_once_one_is_left(splits):
    configs = [GUMBEL, dataclasses.replace(GUMBEL, seed=1)]
    recorded = RecordedStep(Tape())
    pack = [Training(config, splits) for config in configs]
    for _ in train_together(pack, splits, recorded=recorded):
        pack[1].left = True
    assert len(pack[0].history) == 2
    assert recorded.replayed == FULL - WARM_UP


def test_a_noise_that_is_entered_twice_draws_as_one_entered_once():
    once, twice = Noise(3), Noise(3)
    with once:
        expected = torch.rand(4)
    outside = torch.get_rng_state()
    with twice:
        first = torch.rand(2)
        with twice:
            second = torch.rand(2)
    assert torch.equal(torch.cat([first, second]), expected)
    assert torch.equal(torch.get_rng_state(), outside)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("mask", ["gumbel", "lowpass"])
def test_a_gpu_replays_what_ordinary_steps_compute(mask, splits):
    temperature = 1.0 if mask == "gumbel" else None
    config = dataclasses.replace(GUMBEL, epochs=4, mask=mask, temperature=temperature)
    trainings = []
    for recorded in (None, RecordedStep()):
        training = Training(config, splits, device="cuda")
        for _ in train_together([training], splits, recorded=recorded):
            pass
        trainings.append(training)
    assert recorded.replayed == 4 * FULL - WARM_UP, recorded.summary
    require_same(*trainings, tolerance=1e-3)  # some kernels add in any order
