"""Run a plan with Ray Tune and one searcher. The run folder holds every result; Ray's own state is disposable."""

import math
import os
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ray
from ray import tune
from ray.tune.search import ConcurrencyLimiter

from tune_ks.core.own_members import member_files
from tune_ks.core.run_folder import RunFolder
from tune_ks.planning.plan import Plan
from tune_ks.planning.space import Space
from tune_ks.search.cluster import connected, slots_in_cluster, slots_now
from tune_ks.search.event import Event
from tune_ks.search.events import Halt, Watcher
from tune_ks.search.in_order import InOrder
from tune_ks.search.lean_ray import callbacks_uncounted
from tune_ks.search.ray_thread import RayThread
from tune_ks.search.resources import Resources
from tune_ks.search.room import Room
from tune_ks.search.schedulers import early_stopping
from tune_ks.search.searcher import JobSearcher
from tune_ks.worker.entry import run_trial
from tune_ks.worker.faults import StorageError
from tune_ks.worker.node_files import masks_name, shared
from tune_ks.worker.work import TrialWork

ROUNDS = 5  # fits in a row that lose jobs and end none: jobs that Ray dropped with a node that died go to the next fit
FIT_TRIALS = 300  # of one fit: with the trials of a fit grow Ray's memory and its files
FIT_WAVES = 10  # but at least so many per slot: at the end of a fit the slots wait for its last trial
RAY_SETTINGS = {
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",  # Ray rewrites its state as trials report, and nobody reads it
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # a traceback for each trial of a dead node; Watcher says it in a line
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Halt has its own, for SIGTERM too
}


def run_search(
    space: Space,
    folder: RunFolder,
    images: dict[int, Path],
    vendors: list[str],
    plan: Plan,
    resources: Resources,
    show: Callable[[Event], None],
    halt: Halt | None = None,
    masks: dict[int, Path] | None = None,
    make_searcher: Callable[[TrialWork, int], Any] | None = None,
    has_slots: Callable[[int], None] = lambda slots: None,
) -> None:
    """Run everything that the plan has left, until it is done or ``halt`` has a reason.

    ``images`` is image size -> cached .npy file; so are the tumours' ``masks``, for the tasks that read them.
    ``make_searcher`` (what every trial is given, number of trials at once) makes another searcher than the plan's.
    ``has_slots`` is told how many trials run at once, when Ray has started. StorageError when the run folder could not
    be written any more; everything finished before is in it.
    """
    for name, value in RAY_SETTINGS.items():
        os.environ.setdefault(name, value)
    halt = halt or Halt()
    with halt.on_signals(), RayThread(halt, resources.address is not None) as ray_thread, ExitStack() as stack:
        # entered first, removed after Ray has ended. A second signal may interrupt the removal, so errors are ignored
        scratch = stack.enter_context(TemporaryDirectory(prefix="tune_ks_ray_", ignore_cleanup_errors=True))
        search = _Search(
            space=space,
            folder=folder,
            files=files_by_label(images, masks or {}),
            vendors=vendors,
            plan=plan,
            resources=resources,
            show=ray_thread.unless_given_up(show),
            halt=halt,
            make_searcher=make_searcher,
            has_slots=has_slots,
            scratch=scratch,
        )
        if not halt.stop_all():
            ray_thread.run(partial(search.run, stack, ray_thread.watch))
    if halt.reason and not halt.interrupted:
        raise StorageError(f"{halt.reason}. Nothing finished is lost: the same command goes on when this is mended")


