"""What does the mask cost in a training step? Each way of sampling against the same network without a mask.

    python -m benchmarks.layer                               # 128 and 256 px, AlexNet of a quarter of the width
    python -m benchmarks.layer --width 1 --sides 256 --repeats 9

A step takes 32 images through forward, backward and the optimiser. The ways take turns, so that other load on the
machine slows all of them; printed are medians of the CPU time of one thread (on a GPU: of the wall time).

``written out`` is the definition fft2, shift, mask, ifft2, abs with the library's convolution. ``plain`` is the
one-axis definition that the tests compare with. ``input gradient`` is a step without a mask that also computes the
gradient of the images, which every learned mask needs, with the library's convolution and with ours. The allocator is
set as a search sets it for its workers; ``--hand-back`` keeps the system's default.
"""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.tools import median_seconds, parser, print_heads, print_row, with_kept_memory
from tune_ks.core.config import TrialConfig
from tune_ks.data.dataset import ACQUISITION
from tune_ks.model.pipeline import KSpaceClassifier, build_pipeline
from tune_ks.model.transforms.base import Transform
from tune_ks.training.adamw import AdamW
from tune_ks.training.optimiser import build_optimiser
from tune_ks.training.tasks import build_task

BATCH = 32
PRODUCT = 1024  # rows and columns of the matrices whose product measures the machine's arithmetic
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
    """Print one table for each side."""
    arguments = parser(__doc__)
    arguments.add_argument("--sides", type=int, nargs="+", default=[128, 256])
    arguments.add_argument("--width", type=float, default=0.25)
    arguments.add_argument("--rate", type=float, default=0.25)
    arguments.add_argument("--repeats", type=int, default=15)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--hand-back", action="store_true", help="freed memory goes back to the system")
    args = arguments.parse_args()
    if not args.hand_back:
        with_kept_memory()
    torch.set_num_threads(args.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for side in args.sides:
        steps = {name: step(side, args.width, args.rate, *way, device) for name, way in WAYS.items()}
        seconds = median_seconds(steps, args.repeats, device)
        print(f"\n{side} px, width {args.width:g}, rate {args.rate:g}, batch {BATCH}, {device}\n")
        print_heads(["way", "ms a step", "times the unmasked step"])
        for name, of_way in seconds.items():
            print_row([name, f"{1000 * of_way:.1f}", f"{of_way / seconds['no mask']:.2f}"])
        print_limits(steps["no mask"], seconds["no mask"], side, args.repeats, device)


def step(
    side: int, width: float, rate: float, changes: dict, replaced: str, device: str, compiled: bool = False
) -> Callable[[], None]:
    """One training step, on images that stay the same; ``replaced`` names the fast parts to do without.

    ``compiled``: forward and backward through torch.compile, which records CUDA graphs on a GPU.
    """
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
    optimiser = build_optimiser(config, pipeline, build_task(config).to(device))
    network = torch.compile(pipeline, mode="reduce-overhead") if compiled else pipeline
    return partial(train_step, network, optimiser, image, rates, label)


def train_step(pipeline: KSpaceClassifier, optimiser: AdamW, image: Tensor, rates: Tensor, label: Tensor) -> None:
    """Forward, backward, optimiser."""
    optimiser.zero_grad()
    image.grad = None
    logit = pipeline(image, rates, torch.zeros(len(image), len(ACQUISITION), device=image.device))
    functional.binary_cross_entropy_with_logits(logit, label).backward()
    optimiser.step(skip=torch.zeros((), device=image.device))


def print_limits(unmasked: Callable[[], None], seconds: float, side: int, repeats: int, device: str) -> None:
    """The machine's limits beside the unmasked step of so many ``seconds``: arithmetic, bare transforms, copies."""
    with FlopCounterMode(display=False) as counter:
        unmasked()
    flops = counter.get_total_flops()
    square = torch.rand(PRODUCT, PRODUCT, device=device)
    image = torch.rand(BATCH, 1, side, side, device=device)
    half = torch.fft.rfft(image)
    other = torch.empty_like(image)
    bare = {
        "product": lambda: square @ square,
        "lines": lambda: [(torch.fft.rfft(image), torch.fft.irfft(half, n=side)) for _ in range(3)],
        "copy": lambda: other.copy_(image),
    }
    took = median_seconds(bare, 3 * repeats, device)
    flops_a_second = 2 * PRODUCT**3 / took["product"]
    transforms = 6 * 2.5 * image.numel() * math.log2(side)
    print(
        f"\nA matrix product does {flops_a_second / 1e9:.0f} GFLOP a second: the network's {flops / 1e9:.2f} GFLOP "
        f"would take {1e3 * flops / flops_a_second:.1f} ms, {flops / flops_a_second / seconds:.0%} of the unmasked "
        f"step.\nThe six real transforms of learned lines, forward and backward, take {1e3 * took['lines']:.1f} ms "
        f"alone ({transforms / took['lines'] / 1e9:.1f} GFLOP a second), {took['lines'] / seconds:.0%} of it; copying "
        f"the images {1e3 * took['copy']:.2f} ms ({8e-9 * image.numel() / took['copy']:.1f} GB a second)."
    )


def written_out(image: Tensor, mask: Tensor) -> Tensor:
    """The equation as it is written, with whole transforms along both axes."""
    axes = (-2, -1)
    kspace = torch.fft.fftshift(torch.fft.fft2(torch.fft.ifftshift(image, dim=axes)), dim=axes)
    return torch.fft.fftshift(torch.fft.ifft2(torch.fft.ifftshift(mask * kspace, dim=axes)), dim=axes).abs()


if __name__ == "__main__":
    main()
