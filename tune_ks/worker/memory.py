"""The memory of a GPU: a trial's part of it, and how many trainings it has room for."""

import torch

from tune_ks.core.config import TrialConfig
from tune_ks.data.dataset import Splits
from tune_ks.training.train import step
from tune_ks.training.training import Training

FILLED = 0.8  # share of the memory that is used: allocators leave gaps, and scoring is not measured
CONTEXT_BYTES = 600 * 2**20  # what a process takes of a GPU beside its tensors: CUDA's context and the kernels


def limit_memory(share: float) -> None:
    """Keep this process to its ``share`` of the GPU, so that a trial that needs too much ends no other trial there.

    Above it torch.OutOfMemoryError is raised, and the trial is retried as after any lack of memory.
    """
    if not 0 < share < 1:
        return
    _, total = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction(memory_fraction(share, total))


def memory_fraction(share: float, total: int) -> float:
    """The part of a GPU of ``total`` bytes that tensors may take: the share less the process's context."""
    return max(share / 2, share - CONTEXT_BYTES / total)


def trainings_that_fit(config: TrialConfig, splits: Splits, share: float) -> int:
    """How many trainings of one pack fit on the current GPU, of which this process may use ``share``; at least 1."""
    splits.train.home("cuda")  # all trainings read the images from there
    bytes_of_one = _step_bytes(config, splits, 1)
    bytes_of_two = _step_bytes(config, splits, 2)
    torch.cuda.empty_cache()
    free, total = torch.cuda.mem_get_info()
    allowed = total if share == 1 else memory_fraction(share, total) * total
    return room(bytes_of_one, bytes_of_two, FILLED * min(free, allowed))


def room(bytes_of_one: float, bytes_of_two: float, budget: float) -> int:
    """How many trainings fit into ``budget`` bytes; at least 1. A further one costs what the second one costs."""
    bytes_of_another = max(1, bytes_of_two - bytes_of_one)
    return 1 + max(0, int((budget - bytes_of_one) // bytes_of_another))


def _step_bytes(config: TrialConfig, splits: Splits, count: int) -> int:
    """Peak of the GPU memory that ``count`` trainings take, in bytes.

    Two steps are measured: the optimiser allocates its moments in the first one.
    """
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    trainings = [Training(config, splits, device="cuda", together=count) for _ in range(count)]
    for training in trainings:
        training.begin_epoch()
    for _ in range(2):
        step(trainings, [training.draws[0] for training in trainings])
    return torch.cuda.max_memory_allocated() - before
