"""The estimate of a plan's time: networks are timed once, cohorts split once, and a trial's cost is its images'."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from tiny import write_tiny
from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.cohort.cohort import Cohort
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.cohort.table import read_table
from tune_ks.data.dataset import all_images
from tune_ks.model.harmonisations.n4 import N4
from tune_ks.planning import estimate
from tune_ks.planning.estimate import timed_steps
from tune_ks.planning.plan import Plan
from tune_ks.training.stored_fits import recall_fits

CONFIG = TrialConfig("GE", 0.25, mask="lowpass", width=0.05, image_size=64, epochs=2)


@pytest.fixture
def timer(tmp_path, monkeypatch):
    """Of a cohort with more images of GE, and what was timed: an image takes 3 s of training and 1 s of scoring."""
    timed = []

    def steps(config, splits):
        timed.append(config)
        return estimate.StepTimes(3.0, 1.0, 1.0, 4000)

    monkeypatch.setattr(estimate, "timed_steps", steps)
    table_csv, images = write_tiny(tmp_path)
    table = read_table(table_csv)
    table = table[(table["vendor"] == "GE") | (table["slice"] < 3)].assign(row=lambda kept: range(len(kept)))
    cohort = Cohort(table, table[:0], CohortSettings(), images, "0123456789ab", 64)
    return estimate.Timer({64: cohort}, 0), timed


def seconds(timer, config):
    splits = timer._splits(config)
    own_val = len(splits.val[config.vendor])
    val = sum(map(len, splits.val.values()))
    test = sum(map(len, splits.test.values()))
    return config.epochs * (3 * len(splits.train) + own_val) + val + test + estimate.DRAWS * val


def test_a_network_is_timed_once_whoever_made_the_images(timer):
    timer, timed = timer
    configs = [dataclasses.replace(CONFIG, vendor=vendor, epochs=n) for vendor in ("GE", "SIEMENS") for n in (1, 2)]
    estimates = [timer.seconds_of(config) for config in configs]
    assert timed == configs[:1]
    assert estimates == [seconds(timer, config) for config in configs]
    assert len(set(estimates)) == 4
    timer.seconds_of(dataclasses.replace(CONFIG, width=0.1))
    timer.seconds_of(dataclasses.replace(CONFIG, sampling_rate=1.0))
    assert len(timed) == 3


def test_what_is_computed_beforehand_counts_once_for_every_image_without_it(timer, monkeypatch):
    timer, timed = timer
    fake = estimate.timed_steps
    monkeypatch.setattr(estimate, "timed_steps", lambda config, splits, device: fake(config, splits))
    config = dataclasses.replace(CONFIG, harmonise="n4")
    timed_steps(config, None)
    assert timed == [CONFIG]
    monkeypatch.setattr(estimate, "timed_steps", fake)
    cohort = timer.cohorts[64]
    load = estimate.Load(cores=2, busy=0.0, slots=2)

    def total(*configs):
        plan = Plan([[config] for config in configs], 0, 0, 0)
        return estimate.estimate(plan, RunFolder("/nonexistent"), timer.cohorts, 0, load).total

    plain = total(CONFIG, dataclasses.replace(CONFIG, seed=1))
    of_images = N4.seconds * len(np.load(cohort.images))
    spread = estimate.SPREAD
    with_n4 = total(config, dataclasses.replace(config, seed=1))
    assert with_n4 == pytest.approx((plain.low + of_images, plain.high + spread * of_images))
    monkeypatch.setattr(N4, "fitted", lambda self, image: image[:2, :2])
    recall_fits("n4", N4(), all_images(cohort.table, cohort.images))
    assert total(config, dataclasses.replace(config, seed=1)) == plain
    assert total(config, dataclasses.replace(config, n4_side=16)) == pytest.approx(with_n4)


def test_a_network_that_no_memory_holds_is_one_message(timer, monkeypatch):
    timer, _ = timer
    network = dataclasses.replace(CONFIG, seed=7, batch_size=16)

    def fails(error):
        def timed_steps(config, splits):
            raise error

        return timed_steps

    for error in (MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")):
        monkeypatch.setattr(estimate, "timed_steps", fails(error))
        with pytest.raises(ValueError, match=r"does not fit into the memory here \(.*image_size 64, batch_size 16\)"):
            timer.seconds_of(network)
    monkeypatch.setattr(estimate, "timed_steps", fails(RuntimeError("a fault of the program")))
    with pytest.raises(RuntimeError, match="a fault of the program"):
        timer.seconds_of(network)


def test_a_cohort_is_split_once_for_the_same_images(timer):
    timer, _ = timer
    assert timer._splits(CONFIG) is timer._splits(dataclasses.replace(CONFIG, width=0.1))
    half = timer._splits(dataclasses.replace(CONFIG, train_share=0.5))
    assert len(half.train) < len(timer._splits(CONFIG).train)


def test_a_plan_takes_from_an_idle_machine_to_all_slots_at_the_present_load(timer, tmp_path):
    of_trial, _ = timer
    idle = of_trial.seconds_of(CONFIG)
    full = dataclasses.replace(CONFIG, sampling_rate=1.0)
    wide = dataclasses.replace(CONFIG, width=0.1)
    folder = RunFolder(tmp_path / "run")
    for seed, seconds in ((0, 40.0), (1, 60.0)):
        config = dataclasses.replace(wide, seed=seed)
        folder.write_config(config)
        record = TrialRecord(config, {"GE": 0.5}, {"GE": 0.5}, 0.25, seconds=seconds)
        folder.write_record(record)
    load = estimate.Load(cores=2, busy=4.0, slots=2)
    assert load.crowding == 3
    assert estimate.Load(cores=8, busy=0.5, slots=2).crowding == 1
    plan = Plan([[CONFIG], [full], [dataclasses.replace(wide, seed=2)]], 0, 2, 0)
    expected = estimate.estimate(plan, folder, of_trial.cohorts, 0, load)
    spread = estimate.SPREAD
    assert expected.total == pytest.approx((2 * idle + 40, 2 * idle * 3 * spread + 60 * spread))
    assert expected.together == pytest.approx((expected.total.low / 2, expected.total.high / 2))
    assert expected.basis == (
        "for 1 training from the time that finished trials of this run took "
        "and for 2 trainings estimated by timing a few training steps"
    )
    assert expected.cache_bytes == 0
    assert expected.run_bytes > 0
    drawn = estimate.estimate(Plan([], 3, 2, 0), folder, of_trial.cohorts, 0, load)
    assert drawn.total == pytest.approx((3 * 40, 3 * 60 * spread))
    unknown = estimate.estimate(Plan([], 3, 0, 0), RunFolder(tmp_path / "none"), of_trial.cohorts, 0, load)
    assert math.isnan(unknown.together.low)


def test_images_that_are_not_decoded_are_stood_in_for_by_empty_ones_of_their_shape(timer):
    decoded = timer[0].cohorts[64]
    undecoded = dataclasses.replace(decoded, images=decoded.images.with_name("absent.npy"), fingerprint="")
    made_up = estimate.Timer({64: undecoded}, 0)
    assert made_up.seconds_of(CONFIG) == timer[0].seconds_of(CONFIG)
    batch = made_up._splits(CONFIG).train.gather(torch.arange(3))
    assert batch.image.shape == (3, 1, 64, 64)
    assert not batch.image.any()
    load = estimate.Load(cores=2, busy=0.0, slots=1)
    expected = estimate.estimate(Plan([[CONFIG]], 0, 0, 0), RunFolder("/nonexistent"), {64: undecoded}, 0, load)
    assert expected.cache_bytes == len(decoded.table) * 64 * 64 * 4
    assert expected.run_bytes == 4000 + estimate.BESIDE_WEIGHTS
