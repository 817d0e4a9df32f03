"""What runs in one of Ray's workers: the configs of a trial trained, as many together as may be, each attempt noted."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ray
import torch

from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.dataset import open_splits
from tune_ks.training.pack import pack_key
from tune_ks.training.tasks import task_of
from tune_ks.training.train import TrainingFailed
from tune_ks.worker.attempts import (
    DIED,
    MEMORY,
    Attempt,
    GivenUp,
    Superseded,
    begin_attempt,
    end_attempt,
    largest_pack,
    read_attempts,
)
from tune_ks.worker.faults import StorageError, is_lost_device, is_out_of_memory, patiently, watchdog
from tune_ks.worker.jobs import Found, Jobs
from tune_ks.worker.memory import trainings_that_fit
from tune_ks.worker.node_files import masks_name, on_this_node
from tune_ks.worker.run_pack import run_pack


def trial(work: dict[str, Any]) -> None:
    """What Ray runs: ``jobs`` (lists of configs as plain dicts), ``run`` (a path or URL), ``images`` (size, or the name
    of its masks -> the file, as node_files describes it), ``threads``, ``session`` (of the driver), ``hang_after``
    (seconds), ``together`` (configs that may train as one), ``gpus`` (its own), ``stopping`` (whether a scheduler may
    write that a config is stopped), ``cross_domain_at`` (the epochs after which it compares cross-domain values) and
    ``start_point`` (why the search begins with this one, or None).

    A failure of a training is written and reported, not raised: the search goes on.
    """
    torch.set_num_threads(work["threads"])  # more threads than CPUs were given made trials ten times slower
    jobs = Jobs(work["jobs"])
    try:
        while waiting := jobs.waiting():
            for config, found in attempt_pack(waiting, work, jobs):
                jobs.end(config, found)
    except StorageError as error:
        jobs.give_up(error)


def attempt_pack(waiting: list[TrialConfig], work: dict[str, Any], jobs: Jobs) -> Iterator[tuple[TrialConfig, Found]]:
    """Try the first that wait, as many together as may be; yields those that came to an end.

    The others are tried again: a pack that ended badly in smaller ones, what ran out of memory alone once more at half
    the batch. How often is for attempts.py to say. StorageError is the caller's.
    """
    folder, session, (node, alive) = RunFolder(work["run"]), work["session"], _nodes()
    device = "cuda" if torch.cuda.is_available() and ray.get_gpu_ids() else "cpu"
    release_memory()
    for config in waiting if work["stopping"] and len(jobs.jobs) > 1 else ():  # before its process died
        if patiently(folder, folder.is_stopped, config.key()):
            jobs.stop(config)
    waiting = [config for config in waiting if config.key() not in jobs.found]
    if not waiting:
        return
    limits = {one.key(): largest_pack(read_attempts(folder, one.key()), session, alive) for one in waiting}
    pack, attempts = next_pack(waiting, limits, most_together(waiting[0], work, device)), {}
    for config in pack:
        try:
            # waits here, so that a finished trial is then seen
            patiently(folder, folder.write_config, config, work["start_point"])
            if not folder.is_finished(config.key()):
                attempts[config.key()] = patiently(
                    folder, begin_attempt, folder, config.key(), session, node, alive, len(pack)
                )
        except GivenUp as error:
            yield config, write_failure(folder, config, error)
    pack = [config for config in pack if config.key() in attempts or folder.is_finished(config.key())]
    try:
        for config, found in run_attempts(pack, attempts, work, jobs, device) if pack else ():
            failed = isinstance(found, Exception) and not isinstance(found, Superseded)
            yield config, write_failure(folder, config, found) if failed else found
    except StorageError:
        raise
    except Exception as error:  # any failure: one alone is named in failure.json and the report, and the others go on
        memory = is_out_of_memory(error)
        if len(pack) == 1 and not memory and not is_lost_device(error):
            yield pack[0], write_failure(folder, pack[0], error)
            return
        for key in attempts:
            if key not in jobs.found:
                detail = str(error).partition("\n")[0]
                patiently(folder, end_attempt, folder, key, session, MEMORY if memory else DIED, detail)
        if is_lost_device(error):
            os._exit(1)  # the GPU is lost to this process: Ray starts another one


def run_attempts(
    pack: list[TrialConfig], attempts: dict[str, Attempt], work: dict[str, Any], jobs: Jobs, device: str
) -> Iterator[tuple[TrialConfig, TrialRecord | Exception]]:
    """``run_pack`` within a trial: lines go to Ray, a hang ends the process, and what was stopped leaves."""
    folder, (images, masks) = RunFolder(work["run"]), files_of(pack[0], work)
    with watchdog(work["hang_after"]) as alive:

        def report(config: TrialConfig, line: dict[str, float]) -> bool:
            jobs.epoch(config, line)
            alive()
            # the driver has heard the line by now; the only job of a trial it would have ended with the trial
            stopped = work["stopping"] and patiently(folder, folder.is_stopped, config.key())
            if stopped:
                jobs.stop(config)
            return not stopped

        yield from run_pack(pack, folder, images, device, report, attempts, work["cross_domain_at"], masks)


def next_pack(waiting: list[TrialConfig], limits: dict[str, float], most: int) -> list[TrialConfig]:
    """The first that waits, and those that can train with it and are allowed to, up to ``most``, within the limits."""
    first = waiting[0]
    size, kind = min(most, limits[first.key()]), pack_key(first)
    beside = [one for one in waiting[1:] if kind and pack_key(one) == kind and limits[one.key()] >= size]
    return [first, *beside][: int(size)]


def most_together(config: TrialConfig, work: dict[str, Any], device: str) -> int:
    """As many as were asked for; on a GPU no more than it has room for."""
    if work["together"] == 1 or device == "cpu" or pack_key(config) is None:
        return work["together"]
    try:
        images, masks = files_of(config, work)
        splits = open_splits(RunFolder(work["run"]).cohort_csv, images, config.vendor, masks)
        return min(work["together"], trainings_that_fit(config, splits, min(1.0, work["gpus"])))
    except Exception:  # what keeps even one or two steps from running keeps it from training too: alone it is named
        return 1


def files_of(config: TrialConfig, work: dict[str, Any]) -> tuple[Path, Path | None]:
    """The images that a config is trained on and, where its task reads them, their masks: on this node."""
    images = on_this_node(work["images"][str(config.image_size)])
    return images, on_this_node(work["images"][masks_name(config.image_size)]) if task_of(config).reads_masks else None


def write_failure(folder: RunFolder, config: TrialConfig, error: Exception) -> str:
    """Name it in failure.json; returns the reason."""
    named = isinstance(error, (TrainingFailed, GivenUp))
    reason = str(error) if named else f"{type(error).__name__}: {error}"
    patiently(folder, folder.write_failure, config, reason)
    return reason


def release_memory() -> None:
    """Give back what an earlier trial of this process still holds."""
    gc.collect()
    torch.cuda.empty_cache()


def _nodes() -> tuple[str, set[str]]:
    """Ray's id of the node that this process runs on, and the ids of all nodes that live."""
    alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
    return ray.get_runtime_context().get_node_id(), alive
