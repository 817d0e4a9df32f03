"""Styles: each against its equation, drawn from the training's own numbers, the same alone and in a pack."""

import copy
import dataclasses
from collections import OrderedDict

import numpy as np
import pytest
import torch
from numpy.polynomial.legendre import leggrid2d

from benchmarks.alone import train
from tiny import write_tiny
from tune_ks.core.config import TrialConfig
from tune_ks.data.dataset import Batch, open_splits
from tune_ks.model.harmonisations import fits_each_image, n4
from tune_ks.training.corruptions import CORRUPTIONS
from tune_ks.training.corruptions.base import corrupted
from tune_ks.training.styles import STYLES, build_style
from tune_ks.training.styles.amplitude import with_mixed_amplitude
from tune_ks.training.styles.bias_field import DEGREE, polynomials
from tune_ks.training.train import train_together
from tune_ks.training.training import Training

SIDE = 32
BLUR = CORRUPTIONS["blur"]
CHANGING = [name for name in STYLES if name != "none"]
NEEDED = {"corruption": {"corruption": "blur"}}  # style -> options without which it is none


def images(count=8):
    return torch.rand(count, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


def batch_of(image):
    count = len(image)
    target = torch.zeros(count, 0, SIDE, SIDE)
    return Batch(image, torch.zeros(count), torch.zeros(count, 7), torch.arange(count), target)


def style_of(name, **options):
    return build_style(TrialConfig("GE", 1.0, style=name, **NEEDED.get(name, {}), **options))


@pytest.mark.parametrize("name", CHANGING)
def test_a_share_of_the_images_is_changed_by_the_training_s_own_numbers(name):
    batch = batch_of(images(200))
    torch.manual_seed(2)
    changed = style_of(name).apply(batch)
    torch.manual_seed(2)
    assert torch.equal(style_of(name).apply(batch).image, changed.image)
    torch.manual_seed(3)
    assert not torch.equal(style_of(name).apply(batch).image, changed.image)
    same = (changed.image == batch.image).flatten(1).all(1)
    assert 70 <= int(same.sum()) <= 130  # half of 200, by five standard deviations
    assert changed.image.isfinite().all()
    assert changed.image.min() >= 0
    assert torch.equal(style_of(name, style_share=0.0).apply(batch).image, batch.image)
    if name not in ("amplitude_swap", "corruption"):  # the first swaps the mean at least, the second has severities
        weak = style_of(name, style_share=1.0, style_strength=1e-3).apply(batch).image
        assert (weak - batch.image).abs().max() < 0.02


def test_no_style_changes_and_draws_nothing():
    batch = batch_of(images())
    state = torch.get_rng_state()
    assert style_of("none").apply(batch) is batch
    assert torch.equal(torch.get_rng_state(), state)


def test_the_amplitude_is_mixed_and_the_phase_stays():
    image = images(2)[:1]
    other = images(2)[1:]
    mixed = with_mixed_amplitude(image, other, torch.full((1, 1, 1, 1), 0.3))
    before = np.fft.fft2(image[0, 0].double().numpy())
    amplitude = 0.7 * np.abs(before) + 0.3 * np.abs(np.fft.fft2(other[0, 0].double().numpy()))
    expected = np.abs(np.fft.ifft2(amplitude * np.exp(1j * np.angle(before))).real)
    np.testing.assert_allclose(mixed[0, 0], expected, atol=1e-5)
    whole = with_mixed_amplitude(image, image, torch.ones(1, 1, 1, 1))
    torch.testing.assert_close(whole, image, atol=1e-5, rtol=1e-5)


def test_a_swap_takes_the_low_frequencies_of_the_partner():
    torch.manual_seed(0)
    image = images(6)
    swapped = style_of("amplitude_swap", style_strength=0.2).changed(image)
    torch.manual_seed(0)
    partner = image[torch.randperm(6)]
    frequency = np.abs(np.fft.fftfreq(SIDE))
    low = np.maximum(frequency[:, None], frequency[None, :]) <= 0.1
    for x, y, result in zip(image[:, 0].double().numpy(), partner[:, 0].double().numpy(), swapped[:, 0]):
        kspace = np.fft.fft2(x)
        amplitude = np.where(low, np.abs(np.fft.fft2(y)), np.abs(kspace))
        expected = np.abs(np.fft.ifft2(amplitude * np.exp(1j * np.angle(kspace))).real)
        np.testing.assert_allclose(result, expected, atol=1e-4)


def test_the_bias_field_is_made_of_legendre_polynomials():
    place = np.linspace(-1, 1, SIDE)
    fields = []
    for i in range(DEGREE + 1):
        for j in range(DEGREE + 1 - i):
            if i + j:
                single = np.zeros((DEGREE + 1, DEGREE + 1))
                single[i, j] = 1
                fields.append(leggrid2d(place, place, single))
    np.testing.assert_allclose(polynomials(SIDE, torch.device("cpu")), fields, atol=1e-6)


def test_a_random_convolution_is_one_kernel_an_image():
    torch.manual_seed(0)
    image = torch.zeros(2, 1, SIDE, SIDE)
    image[:, :, 16, 16] = 1
    changed = style_of("random_convolution").changed(image)
    torch.manual_seed(0)
    kernel = torch.randn(2, 1, 3, 3) / 3
    share = torch.empty(2, 1, 1, 1).uniform_(0, 1)
    expected = torch.zeros_like(image)
    expected[:, :, 15:18, 15:18] = share * kernel.flip(-1, -2)
    expected[:, :, 16, 16] += (1 - share)[:, :, 0, 0]
    torch.testing.assert_close(changed, expected.abs(), atol=1e-6, rtol=1e-5)


@pytest.fixture(scope="module")
def splits(tmp_path_factory):
    cohort_csv, images_npy = write_tiny(tmp_path_factory.mktemp("styles"), patients=8, side=64)
    return open_splits(cohort_csv, images_npy, "GE")


COMMON = {"mask": "lowpass", "width": 0.05, "image_size": 64, "epochs": 2, "batch_size": 8, "lr": 1e-3}


def test_alone_and_in_a_pack_styles_draw_the_same(splits):
    configs = []
    for seed, name in enumerate(STYLES):
        configs.append(TrialConfig("GE", 0.25, style=name, seed=seed, **NEEDED.get(name, {}), **COMMON))
    alone = [list(train(config, splits))[-1].loss for config in configs]
    trainings = [Training(config, splits) for config in configs]
    *_, last = train_together(trainings, splits)
    together = [last[training].loss for training in trainings]
    assert together == pytest.approx(alone, rel=1e-4)
    plain = list(train(TrialConfig("GE", 0.25, seed=1, **COMMON), splits))[-1].loss
    assert alone[1] != pytest.approx(plain, rel=1e-4)


def test_resumed_it_draws_the_same_to_the_bit(splits):
    config = TrialConfig("GE", 0.25, style="noise", harmonise="histogram", augment="flips_shifts", **COMMON)
    epochs = train(config, splits)
    state = copy.deepcopy(next(epochs).state)  # the next epoch changes its tensors
    last = next(epochs)
    (again,) = train(config, splits, state)
    assert again.loss == last.loss
    for name, value in last.state["weights"].items():
        assert torch.equal(again.state["weights"][name], value), name


def test_a_fixed_mask_is_applied_beforehand_only_where_nothing_is_changed(splits):
    plain = Training(TrialConfig("GE", 0.25, harmonise="nyul", augment="flips_shifts", **COMMON), splits)
    assert plain.images is not splits.train
    assert not plain.trained.harmonises
    assert plain.pipeline.harmonises
    image = splits.train.gather(torch.arange(3)).image
    rate = torch.full((3,), 0.25)
    expected = plain.pipeline.restore(image, rate).image
    torch.testing.assert_close(plain.images.gather(torch.arange(3)).image, expected)
    styled = Training(TrialConfig("GE", 0.25, style="gamma", **COMMON), splits)
    assert styled.images is splits.train


def test_a_slow_harmonisation_is_computed_once_on_the_stored_images_for_all_trainings(tmp_path, monkeypatch):
    splits = open_splits(*write_tiny(tmp_path), "GE")  # its fits are made up, and are kept beside the images
    fitted = []
    monkeypatch.setattr(fits_each_image, "_fits", OrderedDict())
    slope = np.linspace(0, 1, splits.train.side)[:, None]
    monkeypatch.setattr(n4.N4, "log_bias", lambda self, image: fitted.append(image) or image.max() * slope + 0 * image)
    fields = {"harmonise": "n4", "augment": "flips_shifts", **COMMON}
    config = TrialConfig("GE", 0.25, style="noise", **fields)
    trainings = [Training(config, splits), Training(dataclasses.replace(config, seed=1), splits)]
    of_file = len(splits.train.of_file)
    assert len(fitted) == of_file
    assert trainings[0].images is trainings[1].images
    image = splits.train.gather(torch.arange(3)).image
    assert not torch.equal(trainings[0].images.gather(torch.arange(3)).image, image)
    first = trainings[0].pipeline.harmonisation(image)
    assert torch.equal(trainings[0].images.gather(torch.arange(3)).image, first)
    assert trainings[0].pipeline.harmonises  # what scores is given the stored images
    assert not trainings[0].trained.harmonises
    for _ in train_together(trainings, splits):
        pass
    assert len(fitted) == of_file  # though both were scored after every epoch
    other = Training(TrialConfig("GE", 0.25, n4_levels=2, **fields), splits)
    assert len(fitted) == 2 * of_file
    rate = torch.full((3,), 0.25)
    sampled = other.images.gather(torch.arange(3)).image  # the fixed mask too was applied beforehand
    torch.testing.assert_close(sampled, other.pipeline.restore(image, rate).image)


def test_a_corruption_is_that_of_the_evaluation_at_a_drawn_severity():
    image = images(4)
    torch.manual_seed(5)
    changed = style_of("corruption", style_strength=2).changed(image)
    torch.manual_seed(5)
    severities = torch.randint(1, 3, (4,)).tolist()
    seeds = torch.randint(2**31, (4,)).tolist()
    for position in range(4):
        expected = corrupted(BLUR, severities[position], image[position : position + 1], [seeds[position]])
        assert torch.equal(changed[position : position + 1], expected)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "corruption must be one of bias_field, blur, .*got 'None'"),
        ({"corruption": "blurred"}, "got 'blurred'"),
        (
            {"corruption": "blur", "style_strength": 6},
            "style_strength must be the highest severity, .*1 to 5, got 6",
        ),
        ({"corruption": "blur", "style_strength": 1.5}, "style_strength must be the highest severity"),
    ],
)
def test_a_corruption_that_there_is_not_is_refused(options, said):
    with pytest.raises(ValueError, match=said):
        build_style(TrialConfig("GE", 1.0, style="corruption", **options))
