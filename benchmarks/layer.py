"""What the mask costs a training step: each way of sampling against the same network without one.

    python benchmarks/layer.py                               # 128 and 256 px, AlexNet of a quarter of the width
    python benchmarks/layer.py --width 1 --sides 256 --repeats 9

Steps of 32 images: forward, backward, optimiser. The ways take turns, so that whatever else the machine does falls on
all of them; medians of the processor time of one thread (on a GPU: of the wall time). ``written out`` is the definition
fft2, shift, mask, ifft2, abs on the library's convolution; ``plain`` the one-axis definition that the tests compare
with; ``input gradient`` an unmasked step that also computes the gradient with respect to the images, which every
learned mask needs, with the library's convolution and with ours. The allocator is set as a search sets it for its
workers; ``--hand-back`` leaves it as it is by itself.
"""

import argparse
import math
from collections.abc import Callable

import torch
from as_a_worker import keep_freed
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode
from turns import median_seconds

from tune_ks.core.config import TrialConfig
from tune_ks.model.pipeline import KSpaceClassifier, build_pipeline
from tune_ks.model.transforms.base import Transform
from tune_ks.training.optimiser import build_optimiser
from tune_ks.training.tasks import task_of

BATCH = 32
PRODUCT = 1024  # rows and columns of the matrices that tell what the machine can do
FULL = {"mask": "lowpass", "sampling_rate": 1.0}
LEARNED = {"mask": "gumbel", "temperature": 1.0}
WAYS = {  # name -> (what differs from an unmasked config, what is put in place of the fast parts)
    "no mask": (FULL, ""),
    "input gradient, library's": (FULL, "images library"),
    "input gradient, ours": (FULL, "images"),
    "learned lines, written out": (LEARNED, "written library"),
    "learned lines, plain": (LEARNED, "plain library"),
    "learned lines": (LEARNED, ""),
    "learned lines, tied": ({**LEARNED, "hermitian": "tied"}, ""),
    "learned points, plain": ({**LEARNED, "pattern": "points"}, "plain library"),
    "learned points": ({**LEARNED, "pattern": "points"}, ""),
    "fixed lines, each step": ({"mask": "lowpass"}, ""),
}


def main() -> None:
    """Print one table a side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="+", default=[128, 256])
    parser.add_argument("--width", type=float, default=0.25)
    parser.add_argument("--rate", type=float, default=0.25)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--hand-back", action="store_true", help="freed memory goes back to the system")
    args = parser.parse_args()
    if not args.hand_back:
        keep_freed()
    torch.set_num_threads(args.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for side in args.sides:
        steps = {name: step(side, args.width, args.rate, *way, device) for name, way in WAYS.items()}
        seconds = median_seconds(steps, args.repeats, device)
        print(f"\n{side} px, width {args.width:g}, rate {args.rate:g}, batch {BATCH}, {device}\n")
        print("| way | ms a step | times the unmasked step |\n| --- | --- | --- |")
        for name, found in seconds.items():
            print(f"| {name} | {1000 * found:.1f} | {found / seconds['no mask']:.2f} |")
        print_limits(steps["no mask"], seconds, side, args.repeats, device)


def step(side: int, width: float, rate: float, changes: dict, replaced: str, device: str) -> Callable[[], None]:
    """One training step of the way, on images that stay the same."""
    values = {"sampling_rate": rate, "width": width, "image_size": side, **changes}
    config = TrialConfig("GE", **values)
    torch.manual_seed(0)
    pipeline = build_pipeline(config, side).to(device).train()
    if "library" in replaced:
        pipeline.classifier.features[0].__class__ = nn.Conv2d
    if "plain" in replaced:
        transform = pipeline.sampling.transform
        transform.magnitude = lambda image, mask: Transform.magnitude(transform, image, mask)
    if "written" in replaced:
        pipeline.sampling.transform.magnitude = written_out
    image = torch.rand(BATCH, 1, side, side, device=device, requires_grad="images" in replaced)
    label = torch.arange(BATCH, device=device).remainder(2).float()
    rates = torch.full((BATCH,), config.sampling_rate, device=device)
    optimiser = build_optimiser(config, pipeline, task_of(config)(config).to(device))
    return lambda: one_step(pipeline, optimiser, image, rates, label)


def one_step(
    pipeline: KSpaceClassifier, optimiser: torch.optim.Optimizer, image: Tensor, rates: Tensor, label: Tensor
) -> None:
    """Forward, backward, optimiser."""
    optimiser.zero_grad(set_to_none=True)
    image.grad = None
    logit = pipeline(image, rates, torch.zeros(len(image), 7, device=image.device))
    functional.binary_cross_entropy_with_logits(logit, label).backward()
    optimiser.step()


def print_limits(unmasked: Callable[[], None], seconds: dict[str, float], side: int, repeats: int, device: str) -> None:
    """What the machine could do at best: the network as one matrix product, the mask as bare transforms and copies."""
    with FlopCounterMode(display=False) as counter:
        unmasked()
    flops = counter.get_total_flops()
    square, image = torch.rand(PRODUCT, PRODUCT, device=device), torch.rand(BATCH, 1, side, side, device=device)
    half, other = torch.fft.rfft(image), torch.empty_like(image)
    alone = {
        "product": lambda: square @ square,
        "lines": lambda: [(torch.fft.rfft(image), torch.fft.irfft(half, n=side)) for _ in range(3)],
        "copy": lambda: other.copy_(image),
    }
    took = median_seconds(alone, 3 * repeats, device)
    rate = 2 * PRODUCT**3 / took["product"]
    transforms = 6 * 2.5 * image.numel() * math.log2(side)
    print(
        f"\nA matrix product does {rate / 1e9:.0f} GFLOP a second: the network's {flops / 1e9:.2f} GFLOP would take ",
        end="",
    )
    print(f"{1e3 * flops / rate:.1f} ms, {flops / rate / seconds['no mask']:.0%} of the unmasked step.")
    print(
        f"The six real transforms of learned lines, forward and backward, take {1e3 * took['lines']:.1f} ms alone ",
        end="",
    )
    print(
        f"({transforms / took['lines'] / 1e9:.1f} GFLOP a second), {took['lines'] / seconds['no mask']:.0%} of it; ",
        end="",
    )
    print(f"copying the images {1e3 * took['copy']:.2f} ms ({8e-9 * image.numel() / took['copy']:.1f} GB a second).")


def written_out(image: Tensor, mask: Tensor) -> Tensor:
    """As the equation is written, with whole transforms along both axes."""
    axes = (-2, -1)
    kspace = torch.fft.fftshift(torch.fft.fft2(torch.fft.ifftshift(image, dim=axes)), dim=axes)
    return torch.fft.fftshift(torch.fft.ifft2(torch.fft.ifftshift(mask * kspace, dim=axes)), dim=axes).abs()


if __name__ == "__main__":
    main()
