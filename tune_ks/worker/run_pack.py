"""Configs from wherever they stand in a run folder to their records, as many at once as are given. Knows no Ray."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.dataset import Splits, open_splits
from tune_ks.evaluation.finish import Outcome, finish_together
from tune_ks.evaluation.write_record import make_record, write_outcome
from tune_ks.training.train import TrainingFailed, train_together
from tune_ks.training.training import Epoch, Training
from tune_ks.training.transfer import loaded_parts, read_weights
from tune_ks.worker.attempts import Attempt, Superseded, require_owner
from tune_ks.worker.checkpoints import load_checkpoint, save_checkpoint
from tune_ks.worker.faults import patiently

Report = Callable[[TrialConfig, dict[str, float]], bool]


class Question:
    """One key on its way from its checkpoint to its record.

    With an ``attempt``, nothing is written once another process has begun the trial (Superseded).
    """

    def __init__(
        self, config: TrialConfig, folder: RunFolder, splits: Splits, device: str, attempt: Attempt | None
    ) -> None:
        self.config, self.folder, self.splits, self.device, self.attempt = config, folder, splits, device, attempt
        folder.write_config(config)
        self.checkpoint, self.shared = folder.checkpoint(config), config.rate_from is not None
        saved = load_checkpoint(self.checkpoint)
        state = saved.get("state")
        trained_before = state is not None and len(state["history"]) == config.epochs
        # of a training that is scored at many rates they are counted once, by who trained it
        self.seconds = 0.0 if self.shared and trained_before else saved.get("seconds", 0.0)
        self.half_from = saved.get("half_batch_from_epoch", 0)  # counted from 1; 0: never
        if self.parts > 1 and not self.half_from:
            self.half_from = len(state["history"]) + 1 if state else 1
        self.weights = read_weights(folder, config.init_from) if config.init_from else None
        self.member = Training(config, splits, state, device, self.weights)

    @property
    def parts(self) -> int:
        return self.attempt.accumulate if self.attempt else 1

    def save(self) -> None:
        """Where the training stands, to the checkpoint."""
        values = {"seconds": self.seconds, "half_batch_from_epoch": self.half_from}
        self._write(save_checkpoint, self.checkpoint, {"state": self.member.state(), **values})

    def conclude(self, outcome: Outcome, together: int) -> TrialRecord:
        """Write what the training was worth; ``together`` is how many were trained and scored as one."""
        folder, config = self.folder, self.config
        cohort = folder.read_search().get("cohort", {}).get("fingerprint")
        record = make_record(config, self.splits, outcome, self.seconds, self.device, cohort)
        if start_point := folder.start_point(config.key()):
            record.facts["start_point"] = start_point
        if self.half_from:
            record.facts["half_batch_from_epoch"] = self.half_from
        if together > 1:
            record.facts["trained_together"] = together
        if self.weights:
            loaded = loaded_parts(outcome.pipeline, config, self.weights)
            record.facts["init_from"] = {"question": self.weights.question(), "loaded": loaded}
        if self.shared:
            record.facts["training"] = config.training().key()
        self._write(write_outcome, folder, record, self.splits, outcome, self.device)
        cut_short = folder.trial(config.key()).glob(".*")  # dotfiles: writes that did not end
        for leftover in [*cut_short, *([] if self.shared else [self.checkpoint])]:
            leftover.unlink(missing_ok=True)
        return record

    def _write(self, action: Callable[..., None], *args: Any) -> None:
        if self.attempt:
            require_owner(self.folder, self.config.key(), self.attempt)
        patiently(self.folder, action, *args)


def run_config(
    config: TrialConfig,
    folder: RunFolder,
    images_npy: Path,
    device: str,
    report: Callable[[dict[str, float]], None],
    masks_npy: Path | None = None,
) -> TrialRecord:
    """One key from wherever it stands to its record, as ``run_pack`` does it; its failure is raised."""

    def go_on(_: TrialConfig, line: dict[str, float]) -> bool:
        report(line)
        return True

    ((_, found),) = run_pack([config], folder, images_npy, device, go_on, masks_npy=masks_npy)
    if isinstance(found, Exception):
        raise found
    return found


def run_pack(
    configs: Sequence[TrialConfig],
    folder: RunFolder,
    images_npy: Path,
    device: str,
    report: Report,
    attempts: Mapping[str, Attempt] | None = None,
    cross_domain_at: Collection[int] = (),
    masks_npy: Path | None = None,
) -> Iterator[tuple[TrialConfig, TrialRecord | Exception]]:
    """Each key from wherever it stands to its record, or to the failure that is its own; yielded as they end.

    Configs that share their ``pack_key`` train as one. A finished one is read, not run again. ``report`` is called with
    each line of each history, those of an earlier process included: a scheduler may have lost them with its own
    process. Where it returns False that training leaves, and nothing is yielded for it. An exception is of the whole
    pack, but of its only config where it has one. ``attempts`` by key: nothing is written for a trial that another
    process has begun since.
    """
    left = []
    for config in configs:
        if folder.is_finished(config.key()):
            yield config, folder.read_record(config.key())
        else:
            left.append(config)
    if not left:
        return
    splits, questions, clock = open_splits(folder.cohort_csv, images_npy, left[0].vendor, masks_npy), [], Clock()
    for config in left:
        try:
            questions.append(Question(config, folder, splits, device, (attempts or {}).get(config.key())))
        except ValueError as error:  # there is no such network, or no such weights
            yield config, error
    for question in questions:
        for line in question.member.history:
            question.member.left |= not report(question.config, line)
    clock.share_among(questions)
    yield from _conclude([one for one in questions if one.member.is_whole], splits, device, len(questions), clock)
    members, parts = [one.member for one in questions], max((one.parts for one in questions), default=1)
    for epochs in train_together(members, splits, parts, cross_domain_at):
        trained = [one for one in questions if one.member in epochs]
        clock.share_among(trained)
        for one in trained:
            failure = _save(one, epochs[one.member])
            one.member.left = failure is not None or not report(one.config, one.member.history[-1])
            if failure:
                yield one.config, failure
        yield from _conclude([one for one in trained if one.member.is_whole], splits, device, len(questions), clock)


class Clock:
    """Seconds of work, shared equally among those that are worked on: what a lone training takes, or its part."""

    def __init__(self) -> None:
        self.counted = time.monotonic()

    def share_among(self, questions: Sequence[Question]) -> None:
        """Those since the last time."""
        passed, self.counted = time.monotonic() - self.counted, time.monotonic()
        for question in questions:
            question.seconds += passed / len(questions)


def _save(question: Question, epoch: Epoch | TrainingFailed) -> TrainingFailed | Superseded | None:
    """Write the checkpoint of an epoch; why the training cannot go on, where that is so."""
    if isinstance(epoch, TrainingFailed):
        return epoch
    try:
        question.save()
    except Superseded as error:
        return error
    return None


def _conclude(
    questions: list[Question], splits: Splits, device: str, together: int, clock: Clock
) -> Iterator[tuple[TrialConfig, TrialRecord | Superseded]]:
    if not questions:
        return
    configs, states = [one.config for one in questions], [one.member.state() for one in questions]
    outcomes = finish_together(configs, splits, states, device, questions[0].parts)
    clock.share_among(questions)
    for question, outcome in zip(questions, outcomes, strict=True):
        try:
            found = question.conclude(outcome, together)
        except Superseded as error:
            found = error
        yield question.config, found
