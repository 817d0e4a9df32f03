"""Several configs from their checkpoints to their records, trained together in one process. Knows no Ray."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.dataset import Splits, open_splits
from tune_ks.evaluation.finish import ScoredTraining, finish_trainings
from tune_ks.evaluation.write_record import make_record, write_trial
from tune_ks.model.harmonisations.fits_each_image import FitsEachImage
from tune_ks.model.pipeline import build_member
from tune_ks.training.recorded import RecordedStep
from tune_ks.training.stored_fits import Fitted, recalled_fits
from tune_ks.training.tasks import slices_of
from tune_ks.training.train import TrainingFailed, train_together
from tune_ks.training.training import Epoch, Training
from tune_ks.training.transfer import loaded_parts, read_weights
from tune_ks.worker.attempts import Attempt, Superseded, require_owner
from tune_ks.worker.checkpoints import CheckpointClock, load_checkpoint, save_checkpoint
from tune_ks.worker.faults import patiently

Report = Callable[[TrialConfig, dict[str, float]], bool]
ReportFits = Callable[[TrialConfig, Fitted], None]
Result = tuple[TrialConfig, TrialRecord | Exception]


def run_pack(
    configs: Sequence[TrialConfig],
    folder: RunFolder,
    images_npy: Path,
    device: str,
    report: Report,
    attempts: Mapping[str, Attempt] | None = None,
    cross_domain_at: Collection[int] = (),
    masks_npy: Path | None = None,
    every_yardstick: bool = False,
    recorded: RecordedStep | None = None,
    report_fits: ReportFits = lambda *_: None,
) -> Iterator[Result]:
    """Bring every config from its checkpoint, if it has one, to its record; yields (config, record or exception).

    Several configs must share their ``pack_key``, and train together. A finished config is read, not trained again. An
    exception that is raised, not yielded, fails the whole pack.

    ``report`` is called with every line of every history, including those of an earlier process, which a scheduler may
    have lost together with its own process. Where it returns False the training stops, and nothing is yielded for it.
    ``attempts`` by key: nothing is written for a trial that another process has started since. ``every_yardstick``:
    records hold the slow ones too. With ``recorded`` the steps of a training that is alone are replayed where they can
    be; the record says how many. ``report_fits`` is called before the first epoch, for each stored image that the
    harmonisation is fitted to.
    """
    finished = {config.key() for config in configs if folder.is_finished(config.key())}
    for config in configs:
        if config.key() in finished:
            yield config, folder.read_record(config.key())
    unfinished = [config for config in configs if config.key() not in finished]
    if unfinished:
        patiently(folder, folder.cohort_csv.stat)  # a run folder that is away for a moment is no failure of a trial
        first = unfinished[0]
        splits = splits_of(first, folder, images_npy, masks_npy)
        pack = Pack(folder, splits, device, report, every_yardstick, recorded, report_fits)
        yield from pack.run(unfinished, attempts or {}, cross_domain_at)


def splits_of(config: TrialConfig, folder: RunFolder, images_npy: Path, masks_npy: Path | None) -> Splits:
    """The images of a trial: the same objects as of the last call with the same files, so that a GPU keeps its copy."""
    files = [folder.cohort_csv, images_npy, *([masks_npy] if masks_npy else [])]
    return _open_splits(
        versions=tuple(file.stat().st_mtime_ns for file in files),
        cohort_csv=folder.cohort_csv,
        images_npy=images_npy,
        vendor=config.vendor,
        masks_npy=masks_npy,
        train_share=config.train_share,
        slices=slices_of(config),
    )


def fits_of(config: TrialConfig, splits: Splits) -> Iterator[Fitted]:
    """Fit the harmonisation of a config to every stored image, where it does so, before its training asks for that."""
    harmonisation = build_member(config, "harmonise")
    if isinstance(harmonisation, FitsEachImage):
        harmonisation.fit(splits.train.in_chunks())
        yield from recalled_fits(config.harmonise, harmonisation, splits.train)


@lru_cache(maxsize=1)  # one: a GPU has room for the images of one trial
def _open_splits(versions: tuple[int, ...], **given: Any) -> Splits:
    return open_splits(**given)


class Pack:
    """Trainings that share their images and run together, in three passes: open, report what was there, train."""

    def __init__(
        self,
        folder: RunFolder,
        splits: Splits,
        device: str,
        report: Report,
        every_yardstick: bool = False,
        recorded: RecordedStep | None = None,
        report_fits: ReportFits = lambda *_: None,
    ) -> None:
        self.folder = folder
        self.splits = splits
        self.device = device
        self.report = report
        self.every_yardstick = every_yardstick
        self.recorded = recorded
        self.report_fits = report_fits
        self.clock = Clock()
        self.checkpoints = CheckpointClock()
        self.trials: list[OpenTrial] = []

    def run(
        self, configs: list[TrialConfig], attempts: Mapping[str, Attempt], cross_domain_at: Collection[int]
    ) -> Iterator[Result]:
        if torch.device(self.device).type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)  # the record states the peak of this pack
        yield from self._open(configs, attempts)
        self._report_earlier_epochs()
        self.clock.share_among(self.trials)
        yield from self._finish(self.trials)
        yield from self._train(cross_domain_at)

    def _open(self, configs: list[TrialConfig], attempts: Mapping[str, Attempt]) -> Iterator[Result]:
        """Open every trial; yields those that cannot be, because there is no such network or no such weights."""
        for config in configs:
            try:
                for fitted in fits_of(config, self.splits):
                    self.report_fits(config, fitted)
                attempt = attempts.get(config.key())
                trial = OpenTrial(config, self.folder, self.splits, self.device, attempt, len(configs))
                self.trials.append(trial)
            except ValueError as error:
                yield config, error

    def _report_earlier_epochs(self) -> None:
        for trial in self.trials:
            for line in trial.training.history:
                if not self.report(trial.config, line):
                    trial.training.left = True

    def _train(self, cross_domain_at: Collection[int]) -> Iterator[Result]:
        """Train until all have ended; yields each trial as it ends."""
        members = [trial.training for trial in self.trials]
        parts = max((trial.parts for trial in self.trials), default=1)
        for epochs in train_together(members, self.splits, parts, cross_domain_at, self.recorded):
            trained = [trial for trial in self.trials if trial.training in epochs]
            self.clock.share_among(trained)
            is_due = self.checkpoints.is_due()
            for trial in trained:
                failure = self._after_epoch(trial, epochs[trial.training], is_due)
                if failure is not None:
                    yield trial.config, failure
            yield from self._finish(trained)

    def _after_epoch(self, trial: "OpenTrial", epoch: Epoch | TrainingFailed, is_due: bool) -> Exception | None:
        """Save and report an epoch. A training that failed, or that another process has taken over, leaves the pack."""
        failure = epoch if isinstance(epoch, TrainingFailed) else self._saved(trial, is_due)
        if isinstance(failure, Exception):
            trial.training.left = True
            return failure
        trial.training.left = not self.report(trial.config, trial.training.history[-1])
        return None

    def _saved(self, trial: "OpenTrial", is_due: bool) -> Superseded | None:
        """Write the checkpoint where it is due, and in any case after the last epoch: then only the scoring is left."""
        try:
            if is_due or trial.training.is_whole:
                trial.write_checkpoint(self.checkpoints)
            else:
                trial.require_owner()
        except Superseded as error:
            return error
        return None

    def _finish(self, trials: list["OpenTrial"]) -> Iterator[Result]:
        """Score and record those of the trials that are trained to their last epoch."""
        whole = [trial for trial in trials if trial.training.is_whole]
        if not whole:
            return
        for trial in whole:
            trial.epoch_seconds = trial.latest_seconds
            trial.training.release()
        if self.recorded is not None:
            self.recorded.release()
        configs = [trial.config for trial in whole]
        states = [trial.training.state() for trial in whole]
        parts = whole[0].parts
        scored = finish_trainings(configs, self.splits, states, self.device, parts, self.every_yardstick)
        self.clock.share_among(whole)
        for trial, training in zip(whole, scored, strict=True):
            result: TrialRecord | Superseded
            try:
                result = trial.write_record(training, len(self.trials), self.recorded)
            except Superseded as error:
                result = error
            yield trial.config, result


class OpenTrial:
    """One trial between its checkpoint and its record: its training, and what of it is written to the run folder.

    With an ``attempt``, nothing is written once another process has started the trial (Superseded).
    """

    def __init__(
        self,
        config: TrialConfig,
        folder: RunFolder,
        splits: Splits,
        device: str,
        attempt: Attempt | None,
        together: int = 1,
    ) -> None:
        self.config = config
        self.folder = folder
        self.splits = splits
        self.device = device
        self.attempt = attempt
        folder.write_config(config)
        self.checkpoint = folder.checkpoint(config)
        self.conditional = config.is_conditional  # then several trials share this training and its checkpoint
        saved = load_checkpoint(self.checkpoint)
        state = saved.get("state")
        epochs_done = len(state["history"]) if state else 0
        # the seconds of a shared training are counted once, by the trial that trained it
        shared_before = self.conditional and epochs_done == config.epochs
        self.seconds = 0.0 if shared_before else saved.get("seconds", 0.0)
        self.latest_seconds = 0.0  # of the last thing that the clock counted
        self.epoch_seconds = 0.0  # of the last epoch
        self.half_batch_from = saved.get("half_batch_from_epoch", 0)  # counted from 1; 0: never
        if self.parts > 1 and not self.half_batch_from:
            self.half_batch_from = epochs_done + 1
        self.weights = read_weights(folder, config.init_from) if config.init_from else None
        self.training = Training(config, splits, state, device, self.weights, together)

    @property
    def parts(self) -> int:
        """How many parts a batch is split into, so that it needs less memory."""
        return self.attempt.accumulate if self.attempt else 1

    def require_owner(self) -> None:
        """Superseded where another process has started the trial."""
        if self.attempt:
            require_owner(self.folder, self.config.key(), self.attempt)

    def write_checkpoint(self, clock: CheckpointClock) -> None:
        """Write the checkpoint of the last epoch."""
        values = {
            "state": self.training.state(),
            "seconds": self.seconds,
            "half_batch_from_epoch": self.half_batch_from,
        }
        self._write(self._replace_checkpoint, values, clock)

    def write_record(self, training: ScoredTraining, together: int, recorded: RecordedStep | None) -> TrialRecord:
        """Write the record and the files beside it; ``together`` is how many trainings the pack held."""
        cohort = self.folder.read_search().get("cohort", {}).get("fingerprint")
        record = make_record(self.config, self.splits, training, self.seconds, self.device, cohort)
        record.facts.update(self._facts(training, together))
        if recorded is not None:
            record.facts["recorded_steps"] = recorded.summary
        self._write(write_trial, self.folder, record, self.splits, training, self.device)
        self._remove_leftovers()
        return record

    def _facts(self, training: ScoredTraining, together: int) -> dict[str, Any]:
        """How long its last epoch took, and how it came to its record, where that is not the plain way."""
        facts: dict[str, Any] = {"epoch_seconds": round(self.epoch_seconds, 3)}
        start_point = self.folder.start_point(self.config.key())
        if start_point:
            facts["start_point"] = start_point
        if self.half_batch_from:
            facts["half_batch_from_epoch"] = self.half_batch_from
        if together > 1:
            facts["trained_together"] = together
        if self.weights:
            loaded = loaded_parts(training.pipeline, self.config, self.weights)
            facts["init_from"] = {"question": self.weights.question(), "loaded": loaded}
        if self.training.at_chance:
            facts["at_chance"] = True
        if self.training.restarts:
            facts["begun_again"] = self.training.restarts
        if self.conditional:
            facts["training"] = self.config.training().key()
        return facts

    def _remove_leftovers(self) -> None:
        """Remove writes that were cut short (dotfiles), and the checkpoint where no other trial needs it."""
        for leftover in self.folder.trial(self.config.key()).glob(".*"):
            if not leftover.is_dir():  # a folder is no write: a notebook's checkpoints, for example
                leftover.unlink(missing_ok=True)
        if not self.conditional:
            self.checkpoint.unlink(missing_ok=True)

    def _replace_checkpoint(self, values: dict[str, Any], clock: CheckpointClock) -> None:
        with clock.writing():
            save_checkpoint(self.checkpoint, values, self.require_owner)

    def _write(self, action: Callable[..., None], *args: Any) -> None:
        self.require_owner()
        patiently(self.folder, action, *args)


class Clock:
    """Seconds of work, shared equally among the trials that the work was for."""

    def __init__(self) -> None:
        self.counted_until = time.monotonic()

    def share_among(self, trials: Sequence[OpenTrial]) -> None:
        """Add the seconds since the last call to the trials."""
        now = time.monotonic()
        for trial in trials:
            trial.latest_seconds = (now - self.counted_until) / len(trials)
            trial.seconds += trial.latest_seconds
        self.counted_until = now
