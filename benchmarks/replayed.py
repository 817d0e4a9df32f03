"""Trials whose trainings are replayed from a recorded one, on GPUs that are only counted: for a simulated cluster."""

import dataclasses
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ray

from benchmarks.recorded import record_training
from benchmarks.scaling import FIELDS, write_cohort
from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.worker.attempts import Attempt, require_owner

RECORDED = "recorded"  # folder in a run folder: the run that is replayed
EPOCH_SECONDS = "epoch_seconds"  # file in a run folder


def replayed_trial(values: dict[str, Any]) -> None:
    """What Ray runs: the project's own trial, whose trainings are replayed, on GPUs that are only counted."""
    from tune_ks.worker import entry

    trial = entry._trial()
    module = sys.modules[trial.__module__]
    module.run_pack = replay_pack
    module.device_of = lambda work: "cpu"
    module.most_together = lambda config, work, device: work.together
    trial(values)


def replay_pack(
    configs: list[TrialConfig],
    folder: RunFolder,
    images_npy: Path,
    device: str,
    report: Callable[[TrialConfig, dict[str, float]], bool],
    attempts: dict[str, Attempt],
    **unused: Any,
) -> Iterator[tuple[TrialConfig, TrialRecord]]:
    """As ``run_pack``: the epochs of the recorded training are reported, and its record is written for every config."""
    recorded = next(RunFolder(folder.root / RECORDED).records())
    seconds = float((folder.root / EPOCH_SECONDS).read_text())
    unfinished = [config for config in configs if not folder.is_finished(config.key())]
    began = time.time()
    for epoch in range(1, configs[0].epochs + 1):
        time.sleep(seconds)
        line = recorded.history[(epoch - 1) % len(recorded.history)]
        for config in unfinished:
            require_owner(folder, config.key(), attempts[config.key()])
            report(config, {**line, "epoch": epoch})
    here = {
        "node": ray.get_runtime_context().get_node_id(),
        "gpus": ray.get_gpu_ids(),
        "process": os.getpid(),
        "began": began,
        "ended": time.time(),
        "together": len(configs),
    }
    for config in unfinished:
        require_owner(folder, config.key(), attempts[config.key()])
        folder.write_record(dataclasses.replace(recorded, config=config, facts={**recorded.facts, "simulated": here}))
    for config in configs:
        yield config, folder.read_record(config.key())


def record(place: Path) -> None:
    """Train the one trial that all others replay."""
    folder = RunFolder(place / RECORDED)
    folder.root.mkdir()
    images = write_cohort(Path(folder.root))
    record_training([TrialConfig.from_dict({**FIELDS, "lr": 1e-3})], folder, images)
