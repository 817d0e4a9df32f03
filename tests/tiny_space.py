"""Search spaces of a few short trainings, for the tiny cohort of tests/tiny.py; and work that no worker gets."""

from ray import tune

from tune_ks.planning.space import SEARCH_DEFAULTS, Space
from tune_ks.worker.work import TrialWork

FIELDS = {"width": 0.05, "image_size": 64, "epochs": 2, "batch_size": 8, "lr": 1e-3, "settle": 0.5}
VENDORS = ["GE", "SIEMENS"]
WORK = TrialWork(run="", files={}, session="", threads=1, gpus=0, together=1, hang_after=600)  # of a searcher alone


def space(*blocks, **search):
    return Space("tiny", "", [FIELDS | block for block in blocks], {**SEARCH_DEFAULTS, **search})


GRID = space(
    {"mask": "gumbel", "temperature": 1.0, "sampling_rate": [0.25, 0.5]}, {"mask": "lowpass", "sampling_rate": 1.0}
)
DRAWN = space(
    {"mask": "gumbel", "temperature": 1.0, "sampling_rate": tune.quniform(1 / 64, 1.0, 1 / 64)},
    sampler="tpe",
    samples=3,
    seeds=2,
)
