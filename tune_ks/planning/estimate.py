"""How long a plan would take: from the finished trials of the run, or from a few timed training steps."""

import dataclasses
import math
import time
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import NamedTuple

import torch

from tune_ks.core.config import TrialConfig
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.cohort.cohort import Cohort
from tune_ks.data.cohort.table import with_splits, write_table
from tune_ks.data.dataset import Splits, open_splits
from tune_ks.data.layouts.sheets import counted
from tune_ks.data.new_array import new_array
from tune_ks.model.classifiers import NO_NETWORK
from tune_ks.model.harmonisations.fits_each_image import FitsEachImage
from tune_ks.model.members import shaping_values
from tune_ks.model.pipeline import build_member
from tune_ks.planning.plan import Plan
from tune_ks.training.out_of_memory import is_out_of_memory
from tune_ks.training.scoring import DRAWS, rates_of
from tune_ks.training.stored_fits import images_to_fit
from tune_ks.training.tasks import slices_of, task_named
from tune_ks.training.train import step
from tune_ks.training.training import Training
from tune_ks.training.views import views_of

COUNTED_TRIALS = 20  # whose files are measured
BESIDE_WEIGHTS = 100_000  # bytes of a trial's record, scores, mask and previews
BY_YARDSTICKS = 5e-4  # CPU seconds an image of 64 pixels, scored without a network
SPREAD = 1.3  # of the longest likely time: checkpoints, records and what two steps do not show


class Seconds(NamedTuple):
    """A time between the least and the most that is likely. NaN where nothing is known."""

    low: float
    high: float


class Load(NamedTuple):
    """How full the machine would be: its cores, those that other programs keep busy now, and the search's slots."""

    cores: int
    busy: float
    slots: int

    @property
    def crowding(self) -> float:
        """By which factor a trial takes longer where slots and other programs are more than the cores."""
        return max(1.0, (self.slots + self.busy) / self.cores)


class Estimate(NamedTuple):
    """What a plan costs."""

    total: Seconds  # of all trials, one after another
    together: Seconds  # of the search, with its slots
    basis: str  # what the seconds rest on, in words
    has_records: bool  # whether any of them rest on finished trials
    run_bytes: float  # that the trials to come add to the run folder
    cache_bytes: float  # of decoded images that are not there yet


def estimate(plan: Plan, folder: RunFolder, cohorts: dict[int, Cohort], split_seed: int, load: Load) -> Estimate:
    """Time and room of a plan on this machine, with the slots of ``load``.

    Trials that are as costly as finished ones take from the shortest time of these to the longest and SPREAD more. The
    others are timed in a few steps with one CPU thread: at least what the steps cost on an idle core, at most what they
    take at the present load, in all slots at once, and SPREAD more. A trial that Optuna has still to draw counts as the
    mean of the known ones; NaN where none is known.
    """
    timer = Timer(cohorts, split_seed)
    measured = recorded_seconds(folder)
    known = [_of_recorded(times) for times in measured.values()]
    groups: list[tuple[int, Seconds]] = []  # trainings of one cost, and their seconds
    recorded = 0  # trainings whose time is that of finished ones
    timed = 0
    for key, configs in _trainings(plan).items():
        if key in measured:
            seconds = _of_recorded(measured[key])
            recorded += len(configs)
        else:
            seconds = timer.range_of(configs[0], load)
            timed += len(configs)
        known.append(seconds)
        groups.append((len(configs), seconds))
    if plan.suggestions:
        groups.append((plan.suggestions, _mean(known)))
    fits = _fits_seconds(plan, cohorts)
    low = fits + sum(count * seconds.low for count, seconds in groups)
    high = fits * SPREAD * load.crowding + sum(count * seconds.high for count, seconds in groups)
    longest = Seconds(
        max((seconds.low for _, seconds in groups), default=0.0),
        max((seconds.high for _, seconds in groups), default=0.0),
    )
    return Estimate(
        total=Seconds(low, high),
        together=Seconds(max(longest.low, low / load.slots), max(longest.high, high / load.slots)),
        basis=_basis(recorded, timed),
        has_records=recorded > 0,
        run_bytes=(sum(map(len, plan.jobs)) + plan.suggestions) * _bytes_of_a_trial(plan, folder, timer),
        cache_bytes=float(sum(_missing_bytes(cohort) for cohort in cohorts.values())),
    )


