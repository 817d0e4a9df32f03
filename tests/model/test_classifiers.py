"""Classifiers: published counts, smallest images, batch norm, and the convolution that follows the acquisition."""

import copy
import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional

from benchmarks.alone import run_config, train
from devices import DEVICES
from noise import images
from tiny import write_tiny
from tune_ks.core.config import TrialConfig
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.dataset import ACQUISITION, open_splits
from tune_ks.evaluation.other_cohort import load_model
from tune_ks.model.classifiers import CLASSIFIERS
from tune_ks.model.classifiers.alexnet import AlexNet
from tune_ks.model.classifiers.alexnet_adaptive import TYPICAL, AdaptiveAlexNet
from tune_ks.model.classifiers.strided import WIDE, StridedConv2d, channels_to_pixels, weight_gradient
from tune_ks.model.pipeline import build_member, network_shapes
from tune_ks.training.scoring import score

SMALLEST = {"alexnet": 63, "alexnet_film": 63, "alexnet_hyper": 63, "alexnet_adaptive": 63}
SMALLEST |= {"resnet18": 33, "densenet121": 61}
FACTS = dict(zip(ACQUISITION, (3.0, 5.5, 2.45, 10.0, 0.7, 0.7, 1.1)))  # one scanner's


def config_of(name, **changes):
    fields = {"classifier": name, "width": 0.05, "image_size": SMALLEST[name], "mask": "lowpass"}
    return TrialConfig("GE", 1.0, **{**fields, **changes})


def adaptive(side_dropout=0.0, listening=True):
    """A small network, and where it is ``listening`` one whose kernels already depend on the acquisition."""
    torch.manual_seed(0)
    network = AdaptiveAlexNet(0.1, 0.5, side_dropout)
    if listening:
        torch.nn.init.normal_(network.manifold.emitter[-1].weight, std=0.3)
    return network


def counted(name):
    return sum(p.numel() for p in build_member(config_of(name, width=1.0), "classifier").parameters())


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_classifier_maps_images_to_one_logit_each(name):
    logit = build_member(config_of(name, image_size=64), "classifier")(images(4), torch.zeros(4, 7), torch.zeros(4, 2))
    assert logit.shape == (4,)
    assert logit.requires_grad


def test_alexnet_has_the_published_count():
    """Convolutions 11, 5, 3, 3, 3 with 64, 192, 384, 256, 256 channels; dense 4096, 4096, 1; by hand."""
    channels, kernels = (1, 64, 192, 384, 256, 256), (11, 5, 3, 3, 3)
    count = sum(i * o * k * k + o for i, o, k in zip(channels, channels[1:], kernels))
    dense = (256 * 36, 4096, 4096, 1)
    count += sum(i * o + o for i, o in itertools.pairwise(dense))
    assert count == sum(p.numel() for p in AlexNet().parameters())
    assert f"{count:,} parameters" in AlexNet.__doc__


def test_resnet18_has_the_published_count():
    """11,689,512 of torchvision's, which has three channels and 1,000 classes; and once more by hand."""
    norm, stages = 2, (64, 128, 256, 512)
    count = 49 * 64 + norm * 64
    for before, channels in zip((64, *stages), stages):
        count += 9 * before * channels + 3 * 9 * channels**2 + 4 * norm * channels  # two blocks of two convolutions
        count += (before * channels + norm * channels) * (before != channels)  # the shortcut that changes the shape
    assert count + 513 == counted("resnet18") == 11_689_512 - 2 * 49 * 64 - 999 * 513


def test_densenet121_has_the_published_count():
    """7,978,856 of torchvision's, which has three channels and 1,000 classes; and once more by hand."""
    norm, growth, channels = 2, 32, 64
    count = 49 * channels + norm * channels
    for layers in (6, 12, 24, 16):
        for _ in range(layers):
            count += norm * channels + channels * 4 * growth + norm * 4 * growth + 9 * 4 * growth * growth
            channels += growth
        if layers != 16:
            count += norm * channels + channels * channels // 2
            channels //= 2
    count += norm * channels
    assert count + channels + 1 == counted("densenet121") == 7_978_856 - 2 * 49 * 64 - 999 * 1025


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_trains_on_one_image_of_its_smallest_size_and_refuses_a_smaller_one(name):
    smallest = SMALLEST[name]
    with pytest.raises(ValueError, match=f"{name}' needs an image_size of {smallest} or more, got {smallest - 1}"):
        build_member(config_of(name, image_size=smallest - 1), "classifier")
    network = build_member(config_of(name, width=0.001), "classifier").train()  # one channel in each place
    network(images(1, smallest), torch.full((1, 7), torch.nan), torch.zeros(1, 2)).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters())


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_the_shapes_are_known_without_the_memory(name):
    network = build_member(config_of(name), "classifier")
    built = {f"classifier.{key}": tuple(value.shape) for key, value in network.state_dict().items()}
    shapes = network_shapes(config_of(name))
    assert {key: shape for key, shape in shapes.items() if key.startswith("classifier.")} == built


