"""No network may run a convolution in a memory layout in which the library corrupts memory on some processors."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from convolutions import NETWORKS, WIDTHS, pipeline_of
from tune_ks.model.layout import is_unsafe_in_channels_last, memory_format

TESTS = Path(__file__).parents[1]

CHILD = """
import torch
from torch.nn import functional
from convolutions import NETWORKS, WIDTHS, convolutions_of

torch.set_num_threads(1)
met = 0
for convolution, image in convolutions_of(NETWORKS, WIDTHS):
    plain = image.detach().double().contiguous().requires_grad_()
    weight = convolution.weight.detach().double().contiguous().requires_grad_()
    arguments = (None, convolution.stride, convolution.padding, convolution.dilation, convolution.groups)
    functional.conv2d(plain, weight, *arguments).square().sum().backward()
    for _ in range(3):
        fast = image.detach().requires_grad_()
        convolution.weight.grad = None
        functional.conv2d(fast, convolution.weight, *arguments).square().sum().backward()
        torch.testing.assert_close(fast.grad.double(), plain.grad, rtol=1e-3, atol=1e-3 * plain.grad.abs().max().item())
        found, expected = convolution.weight.grad.double(), weight.grad
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3 * expected.abs().max().item())
    met += 1
print(torch.backends.cpu.get_cpu_capability(), met)
"""


@pytest.mark.parametrize("network", NETWORKS, ids=str)
@pytest.mark.parametrize("width", WIDTHS)
def test_an_unsafe_convolution_is_never_channels_last(network, width):
    pipeline = pipeline_of(network, width)
    for module in pipeline.modules():
        if is_unsafe_in_channels_last(module):
            assert memory_format(pipeline) == torch.contiguous_format
            assert module.weight.is_contiguous()


def test_resnet_is_unsafe_at_small_widths_alone():
    layouts = {width: memory_format(pipeline_of({"classifier": "resnet18"}, width)) for width in WIDTHS}
    plain, fast = torch.contiguous_format, torch.channels_last
    assert list(layouts.values()) == [plain, plain, fast, fast]


@pytest.mark.parametrize("isa", ["SSE41", "AVX2"])
def test_every_convolution_has_the_gradients_of_float64_on_older_processors_too(isa):
    """In a child process: memory that is corrupted ends it. ``isa`` can only lower what this processor has."""
    environment = os.environ | {"PYTHONPATH": f"{TESTS.parent}:{TESTS}", "ONEDNN_MAX_CPU_ISA": isa}
    result = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, env=environment)
    assert result.returncode == 0, result.stderr[-2000:]
    assert int(result.stdout.split()[-1]) > 100