def _fits_seconds(plan: Plan, cohorts: dict[int, Cohort]) -> float:
    """CPU seconds of fitting the stored images, once for all trials, where a harmonisation of the plan does so."""
    seconds: dict[tuple, float] = {}
    for config in (config for job in plan.jobs for config in job):
        harmonisation = build_member(config, "harmonise")
        if not isinstance(harmonisation, FitsEachImage):
            continue
        fitted = (config.harmonise, config.image_size, harmonisation.identity())
        if fitted not in seconds:
            cohort = cohorts[config.image_size]
            count = len(cohort.table)
            if cohort.images.exists():
                count = images_to_fit(config.harmonise, harmonisation, cohort.images)
            seconds[fitted] = harmonisation.seconds * count
    return sum(seconds.values())


def _basis(recorded: int, timed: int) -> str:
    """What the time of so many trainings rests on: on finished trials of the run folder, on timed training steps."""
    reasons = []
    if recorded:
        reasons.append(f"for {counted(recorded, 'training')} from the time that finished trials of this run took")
    if timed:
        reasons.append(f"for {counted(timed, 'training')} estimated by timing a few training steps")
    return " and ".join(reasons) or "all are still to be drawn"


def recorded_seconds(folder: RunFolder) -> dict[str, list[float]]:
    """cost_key -> the seconds of the finished trials of that cost."""
    measured: dict[str, list[float]] = {}
    for record in folder.readable_records():
        if record.seconds:
            measured.setdefault(cost_key(record.config), []).append(record.seconds)
    return measured


def _of_recorded(times: list[float]) -> Seconds:
    return Seconds(min(times), SPREAD * max(times))


def _mean(known: list[Seconds]) -> Seconds:
    if not known:
        return Seconds(math.nan, math.nan)
    return Seconds(fmean(seconds.low for seconds in known), fmean(seconds.high for seconds in known))


def _bytes_of_a_trial(plan: Plan, folder: RunFolder, timer: "Timer") -> float:
    """Bytes that a finished trial leaves: the mean of some that are there, else of its weights and a little more."""
    sizes = []
    finished = folder.finished() if isinstance(folder.root, Path) else []
    for key in finished[:COUNTED_TRIALS]:
        trial = folder.trial(key)
        sizes.append(sum(path.stat().st_size for path in trial.iterdir() if not path.is_dir()))
    if sizes:
        return fmean(sizes)
    weights = [timer.weights_bytes(configs[0]) for configs in _trainings(plan).values()]
    return BESIDE_WEIGHTS + (fmean(weights) if weights else 0.0)


def _missing_bytes(cohort: Cohort) -> int:
    """Bytes of the images that are not decoded yet, and of their masks, which take a byte a pixel."""
    pixels = len(cohort.table) * cohort.image_side**2
    if cohort.holds_kspace:  # complex images of every coil, and the masks with them
        return 0 if cohort.is_decoded else pixels * (8 * int(cohort.table["coils"].max()) + 1)
    if not cohort.is_decoded:
        return pixels * (4 if cohort.masks is None else 5)
    return pixels if cohort.masks is not None and not cohort.masks.exists() else 0


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
        self.splits: dict[tuple[int, str, float, int], Splits] = {}
        self.steps: dict[str, StepTimes] = {}
        self.scratch = TemporaryDirectory(prefix="tune_ks_estimate_", ignore_cleanup_errors=True)

    def seconds_of(self, config: TrialConfig) -> float:
        """Seconds of one trial, alone at the present load, from a few timed steps."""
        splits = self._splits(config)
        steps = self._timed(config, splits)
        return steps.slowdown * self._idle_seconds(config, splits, steps)

    def range_of(self, config: TrialConfig, load: Load) -> Seconds:
        """Seconds of one trial: on an idle core, and at the present load with all slots busy."""
        splits = self._splits(config)
        steps = self._timed(config, splits)
        idle = self._idle_seconds(config, splits, steps)
        return Seconds(idle, idle * SPREAD * max(steps.slowdown, load.crowding))

    def weights_bytes(self, config: TrialConfig) -> int:
        """Bytes of the weights of one trial."""
        return self._timed(config, self._splits(config)).weights_bytes

    def _idle_seconds(self, config: TrialConfig, splits: Splits, steps: "StepTimes") -> float:
        training = steps.training
        scoring = steps.scoring * views_of(config)
        in_domain = sum(len(splits.val[source]) for source in config.sources)
        of_epochs = config.epochs * (len(splits.train) * training + in_domain * scoring)
        at_the_end = scoring * (_images(splits) + DRAWS * sum(map(len, splits.val.values())))
        return of_epochs + at_the_end

    def _timed(self, config: TrialConfig, splits: Splits) -> "StepTimes":
        network = cost_key(config, "vendor", "epochs")  # an image takes as long, whoever made it and however often
        if network not in self.steps:
            threads = torch.get_num_threads()
            torch.set_num_threads(1)
            try:
                self.steps[network] = timed_steps(config, splits)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                raise ValueError(
                    f"a training of this space does not fit into the memory here (classifier {config.classifier}, "
                    f"image_size {config.image_size}, batch_size {config.batch_size}), so no step of it can be timed; "
                    "where it is to run on another machine, leave --dry-run out"
                ) from error
            finally:
                torch.set_num_threads(threads)
        return self.steps[network]

    def _splits(self, config: TrialConfig) -> Splits:
        slices = slices_of(config)
        kind = (config.image_size, config.vendor, config.train_share, slices)
        if kind not in self.splits:
            cohort = self.cohorts[config.image_size]
            cohort_csv = Path(self.scratch.name) / f"cohort-{config.image_size}.csv"
            if not cohort_csv.exists():
                write_table(cohort_csv, with_splits(cohort.table, self.split_seed))
            images, masks = self._images(cohort, config)
            self.splits[kind] = open_splits(cohort_csv, images, config.vendor, masks, config.train_share, slices)
        return self.splits[kind]

    def _images(self, cohort: Cohort, config: TrialConfig) -> tuple[Path, Path | None]:
        """The cohort's images and masks; in place of those that are not made yet empty ones, which take as long."""
        reads_masks = task_named(config.task).reads_masks()
        dtype = "float32" if cohort.holds_maps else "uint8"
        masks = self._file(cohort.masks, "masks", dtype, cohort) if reads_masks else None
        if cohort.holds_kspace:
            return self._file(cohort.images, "images", "complex64", cohort, int(cohort.table["coils"].max())), masks
        return self._file(cohort.images, "images", "float32", cohort), masks

    def _file(self, path: Path | None, name: str, dtype: str, cohort: Cohort, coils: int = 0) -> Path:
        if path is not None and path.exists():
            return path
        made = Path(self.scratch.name) / f"{name}-{cohort.image_side}.npy"
        if not made.exists():  # a sparse file: it takes no room on the disk
            channels = (coils,) if coils else ()
            new_array(made, dtype, (len(cohort.table), *channels, cohort.image_side, cohort.image_side))
        return made


