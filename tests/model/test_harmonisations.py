"""Harmonisations: exact on hand-made images, each image by itself, fitted on training images, part of the weights."""

from collections import OrderedDict

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from tune_ks.core.config import TrialConfig
from tune_ks.model.harmonisations import HARMONISATIONS, fits_each_image, n4
from tune_ks.model.harmonisations.histogram import LEVELS, HistogramMatching
from tune_ks.model.harmonisations.nyul import PERCENTILES, Nyul, landmarks
from tune_ks.model.pipeline import build_pipeline
from tune_ks.training.members import require_own_options

SIDE = 64
SHARES = torch.tensor(PERCENTILES) / 100


def images(count=6, seed=0, power=1.0):
    """Positive, smooth in places, with a dark border."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(count, 1, SIDE, SIDE, generator=generator) ** power
    image[..., :8, :] = 0
    return image


def fitted(name, **options):
    harmonisation = HARMONISATIONS[name].build(**options)
    harmonisation.fit(iter([images(5, 1), images(3, 2)]))
    return harmonisation


def test_a_matched_image_has_the_mean_histogram_of_the_training_images():
    training = [images(5, 1), images(3, 2)]
    harmonisation = fitted("histogram")
    ordered = torch.cat(training).flatten(1).sort(1).values.double().numpy()
    shares = (np.arange(LEVELS) + 0.5) / LEVELS
    places = (np.arange(SIDE**2) + 0.5) / SIDE**2
    expected = np.mean([np.interp(shares, places, of_image) for of_image in ordered], axis=0)
    np.testing.assert_allclose(harmonisation.reference, expected, atol=1e-6)
    other = torch.rand(2, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(3)) ** 3  # no two pixels are equal
    matched = harmonisation(other).flatten(1)
    for before, after in zip(other.flatten(1), matched):
        np.testing.assert_allclose(after.sort().values, np.interp(places, shares, expected), atol=1e-5)
        assert (after[before.argsort()].diff() >= 0).all()


def test_equal_pixels_stay_equal_at_the_middle_of_their_ranks():
    harmonisation = HistogramMatching()
    harmonisation.reference.copy_(torch.arange(LEVELS))
    image = torch.zeros(1, 1, 4, 4)
    image[0, 0, 0] = 1.0
    matched = harmonisation(image)
    middle_of_zeros = 12 / 2 / 16 * LEVELS - 0.5
    middle_of_ones = (12 + 16) / 2 / 16 * LEVELS - 0.5
    assert matched.unique().tolist() == [middle_of_zeros, middle_of_ones]


def test_landmarks_are_percentiles_of_what_is_brighter_than_the_mean():
    image = images(3, 4)
    expected = []
    for of_image in image.numpy():
        bright = of_image[of_image > of_image.mean()]
        expected.append(np.percentile(bright, PERCENTILES))
    np.testing.assert_allclose(landmarks(image, SHARES), expected, atol=1e-5)


def test_nyul_moves_every_landmark_to_the_mean_one_and_is_linear_between():
    harmonisation = Nyul()
    training = images(4, 5)
    harmonisation.fit(iter([training]))
    np.testing.assert_allclose(harmonisation.standard, landmarks(training, SHARES).mean(0), atol=1e-6)
    other = images(2, 6, power=2.0)
    standard = harmonisation(other)
    for before, after, points in zip(other.flatten(1), standard.flatten(1), landmarks(other, SHARES)):
        inside = (before >= points[0]) & (before <= points[-1])
        expected = np.interp(before[inside], points, harmonisation.standard)
        np.testing.assert_allclose(after[inside], expected, atol=1e-5)
        above = before > points[-1]
        slope = (harmonisation.standard[-1] - harmonisation.standard[-2]) / (points[-1] - points[-2])
        expected = harmonisation.standard[-1] + (before[above] - points[-1]) * slope
        np.testing.assert_allclose(after[above], expected, atol=1e-5)
        assert after.min() >= 0


def test_a_planted_bias_field_is_removed():
    rows = torch.linspace(-1, 1, SIDE)
    field = (0.5 * torch.cos(torch.pi * rows)[:, None] + 0.3 * torch.cos(torch.pi * rows)[None, :]).exp()  # periodic
    clean = 0.4 + 0.2 * images(4, 7)
    clean[..., :8, :] += 0.2
    harmonisation = HARMONISATIONS["bias_removal"].build(bias_width=0.1)
    removed = harmonisation(clean * field)

    def unevenness(image):
        """Deviation of the logarithm's means over blocks of 8 x 8 pixels."""
        return image.log().unfold(2, 8, 8).unfold(3, 8, 8).mean((-2, -1)).std((-2, -1)).mean()

    assert unevenness(removed) < 0.4 * unevenness(clean * field)
    np.testing.assert_allclose(harmonisation(7 * clean * field), 7 * removed, rtol=1e-4)


@pytest.mark.parametrize("name", HARMONISATIONS)
def test_each_image_by_itself_mirrored_shifted_without_gradient_and_never_nan(name):
    harmonisation = fitted(name, **({"n4_levels": 2, "n4_iterations": 5} if name == "n4" else {}))
    image = images(4, 8)
    together = harmonisation(image)
    alone = torch.cat([harmonisation(single[None]) for single in image])
    torch.testing.assert_close(together, alone)
    moves = (lambda x: x.flip(-1), lambda x: x.flip(-2), lambda x: x.roll((3, -5), (-2, -1)))
    for move in () if harmonisation.beforehand else moves:
        torch.testing.assert_close(harmonisation(move(image)), move(together), rtol=1e-3, atol=1e-4)
    assert not harmonisation(image.clone().requires_grad_()).requires_grad or name == "none"
    for constant in (0.0, 1.0):
        assert harmonisation(torch.full((2, 1, SIDE, SIDE), constant)).isfinite().all()
    assert len({fitted(other).identity() for other in HARMONISATIONS}) == len(HARMONISATIONS)


