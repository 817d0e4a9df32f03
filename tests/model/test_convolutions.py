"""Every convolution that the registries can build is right, and corrupts no memory, on other processors too."""

import copy
import json
import os
import subprocess
import sys

import pytest
import torch
from torch import nn

import convolutions
from convolutions import Call, Recorder
from tiny import write_tiny
from tune_ks.core.config import TrialConfig
from tune_ks.data.dataset import open_splits
from tune_ks.model.classifiers import CLASSIFIERS, DETECTORS, SEGMENTERS
from tune_ks.model.pipeline import build_pipeline
from tune_ks.model.pointwise import BLOCK, SkippingConv2d, avoid_strided_pointwise
from tune_ks.model.reconstructions import RECONSTRUCTIONS
from tune_ks.model.transforms import TRANSFORMS
from tune_ks.training.train import step
from tune_ks.training.training import Training

WIDTHS = (0.001, 0.03, 0.05, 0.125, 0.25, 1.0)  # the last three are those of shipped spaces
CHANNELS = (1, 3, 16)  # of reconstructions; shipped spaces have 16
CHECKED_HEAP = {"LD_PRELOAD": "libc_malloc_debug.so.0", "MALLOC_CHECK_": "3", "MALLOC_PERTURB_": "165"}  # of glibc


def config_of(**fields):
    shared = {"image_size": 64, "batch_size": 3, "mask": "gumbel", "temperature": 1.0, "augment": "flips"}
    return TrialConfig("GE", 0.25, **shared | fields)


def every_network():
    """Lists of configs; those of one list are trained as one."""
    for width in WIDTHS:
        yield from ([config_of(classifier=name, width=width)] for name in CLASSIFIERS)
        if width > 0.02:  # below it MONAI's U-Net has levels of one channel, which it cannot halve
            yield from ([config_of(task="segmentation", classifier=name, width=width)] for name in SEGMENTERS)
            yield from ([config_of(task="detection", classifier=name, width=width)] for name in DETECTORS)
    for transform in TRANSFORMS:
        for name in RECONSTRUCTIONS:
            small = {"reconstruction": name, "transform": transform, "reconstruction_weight": 1.0}
            for channels in CHANNELS if name != "zero_filled" else [None]:
                of_member = {"hyper_channels" if name == "hyper_recon" else "reconstruction_channels": channels}
                yield [config_of(classifier="resnet18", width=0.05, **of_member, **small)]
    yield [config_of(task="segmentation", classifier="unet", width=0.05, adversarial_weight=1.0)]
    yield [config_of(classifier="resnet18", width=0.05, mask="lowpass", temperature=None)]
    yield [config_of(width=0.05, seed=seed) for seed in range(2)]


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """The convolutions, forwards and backwards, of one training step of every network: each a Call as JSON."""
    cohort, images = write_tiny(tmp_path_factory.mktemp("tiny"), patients=5, per_patient=2)
    splits = open_splits(cohort, images, "GE", images.with_name("masks.npy"))
    count, recorder = 0, Recorder()
    for configs in every_network():
        trainings = [Training(config, splits) for config in configs]
        for training in trainings:
            training.begin_epoch()
        with recorder:
            step(trainings, [training.draws[0] for training in trainings])
        count += 1
    assert count > 60
    assert len(recorder.lines) > 1000
    return list(recorder.lines)


def test_no_network_asks_for_the_convolution_that_corrupts_memory(lines):
    """Whatever its layout, as images may come in channels-last: tune_ks/model/pointwise.py. Fails on any processor."""
    strided = [call for call in calls_of(lines) if call.weight_size[2:] == [1, 1] and max(call.stride) > 1]
    assert min(call.weight_size[1] for call in strided) >= BLOCK
    assert {call.is_backward for call in strided} == {False, True}


@pytest.mark.parametrize("instructions", ["AVX2", "SSE41", "DEFAULT"])
def test_every_convolution_is_right_and_stays_within_its_memory(lines, instructions):
    """With the code for processors that can do less than this one. glibc looks whether blocks were written beyond."""
    if instructions == torch.backends.cpu.get_cpu_capability():
        pytest.skip(f"{instructions} is all that this processor can do, as in DEFAULT")
    environment = os.environ | CHECKED_HEAP | {"ONEDNN_MAX_CPU_ISA": instructions}
    words = [sys.executable, convolutions.__file__]
    child = subprocess.run(words, input="\n".join(lines), env=environment, capture_output=True, text=True)
    assert child.returncode == 0, f"{child.returncode} at {child.stdout[-500:]}\n{child.stderr[-2000:]}"
    assert child.stdout.endswith(f"repeated {len(lines)}\n")


@pytest.mark.parametrize("stride", [2, (2, 1), (3, 2)])
@pytest.mark.parametrize("channels", [1, 7])
def test_a_convolution_that_skips_pixels_first_is_the_same_function(channels, stride):
    torch.manual_seed(0)
    plain = nn.Conv2d(channels, 5, 1, stride).double()
    network = copy.deepcopy(nn.Sequential(plain))
    avoid_strided_pointwise(network)
    assert type(network[0]) is SkippingConv2d
    results = []
    for convolution in (plain, network[0]):
        image = torch.rand(2, channels, 9, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        output = convolution(image.requires_grad_())
        output.square().sum().backward()
        results.append([output, image.grad, convolution.weight.grad, convolution.bias.grad])
    torch.testing.assert_close(*results)


@pytest.mark.parametrize(("width", "count"), [(0.05, 2), (0.1, 1), (0.125, 0), (1.0, 0)])
def test_shipped_widths_keep_their_convolutions(width, count):
    """By hand: the shortcuts of ResNet's last three stages take 64, 128 and 256 channels, times the width."""
    network = build_pipeline(config_of(classifier="resnet18", width=width), 64)
    assert sum(isinstance(module, SkippingConv2d) for module in network.modules()) == count


def calls_of(lines):
    return [Call(*json.loads(line)) for line in lines]
