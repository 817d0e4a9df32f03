"""What runs in one of Ray's workers: the configs of a trial are trained, as many together as fit."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import ray
import torch

from tune_ks.core.config import TrialConfig
from tune_ks.core.own_members import MemberFile, add_installed_members, add_members
from tune_ks.core.printable import printable
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.evaluation.registries import open_registries
from tune_ks.training.out_of_memory import is_out_of_memory
from tune_ks.training.pack import pack_key
from tune_ks.training.precision import set_precision
from tune_ks.training.recorded import RecordedStep
from tune_ks.training.stored_fits import Fitted
from tune_ks.training.tasks import task_of
from tune_ks.training.train import TrainingFailed
from tune_ks.worker.attempts import (
    DIED,
    MEMORY,
    Attempt,
    GivenUp,
    Superseded,
    end_attempt,
    largest_pack,
    read_attempts,
    start_attempt,
)
from tune_ks.worker.faults import StorageError, is_lost_device, patiently, unusable_gpu, watchdog
from tune_ks.worker.jobs import ConfigResult, Jobs
from tune_ks.worker.memory import limit_memory, trainings_that_fit
from tune_ks.worker.node_files import masks_name, on_this_node
from tune_ks.worker.run_pack import run_pack, splits_of
from tune_ks.worker.work import TrialWork


class Nodes(NamedTuple):
    """Ray's id of the node that this process runs on, and the ids of all nodes that are alive."""

    this: str
    alive: set[str]


def trial(values: dict[str, Any]) -> None:
    """What Ray runs; ``values`` are those of a TrialWork.

    A failure of a training is written and reported, not raised: the search continues.
    """
    work = TrialWork(**values)
    torch.set_num_threads(work.threads)  # more threads than CPUs made trials ten times slower
    set_precision()
    jobs = Jobs(work.jobs)
    try:
        take_members(work, jobs)
        while jobs.waiting():
            for config, result in attempt_pack(work, jobs):
                jobs.set_result(config, result)
    except StorageError as error:
        jobs.report_storage_error(error)


def take_members(work: TrialWork, jobs: Jobs) -> None:
    """Add the members of the user's own files, which came with the work, and of packages that this node has.

    Where one cannot be used here, all has failed: the driver has used it, so this node lacks a package.
    """
    try:
        registries = open_registries()
        for name, text in work.members:
            add_members(MemberFile(name, text), registries)
        add_installed_members(registries)
    except ValueError as error:
        folder = RunFolder(work.run)
        for config in jobs.waiting():
            patiently(folder, folder.write_config, config, work.start_point)
            jobs.set_result(config, write_failure(folder, config, error))


def attempt_pack(work: TrialWork, jobs: Jobs) -> Iterator[tuple[TrialConfig, ConfigResult]]:
    """Train the first waiting config and as many others with it as allowed; yields those that came to an end.

    The others stay waiting, and the caller tries them again: a failed pack is retried at half its size; a training that
    ran out of memory alone, once at half its batch. attempts.py says how often. StorageError is the caller's.
    """
    release_memory()
    leave_out_stopped(work, jobs)
    waiting = jobs.waiting()
    if waiting:
        attempt = PackAttempt(waiting, work, jobs)
        yield from attempt.start()
        yield from attempt.train()


