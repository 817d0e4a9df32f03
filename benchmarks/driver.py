"""What does an event of a search cost the driver, and does the cost grow with the trials of a fit?

    python -m benchmarks.driver [--trials 300 2000] [--slots 32] [--profile]

The driver is the project's own: searcher, slots, events and Ray Tune's loop over them. No Ray runs: in the place of
what talks to Ray's actors stands an object that answers every call from a list (``ReplayedActors``), so nothing waits,
and CPU time is that of the driver's Python code alone. What Ray's own threads and sockets cost comes on top
(benchmarks/simulated_cluster.py has both). Trials are of two epochs; each number of trials is one fit. Printed are the
CPU milliseconds of a trial after the first two waves and before the last one.
"""

import cProfile
import logging
import os
import pstats
import tempfile
import time
import uuid
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import ray
from ray.air.execution._internal.tracked_actor import TrackedActor
from ray.train._internal import storage
from ray.tune import result as names
from ray.tune.execution import tune_controller

from benchmarks.recorded import NO_WORK
from benchmarks.scaling import FIELDS, VENDORS
from benchmarks.tools import parser, print_heads, print_row
from tune_ks.core.run_folder import RunFolder
from tune_ks.planning.plan import plan_search
from tune_ks.planning.space import SEARCH_DEFAULTS, Space
from tune_ks.search import search
from tune_ks.search.cluster import Resources
from tune_ks.search.event import Event
from tune_ks.search.events import Halt
from tune_ks.search.searcher import JobSearcher

WINDOW = 200  # trials at the beginning and at the end of a fit
SHOWN = 15  # functions of a profile


class ReplayedActors:
    """In place of Ray's RayActorManager: actors that are answered for, in order, as many at once as there are slots."""

    slots = 32

    def __init__(self, resource_manager: object) -> None:
        self.waiting: deque[TrackedActor] = deque()
        self.config_of: dict[TrackedActor, dict[str, Any]] = {}
        self.epochs_of: dict[TrackedActor, int] = {}  # that it has reported
        self._live_actors_to_ray_actors_resources: dict[TrackedActor, tuple] = {}  # Tune reads it by this name
        self.events: deque[Callable[[], object]] = deque()

    @property
    def num_live_actors(self) -> int:
        return len(self._live_actors_to_ray_actors_resources)

    @property
    def num_pending_actors(self) -> int:
        return len(self.waiting)

    @property
    def num_total_actors(self) -> int:
        return self.num_live_actors + self.num_pending_actors

    num_actor_tasks = 0

    def add_actor(self, cls: Any, kwargs: dict, resource_request: Any, on_start: Any, on_stop: Any, on_error: Any):
        actor = TrackedActor(uuid.uuid4().int, on_start=on_start, on_stop=on_stop, on_error=on_error)
        self._begin(actor, kwargs["config"])
        self.waiting.append(actor)
        return actor

    def _begin(self, actor: TrackedActor, config: dict[str, Any]) -> None:
        self.config_of[actor] = config["jobs"][0][0]
        self.epochs_of[actor] = 0

    def is_actor_started(self, tracked_actor: TrackedActor) -> bool:
        return tracked_actor in self._live_actors_to_ray_actors_resources

    def is_actor_failed(self, tracked_actor: TrackedActor) -> bool:
        return False

    def schedule_actor_task(
        self,
        tracked_actor: TrackedActor,
        method_name: str,
        args: tuple | None = None,
        kwargs: dict | None = None,
        on_result: Callable | None = None,
        on_error: Callable | None = None,
        _return_future: bool = False,
    ) -> None:
        """The answer comes as an event of its own."""
        if method_name == "reset":
            self._begin(tracked_actor, args[0])
        if on_result is not None:
            answers = {"train": self._next_report, "reset": lambda actor: True}
            self.events.append(lambda: on_result(tracked_actor, answers[method_name](tracked_actor)))

    def _next_report(self, actor: TrackedActor) -> dict[str, Any]:
        """An epoch; after the last one the end of the job; then that the function has ended."""
        config = self.config_of[actor]
        self.epochs_of[actor] += 1
        number = self.epochs_of[actor]
        report = {names.TRAINING_ITERATION: number, names.DONE: False, names.TIME_TOTAL_S: 1.0 * number, "job": 0}
        report |= {"date": "", "timestamp": 0, "pid": 1, "hostname": "", "node_ip": "", names.TIME_THIS_ITER_S: 1.0}
        measured = {"val_in_domain": 0.6, "val_cross_domain": 0.5}
        if number <= config["epochs"]:
            return {**report, **measured, "epoch": number, "loss": 0.7, "epoch_share": number / config["epochs"]}
        if number == config["epochs"] + 1:
            return {**report, **measured, "realised_rate": 1.0, "finished": True, "failed": "", "epoch_share": 1.0}
        return {names.RESULT_DUPLICATE: True, names.DONE: True}

    def remove_actor(self, tracked_actor: TrackedActor, kill: bool = False, stop_future: object = None) -> bool:
        if tracked_actor in self._live_actors_to_ray_actors_resources:
            del self._live_actors_to_ray_actors_resources[tracked_actor]
            self.events.append(lambda: tracked_actor._on_stop and tracked_actor._on_stop(tracked_actor))
            return True
        self.waiting.remove(tracked_actor)
        return False

    def clear_actor_task_futures(self, tracked_actor: TrackedActor) -> None:
        pass

    def get_live_actors_resources(self) -> dict[str, float]:
        return {}

    def next(self, timeout: float) -> bool:
        """Handle one event, or start an actor where a slot is free. False where there is nothing to do."""
        if self.waiting and self.num_live_actors < self.slots:
            actor = self.waiting.popleft()
            self._live_actors_to_ray_actors_resources[actor] = (None, None)
            actor._on_start(actor)
        elif self.events:
            self.events.popleft()()
        else:
            return False
        return True

    def cleanup(self) -> None:
        pass


