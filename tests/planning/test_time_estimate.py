"""The estimate of a plan's time: networks are timed once, cohorts split once, and a trial's cost is its images'."""

import dataclasses

import pytest

from tiny import write_tiny
from tune_ks.core.config import TrialConfig
from tune_ks.data.cohort.cohort import Cohort
from tune_ks.data.cohort.scan import CohortSettings
from tune_ks.data.cohort.table import read_table
from tune_ks.planning import estimate

CONFIG = TrialConfig("GE", 0.25, mask="lowpass", width=0.05, image_size=64, epochs=2)


@pytest.fixture
def timer(tmp_path, monkeypatch):
    """Of a cohort with more images of GE, and what was timed: an image takes 3 s of training and 1 s of scoring."""
    timed = []

    def steps(config, splits):
        timed.append(config)
        return 3.0, 1.0

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


def test_a_cohort_is_split_once_for_the_same_images(timer):
    timer, _ = timer
    assert timer._splits(CONFIG) is timer._splits(dataclasses.replace(CONFIG, width=0.1))
    half = timer._splits(dataclasses.replace(CONFIG, train_share=0.5))
    assert len(half.train) < len(timer._splits(CONFIG).train)
