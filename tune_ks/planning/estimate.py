"""How long a plan would take: from the finished trials of the run, or from a few timed training steps."""

import math
import time
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import torch

from tune_ks.core.config import TrialConfig
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.cohort.cohort import Cohort
from tune_ks.data.cohort.table import with_splits, write_table
from tune_ks.data.dataset import Splits, open_splits
from tune_ks.model.members import shaping_values
from tune_ks.planning.plan import Plan
from tune_ks.training.scoring import DRAWS, rates_of
from tune_ks.training.train import step
from tune_ks.training.training import Training
from tune_ks.training.views import views_of


def estimate_seconds(plan: Plan, folder: RunFolder, cohorts: dict[int, Cohort], split_seed: int) -> float:
    """Seconds that the plan's trials take one after another on this machine, with one CPU thread.

    A trial that Optuna has still to draw counts as the mean of the known ones; NaN where none is known.
    """
    timer = Timer(cohorts, split_seed)
    measured: dict[str, list[float]] = {}
    for record in folder.readable_records():
        if record.seconds:
            measured.setdefault(cost_key(record.config), []).append(record.seconds)
    known = [seconds for times in measured.values() for seconds in times]
    total = 0.0
    for key, configs in _trainings(plan).items():
        times = measured.get(key) or [timer.seconds_of(configs[0])]
        known += times
        total += len(configs) * fmean(times)
    return total + plan.suggestions * (fmean(known) if known else math.nan)


def cost_key(config: TrialConfig, *left_out: str) -> str:
    """A key that configs with equally long trainings share.

    The rate, the seed, the initial weights, options that do not change the network's shapes, and the fields
    ``left_out`` are not in it.
    """
    shaping = shaping_values(config)
    without_cost = [name for name in config.options if name not in shaping]
    key = config.key("sampling_rate", "seed", "init_from", *without_cost, *left_out)
    return f"{key}/{config.is_full}"


def _trainings(plan: Plan) -> dict[str, list[TrialConfig]]:
    """cost_key -> the configs of the plan's trainings. A conditional training, scored at many rates, counts once."""
    groups: dict[str, list[TrialConfig]] = {}
    for job in plan.jobs:
        trained = {config.training().key(): config for config in job}
        for config in trained.values():
            groups.setdefault(cost_key(config), []).append(config)
    return groups


class Timer:
    """Times trials on a cohort (image size -> Cohort).

    The cohort is split once for all trials on the same images, and the steps of a network are timed once.
    """

    def __init__(self, cohorts: dict[int, Cohort], split_seed: int) -> None:
        self.cohorts = cohorts
        self.split_seed = split_seed
        self.splits: dict[tuple[int, str, float], Splits] = {}
        self.steps: dict[str, tuple[float, float]] = {}  # seconds per image of training and of scoring

    def seconds_of(self, config: TrialConfig) -> float:
        """Seconds of one trial, from a few timed steps."""
        splits = self._splits(config)
        training, scoring = self._timed(config, splits)
        scoring *= views_of(config)
        return config.epochs * (len(splits.train) * training + len(splits.val[config.vendor]) * scoring) + scoring * (
            _images(splits) + DRAWS * sum(map(len, splits.val.values()))
        )

    def _timed(self, config: TrialConfig, splits: Splits) -> tuple[float, float]:
        network = cost_key(config, "vendor", "epochs")  # an image takes as long, whoever made it and however often
        if network not in self.steps:
            threads = torch.get_num_threads()
            torch.set_num_threads(1)
            try:
                self.steps[network] = timed_steps(config, splits)
            finally:
                torch.set_num_threads(threads)
        return self.steps[network]

    def _splits(self, config: TrialConfig) -> Splits:
        kind = (config.image_size, config.vendor, config.train_share)
        if kind not in self.splits:
            cohort = self.cohorts[config.image_size]
            with TemporaryDirectory() as scratch:
                cohort_csv = Path(scratch) / "cohort.csv"
                write_table(cohort_csv, with_splits(cohort.table, self.split_seed))
                self.splits[kind] = open_splits(
                    cohort_csv, cohort.images, config.vendor, cohort.masks, config.train_share
                )
        return self.splits[kind]


def timed_steps(config: TrialConfig, splits: Splits, device: str = "cpu") -> tuple[float, float]:
    """Seconds per image of training and of scoring, from one batch to warm up and two timed ones.

    The steps train the whole network. Those of ``reconstruction_epochs``, without classifier, take a little less.
    """
    training = Training(config, splits, device=device)
    training.begin_epoch()
    training.reconstructs_alone = False
    draws = training.draws[0]
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        training.pipeline.train()
        step([training], [draws])[0].item()
        after_step = time.perf_counter()
        training.pipeline.eval()
        with torch.no_grad():
            batch = splits.train.gather(draws.index, device)
            training.pipeline(batch.image, rates_of(config, batch), batch.acquisition)
        seconds.append((after_step - started, time.perf_counter() - after_step))
    images = 2 * len(draws.index)
    training_seconds, scoring_seconds = (sum(column) / images for column in zip(*seconds[1:]))
    return training_seconds, scoring_seconds


def _images(splits: Splits) -> int:
    return sum(map(len, splits.val.values())) + sum(map(len, splits.test.values()))
