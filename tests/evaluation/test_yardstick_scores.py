"""Yardsticks: their numbers against plain loops, what chooses a setting, and what a trial's files keep of them."""

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.alone import run_config
from tiny import write_tiny
from tune_ks.core.config import TrialConfig
from tune_ks.core.metrics import auc
from tune_ks.core.record import SPLIT_CODES, TrialRecord, yardstick_column
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.cohort.table import read_table, write_table
from tune_ks.data.dataset import open_splits
from tune_ks.evaluation import yardstick_scores as scoring
from tune_ks.evaluation.finish import exported_mask
from tune_ks.evaluation.yardstick_scores import yardstick_scores
from tune_ks.evaluation.yardsticks import YARDSTICKS, linear, pixels
from tune_ks.evaluation.yardsticks.base import Labelled, numbers_of
from tune_ks.model.pipeline import build_pipeline

QUICK = {"linear_on_35_numbers"}  # of a classification
SMALL = {"mask": "lowpass", "width": 0.05, "image_size": 64, "epochs": 1}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("tiny"), patients=15)


@pytest.fixture
def nothing_remembered(monkeypatch):
    monkeypatch.setattr(scoring, "_remembered", type(scoring._remembered)())


def pipeline_and_mask(config):
    pipeline = build_pipeline(config, 64)
    return pipeline, exported_mask(pipeline, config.sampling_rate)[0]


def slow_numbers(image):
    """The 35 numbers of one image by loops, from their definition."""
    side = len(image)
    computed = [np.quantile(image, quantile) for quantile in linear.QUANTILES]
    down = [abs(image[i + 1, j] - image[i, j]) for i in range(side - 1) for j in range(side)]
    across = [abs(image[i, j + 1] - image[i, j]) for i in range(side) for j in range(side - 1)]
    computed += [np.mean(down), np.mean(across), np.sqrt(np.mean((image - image.mean()) ** 2))]
    wave = np.exp(-2j * np.pi * np.outer(np.arange(side), np.arange(side)) / side)
    power = np.abs(wave @ image @ wave / side) ** 2
    rings = [[] for _ in range(19)]
    for i in range(side):
        for j in range(side):
            radius = np.hypot(min(i, side - i) / side, min(j, side - j) / side)
            rings[min(int(radius / np.sqrt(0.5) * 19), 18)].append(power[i, j])
    return [*computed, *(np.log10(np.mean(ring) + linear.FLOOR) for ring in rings)]


