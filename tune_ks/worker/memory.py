"""How many trainings a GPU has room for."""

import torch

from tune_ks.core.config import TrialConfig
from tune_ks.data.dataset import Splits
from tune_ks.training.train import step
from tune_ks.training.training import Training

FILLED = 0.8  # of the memory: allocators leave gaps, and scoring is not measured


def trainings_that_fit(config: TrialConfig, splits: Splits, share: float) -> int:
    """How many trainings of one pack the current GPU holds, of which this process may use ``share``; 1 at least."""
    splits.train.home("cuda")  # the images stay there, whoever trains
    one, two = (_step_bytes(config, splits, count) for count in (1, 2))
    torch.cuda.empty_cache()
    free, everything = torch.cuda.mem_get_info()
    return room(one, two, FILLED * min(free, share * everything))


def room(one: float, two: float, budget: float) -> int:
    """How many fit into ``budget`` bytes where one takes ``one``, and two take ``two``; 1 at least."""
    return 1 + max(0, int((budget - one) // max(1, two - one)))


def _step_bytes(config: TrialConfig, splits: Splits, count: int) -> int:
    """Bytes on the GPU that ``count`` trainings take at most; the optimiser has its moments from the first step on."""
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    members = [Training(config, splits, device="cuda") for _ in range(count)]
    for member in members:
        member.begin_epoch()
    for _ in range(2):
        step(members, [member.draws[0] for member in members])
    return torch.cuda.max_memory_allocated() - before
