"""Every learned family finds the lines in which a planted label lies, and a low-pass below them finds nothing."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata

from benchmarks.alone import finish, train_to_end
from benchmarks.planted_truth import LEARNED, thinned
from search_spaces import RECIPE, THINNED, THINNED_LOUPE
from tune_ks.data.cohort.table import COLUMNS, split_patients
from tune_ks.data.dataset import open_splits
from tune_ks.data.phantom.planted import Plant, lines_of, planted
from tune_ks.model.masks.loupe import PROBABILITY_SLOPE
from tune_ks.training.members import config_from

SIDE = 40
BAND = (11, 11)
SMALL = {"width": 0.125, "image_size": SIDE, "epochs": 20, "batch_size": 16, "test_time": "none"}


@pytest.fixture(scope="module")
def splits(tmp_path_factory):
    """Smooth images of 30 patients and, of another vendor, of 4: with a label in the lines |k| = 11 of 40."""
    folder = tmp_path_factory.mktemp("planted")
    rng = np.random.default_rng(0)
    vendors = np.repeat(["GE", "SIEMENS"], [240, 32])
    k = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE)))
    noise = np.fft.fft2(rng.standard_normal((len(vendors), SIDE, SIDE)))
    images = np.fft.ifft2(noise / (k + 1 / SIDE) ** 2).real
    images = (images - images.min((1, 2), keepdims=True)) / np.ptp(images, axis=(1, 2), keepdims=True)
    images, label = planted(images, vendors, Plant(bands=(BAND,), level=0.5, contrast=2.0))
    table = pd.DataFrame({name: [None] * len(vendors) for name in COLUMNS})
    table["row"] = np.arange(len(vendors))
    table["path"] = [f"{row}.dcm" for row in table["row"]]
    table["patient_id"] = [f"patient{row // 8}" for row in table["row"]]
    table = table.assign(vendor=vendors, label=label, series="pre", slice=1, orientation="canonical", width=SIDE)
    table["split"] = split_patients(table, 0)
    table.to_csv(folder / "cohort.csv", index=False)
    np.save(folder / "images.npy", images)
    return open_splits(folder / "cohort.csv", folder / "images.npy", "GE")


def result_of(splits, **values):
    """The exported mask, and the in-domain test AUC of the scores, by the definition with ranks."""
    config = config_from({"vendor": "GE", **RECIPE, **SMALL, **values})
    done = finish(config, splits, train_to_end(config, splits))
    label = splits.test["GE"].label.numpy() == 1
    ranks = rankdata(done.scores["test"]["GE"])
    auc = (ranks[label].sum() - label.sum() * (label.sum() + 1) / 2) / (label.sum() * (~label).sum())
    return done.mask, auc


@pytest.mark.parametrize(("family", "seed"), [("gumbel", 1), *((family, 0) for family in LEARNED)])
def test_a_learned_mask_holds_the_planted_lines(splits, family, seed):
    mask, auc = result_of(splits, sampling_rate=6 / SIDE, seed=seed, **thinned(family))
    kept = {abs(int(k) - SIDE // 2) for k in np.flatnonzero(mask & lines_of((BAND,), SIDE))}
    assert mask.sum() == 6
    assert kept == {11}  # k and -k are conjugates in a real image: either holds the line
    assert auc > 0.9


def test_one_step_moves_the_logits_of_loupe_as_far_as_those_of_the_other_families():
    assert THINNED_LOUPE["mask_lr_multiplier"] * PROBABILITY_SLOPE == THINNED["mask_lr_multiplier"]
    for family in LEARNED:
        expected = THINNED_LOUPE if family.startswith("loupe") else THINNED
        assert thinned(family)["mask_lr_multiplier"] == expected["mask_lr_multiplier"]


def test_a_low_pass_below_the_planted_lines_sees_nothing(splits):
    mask, auc = result_of(splits, mask="lowpass", sampling_rate=6 / SIDE)
    assert not (mask & lines_of((BAND,), SIDE)).any()
    assert 0.3 < auc < 0.7