def test_the_35_numbers_are_those_of_their_definition():
    images = np.random.default_rng(0).random((3, 40, 40), dtype=np.float32)
    computed = linear.numbers(images)
    assert computed.shape == (3, 35)
    np.testing.assert_allclose(computed, [slow_numbers(image.astype(float)) for image in images], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("numbers", [linear.numbers, pixels.numbers])
def test_numbers_are_of_each_image_by_itself_and_finite(numbers):
    images = np.random.default_rng(1).random((4, 16, 16), dtype=np.float32)
    images[1] = 0.5  # a constant image, with empty rings
    computed = numbers(images)
    assert np.isfinite(computed).all()
    np.testing.assert_allclose(numbers(images[2:3]), computed[2:3], rtol=1e-6)
    assert numbers(images[:0]).shape == (0, computed.shape[1])


def test_yardsticks_learn_what_there_is_to_learn_and_are_deterministic(tiny, monkeypatch):
    splits = open_splits(*tiny, "GE")
    config = TrialConfig("GE", 1.0, **SMALL)
    scored = []
    for _ in range(2):
        monkeypatch.setattr(scoring, "_remembered", type(scoring._remembered)())
        scored.append(yardstick_scores(*with_mask(config, splits), every=True))
    assert {name for name in YARDSTICKS if YARDSTICKS[name].target == "label"} == set(scored[0]) > QUICK
    for name, first in scored[0].items():
        for vendor, images in splits.test.items():
            least = 0.9 if name in QUICK else 0.6  # a bright disc is easy; in 16 x 16 pixels it is found by few images
            assert auc(images.label.numpy(), first["test"][vendor]) > least, name
            np.testing.assert_array_equal(first["test"][vendor], scored[1][name]["test"][vendor])


def test_the_slow_ones_are_computed_where_they_are_asked_for(tiny):
    splits = open_splits(*tiny, "GE")
    config = TrialConfig("GE", 1.0, **SMALL)
    assert set(yardstick_scores(*with_mask(config, splits))) == QUICK
    slow = {name for name, yardstick in YARDSTICKS.items() if yardstick.slow}
    assert slow == {"svm", "nearest_neighbours", "random_forest"}  # the test above computes them


def with_mask(config, splits):
    pipeline, mask = pipeline_and_mask(config)
    return pipeline, config, splits, mask


def test_source_validation_alone_chooses_the_penalty():
    rng = np.random.default_rng(0)
    label = np.arange(200) % 2
    train = Labelled(rng.normal(size=(200, 35)) + 0.2 * label[:, None], label)
    val = Labelled(rng.normal(size=(200, 35)) + 0.2 * label[:, None], label)
    new = rng.normal(size=(50, 35))
    chosen = linear.fit(train, val)(new)
    turned = linear.fit(train, Labelled(val.numbers, 1 - label))(new)
    assert not np.allclose(chosen, turned)  # the labels of validation matter ...
    by_hand = {}
    for inverse_penalty in linear.INVERSE_PENALTIES:
        by_hand[inverse_penalty] = logistic(train, inverse_penalty)
    best = max(by_hand, key=lambda c: auc(label, by_hand[c](val.numbers)))
    np.testing.assert_allclose(chosen, by_hand[best](new), atol=1e-4)  # ... and choose the best of the penalties
    for of_val in (Labelled(val.numbers[:0], label[:0]), Labelled(val.numbers[::2], label[::2])):
        np.testing.assert_allclose(linear.fit(train, of_val)(new), by_hand[1.0](new), atol=1e-4)


def logistic(train, inverse_penalty):
    """scikit-learn's, carried on until nothing changes any more."""
    model = LogisticRegression(C=inverse_penalty, tol=1e-10, max_iter=100_000)
    fitted = make_pipeline(StandardScaler(), model).fit(train.numbers, train.label)
    return fitted.decision_function


@pytest.mark.parametrize("count", [4, 40, 400])
@pytest.mark.parametrize("effect", [0.0, 1.0, 20.0])  # noise, something to learn, two classes far apart
@pytest.mark.parametrize("inverse_penalty", [1e-4, 1.0, 100.0])
def test_the_regression_is_scikit_learns(count, effect, inverse_penalty):
    rng = np.random.default_rng(count)
    label = np.arange(count) % 4 // 3
    numbers = rng.normal(size=(count, 35)) + effect * label[:, None]
    numbers[:, 1] = numbers[:, 0]  # quantiles may be equal in all images
    new = rng.normal(size=(20, 35))
    expected = LogisticRegression(C=inverse_penalty, tol=1e-10, max_iter=100_000).fit(numbers, label)
    scores = linear.regression(numbers, label, inverse_penalty).score(new)
    largest = np.abs(expected.decision_function(new)).max()
    np.testing.assert_allclose(scores, expected.decision_function(new), atol=1e-4 * largest, rtol=1e-4)


def test_a_yardstick_sees_the_images_as_the_mask_samples_them(tiny, nothing_remembered):
    splits = open_splits(*tiny, "GE")
    config = TrialConfig("GE", 0.25, **SMALL)
    pipeline, mask = pipeline_and_mask(config)
    seen = scoring.SeenImages(splits.train, scoring.View(pipeline, 0.25, mask, "cpu"))
    computed = numbers_of(linear.numbers, seen)
    image = splits.train.gather(torch.arange(len(splits.train))).image[:, 0].numpy()
    kspace = np.fft.fftshift(np.fft.fft(image, axis=-1), axes=-1) * mask
    zero_filled = np.abs(np.fft.ifft(np.fft.ifftshift(kspace, axes=-1), axis=-1))
    np.testing.assert_allclose(computed, linear.numbers(zero_filled.astype(np.float32)), rtol=1e-3, atol=1e-3)


def test_a_yardstick_is_fitted_once_for_one_mask(tiny, nothing_remembered, monkeypatch):
    counted = []

    def counting(train, val):
        counted.append(len(train))
        return linear.YARDSTICK.fit(train, val)

    monkeypatch.setitem(scoring.YARDSTICKS, "linear_on_35_numbers", linear.YARDSTICK._replace(fit=counting))
    for seed in (0, 1):  # another seed, opened again: the same images at rate 1
        splits = open_splits(*tiny, "GE")
        yardstick_scores(*with_mask(TrialConfig("GE", 1.0, seed=seed, **SMALL), splits))
        if seed == 0:
            once = len(counted)
    assert len(counted) == once == 1
    yardstick_scores(*with_mask(TrialConfig("GE", 0.25, **SMALL), splits))
    yardstick_scores(*with_mask(TrialConfig("SIEMENS", 1.0, **SMALL), open_splits(*tiny, "SIEMENS")))
    assert len(counted) == 3
    share = open_splits(*tiny, "GE", train_share=0.5)
    yardstick_scores(*with_mask(TrialConfig("GE", 1.0, train_share=0.5, **SMALL), share))
    assert counted[-1] == len(share.train) < counted[0]


def test_no_yardstick_where_training_images_lack_a_class(tiny):
    splits = open_splits(*tiny, "GE")
    config = TrialConfig("GE", 1.0, **SMALL)
    pipeline, mask = pipeline_and_mask(config)
    splits.train.label[:] = 1
    assert yardstick_scores(pipeline, config, splits, mask) == {}
    splits.train.label[:] = 0
    outlining = dataclasses.replace(config, task="segmentation")  # needs a tumour, and no image without one
    assert yardstick_scores(pipeline, outlining, splits, mask) == {}


def test_the_record_and_the_scores_of_a_trial_hold_them(tiny, tmp_path):
    folder = RunFolder(tmp_path / "run")
    write_table(folder.cohort_csv, read_table(tiny[0]))
    config = TrialConfig("GE", 0.25, **SMALL)
    record = run_config(config, folder, tiny[1], "cpu", lambda *_: None)
    assert set(record.yardsticks) == QUICK
    saved = np.load(folder.trial(config.key(), "scores.npz"))
    table = read_table(folder.cohort_csv)
    met = 0
    for name in QUICK:
        scores = saved[yardstick_column(name)]
        for split, code in SPLIT_CODES.items():
            assert set(record.yardsticks[name][split]) == {"GE", "SIEMENS"}
            for vendor, value in record.yardsticks[name][split].items():
                here = (saved["split"] == code) & (table["vendor"][saved["row"]] == vendor).to_numpy()
                assert auc(table["label"][saved["row"][here]], scores[here]) == pytest.approx(value)
                met += 1
    assert met == 4 * len(QUICK)
    assert TrialRecord.from_json(record.to_json()) == record


def test_a_record_without_them_is_read_and_written_as_it_was():
    record = TrialRecord(TrialConfig("GE", 0.25), {"GE": 0.9}, {"GE": 0.8}, 0.25)
    assert record.yardsticks is None
    assert "yardsticks" not in record.to_json()
    assert TrialRecord.from_json(record.to_json()) == record


@pytest.mark.parametrize(
    "damaged", [3, [1], {"linear_on_35_numbers": 1}, {"linear_on_35_numbers": {"val": {"GE": "x"}}}]
)
def test_a_damaged_field_is_named(damaged):
    record = TrialRecord(TrialConfig("GE", 0.25), {}, {}, 0.25, yardsticks={})
    text = dataclasses.replace(record, yardsticks=damaged).to_json()
    with pytest.raises(ValueError, match=r"yardsticks|could not convert"):
        TrialRecord.from_json(text)