@pytest.mark.parametrize("name", HARMONISATIONS)
def test_in_the_network_it_comes_before_the_mask_and_travels_with_the_weights(name):
    fields = {"harmonise": name, "mask": "lowpass", "width": 0.05, "image_size": SIDE, "dropout": 0.0}
    if name == "n4":
        fields |= {"n4_levels": 2, "n4_iterations": 5}
    config = TrialConfig("GE", 0.25, **fields)
    pipeline = build_pipeline(config, SIDE).eval()
    pipeline.harmonisation.fit(iter([images(5, 1)]))
    image = images(3, 9)
    rate = torch.full((3,), 0.25)
    acquisition = torch.zeros(3, 7)
    restored = pipeline.restore(image, rate)
    harmonised = pipeline.harmonisation(image)
    assert torch.equal(restored.image, pipeline.sampling(harmonised, rate).zero_filled)
    full = build_pipeline(TrialConfig("GE", 1.0, **fields), SIDE)
    full.load_state_dict(pipeline.state_dict())
    assert torch.equal(full.restore(image, torch.ones(3)).image, harmonised)
    again = build_pipeline(config, SIDE).eval()
    again.load_state_dict(pipeline.state_dict())
    assert torch.equal(again(image, rate, acquisition), pipeline(image, rate, acquisition))


def planted(side=SIDE):
    """Eight-pixel blocks of tissue under a dark border, and the same with a bias field: both (side, side)."""
    rows = torch.linspace(-1, 1, side)
    field = (0.4 * rows[:, None] + 0.3 * (2 * rows).cos()[None, :]).exp()
    blocks = 0.5 + 0.1 * torch.rand(side // 8, side // 8, generator=torch.Generator().manual_seed(0))
    clean = blocks.repeat_interleave(8, 0).repeat_interleave(8, 1)
    clean[: side // 8] = 0
    return clean, clean * field


@pytest.mark.parametrize("side", [64, 80])
def test_n4_is_what_simpleitk_finds_called_plainly(side):
    clean, image = planted(side)
    tissue = (image > 0.1 * image.mean()).numpy()
    whole = sitk.GetImageFromArray(image.numpy())
    mask = sitk.GetImageFromArray(tissue.astype(np.uint8))
    correction = sitk.N4BiasFieldCorrectionImageFilter()
    correction.SetNumberOfThreads(1)
    correction.SetMaximumNumberOfIterations([20, 20, 20])
    correction.Execute(sitk.Shrink(whole, [2, 2]), sitk.Shrink(mask, [2, 2]))
    bias = sitk.GetArrayFromImage(correction.GetLogBiasFieldAsImage(whole))
    expected = image.numpy() / np.exp(bias - bias[tissue].mean())
    harmonisation = n4.N4(n4_side=side // 2, n4_levels=3, n4_iterations=20)
    corrected = harmonisation(image[None, None])[0, 0].numpy()
    np.testing.assert_allclose(corrected, expected, rtol=1e-4)  # a spline of float32
    likeness = [np.corrcoef(seen[tissue], clean.numpy()[tissue])[0, 1] for seen in (image.numpy(), corrected)]
    assert likeness[1] > likeness[0] + 0.2, likeness
    field = np.log(image.numpy()[tissue] / clean.numpy()[tissue])
    left = np.log(corrected[tissue] / clean.numpy()[tissue])
    assert left.std() < 0.5 * field.std()


def test_the_splines_of_n4_sum_to_one_and_reach_the_ends():
    basis = n4.spline_basis(9, 4)
    assert basis.shape == (9, 7)
    np.testing.assert_allclose(basis.sum(1), 1)
    np.testing.assert_allclose(basis[0, :4], [1 / 6, 4 / 6, 1 / 6, 0])
    np.testing.assert_allclose(basis[3, 1:5], [1 / 48, 23 / 48, 23 / 48, 1 / 48])  # in the middle of the second part
    np.testing.assert_allclose(basis[-1, -4:], [0, 1 / 6, 4 / 6, 1 / 6])


def test_an_image_is_fitted_once_and_a_changed_one_again(monkeypatch):
    fitted_ones = []
    monkeypatch.setattr(fits_each_image, "_fits", OrderedDict())
    monkeypatch.setattr(fits_each_image, "REMEMBERED", 3)
    monkeypatch.setattr(n4.N4, "log_bias", lambda self, image: fitted_ones.append(image) or np.zeros_like(image))
    harmonisation = n4.N4()
    image = images(3, 1)
    assert torch.equal(harmonisation(image), image)
    harmonisation(image.flip(0))
    assert len(fitted_ones) == 3
    n4.N4(n4_levels=2)(image[:1])  # another field; the one that was used longest ago is forgotten, of the last image
    harmonisation(image[:2])
    assert len(fitted_ones) == 4
    harmonisation(image[2:])
    assert len(fitted_ones) == 5


def test_without_simpleitk_a_config_is_refused_with_what_to_install(monkeypatch):
    config = TrialConfig("GE", 0.25, mask="lowpass", harmonise="n4")
    require_own_options(config)
    monkeypatch.setattr(n4.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs SimpleITK, which is not installed: pip install 'tune_ks\[n4\]'"):
        require_own_options(config)
