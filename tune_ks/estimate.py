"""How long a plan would take: from the finished trials of the run, or from a few timed training steps."""

from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from tune_ks.config import TrialConfig
from tune_ks.data.cohort import Cohort
from tune_ks.data.dataset import Splits, open_splits
from tune_ks.data.table import with_splits, write_table
from tune_ks.measured import timed_steps
from tune_ks.plan import Plan
from tune_ks.run_folder import RunFolder
from tune_ks.scoring import DRAWS


def estimate_seconds(plan: Plan, folder: RunFolder, cohorts: dict[int, Cohort], split_seed: int) -> float:
    """Seconds that the plan's trials take one after another on this machine, one CPU thread each.

    Draws that Optuna has yet to make are taken to cost what the mean of the others does; NaN where nothing is known.
    """
    kinds: dict[str, list[TrialConfig]] = {}
    for job in plan.jobs:
        for config in {config.training().key(): config for config in job}.values():  # a conditional one trains once
            kinds.setdefault(_kind(config), []).append(config)
    measured: dict[str, list[float]] = {}
    for record in folder.records():
        if record.seconds:
            measured.setdefault(_kind(record.config), []).append(record.seconds)
    each = [seconds for times in measured.values() for seconds in times]
    total = 0.0
    for kind, configs in kinds.items():
        times = measured.get(kind) or [time_config(configs[0], cohorts[configs[0].image_size], split_seed)]
        each += times
        total += len(configs) * sum(times) / len(times)
    return total + plan.draws * (sum(each) / len(each) if each else float("nan"))


def time_config(config: TrialConfig, cohort: Cohort, split_seed: int) -> float:
    """Seconds of one trial, from a few timed steps."""
    with TemporaryDirectory() as scratch:
        write_table(Path(scratch) / "cohort.csv", with_splits(cohort.table, split_seed))
        splits = open_splits(Path(scratch) / "cohort.csv", cohort.images, config.vendor, cohort.masks)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        training, scoring = timed_steps(config, splits)
    finally:
        torch.set_num_threads(threads)
    return config.epochs * (len(splits.train) * training + len(splits.val[config.vendor]) * scoring) + scoring * (
        _images(splits) + DRAWS * sum(map(len, splits.val.values()))
    )


def _images(splits: Splits) -> int:
    return sum(map(len, splits.val.values())) + sum(map(len, splits.test.values()))


def _kind(config: TrialConfig) -> str:
    """Configs that cost alike: the rate matters only in being 1."""
    alike = config.key("sampling_rate", "seed", "temperature", "temperature_end", "init_from")
    return f"{alike}/{config.sampling_rate == 1}"
