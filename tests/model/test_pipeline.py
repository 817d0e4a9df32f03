"""Where the letters meet: identity at rate 1, lines against the two-dimensional definition, sizes, errors."""

import numpy as np
import pytest
import torch

from noise import images
from tune_ks.core.config import TrialConfig
from tune_ks.model.masks import MASKS
from tune_ks.model.pipeline import build_mask, build_pipeline, build_transform, standardised
from tune_ks.model.sampling import Measurement, Sampling, zero_fill_together

SMALL = {"temperature": 1.0, "width": 0.05, "image_size": 64}


def build(rate, side=64, **changes):
    return build_pipeline(TrialConfig("GE", rate, **{**SMALL, **changes}), side)


@pytest.mark.parametrize("mask", sorted(MASKS))
@pytest.mark.parametrize("pattern", ["lines", "points"])
def test_rate_one_is_the_identity_bit_for_bit(mask, pattern):
    if (mask, pattern) == ("equispaced", "points"):
        pytest.skip("equispaced is for lines")
    image = images(4)
    network = build(1.0, mask=mask, pattern=pattern)
    assert torch.equal(network.restore(image, torch.ones(4)).image, image)
    conditional = build(0.5, mask=mask, pattern=pattern, rate_from=0.25).eval()  # rate 1 among other rates
    restored = conditional.restore(image, torch.tensor([1.0, 0.5, 1.0, 0.25])).image
    assert torch.equal(restored[[0, 2]], image[[0, 2]])
    assert not torch.equal(restored[1], image[1])


@pytest.mark.parametrize("mask", ["gumbel", "lowpass"])
@pytest.mark.parametrize("side", [16, 17])
def test_lines_equal_the_two_dimensional_definition(mask, side):
    """|F^-1 M F x| with NumPy's whole transform and the exported mask repeated down the rows."""
    rate = 5 / side
    network = build(rate, side=side, mask=mask).eval()
    image = images(4, side)
    restored = network.restore(image, torch.full((4,), rate)).image.detach().numpy()
    kept = network.sampling.mask.binary(torch.tensor([rate]))[0, 0].numpy()
    axes = (-2, -1)
    kspace = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(image.numpy(), axes=axes)), axes=axes)
    expected = np.abs(np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(kspace * kept, axes=axes)), axes=axes))
    np.testing.assert_allclose(restored, expected, atol=1e-6)


def test_points_equal_the_two_dimensional_definition():
    network = build(0.25, side=16, pattern="points").eval()
    image = images(4, 16)
    restored = network.restore(image, torch.full((4,), 0.25)).image.detach().numpy()
    kept = network.sampling.mask.binary(torch.tensor([0.25]))[0].numpy()
    axes = (-2, -1)
    kspace = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(image.numpy(), axes=axes)), axes=axes)
    expected = np.abs(np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(kspace * kept, axes=axes)), axes=axes))
    np.testing.assert_allclose(restored, expected, atol=1e-6)


def test_one_line_is_the_mean_of_each_row():
    network = build(1 / 64, mask="lowpass").eval()
    image = images(4)
    restored = network.restore(image, torch.full((4,), 1 / 64)).image
    torch.testing.assert_close(restored, image.mean(-1, keepdim=True).expand_as(image))


def test_the_mask_gets_the_gradient_of_the_loss():
    torch.manual_seed(0)  # so small a classifier may pass nothing on, by chance
    network = build(0.25)
    network(images(4), torch.full((4,), 0.25), torch.zeros(4, 7)).square().sum().backward()
    assert network.sampling.mask.mask_logits.grad.abs().sum() > 0


def test_standardised_images_have_mean_0_and_deviation_1_whatever_their_brightness():
    image = images(4)
    output = standardised(image * 3 + 2)
    torch.testing.assert_close(output, standardised(image), atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(output.numpy().mean((1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(output.numpy().std((1, 2, 3)), 1, atol=1e-5)
    assert standardised(torch.full((1, 1, 8, 8), 0.7)).abs().max() < 1e-3


def test_a_standardised_network_does_not_see_gain_and_offset():
    given, changed, image = (torch.full((4,), 1.0), torch.zeros(4, 7)), {}, images(4)
    for name in ("image", "none"):
        torch.manual_seed(0)
        network = build(1.0, standardise=name).eval()
        changed[name] = (network(image, *given) - network(0.5 * image + 0.1, *given)).abs().max()
    assert changed["image"] < 0.01 * changed["none"]


def test_a_small_image_is_enlarged_after_sampling():
    network = build(0.25, side=32).eval()
    assert network.sampling.mask.radius.shape == (1, 32)
    assert network(images(4, 32), torch.full((4,), 0.25), torch.zeros(4, 7)).shape == (4,)


@pytest.mark.parametrize("field", ["transform", "mask", "reconstruction", "classifier"])
def test_an_unknown_member_is_named_with_the_known_ones(field):
    with pytest.raises(ValueError, match=f"{field} must be one of .*; got 'nonesuch'"):
        build(0.5, **{field: "nonesuch"})


@pytest.mark.parametrize("pattern", ["lines", "points"])
def test_measurements_that_are_zero_filled_together_are_those_of_each(pattern):
    """Two symmetric masks, two that are not, and one that all images share; values and gradients."""
    configs = [
        TrialConfig("GE", 0.25, temperature=1.0, pattern=pattern, hermitian=hermitian, seed=seed)
        for seed, hermitian in enumerate(("none", "tied", "none", "tied", "none"))
    ]
    images = torch.rand(len(configs), 4, 1, 16, 16)
    rates = torch.full((4,), 0.25)
    samplings, measured = [], []
    for config, image in zip(configs, images, strict=True):
        transform = build_transform(config)
        samplings.append(Sampling(transform, build_mask(config, transform.radius(1 if pattern == "lines" else 16, 16))))
        measured.append(samplings[-1](image, rates))
    shared = measured[0].mask.detach()[:1, 0].round()
    measured[-1] = samplings[-1](images[-1], rates, shared)
    plain = [Measurement(measurement.image, measurement.mask, measurement.transform) for measurement in measured]
    zero_fill_together(measured)
    logits = [sampling.mask.mask_logits for sampling in samplings[:-1]]
    gradients = []
    for way in (measured, plain):
        torch.testing.assert_close(way[-1].mask, shared[:, None].expand(4, -1, -1, -1))
        loss = sum((measurement.zero_filled * image.flip(-1)).sum() for measurement, image in zip(way, images))
        gradients.append(torch.autograd.grad(loss, logits, retain_graph=True))
    for together, alone in zip(measured, plain, strict=True):
        assert "zero_filled" in vars(together)
        torch.testing.assert_close(together.zero_filled, alone.zero_filled)
    torch.testing.assert_close(*gradients)
