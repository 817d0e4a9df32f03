"""Images a second of whole epochs beside the bare network's, and how long the paper's table takes at that speed.

``bare`` is the network alone on one batch that stays on the GPU: forward, backward, optimiser, and nothing that a trial
adds. The share compares images a second with the fastest bare network.
"""

import argparse
import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

import torch
from torch.nn import functional

from benchmarks.on_gpu.common import EPOCHS, TRIALS, config_of, first_line, steps_of
from benchmarks.same_step import float32_products
from benchmarks.synthetic import synthetic
from benchmarks.tools import median_seconds, print_heads, print_row
from tune_ks.core.config import TrialConfig
from tune_ks.data.dataset import ACQUISITION, Splits
from tune_ks.model.pipeline import build_pipeline
from tune_ks.training.optimiser import build_optimiser
from tune_ks.training.tasks import build_task
from tune_ks.training.train import train_together
from tune_ks.training.training import Training

Way = tuple[int, Callable[[], object]]  # how many images one call takes, and the call
IMAGES = 2_000  # of an epoch that is measured


def run(args: argparse.Namespace) -> None:
    """One row for each way, and the minutes of the paper's table at the fastest one."""
    splits = synthetic(min(args.images, IMAGES), args.side)
    groups = [partial(bare_ways, args), partial(trial_ways, args, splits)]
    groups += [partial(pack_way, args, splits, size) for size in args.packs]
    speeds: dict[str, float] = {}
    print_heads(["way", "images a second", "share of the fastest bare network"])
    for ways in groups:
        try:
            of_group = measure(ways(), args.repeats, args.device)
        except torch.OutOfMemoryError as error:
            print_row([first_line(error), "", ""])
            continue
        speeds |= of_group
        fastest_bare = max(speed for name, speed in speeds.items() if name.startswith("bare"))
        for name, speed in of_group.items():
            print_row([name, f"{speed:,.0f}", f"{speed / fastest_bare:.2f}"])
    fastest = max(speed for name, speed in speeds.items() if "learned lines" in name)
    minutes = TRIALS * EPOCHS * args.images / fastest / 60
    print(
        f"\n{TRIALS} trials of {EPOCHS} epochs of {args.images:,} slices of {args.side} px, width {args.width:g}, at "
        f"the fastest way with learned lines: {minutes:.1f} minutes of training (aim: 10)"
    )


def bare_ways(args: argparse.Namespace) -> dict[str, Way]:
    """The network alone, in several precisions and layouts."""
    return {
        "bare, float32 without TF32": bare(args, autocast=False, within=partial(float32_products, True)),
        "bare, float32 with TF32 convolutions": bare(args, autocast=False),
        "bare, bfloat16": bare(args),
        "bare, bfloat16, not channels-last": bare(args, layout=torch.contiguous_format),
        "bare, bfloat16, kernels chosen by trial": bare(args, within=kernels_chosen_by_trial),
    }


def trial_ways(args: argparse.Namespace, splits: Splits) -> dict[str, Way]:
    """Whole epochs of trials."""
    learned = config_of(args, 0.25)
    return {
        "a trial, rate 1": epoch([config_of(args, 1.0)], splits, args.device),
        "a trial, fixed lines": epoch([config_of(args, 0.25, mask="lowpass")], splits, args.device),
        "a trial, learned lines": epoch([learned], splits, args.device),
        "a trial, learned lines, images copied in each step": epoch([learned], on_the_host(splits, args), args.device),
        "a trial, learned points": epoch([config_of(args, 0.25, pattern="points")], splits, args.device),
    }


def pack_way(args: argparse.Namespace, splits: Splits, size: int) -> dict[str, Way]:
    """Whole epochs of a pack."""
    pack = [config_of(args, 0.25, seed=number) for number in range(size)]
    return {f"{size} trials as one, learned lines": epoch(pack, splits, args.device)}


@contextmanager
def kernels_chosen_by_trial() -> Iterator[None]:
    """Inside, cuDNN tries its kernels at the first call of each shape and keeps the fastest one."""
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = False


def bare(
    args: argparse.Namespace,
    autocast: bool = True,
    layout: torch.memory_format = torch.channels_last,
    within: Callable[[], AbstractContextManager] = nullcontext,
) -> Way:
    """Many steps of the network on one batch; ``layout`` is that of its weights in memory, ``within`` sets the rest."""
    config = config_of(args, 1.0)
    device = args.device
    pipeline = build_pipeline(config, args.side).to(device, memory_format=layout).train()
    optimiser = build_optimiser(config, pipeline, build_task(config).to(device))
    image = torch.rand(args.batch, 1, args.side, args.side, device=device)
    acquisition = torch.zeros(args.batch, len(ACQUISITION), device=device)
    condition = torch.zeros(args.batch, 2, device=device)
    label = torch.arange(args.batch, device=device).remainder(2).float()
    never = torch.zeros((), device=device)  # a step is skipped where it is 1
    steps = steps_of(device)

    def run_steps() -> None:
        with within():
            for _ in range(steps):
                optimiser.zero_grad()
                with torch.autocast(device, dtype=torch.bfloat16, enabled=autocast and device == "cuda"):
                    logit = pipeline.classifier(image, acquisition, condition)
                functional.binary_cross_entropy_with_logits(logit.float(), label).backward()
                optimiser.step(never)

    return steps * args.batch, run_steps


def on_the_host(splits: Splits, args: argparse.Namespace) -> Splits:
    """The same images, of which the GPU keeps no copy: each step copies its batch from pinned memory."""
    train = copy.copy(splits.train)
    train._resident = {torch.device(args.device): None}
    return splits._replace(train=train)


def epoch(configs: list[TrialConfig], splits: Splits, device: str) -> Way:
    """The next epoch of the trials, trained as one."""
    epochs = train_together([Training(config, splits, device=device) for config in configs], splits)
    return len(configs) * len(splits.train), lambda: next(epochs)


def measure(ways: dict[str, Way], repeats: int, device: str) -> dict[str, float]:
    """Name -> images a second."""
    seconds = median_seconds({name: run_once for name, (_, run_once) in ways.items()}, repeats, device)
    return {name: images / seconds[name] for name, (images, _) in ways.items()}