@pytest.mark.parametrize("name", ["alexnet", "resnet18", "densenet121"])
def test_what_an_image_scores_depends_on_the_image_alone(name):
    network = build_member(config_of(name, image_size=64), "classifier").eval()
    scores = network(images(3), torch.rand(3, 7), torch.rand(3, 2))
    torch.testing.assert_close(network(images(3), torch.full((3, 7), torch.nan), torch.zeros(3, 2)), scores)
    torch.testing.assert_close(network(images(3)[1:2], torch.rand(1, 7), torch.rand(1, 2)), scores[1:2])


@pytest.fixture(scope="module")
def cohort_files(tmp_path_factory):
    """The tiny cohort with acquisition parameters, some of them unknown. (cohort_csv, images_npy)"""
    cohort, pixels = write_tiny(tmp_path_factory.mktemp("cohort"))
    table, rng = pd.read_csv(cohort), np.random.default_rng(0)
    for name in ("field_t", "tr_ms", "te_ms", "flip_deg", "spacing_mm", "thickness_mm"):
        table[name] = np.where(rng.random(len(table)) < 0.2, np.nan, FACTS[name] * rng.uniform(0.8, 1.25, len(table)))
    table["acquired_width"] = rng.integers(44, 64, len(table))
    table.to_csv(cohort, index=False)
    return cohort, pixels


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "alexnet_adaptive"])
def test_a_last_batch_of_one_half_batches_and_a_resumed_training(name, cohort_files):
    splits = open_splits(*cohort_files, "GE")
    size = len(splits.train) - 1
    config = config_of(name, image_size=64, epochs=2, batch_size=size, settle=0, side_dropout=0.3)
    epochs = train(config, splits, parts=2)
    state = copy.deepcopy(next(epochs).state)  # the training goes on in the same tensors
    straight = next(epochs)
    (resumed,) = train(config, splits, state, parts=2)
    for part in ("weights", "optimizer", "history"):
        torch.testing.assert_close(resumed.state[part], straight.state[part], rtol=0, atol=0)
    assert np.isfinite(straight.loss)


def test_running_statistics_are_exported_with_the_weights(cohort_files, tmp_path):
    folder = RunFolder(tmp_path)
    folder.cohort_csv.write_bytes(cohort_files[0].read_bytes())
    config = config_of("resnet18", image_size=64, epochs=1, batch_size=8)
    record = run_config(config, folder, cohort_files[1], "cpu", lambda line: None)
    network = load_model(folder, record)
    assert not torch.equal(network.classifier.features.bn1.running_mean, torch.zeros(3))
    splits = open_splits(*cohort_files, "GE")
    saved = np.load(folder.trial(config.key(), "scores.npz"))
    scores = dict(zip(saved["row"].tolist(), saved["score"]))
    expected = [scores[row] for row in splits.test["SIEMENS"].rows.tolist()]
    np.testing.assert_array_equal(score(network, splits.test["SIEMENS"], config), expected)


def test_the_adaptive_network_starts_as_alexnet_whatever_it_is_told():
    network = adaptive(listening=False).eval()
    torch.manual_seed(0)
    plain = AlexNet(0.1).eval()
    scores = network(images(3), torch.rand(3, 7), torch.zeros(3, 2))
    torch.testing.assert_close(scores, plain(images(3), torch.rand(3, 7), torch.zeros(3, 2)))
    shared = {name: value for name, value in plain.state_dict().items() if not name.startswith("features.0.")}
    assert network.load_state_dict(shared, strict=False).unexpected_keys == []