class StepTimes(NamedTuple):
    """What an image costs on an idle core, how much the present load slows it down, and the size of the network."""

    training: float  # CPU seconds an image
    scoring: float
    slowdown: float  # seconds that passed for each CPU second, 1 at least
    weights_bytes: int


def timed_steps(config: TrialConfig, splits: Splits, device: str = "cpu") -> StepTimes:
    """The times of two batches, after one to warm up, with one thread.

    The steps train the whole network. Those of ``reconstruction_epochs``, without classifier, take a little less. Where
    there is no network, an image costs what it was once measured to cost. A harmonisation that is computed beforehand
    is left out: ``_fits_seconds`` counts it.
    """
    if config.classifier in NO_NETWORK:
        return StepTimes(0.0, BY_YARDSTICKS * (config.image_size / 64) ** 2, 1.0, 0)
    if build_member(config, "harmonise").beforehand:
        return timed_steps(dataclasses.replace(config, harmonise="none"), splits, device)
    training = Training(config, splits, device=device)
    training.begin_epoch()
    training.reconstructs_alone = False
    draws = training.draws[0]
    training_times: list[Elapsed] = []
    scoring_times: list[Elapsed] = []
    for _ in range(3):
        clock = Stopwatch()
        training.pipeline.train()
        step([training], [draws])[0].item()
        training_times.append(clock.lap())
        training.pipeline.eval()
        with torch.no_grad():
            batch = splits.train.gather(draws.positions, device)
            training.pipeline(batch.image, rates_of(config, batch), batch.acquisition)
        scoring_times.append(clock.lap())
    images = 2 * len(draws.positions)
    of_training = sum(elapsed.used for elapsed in training_times[1:])
    of_scoring = sum(elapsed.used for elapsed in scoring_times[1:])
    passed = sum(elapsed.passed for elapsed in (*training_times[1:], *scoring_times[1:]))
    slowdown = max(1.0, passed / (of_training + of_scoring))
    weights = sum(weight.numel() * weight.element_size() for weight in training.pipeline.state_dict().values())
    return StepTimes(of_training / images, of_scoring / images, slowdown, weights)


class Elapsed(NamedTuple):
    """Seconds that passed, and those in which this thread had a CPU."""

    passed: float
    used: float


class Stopwatch:
    """Measures laps."""

    def __init__(self) -> None:
        self.before = Elapsed(time.perf_counter(), time.thread_time())

    def lap(self) -> Elapsed:
        """What has elapsed since the last lap."""
        now = Elapsed(time.perf_counter(), time.thread_time())
        elapsed = Elapsed(now.passed - self.before.passed, now.used - self.before.used)
        self.before = now
        return elapsed


def _images(splits: Splits) -> int:
    return sum(map(len, splits.val.values())) + sum(map(len, splits.test.values()))
