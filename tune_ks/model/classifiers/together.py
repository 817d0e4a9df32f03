"""Several networks of the same shape computed as one: grouped convolutions, batched matrix products."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from tune_ks.model.classifiers.strided import StridedConv2d

CONVOLUTIONS = (nn.Conv2d, StridedConv2d)
Layers = Sequence[Any]  # the same layer of each of the M networks, of the type that FORMS gives to a form
Noises = Sequence[AbstractContextManager]


class Together:
    """M classifiers, called as one: (M B, 1, S, S) images, those of the first network first, -> (M B,) logits.

    ``networks`` holds the layers of each network in order. The parameters are stacked at every call, and autograd
    passes the gradients back to each network. ``noises`` are the random states for the dropout of each network. Between
    layers values are (B, M C, H, W), and (M, B, F) after they are flattened.
    """

    def __init__(self, networks: Sequence[Layers], noises: Noises) -> None:
        self.networks = networks
        self.noises = noises
        self.forms = FORMS  # type of a layer -> what computes it for all networks

    def __call__(self, image: Tensor, acquisition: Tensor, condition: Tensor) -> Tensor:
        """Acquisition and condition are not used: the only input of a network of plain layers is the image."""
        values = image.unflatten(0, (len(self.networks), -1)).transpose(0, 1).flatten(1, 2)
        for layers in zip(*self.networks, strict=True):
            values = self.forms[type(layers[0])](values, layers, self.noises)
        return values.flatten()  # of (M, B, 1)


def convolve_together(values: Tensor, layers: Layers, noises: Noises) -> Tensor:
    """(B, M C, H, W) -> (B, M O, H', W'), as measured to be faster: in turn on a CPU (docs/performance.md)."""
    return (convolve_in_groups if values.is_cuda else convolve_in_turn)(values, layers, noises)


def convolve_in_groups(values: Tensor, layers: Layers, noises: Noises) -> Tensor:
    """(B, M C, H, W) -> (B, M O, H', W'): one convolution of M groups."""
    first = layers[0]
    weight = torch.cat([layer.weight for layer in layers])
    bias = torch.cat([layer.bias for layer in layers])
    return functional.conv2d(values, weight, bias, first.stride, first.padding, groups=len(layers))


def convolve_in_turn(values: Tensor, layers: Layers, noises: Noises) -> Tensor:
    """The same as M convolutions, one after another."""
    parts = values.chunk(len(layers), dim=1)
    return torch.cat([layer(part) for layer, part in zip(layers, parts, strict=True)], dim=1)


def _by_channel(values: Tensor, layers: Layers, noises: Noises) -> Tensor:
    return layers[0](values)


def _flatten(values: Tensor, layers: Layers, noises: Noises) -> Tensor:
    """(B, M C, H, W) -> (M, B, C H W)."""
    return values.unflatten(1, (len(layers), -1)).flatten(2).transpose(0, 1)


def _dense(values: Tensor, layers: Layers, noises: Noises) -> Tensor:
    """(M, B, F) -> (M, B, O). The weights stand first, so that their gradients come as each network's lie in memory."""
    weight = torch.stack([layer.weight for layer in layers])
    bias = torch.stack([layer.bias for layer in layers])
    return torch.baddbmm(bias[:, :, None], weight, values.transpose(1, 2)).transpose(1, 2)


def _dropout(values: Tensor, layers: Layers, noises: Noises) -> Tensor:
    """(M, B, F) values times each network's dropout of ones, drawn from its random state as when trained alone."""
    if not layers[0].training:
        return values
    ones = torch.ones_like(values[0], memory_format=torch.contiguous_format)
    factors = []
    for layer, noise in zip(layers, noises, strict=True):
        with noise:
            factors.append(layer(ones))
    return values * torch.stack(factors)


Form = Callable[[Tensor, Layers, Noises], Tensor]
FORMS: dict[type[nn.Module], Form] = {  # type of layer -> function that computes M of them as one
    **dict.fromkeys(CONVOLUTIONS, convolve_together),
    nn.Linear: _dense,
    nn.Dropout: _dropout,
    nn.Flatten: _flatten,
    nn.ReLU: _by_channel,
    nn.MaxPool2d: _by_channel,
    nn.AdaptiveAvgPool2d: _by_channel,
}