class PackAttempt:
    """One attempt at training some of the waiting configs together, each noted in its attempts.json."""

    def __init__(self, waiting: list[TrialConfig], work: TrialWork, jobs: Jobs) -> None:
        self.work = work
        self.jobs = jobs
        self.folder = RunFolder(work.run)
        self.nodes = _nodes()
        self.device = device_of(work)
        limits = {}
        for config in waiting:
            attempts = read_attempts(self.folder, config.key())
            limits[config.key()] = largest_pack(attempts, work.session, self.nodes.alive)
        self.configs = next_pack(waiting, limits, most_together(waiting[0], work, self.device))
        self.attempts: dict[str, Attempt] = {}  # key -> the attempt, of those that are to be trained

    def start(self) -> Iterator[tuple[TrialConfig, str]]:
        """Note the attempt of every config that has no record yet; yields those that are given up."""
        for config in self.configs:
            try:
                self._start(config)
            except GivenUp as error:
                yield config, write_failure(self.folder, config, error)

    def train(self) -> Iterator[tuple[TrialConfig, ConfigResult]]:
        """Train those that were not given up.

        When the whole pack fails: a training alone is given up with the reason, unless memory or the GPU was the cause;
        otherwise every attempt is noted as ended, so that the next one is smaller.
        """
        configs = [config for config in self.configs if self._has_started(config)]
        if not configs:
            return
        try:
            for config, result in self._run(configs):
                yield config, self._named(config, result)
        except StorageError:
            raise
        except Exception as error:  # any failure: one bad trial must not end the search
            names_its_cause = not is_out_of_memory(error) and not is_lost_device(error)
            if len(configs) == 1 and names_its_cause:
                yield configs[0], write_failure(self.folder, configs[0], error)
            else:
                self._end(error)

    def _start(self, config: TrialConfig) -> None:
        key = config.key()
        # waits until the storage is there, so that a finished trial is seen by the next line
        patiently(self.folder, self.folder.write_config, config, self.work.start_point)
        if not self.folder.is_finished(key):
            self.attempts[key] = patiently(self.folder, self._new_attempt, key)

    def _new_attempt(self, key: str) -> Attempt:
        node, alive = self.nodes
        return start_attempt(self.folder, key, self.work.session, node, alive, together=len(self.configs))

    def _has_started(self, config: TrialConfig) -> bool:
        return config.key() in self.attempts or self.folder.is_finished(config.key())

    def _run(self, configs: list[TrialConfig]) -> Iterator[tuple[TrialConfig, TrialRecord | Exception]]:
        """``run_pack`` within a trial: epochs go to Ray, a hang ends the process, a stopped config leaves."""
        work = self.work
        images, masks = files_of(configs[0], work)
        with watchdog(work.hang_after) as alive:

            def report(config: TrialConfig, line: dict[str, float]) -> bool:
                self.jobs.report_epoch(config, line)
                alive()
                # Ray has shown the line to the scheduler by now. It ends a trial with one job by itself
                stopped = work.stopping and patiently(self.folder, self.folder.is_stopped, config.key())
                if stopped:
                    self.jobs.set_stopped(config)
                return not stopped

            def report_fits(config: TrialConfig, fitted: Fitted) -> None:
                alive()
                self.jobs.report_fits(config, fitted)

            yield from run_pack(
                configs,
                self.folder,
                images,
                self.device,
                report,
                attempts=self.attempts,
                cross_domain_at=work.cross_domain_at,
                masks_npy=masks,
                every_yardstick=work.every_yardstick,
                recorded=RecordedStep() if work.record_steps and self.device != "cpu" else None,
                report_fits=report_fits,
            )

    def _named(self, config: TrialConfig, result: TrialRecord | Exception) -> ConfigResult:
        """The result of one config; a failure is written, and its reason returned."""
        if isinstance(result, TrialRecord | Superseded):
            return result
        return write_failure(self.folder, config, result)

    def _end(self, error: Exception) -> None:
        """Note how the attempts without a result ended. A process that lost its GPU ends: Ray starts another one."""
        ended = MEMORY if is_out_of_memory(error) else DIED
        detail = str(error).partition("\n")[0]
        for key in self.attempts:
            if key not in self.jobs.results:
                patiently(self.folder, end_attempt, self.folder, key, self.work.session, ended, detail)
        if is_lost_device(error):
            os._exit(1)


def device_of(work: TrialWork) -> str:
    """Where a trial trains: on the GPU that Ray gave it if torch can use that GPU, otherwise on the CPU."""
    if not ray.get_gpu_ids():
        return "cpu"
    trouble = unusable_gpu()
    if trouble:
        print(printable(f"{trouble} This trial trains on the CPU."))
        return "cpu"
    limit_memory(work.gpus)
    return "cuda"


def leave_out_stopped(work: TrialWork, jobs: Jobs) -> None:
    """Mark the configs that a scheduler stopped before this process started. A trial's only job ends with its trial."""
    if not work.stopping or len(jobs.jobs) == 1:
        return
    folder = RunFolder(work.run)
    for config in jobs.waiting():
        if patiently(folder, folder.is_stopped, config.key()):
            jobs.set_stopped(config)


def next_pack(waiting: list[TrialConfig], limits: dict[str, float], most: int) -> list[TrialConfig]:
    """The first waiting config, and those that can and may train with it: at most ``most``, within the ``limits``."""
    first = waiting[0]
    size = int(min(most, limits[first.key()]))
    kind = pack_key(first)
    if kind is None:
        return [first]
    beside = [config for config in waiting[1:] if pack_key(config) == kind and limits[config.key()] >= size]
    return [first, *beside][:size]


def most_together(config: TrialConfig, work: TrialWork, device: str) -> int:
    """How many configs may train together: the number asked for, but on a GPU no more than its memory holds.

    On a CPU in place of a GPU, one: a pack gains nothing there.
    """
    if device == "cpu" and work.gpus:
        return 1
    if work.together == 1 or device == "cpu" or pack_key(config) is None:
        return work.together
    try:
        images, masks = files_of(config, work)
        splits = splits_of(config, RunFolder(work.run), images, masks)
        return min(work.together, trainings_that_fit(config, splits, min(1.0, work.gpus)))
    except Exception:  # whatever fails in these steps fails in the training too, and alone it names its cause
        return 1


def files_of(config: TrialConfig, work: TrialWork) -> tuple[Path, Path | None]:
    """The images that a config is trained on and, where its task reads them, their masks: on this node."""
    images = on_this_node(work.files[str(config.image_size)])
    if not task_of(config).reads_masks():
        return images, None
    return images, on_this_node(work.files[masks_name(config.image_size)])


def write_failure(folder: RunFolder, config: TrialConfig, error: Exception) -> str:
    """Write the reason to failure.json, and return it."""
    is_a_reason = isinstance(error, (TrainingFailed, GivenUp))
    reason = str(error) if is_a_reason else f"{type(error).__name__}: {error}"
    patiently(folder, folder.write_failure, config, reason)
    return reason


def release_memory() -> None:
    """Free what an earlier trial of this process still holds."""
    gc.collect()
    torch.cuda.empty_cache()


def _nodes() -> Nodes:
    alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
    return Nodes(ray.get_runtime_context().get_node_id(), alive)
