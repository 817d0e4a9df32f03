"""A plan -> Ray's Tuner and one searcher. The run folder is the truth; Ray's state is disposable."""

import math
import os
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from ray import tune

from tune_ks.core.run_folder import RunFolder
from tune_ks.planning.plan import Plan
from tune_ks.planning.space import Space
from tune_ks.search.cluster import Resources, connected, slots_in_cluster
from tune_ks.search.events import Event, Halt, Watcher
from tune_ks.search.schedulers import early_stopping
from tune_ks.search.searcher import JobSearcher
from tune_ks.worker.faults import StorageError
from tune_ks.worker.node_files import masks_name, shared
from tune_ks.worker.trial import trial

ROUNDS = 5  # at most so many fits that lose jobs: what Ray dropped with a node that died goes to the next one
FIT_TRIALS = 300  # of one fit: what Ray does an event, keeps in memory and writes grows with the trials of a fit
FIT_WAVES = 10  # but so many a slot at least: at the end of a fit the slots wait for its last trial


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
) -> None:
    """Run what the plan has left, until it is done or ``halt`` has a reason. ``images`` is image size -> cached .npy,
    and so are the tumours' ``masks``, for the tasks that read them.

    StorageError when the run folder could not be written any more; everything finished before is in it.
    """
    # Ray's storage holds nothing that is read again; it is rewritten as trials report, so it lies in scratch
    os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "3600")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")  # Halt has one, for SIGTERM too
    halt, session = halt or Halt(), uuid.uuid4().hex
    with ExitStack() as stack:
        # removed after Ray's end, and whatever is still written there is nobody's: a second signal may fall anywhere
        scratch = stack.enter_context(TemporaryDirectory(prefix="tune_ks_ray_", ignore_cleanup_errors=True))
        stack.enter_context(connected(resources.address))
        stack.enter_context(halt.on_signals())  # after Ray's connection, which sets a handler of SIGTERM that exits
        gpus, concurrent = slots_in_cluster(resources)
        named = {masks_name(size): path for size, path in (masks or {}).items()}
        files = stack.enter_context(shared({**images, **named}, cluster=resources.address is not None))
        stopping = early_stopping(space, folder)
        common = {
            "run": str(folder.root.resolve()),
            "images": files,
            "threads": max(1, int(resources.cpus)),
            "session": session,
            "hang_after": resources.hang_after,
            "gpus": gpus,
            "together": resources.pack(gpus),
            "stopping": stopping is not None,
            "cross_domain_at": stopping.cross_domain_at if stopping else [],
        }
        points = min(resources.pack(gpus), math.ceil(len(plan.jobs) / concurrent))  # no slot waits for another's pack
        searcher, rounds = JobSearcher(plan, space, folder, vendors, common, points), 0
        while searcher.left and rounds < ROUNDS and not halt.reason:
            watcher = Watcher(folder, session, resources.hang_after, halt, show, stopping.stops if stopping else {})
            tune.Tuner(
                tune.with_resources(trial, {"cpu": resources.cpus, "gpu": gpus}),
                tune_config=tune.TuneConfig(
                    search_alg=searcher,
                    scheduler=stopping,
                    num_samples=min(searcher.left, max(FIT_TRIALS, FIT_WAVES * concurrent)),
                    max_concurrent_trials=concurrent,
                    reuse_actors=True,
                ),
                run_config=tune.RunConfig(
                    name=uuid.uuid4().hex,  # a fit of the same name would be gone on with
                    storage_path=scratch,
                    verbose=0,
                    callbacks=[watcher],
                    stop=halt,
                    # who is charged for a death, and when it is enough, is said in attempts.py
                    failure_config=tune.FailureConfig(max_failures=-1),
                ),
            ).fit()
            rounds += bool(watcher.lost)
            searcher.queue.extend(watcher.lost)
    if halt.reason and not halt.interrupted:
        raise StorageError(f"{halt.reason}. Nothing finished is lost: the same command goes on when this is mended")
