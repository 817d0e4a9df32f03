"""What does a trial's own step do on the GPU: how many kernels, how long is the GPU at work, does the host wait for it?

The first table has one row for each kind of step, of one training and of a pack. ``busy`` is the GPU's work divided by
the time of the step: what is missing to 1 is what CUDA graphs could gain. The peak is that of all tensors, with the
images. The second table has the members in whose step the host waits: there should be none.
"""

import argparse
import os
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import torch
from torch.autograd import DeviceType
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile

from benchmarks import same_step
from benchmarks.launches import KINDS, differing
from benchmarks.on_gpu.common import first_line, many, steps_of
from benchmarks.synthetic import synthetic
from benchmarks.tools import clock_of, median_seconds, print_heads, print_row
from tune_ks.core.config import TrialConfig
from tune_ks.data.dataset import Splits
from tune_ks.training.tasks import task_of
from tune_ks.training.train import step
from tune_ks.training.training import Training

BATCHES = 4  # of an epoch, which are met again and again
WARM_UP = 3  # steps
PROFILED = 5  # steps
WAITED = "synchronizing CUDA operation"  # in what torch says of a wait


class Work(NamedTuple):
    """What a step gives a device to do."""

    kernels: float
    seconds: float


def run(args: argparse.Namespace) -> None:
    """Both tables. RuntimeError where the host waits for the GPU in a step."""
    heads = ["kernels", "ms a step", "ms of work", "busy", "peak MiB", "the host waits"]
    print_heads(["a step of", "trainings", *heads])
    side = args.sides[0]
    splits = synthetic(BATCHES * args.batch, side)
    waiting = []
    for name, kind in KINDS.items():
        config = replace(kind.config, width=args.width, image_size=side, batch_size=args.batch)
        for configs in ([config], differing(config, args.packs[-1])):
            try:
                waits = print_step(name, configs, kind.settled, splits, args)
            except torch.OutOfMemoryError as error:
                print_row([name, len(configs), first_line(error), *[""] * 5])
                continue
            if waits:
                waiting.append(f"{name} ({waits})")
    print(f"\n{side} px, width {args.width:g}, batch {args.batch}.")
    if args.device != "cpu":
        waiting += print_waiting_members(args.device)
    if waiting:
        raise RuntimeError(f"the host waits for the GPU in a step of {', '.join(waiting)}")


def print_step(
    name: str, configs: list[TrialConfig], settled: bool, splits: Splits, args: argparse.Namespace
) -> str | None:
    """One row of the first table; returns where the host waits."""
    one_step = steps_of_trainings(configs, settled, splits, args.device)
    for _ in range(WARM_UP):
        one_step()
    waits = where_the_host_waits(one_step, args.device)
    peak = "-"
    if args.device != "cpu":
        torch.cuda.reset_peak_memory_stats()
    taken = median_seconds(many({name: one_step}, args.device), args.repeats, args.device)[name]
    seconds = taken / steps_of(args.device)
    if args.device != "cpu":
        peak = f"{torch.cuda.max_memory_allocated() / 2**20:.0f}"
    work = work_of(one_step, args.device)
    cells = [
        f"{work.kernels:.0f}",
        f"{1e3 * seconds:.2f}",
        f"{1e3 * work.seconds:.2f}",
        f"{work.seconds / seconds:.2f}",
    ]
    print_row([name, len(configs), *cells, peak, waits or "no"])
    return waits


def steps_of_trainings(
    configs: list[TrialConfig], settled: bool, splits: Splits, device: str
) -> Callable[[], torch.Tensor]:
    """The next step of these trainings, as one; of an epoch with settled masks, or of the first one."""
    trainings = [Training(config, splits, device=device, together=len(configs)) for config in configs]
    for training in trainings:
        training.history = [{}] if settled else []
        training.begin_epoch()
    taken = 0

    def next_step() -> torch.Tensor:
        nonlocal taken
        taken += 1
        return step(trainings, [training.draws[taken % len(training.draws)] for training in trainings])

    return next_step


def where_the_host_waits(one_step: Callable[[], object], device: str) -> str | None:
    """The place in the package where the host waits for the GPU in a step; None where it does not, or is the device.

    Torch does not notice every wait: those of its sparse and distributed parts are not watched.
    """
    if device == "cpu":
        return None
    torch.cuda.set_sync_debug_mode("error")
    try:
        one_step()
    except RuntimeError as error:
        if WAITED not in str(error):
            raise
        return place_of(error)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return None


def place_of(error: BaseException) -> str:
    """file:line of the innermost frame of the package; a backward pass has none."""
    places = [
        f"{frame.filename.rpartition('/tune_ks/')[2]}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if "/tune_ks/" in frame.filename
    ]
    return places[-1] if places else "outside the package"


def work_of(one_step: Callable[[], object], device: str) -> Work:
    """Kernels and copies that a step launches, and their seconds on the GPU; on a CPU torch's innermost operations."""
    is_cpu = device == "cpu"
    activities = [ProfilerActivity.CPU] if is_cpu else [ProfilerActivity.CPU, ProfilerActivity.CUDA]
    wait = clock_of(device)
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # else the profiler prints lines between those of the table
    with profile(activities=activities) as profiled:
        for _ in range(PROFILED):
            one_step()
        wait()
    kind = DeviceType.CPU if is_cpu else DeviceType.CUDA
    innermost = [event for event in profiled.events() if event.device_type == kind and is_innermost(event)]
    microseconds = sum(event.time_range.elapsed_us() for event in innermost)
    return Work(len(innermost) / PROFILED, 1e-6 * microseconds / PROFILED)


def is_innermost(event: FunctionEvent) -> bool:
    """Whether an event of the profiler is work itself: no operation that holds others, and no mark of a range."""
    return not event.cpu_children and not event.is_user_annotation


def print_waiting_members(device: str) -> list[str]:
    """The second table: every member in whose second step the host waits; returns their names."""
    splits = {masks: same_step.images(masks) for masks in (False, True)}
    print()
    print_heads(["member", "the host waits"])
    waiting = []
    met = 0
    for name, config in same_step.every_member():
        try:
            one_step = steps_of_trainings([config], False, splits[task_of(config).reads_masks()], device)
            one_step()  # what is made once a training
            waits = where_the_host_waits(one_step, device)
        except ModuleNotFoundError as error:
            print_row([name, f"left out: no {error.name}"])
            continue
        except Exception as error:  # the part ``same`` names it as failed; the members after it are still to be seen
            print_row([name, f"FAILED: {first_line(error)}"])
            continue
        met += 1
        if waits:
            print_row([name, waits])
            waiting.append(name)
    print_row([f"all others, of {met}", "no"])
    return waiting
