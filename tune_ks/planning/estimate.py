"""How long a plan would take: from the finished trials of the run, or from a few timed training steps."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from tune_ks.core.config import TrialConfig
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.cohort.cohort import Cohort
from tune_ks.data.cohort.table import with_splits, write_table
from tune_ks.data.dataset import Splits, open_splits
from tune_ks.planning.plan import Plan
from tune_ks.training.scoring import DRAWS, rates_of
from tune_ks.training.train import step
from tune_ks.training.training import Member


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
    return total + plan.suggestions * (sum(each) / len(each) if each else float("nan"))


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


def timed_steps(config: TrialConfig, splits: Splits, device: str = "cpu") -> tuple[float, float]:
    """Seconds an image of training and of scoring, from one batch to warm up and two that count.

    Of steps that train everything: those of ``reconstruction_epochs`` spare the classifier and take a little less.
    """
    member = Member(config, splits, device=device)
    member.begin_epoch()
    member.alone, draws = False, member.draws[0]
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        member.pipeline.train()
        step([member], [draws])[0].item()
        trained = time.perf_counter()
        member.pipeline.eval()
        with torch.no_grad():
            batch = splits.train.gather(draws.index, device)
            member.pipeline(batch.image, rates_of(config, batch), batch.acquisition)
        seconds.append((trained - started, time.perf_counter() - trained))
    training, scoring = (sum(column) / 2 / len(draws.index) for column in zip(*seconds[1:]))
    return training, scoring


def _images(splits: Splits) -> int:
    return sum(map(len, splits.val.values())) + sum(map(len, splits.test.values()))


def _kind(config: TrialConfig) -> str:
    """Configs that cost alike: the rate matters only in being 1."""
    alike = config.key("sampling_rate", "seed", "temperature", "temperature_end", "init_from")
    return f"{alike}/{config.sampling_rate == 1}"
