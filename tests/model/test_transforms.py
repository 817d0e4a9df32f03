"""Laws of every transform: inverse, energy, DC at radius 0; and the Fourier one against its definition."""

import numpy as np
import pytest
import scipy.fft
import scipy.linalg
import torch

from devices import DEVICES
from tune_ks.core.config import TrialConfig
from tune_ks.model.masks.base import mirror_index
from tune_ks.model.pipeline import build_transform
from tune_ks.model.transforms import TRANSFORMS
from tune_ks.model.transforms.base import Transform

EVERY = [(name, pattern) for name in TRANSFORMS for pattern in ("lines", "points")]
SIDES = (8, 9, 64)


def sides(name):
    return [side for side in SIDES if name != "hadamard" or side != 9]  # of powers of two only


def build(name, pattern):
    return build_transform(TrialConfig("GE", 0.5, transform=name, pattern=pattern))


@pytest.mark.parametrize(("name", "pattern"), EVERY)
def test_the_inverse_undoes_it_and_the_energy_stays(name, pattern):
    for side in sides(name):
        image = torch.rand(3, 1, side, side, dtype=torch.float64)
        transform = build(name, pattern)
        kspace = transform.forward(image)
        torch.testing.assert_close(torch.real(transform.inverse(kspace)), image)
        torch.testing.assert_close(kspace.abs().square().sum(), image.square().sum())


@pytest.mark.parametrize(("name", "pattern"), EVERY)
def test_a_constant_image_is_dc_alone_at_radius_zero(name, pattern):
    for side in sides(name):
        transform = build(name, pattern)
        kspace = transform.forward(torch.ones(2, 1, side, side, dtype=torch.float64)).abs()
        radius = transform.radius(1 if pattern == "lines" else side, side)
        assert (radius == 0).sum() == 1
        away = kspace * (radius > 0)
        assert away.max() < 1e-9
        assert kspace.max() > 1


def test_at_least_one_transform_was_met():
    assert len(EVERY) == 6


@pytest.mark.parametrize("side", SIDES)
def test_fourier_is_the_centred_orthonormal_sum(side):
    """F[k] = sum_n x[n] exp(-2 pi i (k - c)(n - c) / N) / sqrt(N), with c = N // 2, along each axis."""
    centred = np.arange(side) - side // 2
    matrix = np.exp(-2j * np.pi * np.outer(centred, centred) / side) / np.sqrt(side)
    image = np.random.default_rng(side).random((2, 1, side, side))
    points = build("fourier", "points").forward(torch.from_numpy(image)).numpy()
    np.testing.assert_allclose(points, matrix @ image @ matrix.T, atol=1e-12)
    lines = build("fourier", "lines").forward(torch.from_numpy(image)).numpy()
    np.testing.assert_allclose(lines, image @ matrix.T, atol=1e-12)