@dataclass(frozen=True)
class _Search:
    """One search within Ray's thread. What it opens lies on the stack, which the main thread closes."""

    space: Space
    folder: RunFolder
    files: dict[int | str, Path]
    vendors: list[str]
    plan: Plan
    resources: Resources
    show: Callable[[Event], None]
    halt: Halt
    make_searcher: Callable[[TrialWork, int], Any] | None
    has_slots: Callable[[int], None]
    scratch: str

    def run(self, stack: ExitStack, watch: Callable[[str], None]) -> None:
        """Connect to Ray, and fit until nothing is left; ``watch`` is told where Ray's first process answers."""
        stack.enter_context(connected(self.resources.address))
        watch(ray.get_runtime_context().gcs_address)
        gpus, concurrent = slots_in_cluster(self.resources)
        self.has_slots(concurrent)
        stopping = early_stopping(self.space, self.folder)
        on_cluster = self.resources.address is not None
        work = TrialWork(
            run=str(self.folder.root.resolve()),
            files=stack.enter_context(shared(self.files, cluster=on_cluster)),
            session=uuid.uuid4().hex,
            threads=max(1, int(self.resources.cpus)),
            gpus=gpus,
            together=self.resources.pack(gpus),
            hang_after=self.resources.hang_after,
            record_steps=self.resources.record_steps,
            stopping=stopping is not None,
            cross_domain_at=stopping.cross_domain_at if stopping else [],
            every_yardstick=self.space.search["yardsticks"] == "all",
            members=[list(file) for file in member_files()],
        )
        self._fit(self._searcher(work, concurrent), stopping, work, concurrent)

    def _searcher(self, work: TrialWork, concurrent: int) -> Any:
        if self.make_searcher is not None:
            return self.make_searcher(work, concurrent)
        # at most an equal share of the jobs, so that no slot is idle while another one has a pack
        points = min(work.together, math.ceil(len(self.plan.jobs) / concurrent))
        return JobSearcher(self.plan, self.space, self.folder, self.vendors, work, points)

    def _fit(self, searcher: Any, stopping: Any, work: TrialWork, concurrent: int) -> None:
        """Fits of Ray Tune until the searcher has nothing left, the halt has a reason, or no job ends any more."""
        trainable = tune.with_resources(run_trial, {"cpu": self.resources.cpus, "gpu": work.gpus})
        rounds = 0
        while searcher.left and rounds < ROUNDS and not self.halt.stop_all():
            stops = stopping.stops if stopping else {}
            watcher = Watcher(self.folder, work.session, work.hang_after, self.halt, self.show, stops)
            limiter = ConcurrencyLimiter(searcher, concurrent)
            tune_config = tune.TuneConfig(
                search_alg=limiter,
                scheduler=stopping or InOrder(),
                num_samples=min(searcher.left, max(FIT_TRIALS, FIT_WAVES * concurrent)),
                reuse_actors=True,
            )
            run_config = _run_config(self.scratch, [watcher, *self._room(limiter, work)], self.halt)
            with callbacks_uncounted():
                tune.Tuner(trainable, tune_config=tune_config, run_config=run_config).fit()
            concurrent = limiter.max_concurrent
            if watcher.ended:
                rounds = 0
            elif watcher.lost:
                rounds += 1
            searcher.queue.extend(watcher.lost)

    def _room(self, limiter: ConcurrencyLimiter, work: TrialWork) -> list[tune.Callback]:
        """On a cluster, what uses the slots of nodes that join, unless the user said how many trials at once."""
        if self.resources.address is None or self.resources.concurrent is not None:
            return []
        return [Room(limiter, partial(slots_now, self.resources.cpus, work.gpus))]


def files_by_label(images: dict[int, Path], masks: dict[int, Path]) -> dict[int | str, Path]:
    """The files that workers read, by the labels that TrialWork has for them."""
    of_images: dict[int | str, Path] = {size: path for size, path in images.items()}
    return of_images | {masks_name(size): path for size, path in masks.items()}


def _run_config(scratch: str, callbacks: list[tune.Callback], halt: Halt) -> tune.RunConfig:
    """How Ray runs one fit."""
    return tune.RunConfig(
        name=uuid.uuid4().hex,  # unique, because Ray resumes a fit of the same name
        storage_path=scratch,
        verbose=0,
        callbacks=callbacks,
        stop=halt,
        # Ray retries for ever: attempts.py says which deaths count, and when a trial is given up
        failure_config=tune.FailureConfig(max_failures=-1),
    )
