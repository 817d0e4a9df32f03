"""When checkpoints are written, and what stays where one is not."""

import contextlib
import dataclasses
import hashlib
import io
import math
import resource

import numpy as np
import pytest
import torch

from benchmarks.alone import run_config
from tiny import write_tiny
from tune_ks.core.config import TrialConfig
from tune_ks.core.run_folder import RunFolder
from tune_ks.worker import run_pack
from tune_ks.worker.attempts import Superseded
from tune_ks.worker.checkpoints import SHARE, CheckpointClock, load_checkpoint, save_checkpoint

CONFIG = TrialConfig("GE", 1.0, mask="lowpass", width=0.05, image_size=64, epochs=4, batch_size=16)


class Hands:
    """A clock that a test moves."""

    seconds = 0.0

    def __call__(self):
        return self.seconds


@pytest.mark.parametrize("seed", range(5))
def test_checkpoints_take_their_share_and_no_more_is_lost_than_they_cost(seed):
    random = np.random.default_rng(seed)
    hands = Hands()
    clock = CheckpointClock(hands)
    epoch, cost = random.uniform(0.1, 100), random.uniform(0.01, 10)
    spent, unsaved, longest = [], 0.0, 0.0
    for _ in range(400):
        seconds = epoch * random.uniform(0.8, 1.2)
        hands.seconds += seconds
        unsaved += seconds
        longest = max(longest, unsaved)
        if clock.is_due():
            for _ in range(3):  # a pack of three
                with clock.writing():
                    hands.seconds += cost * random.uniform(0.8, 1.2) / 3
            spent.append(hands.seconds)
            unsaved = 0.0
    assert spent[0] < 1.2 * (epoch + cost), "the first epoch was not written"
    written = len(spent) * cost
    assert written <= SHARE * hands.seconds * 1.05 + 2 * cost
    assert longest <= 1.2 * (epoch + cost * (1 / SHARE - 1))
    assert len(spent) > 1


def test_a_quick_checkpoint_is_written_after_every_epoch():
    hands = Hands()
    clock = CheckpointClock(hands)
    for _ in range(10):
        hands.seconds += 20.0
        assert clock.is_due()
        with clock.writing():
            hands.seconds += 1.0


def test_waiting_for_storage_is_no_writing():
    hands = Hands()
    clock = CheckpointClock(hands)
    assert clock.is_due()
    with contextlib.suppress(OSError), clock.writing():
        hands.seconds += 170.0
        raise OSError("the folder is away")
    with clock.writing():
        hands.seconds += 1.0
    hands.seconds += 18.9
    assert not clock.is_due()
    hands.seconds += 0.2
    assert clock.is_due()


def test_a_checkpoint_is_what_torch_writes_and_its_digest(tmp_path):
    path = tmp_path / "checkpoint.pt"
    values = {"state": {"weight": torch.arange(100_000.0)}, "seconds": 1.5}
    save_checkpoint(path, values)
    content = path.read_bytes()
    assert hashlib.sha256(content[:-32]).digest() == content[-32:]
    for read in (load_checkpoint(path), torch.load(io.BytesIO(content[:-32]), weights_only=True)):
        assert torch.equal(read["state"]["weight"], values["state"]["weight"])
        assert read["seconds"] == 1.5
    assert torch.serialization.get_crc32_options()
    buffer = io.BytesIO()  # as version 0.2.0 wrote it
    torch.save(values, buffer)
    path.write_bytes(buffer.getvalue() + hashlib.sha256(buffer.getvalue()).digest())
    assert load_checkpoint(path)["seconds"] == 1.5


def test_the_old_one_stays_where_another_process_has_started_the_trial_meanwhile(tmp_path):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"epoch": 1})

    def superseded():
        assert len(list(tmp_path.iterdir())) == 2  # the new one is written, beside the old one
        raise Superseded("another process goes on")

    with pytest.raises(Superseded):
        save_checkpoint(path, {"epoch": 2}, superseded)
    assert load_checkpoint(path) == {"epoch": 1}
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def saved(tmp_path, monkeypatch):
    """A run folder, its images, and the epochs whose checkpoints were written."""
    epochs = []

    def save(path, values, check):
        epochs.append(len(values["state"]["history"]))
        save_checkpoint(path, values, check)

    monkeypatch.setattr(run_pack, "save_checkpoint", save)
    cohort, images = write_tiny(tmp_path)
    return RunFolder(cohort.parent), images, epochs


def test_the_first_and_the_last_epoch_are_always_written(saved, monkeypatch):
    folder, images, epochs = saved
    monkeypatch.setattr("tune_ks.worker.checkpoints.SHARE", 1e-9)
    run_config(CONFIG, folder, images)
    assert epochs == [1, 4]


def test_a_training_that_dies_goes_on_from_what_was_written_with_the_same_bits(saved, monkeypatch):
    folder, images, epochs = saved

    def died(line):
        if line["epoch"] == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("tune_ks.worker.checkpoints.SHARE", 1e-9)
        with pytest.raises(KeyboardInterrupt):
            run_config(CONFIG, folder, images, report=died)
    assert epochs == [1]
    monkeypatch.setattr("tune_ks.worker.checkpoints.SHARE", math.inf)
    record = run_config(CONFIG, folder, images)
    assert epochs == [1, 2, 3, 4]
    whole = RunFolder(folder.root / "whole")
    whole.root.mkdir()
    whole.cohort_csv.write_bytes(folder.cohort_csv.read_bytes())
    assert run_config(CONFIG, whole, images).test == record.test
    assert dataclasses.asdict(record.config) == dataclasses.asdict(CONFIG)


def test_a_disk_without_room_is_an_error_of_the_disk_and_the_old_checkpoint_stays(tmp_path):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"epoch": 1})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            save_checkpoint(path, {"epoch": 2, "weights": torch.zeros(2**16)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert load_checkpoint(path) == {"epoch": 1}
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