class Clock:
    """The driver's CPU seconds after each trial that has ended."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.events = 0
        self.started: list[float] = []  # learning rates of the trials, in the order in which they started

    def show(self, event: Event) -> None:
        self.events += 1
        if event.kind == "started":
            self.started.append(event.configs[0].lr)
        if event.kind == "finished":
            self.seconds.append(time.process_time())


def run(trials: int, slots: int, place: Path) -> Clock:
    """One fit of so many trials."""
    folder = RunFolder(place)
    rates = [float(rate) for rate in np.geomspace(1e-4, 1e-2, trials)]
    space = Space("driver", "", [{**FIELDS, "lr": rates}], dict(SEARCH_DEFAULTS))
    plan = plan_search(space, folder, VENDORS)
    clock = Clock()
    one_search = search._Search(
        space=space,
        folder=folder,
        files={},
        vendors=VENDORS,
        plan=plan,
        resources=Resources(),
        show=clock.show,
        halt=Halt(),
        make_searcher=None,
        has_slots=lambda slots: None,
        scratch=str(place / "ray"),
    )
    ReplayedActors.slots = slots
    without_ray = {**search.RAY_SETTINGS, "TUNE_DISABLE_AUTO_INIT": "1"}
    with (
        mock.patch.dict(os.environ, without_ray),
        mock.patch.object(tune_controller, "RayActorManager", ReplayedActors),
        mock.patch.object(ray, "cluster_resources", dict),
        mock.patch.object(storage, "_get_ray_train_session_dir", return_value=str(place / "session")),
        mock.patch.object(search, "FIT_TRIALS", trials),
    ):
        one_search._fit(JobSearcher(plan, space, folder, VENDORS, NO_WORK), None, NO_WORK, slots)
    if len(clock.seconds) != trials:
        raise RuntimeError(f"{len(clock.seconds)} of {trials} trials ended")
    return clock


def of_a_trial(seconds: list[float]) -> float:
    """CPU milliseconds of a trial within a part of a fit."""
    return 1000 * (seconds[-1] - seconds[0]) / (len(seconds) - 1)


def main() -> None:
    """Print one row for each number of trials."""
    arguments = parser(__doc__)
    arguments.add_argument("--trials", type=int, nargs="+", default=[300, 2000])
    arguments.add_argument("--slots", type=int, default=32)
    arguments.add_argument("--profile", action="store_true", help="also the functions that take most of the time")
    args = arguments.parse_args()
    logging.getLogger("ray").setLevel(logging.ERROR)  # as a search has it
    print_heads(["trials", "events", "early, CPU ms a trial", "late", "all"])
    for trials in args.trials:
        profile = cProfile.Profile()
        with tempfile.TemporaryDirectory(prefix="tune_ks_driver_") as name:
            if args.profile:
                profile.enable()
            clock = run(trials, args.slots, Path(name))
            profile.disable()
        seconds = clock.seconds
        early = of_a_trial(seconds[2 * args.slots :][:WINDOW])
        late = of_a_trial(seconds[-WINDOW - args.slots : -args.slots])
        print_row([trials, clock.events, f"{early:.2f}", f"{late:.2f}", f"{of_a_trial(seconds):.2f}"])
        if args.profile:
            pstats.Stats(profile).sort_stats("tottime").print_stats(SHOWN)


if __name__ == "__main__":
    main()
