"""Convolutions with other kernels for every image, and the network that computes these kernels."""

import torch
from torch import Tensor, nn
from torch.nn import functional

CONVOLVE = {2: functional.conv2d, 3: functional.conv3d}  # number of spatial dimensions -> function


def convolve_each(image: Tensor, kernel: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
    """(B, C, H, W) images, (B, O, C, k, k) kernels and (B, O) biases per image -> (B, O, H', W'). Or in 3-D.

    One convolution of B groups; on a CPU an ordinary one where all images have the same kernels (scoring at a single
    rate). Elsewhere the kernels are not compared: the host would wait for the answer in every step.
    """
    if torch.compiler.is_compiling():  # exported: neither the values nor the size of the batch are known
        return convolve_unfolded(image, kernel, bias, stride, padding)
    convolve = CONVOLVE[image.dim() - 2]
    if len(kernel) == 1 or (kernel.device.type == "cpu" and are_alike(kernel) and are_alike(bias)):
        return convolve(image, kernel[0], bias[0], stride, padding)
    size = len(image)
    stacked = image.reshape(1, -1, *image.shape[2:])
    convolved = convolve(stacked, kernel.flatten(0, 1), bias.flatten(), stride, padding, groups=size)
    return convolved.reshape(size, -1, *convolved.shape[2:])


def convolve_unfolded(image: Tensor, kernel: Tensor, bias: Tensor, stride: int, padding: int) -> Tensor:
    """``convolve_each`` in 2-D as one matrix product an image, for any size of a batch; needs k^2 times the memory."""
    size = kernel.shape[-1]
    patches = functional.unfold(image, size, padding=padding, stride=stride)  # (B, C k^2, H' W')
    convolved = kernel.flatten(2) @ patches + bias[..., None]
    height = (image.shape[-2] + 2 * padding - size) // stride + 1
    return convolved.unflatten(-1, (height, -1))


def are_alike(values: Tensor) -> bool:
    """Whether all rows of (B, ...) are equal."""
    return bool((values[1:] == values[:1]).all())


def emitter(inputs: int, hidden: int, outputs: int, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """An MLP of four layers, (B, inputs) -> (B, outputs), whose output is at first its last bias for every input."""
    last = nn.Linear(hidden, outputs)
    nn.init.zeros_(last.weight)
    layers = [nn.Linear(inputs, hidden), activation(), nn.Linear(hidden, hidden), activation()]
    return nn.Sequential(*layers, nn.Linear(hidden, hidden), activation(), last)


def emit_convolutions(
    convolutions: list[nn.Conv2d], inputs: int, hidden: int, activation: type[nn.Module] = nn.ReLU
) -> nn.Sequential:
    """An emitter of the kernels and biases of ``convolutions``; at first it emits their present values."""
    parameters = []
    for convolution in convolutions:
        parameters += [convolution.weight.detach().flatten(), convolution.get_parameter("bias").detach()]
    initial = torch.cat(parameters)
    network = emitter(inputs, hidden, len(initial), activation)
    with torch.no_grad():
        network[-1].get_parameter("bias").copy_(initial)
    return network


def split_kernels(emitted: Tensor, shapes: list[tuple[int, ...]]) -> list[tuple[Tensor, Tensor]]:
    """(B, outputs) -> for each (O, C, k, k) of ``shapes`` its kernels (B, O, C, k, k) and biases (B, O)."""
    sizes = []
    for shape in shapes:
        sizes += [torch.Size(shape).numel(), shape[0]]
    parts = emitted.split(sizes, dim=1)
    return [(kernel.unflatten(1, shape), bias) for kernel, bias, shape in zip(parts[::2], parts[1::2], shapes)]
