"""Fits to stored images: kept in files, the same as without files, told apart by what they depend on, safe to kill."""

import multiprocessing
import os
import shutil
import signal
from collections import OrderedDict

import numpy as np
import pytest
import torch

from tiny import write_tiny
from tune_ks.core.config import TrialConfig
from tune_ks.core.options import Member
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.cohort.table import read_table
from tune_ks.data.dataset import all_images, open_splits
from tune_ks.model.harmonisations import HARMONISATIONS, fits_each_image
from tune_ks.model.harmonisations.fits_each_image import FitsEachImage
from tune_ks.training import stored_fits
from tune_ks.training.scoring import score
from tune_ks.training.stored_fits import images_to_fit, recall_fits, recalled_fits
from tune_ks.training.training import Training
from tune_ks.worker.run_pack import run_pack

FEW = 20  # images of one file here
OPTIONS = {"n4_side": 8, "n4_levels": 1, "n4_iterations": 1}
calls = []  # images that this process fitted


class Division(FitsEachImage):
    """x / (mean of each row), which counts how often it is fitted."""

    seconds = 0.0

    def __init__(self, floor=0.1):
        super().__init__()
        self.floor = floor

    def identity(self):
        return (*super().identity(), self.floor)

    def fitted(self, image):
        calls.append(image)
        return (image.mean(1) + self.floor).astype(np.float32)

    def applied(self, image, fits):
        return image / torch.from_numpy(fits)[:, None, :, None]


@pytest.fixture
def images(tmp_path, monkeypatch):
    monkeypatch.setattr(stored_fits, "IMAGES", FEW)
    new_process(monkeypatch)
    table, pixels = write_tiny(tmp_path / "cohort")
    return all_images(read_table(table), pixels)


def new_process(monkeypatch):
    """Forget what this process knows."""
    calls.clear()
    monkeypatch.setattr(fits_each_image, "_fits", OrderedDict())
    monkeypatch.setattr(stored_fits, "_remembered", set())


def files(images):
    return sorted(images.file.parent.glob("fits-*"))


def harmonised(harmonisation, images):
    return torch.cat([harmonisation(chunk) for chunk in images.in_chunks()])