def test_each_image_is_convolved_with_the_kernels_of_its_acquisition():
    layer, facts = adaptive().manifold.eval(), torch.tensor([list(FACTS.values())])
    mixed = facts * torch.tensor([[1.0], [0.5], [2.0]])
    mixed[2, 3] = torch.nan
    slow = []
    for image, told_alone in zip(images(3), mixed):
        octaves = [np.log2(v / t) if v == v else 0 for v, t in zip(told_alone.tolist(), TYPICAL.values())]
        emitted = layer.emitter(torch.tensor([octaves], dtype=torch.float32))[0]
        kernel, bias = emitted[:-6].reshape(6, 1, 11, 11), emitted[-6:]
        slow.append(functional.conv2d(image[None], kernel, bias, stride=4, padding=2))
    torch.testing.assert_close(layer(images(3), mixed), torch.cat(slow), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(slow[0], layer(images(1), mixed[1:2]), atol=1e-3)
    equal = layer(images(3), facts.expand(3, -1))
    for convolved, image in itertools.zip_longest(equal, images(3)):
        torch.testing.assert_close(convolved, layer(image[None], facts)[0], atol=1e-5, rtol=1e-4)


def test_the_parameters_are_those_of_a_batch_in_their_order():
    assert tuple(TYPICAL) == ACQUISITION


def test_what_is_unknown_is_a_learned_value_and_reaches_no_gradient():
    network = adaptive(side_dropout=0.5).train()
    unknown = torch.tensor([[torch.nan] * 7, [torch.inf] * 7, [0.0] * 7, [-1.0] * 7])
    with torch.no_grad():
        network.manifold.absent.copy_(torch.arange(7))
    assert torch.equal(network.manifold.encode(unknown), torch.arange(7.0).expand(4, -1))
    mixed = torch.cat([unknown, torch.tensor([list(FACTS.values())])])
    network(images(5), mixed, torch.zeros(5, 2)).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters())
    assert (network.manifold.absent.grad != 0).all()


def test_parameters_are_hidden_one_by_one_in_training_only():
    layer, facts = adaptive(side_dropout=0.3).manifold, torch.tensor([list(FACTS.values())]).expand(4000, -1)
    with torch.no_grad():
        layer.absent.fill_(9)
    torch.manual_seed(1)
    hidden = layer.train().encode(facts) == 9
    torch.testing.assert_close(hidden.float().mean(0), torch.full((7,), 0.3), atol=0.03, rtol=0)
    assert len(hidden.unique(dim=0)) > 100  # 7 coins, not one
    torch.manual_seed(1)
    assert torch.equal(hidden, layer.encode(facts) == 9)
    assert not (layer.eval().encode(facts) == 9).any()
    sure = adaptive().manifold
    assert torch.equal(sure.train().encode(facts), sure.eval().encode(facts))


def test_the_adaptive_network_learns_to_listen():
    network = adaptive(listening=False).eval()
    image, near = images(3), torch.tensor([list(FACTS.values())]).expand(3, -1)
    far, nothing = near * 2, torch.zeros(3, 2)
    optimizer = torch.optim.Adam(network.manifold.parameters(), lr=1e-2)
    for _ in range(20):  # the same image is a tumour on one scanner and none on the other
        optimizer.zero_grad()
        wrong = functional.softplus(-network(image, near, nothing)) + functional.softplus(network(image, far, nothing))
        wrong.mean().backward()
        optimizer.step()
    assert (network(image, near, nothing) > network(image, far, nothing)).all()


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_channels_become_pixels_as_the_library_has_it(layout):
    single, double = torch.float32, torch.float64
    wide = 0
    for stride, inner, kind in ((4, 1, single), (2, 3, single), (2, 1, double), (1, 1, double), (3, 2, single)):
        values = torch.rand(2, inner * stride**2, 5, 6, dtype=kind).to(memory_format=layout)
        assert torch.equal(channels_to_pixels(values, stride), functional.pixel_shuffle(values, stride))
        wide += stride * values.element_size() in WIDE
    assert wide == 4  # three values of four bytes have no type of their size


def test_the_weight_s_gradient_is_the_library_s():
    torch.manual_seed(0)
    image = torch.rand(4, 1, 64, 64)
    weight = torch.rand(16, 1, 11, 11).to(memory_format=torch.channels_last)
    gradient = torch.rand(4, 16, 15, 15).to(memory_format=torch.channels_last)
    expected = nn.grad.conv2d_weight(image, weight.shape, gradient, 4, 2)
    torch.testing.assert_close(weight_gradient(gradient, image, weight, 4, 2), expected)


@pytest.mark.parametrize("kernel", [(11, 4, 2), (3, 2, 1), (5, 3, 0), (2, 4, 0), (3, 1, 1)])
@pytest.mark.parametrize("device", DEVICES)
def test_the_strided_convolution_is_the_library_s_with_the_same_gradients(kernel, device):
    for height, width, inner, outer in ((64, 64, 1, 3), (17, 22, 2, 2)):
        torch.manual_seed(0)
        plain = nn.Conv2d(inner, outer, *kernel).to(device, torch.float64)
        fast = StridedConv2d(inner, outer, *kernel).to(device, torch.float64)
        fast.load_state_dict(plain.state_dict())
        results = []
        for convolution in (plain, fast):
            image = torch.rand(2, inner, height, width, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
            image = image.to(device).requires_grad_()
            outputs = convolution(image)
            (outputs * outputs).sum().backward()
            results.append([outputs, image.grad, convolution.weight.grad, convolution.bias.grad])
        torch.testing.assert_close(*results)
