"""Convolutions as a network asks torch for them: recorded while it trains, then repeated alone in a child process.

``python convolutions.py < CALLS`` repeats the calls, one a line, and compares every result with float64.
"""

import json
import sys
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

FORWARD = torch.ops.aten.convolution.default
BACKWARD = torch.ops.aten.convolution_backward.default
TOLERANCE = 1e-4  # of float32, in units of the largest value


class Call(NamedTuple):
    """A convolution, or its gradient.

    ``layouts``: sizes and strides; forward of image, weight and bias, backward of the output's gradient, image and
    weight. ``settings``: the other arguments, in torch's order.
    """

    is_backward: bool
    layouts: list[tuple[list[int], list[int]] | None]
    settings: list[Any]

    @property
    def weight_size(self) -> list[int]:
        return self.layouts[2 if self.is_backward else 1][0]

    @property
    def stride(self) -> list[int]:
        return self.settings[1 if self.is_backward else 0]

    def results(self, tensors: list[Tensor | None]) -> list[Tensor]:
        """The output, or the gradients that are asked for."""
        if not self.is_backward:
            return [FORWARD(*tensors, *self.settings)]
        return [gradient for gradient in BACKWARD(*tensors, *self.settings) if gradient is not None]


class Recorder(TorchDispatchMode):
    """While it is active, every convolution is kept in ``lines``, as JSON of a Call; equal ones once."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, None] = {}

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in (FORWARD, BACKWARD):
            layouts = [None if value is None else (list(value.shape), list(value.stride())) for value in args[:3]]
            self.lines[json.dumps(Call(function is BACKWARD, layouts, list(args[3:])))] = None
        return function(*args, **(kwargs or {}))


def random_values(layout: tuple[list[int], list[int]], generator: torch.Generator) -> Tensor:
    """Normal random numbers of this size and these strides."""
    size, strides = layout
    extent = 1 + sum((count - 1) * stride for count, stride in zip(size, strides, strict=True))
    return torch.randn(extent, generator=generator).as_strided(size, strides)


def error_of(call: Call) -> float:
    """The largest difference from float64, in units of the largest value."""
    generator = torch.Generator().manual_seed(0)
    tensors = [None if layout is None else random_values(layout, generator) for layout in call.layouts]
    exact = [None if tensor is None else tensor.double().contiguous() for tensor in tensors]
    errors = [0.0]
    for result, expected in zip(call.results(tensors), call.results(exact), strict=True):
        errors.append(((result - expected).abs().max() / expected.abs().max()).item())
    return max(errors)


def main() -> None:
    """Repeat the calls of standard input. Each is printed first, so that a crash is that of the last line."""
    torch.set_num_threads(1)
    count = 0
    for line in sys.stdin:
        print(line.strip(), flush=True)
        error = error_of(Call(*json.loads(line)))
        assert error < TOLERANCE, f"wrong by {error}"
        count += 1
    print(f"repeated {count}")


if __name__ == "__main__":
    main()