def test_every_image_is_fitted_once_for_all_processes_and_gives_the_bits_of_no_file(images, monkeypatch):
    expected = harmonised(Division(), images)
    assert len(calls) == len(images) > 2 * FEW
    new_process(monkeypatch)
    assert images_to_fit("division", Division(), images.file) == len(images)
    recall_fits("division", Division(), images)
    assert len(calls) == len(images)
    assert len(files(images)) == -(-len(images) // FEW)
    assert images_to_fit("division", Division(), images.file) == 0
    for _ in range(2):
        new_process(monkeypatch)
        recall_fits("division", Division(), images)
        assert torch.equal(harmonised(Division(), images), expected)
        assert calls == []


@pytest.mark.parametrize("name", [name for name, member in HARMONISATIONS.items() if member.build().beforehand])
def test_a_real_one_gives_the_same_bits_from_its_files(name, images, monkeypatch):
    few = next(images.in_chunks())[: FEW + 1]
    np.save(images.file, few[:, 0].numpy())
    monkeypatch.setattr(images, "_pixels", np.load(images.file, mmap_mode="r", allow_pickle=False))
    expected = HARMONISATIONS[name].build(**OPTIONS)(few)
    new_process(monkeypatch)
    recall_fits(name, HARMONISATIONS[name].build(**OPTIONS), images)
    assert len(files(images)) == 2
    new_process(monkeypatch)
    from_files = HARMONISATIONS[name].build(**OPTIONS)
    monkeypatch.setattr(from_files, "fitted", None)  # nothing is left to fit
    recall_fits(name, from_files, images)
    assert torch.equal(from_files(few), expected)


def test_other_options_another_member_and_other_images_have_other_files(images, monkeypatch):
    recall_fits("division", Division(), images)
    first = set(files(images))
    recall_fits("division", Division(0.2), images)
    recall_fits("division@0123456789ab", Division(), images)  # of another file of the user
    assert len(files(images)) == 3 * len(first)
    changed = np.load(images.file, allow_pickle=False)
    changed[0, 0, 0] += 0.5
    np.save(images.file, changed)
    os.utime(images.file, ns=(0, 1))
    new_process(monkeypatch)
    table = read_table(images.file.with_name("cohort.csv"))
    recall_fits("division", Division(), all_images(table, images.file))
    assert len(calls) == FEW  # the one file whose image changed
    assert len(files(images)) == 3 * len(first) + 1


def test_a_damaged_file_is_made_again_and_a_folder_that_cannot_be_written_is_no_error(images, monkeypatch):
    recall_fits("division", Division(), images)
    whole = [path.read_bytes() for path in files(images)]
    files(images)[0].write_bytes(whole[0][:-7])
    files(images)[1].write_bytes(b"")
    new_process(monkeypatch)
    recall_fits("division", Division(), images)
    assert len(calls) == 2 * FEW
    assert [path.read_bytes() for path in files(images)] == whole
    for path in files(images):
        path.unlink()
    new_process(monkeypatch)

    def full(path, data):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(stored_fits, "write_npy", full)
    recall_fits("division", Division(), images)
    recall_fits("division", Division(), images)
    assert len(calls) == len(images)
    assert files(images) == []


def killed_after(count, images):
    """What a child process does: fit ``count`` images, then die."""

    class Dies(Division):
        def fitted(self, image):
            if len(calls) == count:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().fitted(image)

    Dies.__name__ = Division.__name__  # the same identity
    recall_fits("division", Dies(), images)


def in_child(target, *args):
    child = multiprocessing.get_context("fork").Process(target=target, args=args)
    child.start()
    return child


def test_a_killed_process_loses_the_images_of_one_file(images):
    child = in_child(killed_after, 2 * FEW + 1, images)
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    left = images_to_fit("division", Division(), images.file)
    assert 0 < left <= len(images) - FEW
    recall_fits("division", Division(), images)
    assert len(calls) == left
    assert images_to_fit("division", Division(), images.file) == 0
    assert not [path for path in images.file.parent.iterdir() if path.name.startswith(".")]


def test_processes_at_the_same_time_leave_what_one_would(images):
    alone = images.file.parent.with_name("alone")
    shutil.copytree(images.file.parent, alone)
    table = read_table(alone / "cohort.csv")
    recall_fits("division", Division(), all_images(table, alone / images.file.name))
    expected = {path.name: path.read_bytes() for path in alone.glob("fits-*")}
    children = [in_child(recall_fits, "division", Division(), images) for _ in range(3)]
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    assert {path.name: path.read_bytes() for path in files(images)} == expected


def test_who_waits_is_told_after_every_image_that_is_fitted(images, monkeypatch):
    count = len(images)
    fitted = list(recalled_fits("division", Division(), images))
    assert [step.done for step in fitted if step.done < FEW] == list(range(FEW))  # from the first image on
    assert {step.total for step in fitted} == {count}
    assert fitted[-1].done == count
    assert list(recalled_fits("division", Division(), images)) == []  # this process knows them
    new_process(monkeypatch)
    assert list(recalled_fits("division", Division(), images))[-1].done == count
    assert calls == []  # read from files
    assert list(recalled_fits("nyul", HARMONISATIONS["nyul"].build(), images)) == []


def test_a_worker_reports_the_fits_before_the_first_epoch(images, monkeypatch, tmp_path):
    monkeypatch.setitem(HARMONISATIONS, "division", Member(Division))
    folder = RunFolder(tmp_path / "run")
    folder.root.mkdir()
    shutil.copy(images.file.with_name("cohort.csv"), folder.cohort_csv)
    config = TrialConfig("GE", 1.0, mask="lowpass", width=0.05, epochs=1, image_size=64, harmonise="division")
    said = []

    def report(config, line):
        said.append("epoch")
        return False

    results = run_pack(
        [config], folder, images.file, "cpu", report, report_fits=lambda config, fitted: said.append(fitted.done)
    )
    assert list(results) == []
    assert (said[0], said[-2:]) == (0, [len(images), "epoch"])


def test_training_and_scoring_ask_for_the_fits_and_computed_images_have_none(images, monkeypatch):
    asked = []
    monkeypatch.setattr("tune_ks.training.training.recall_fits", lambda *args: asked.append(args[0]))
    monkeypatch.setattr("tune_ks.training.scoring.recall_fits", lambda *args: asked.append(args[0]))
    config = TrialConfig("GE", 1.0, mask="lowpass", width=0.05, epochs=1, image_size=64, harmonise="nyul")
    splits = open_splits(images.file.with_name("cohort.csv"), images.file, "GE")
    training = Training(config, splits)
    score(training.pipeline, splits.val["GE"], config)
    assert asked == ["nyul", "nyul"]
    seen = images.seen_through(lambda image, rows: image)
    recall_fits("division", Division(), seen)
    recall_fits("nyul", HARMONISATIONS["nyul"].build(), images)
    assert files(images) == []
    assert calls == []
