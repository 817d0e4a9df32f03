"""The adaptive U-Net: its kernels an image at a time, what it reads, and the same code in two and three dimensions."""

from functools import partial

import numpy as np
import pytest
import torch
from torch.nn import functional

from tune_ks.core.config import TrialConfig
from tune_ks.data.cohort.map_scan import HIGH, LOW
from tune_ks.data.dataset import ACQUISITION
from tune_ks.data.dipole import GEOMETRY, dipole_field, truncated_division
from tune_ks.evaluation.yardsticks import tkd
from tune_ks.model.classifiers import MAPPERS, unet_adaptive
from tune_ks.model.classifiers.unet_adaptive import AdaptiveUNet, FilterManifold, geometry_of
from tune_ks.model.pipeline import build_member

SIDE_INFORMATION = torch.tensor([[1.0, 1, 1, 0, 1, 0], [0.8, 1.2, 2, 0.4, -0.8, 0.45], [0.5, 2, 1, 0, 0, 1]])


def listening(manifold, std=0.3):
    """With kernels that already depend on the geometry."""
    torch.nn.init.normal_(manifold.network[-1].weight, std=std)
    return manifold


def acquisition_of(geometry):
    return torch.cat([torch.full((len(geometry), len(ACQUISITION)), torch.nan), geometry], dim=1)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_an_adaptive_convolution_is_an_ordinary_one_for_every_image(dimensions):
    torch.manual_seed(0)
    manifold = listening(FilterManifold(unet_adaptive.CONVOLUTION[dimensions](2, 3, kernel_size=3)))
    values = torch.randn(3, 2, *(6,) * dimensions)
    together = manifold(values, SIDE_INFORMATION)
    convolve = {2: functional.conv2d, 3: functional.conv3d}[dimensions]
    kernels = []
    for number in range(3):
        emitted = manifold.network(SIDE_INFORMATION[number])
        weight, bias = emitted[:-3].reshape(3, 2, *(3,) * dimensions), emitted[-3:]
        kernels.append(weight)
        expected = convolve(values[number : number + 1], weight, bias, padding=1)[0]
        torch.testing.assert_close(together[number], expected, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(kernels[0], kernels[1])


def test_the_manifold_network_has_the_published_layers_and_at_first_the_kernels_it_was_given():
    torch.manual_seed(0)
    convolution = torch.nn.Conv2d(4, 8, 3, padding=1)
    manifold = FilterManifold(convolution)
    sizes = [layer.out_features for layer in manifold.network if isinstance(layer, torch.nn.Linear)]
    assert (manifold.network[0].in_features, *sizes) == (6, 12, 48, 192, 8 * 4 * 9 + 8)
    values = torch.randn(3, 4, 5, 5)
    torch.testing.assert_close(manifold(values, SIDE_INFORMATION), convolution(values))


def test_only_the_adaptive_network_depends_on_the_geometry():
    torch.manual_seed(0)
    image = torch.rand(3, 1, 16, 16)
    met = 0
    for name in MAPPERS:
        network = build_member(
            TrialConfig("A", 1.0, task="map", classifier=name, image_size=16, width=0.1), "classifier"
        )
        torch.nn.init.normal_(network.last.weight)
        if network.manifold is not None:
            listening(network.manifold)
        outputs = [
            network(image, acquisition_of(geometry), torch.zeros(3, 2))
            for geometry in (SIDE_INFORMATION, SIDE_INFORMATION.flip(0))
        ]
        assert outputs[0].shape == image.shape
        assert torch.equal(*outputs) == (name == "unet_plain")
        met += 1
    assert met == 2


def test_before_training_the_answer_is_the_field():
    network = AdaptiveUNet([2, 2, 2, 2, 2], adaptive=True)
    image = torch.rand(3, 1, 16, 16)
    torch.testing.assert_close(network(image, acquisition_of(SIDE_INFORMATION), torch.zeros(3, 2)), image - 0.5)


def test_the_network_and_the_cohort_agree_on_where_zero_lies_and_on_the_columns():
    assert unet_adaptive.ZERO == tkd.ZERO == (0 - LOW) / (HIGH - LOW)
    assert len(GEOMETRY) == unet_adaptive.GEOMETRY
    given = acquisition_of(SIDE_INFORMATION)
    assert torch.equal(geometry_of(given), SIDE_INFORMATION)
    with pytest.raises(ValueError, match="reads voxel size and direction of B0, and this cohort gives neither"):
        geometry_of(given[:, : len(ACQUISITION)])


def test_a_size_that_cannot_be_halved_is_refused():
    config = TrialConfig("A", 1.0, task="map", classifier="unet_plain", image_size=40)
    with pytest.raises(ValueError, match="needs an image_size that is a multiple of 16, got 40"):
        build_member(config, "classifier")


def test_in_three_dimensions_kernel_division_and_a_step_of_the_network_are_the_same_code():
    chi = np.zeros((32, 32, 32))
    chi[8:20, 10:22, 12:24] = 0.1
    b0 = (0.36, 0.48, 0.8)
    field = dipole_field(chi, (1, 1, 1), b0)
    divided = truncated_division(field, (1, 1, 1), b0)
    assert np.linalg.norm(divided - chi) < 0.7 * np.linalg.norm(chi)
    torch.manual_seed(0)
    network = AdaptiveUNet([2, 2, 2, 2, 2], adaptive=True, dimensions=3)
    image = torch.tensor(field / (HIGH - LOW) + 0.5, dtype=torch.float32)[None, None]
    target = torch.tensor(chi / (HIGH - LOW), dtype=torch.float32)[None, None]
    forward = partial(network, image, acquisition_of(SIDE_INFORMATION[1:2]), torch.zeros(1, 2))
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    losses = []
    for _ in range(2):
        loss = (forward() - target).square().sum() / target.square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[1] < losses[0]