@pytest.mark.parametrize(("name", "pattern"), EVERY)
def test_the_transform_does_not_mix_the_batch(name, pattern):
    image = torch.rand(4, 1, 16, 16)
    transform = build(name, pattern)
    together = transform.forward(image)
    alone = torch.cat([transform.forward(image[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_lines_are_the_last_axis_of_points(name):
    """A mask of lines commutes with the transform along y: both ways give the same image."""
    image = torch.rand(2, 1, 16, 16, dtype=torch.float64)
    kept = torch.rand(16) < 0.4
    lines, points = build(name, "lines"), build(name, "points")
    by_lines = lines.inverse(kept * lines.forward(image))
    torch.testing.assert_close(by_lines, points.inverse(kept * points.forward(image)))


@pytest.mark.parametrize("name", TRANSFORMS)
def test_gradients_flow_both_ways(name):
    image = torch.rand(1, 8, 8, dtype=torch.float64, requires_grad=True)
    transform = build(name, "points")
    assert torch.autograd.gradcheck(lambda x: torch.real(transform.inverse(transform.forward(x) * 0.5)), image)


@pytest.mark.parametrize("size", [1, 2, 8, 32])
def test_hadamard_is_the_walsh_matrix_in_sequency_order(size):
    """Sylvester's matrix with its rows sorted by their changes of sign: 0, 1, ... N - 1, each once."""
    sylvester = scipy.linalg.hadamard(size)
    changes = (np.diff(sylvester, axis=1) != 0).sum(1)
    assert sorted(changes) == list(range(size))
    walsh = sylvester[np.argsort(changes)] / np.sqrt(size)
    np.testing.assert_array_equal(walsh, walsh.T)
    image = np.random.default_rng(size).random((2, 1, size, size))
    points = build("hadamard", "points").forward(torch.from_numpy(image)).numpy()
    np.testing.assert_allclose(points, walsh @ image @ walsh.T, atol=1e-12)
    lines = build("hadamard", "lines").forward(torch.from_numpy(image)).numpy()
    np.testing.assert_allclose(lines, image @ walsh.T, atol=1e-12)


def test_hadamard_refuses_a_side_that_is_no_power_of_two():
    with pytest.raises(ValueError, match="power of two, got 9 px"):
        build("hadamard", "lines").radius(1, 9)


@pytest.mark.parametrize("side", SIDES)
def test_cosine_is_scipys_orthonormal_dct(side):
    image = np.random.default_rng(side).random((2, 1, side, side))
    points = build("cosine", "points")
    coefficients = points.forward(torch.from_numpy(image))
    np.testing.assert_allclose(coefficients, scipy.fft.dctn(image, axes=(-2, -1), norm="ortho"), atol=1e-12)
    np.testing.assert_allclose(
        points.inverse(torch.from_numpy(image)), scipy.fft.idctn(image, axes=(-2, -1), norm="ortho"), atol=1e-12
    )
    lines = build("cosine", "lines").forward(torch.from_numpy(image))
    np.testing.assert_allclose(lines, scipy.fft.dct(image, axis=-1, norm="ortho"), atol=1e-12)


@pytest.mark.parametrize(("name", "pattern"), EVERY)
@pytest.mark.parametrize("hermitian", ["none", "tied"])
@pytest.mark.parametrize("device", DEVICES)
def test_the_fast_magnitude_and_its_gradients_are_the_plain_ones(name, pattern, hermitian, device):
    """For odd and even sides, one mask an image and one for all, of one coefficient, of some and of all."""
    if hermitian == "tied" and name != "fourier":
        pytest.skip("k and -k are the Fourier transform's")
    transform = build(name, pattern)
    transform.masks_are_symmetric = hermitian == "tied"
    stream = torch.Generator().manual_seed(0)
    for side in sides(name):
        height = 1 if pattern == "lines" else side
        shape = (height, side)
        radius = transform.radius(height, side)
        drawn = torch.rand(3, 1, *shape, generator=stream, dtype=torch.float64)
        masks = [radius.le(reach).double()[None, None] for reach in (0, 2, side)]  # round about DC: one, some, all
        masks += [drawn, drawn.lt(0.3).double(), drawn[:1]]
        for mask in masks:
            mask = mask.to(device)
            if hermitian == "tied":
                mask = mask.flatten(-2)[..., mirror_index(shape)].reshape(mask.shape) + mask
            fast, expected = [], []
            for magnitude, results in ((transform.magnitude, fast), (super_magnitude(transform), expected)):
                image = torch.rand(3, 1, side, side, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
                image, kept = image.to(device).requires_grad_(), mask.clone().requires_grad_()
                result = magnitude(image, kept)
                weights = torch.rand(result.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
                (weights.to(device) * result).sum().backward()
                results += [result, image.grad, tied_gradient(kept.grad) if hermitian == "tied" else kept.grad]
            torch.testing.assert_close(fast, expected)
            single = transform.magnitude(image.detach().float(), mask.float())
            torch.testing.assert_close(single, fast[0].detach().float(), atol=2e-6, rtol=1e-5)


def super_magnitude(transform):
    """The definition: |F^-1 M F x| as the base class has it."""
    return lambda image, mask: Transform.magnitude(transform, image, mask)


def tied_gradient(gradient):
    """What a parameter that stands at k and at -k gets."""
    shape = gradient.shape[-2:]
    return gradient + gradient.flatten(-2)[..., mirror_index(shape)].reshape(gradient.shape)


@pytest.mark.parametrize("side", [5, 6])
@pytest.mark.parametrize("pattern", ["lines", "points"])
def test_the_gradients_of_the_fourier_magnitude_are_its_slopes(pattern, side):
    stream = torch.Generator().manual_seed(side)
    transform = build("fourier", pattern)
    shape = (1, side) if pattern == "lines" else (side, side)
    image = torch.rand(2, 1, side, side, generator=stream, dtype=torch.float64).requires_grad_()
    for count in (1, 2):  # one mask for both images, and one for each
        mask = torch.rand(count, 1, *shape, generator=stream, dtype=torch.float64).requires_grad_()
        assert torch.autograd.gradcheck(transform.magnitude, (image, mask), fast_mode=True)


def test_a_magnitude_of_zero_has_a_gradient_of_zero():
    mask = torch.rand(1, 1, 1, 8, requires_grad=True)
    build("fourier", "lines").magnitude(torch.zeros(2, 1, 8, 8), mask).sum().backward()
    assert torch.equal(mask.grad, torch.zeros_like(mask))
