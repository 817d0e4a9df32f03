"""What one of Ray's trials is given: TrialWork."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from tune_ks.core.config import TrialConfig
from tune_ks.worker.node_files import SharedFile


@dataclass(frozen=True)
class TrialWork:
    """Everything that a worker needs to know, as plain values, so that Ray can send it to any node.

    The search fills it once, and adds ``jobs`` and ``start_point`` for each trial. The files themselves never travel.
    """

    run: str  # the run folder: an absolute path, or a URL
    files: dict[str, SharedFile]  # image size, or masks_name(image size) -> the file
    session: str  # id of the driver, so that a worker of an earlier driver is recognised
    threads: int  # torch threads, as many as CPUs of the trial
    gpus: float  # of the trial; below 1 it shares a GPU
    together: int  # how many configs may train together
    hang_after: float  # seconds without an epoch after which the process is ended
    record_steps: bool = False  # whether a training that is alone on a GPU replays its steps as a CUDA graph
    stopping: bool = False  # whether a scheduler may write that a config is stopped
    cross_domain_at: list[int] = field(default_factory=list)  # epochs that end with cross-domain scores
    every_yardstick: bool = False  # whether the slow yardsticks are computed too
    members: list[list[str]] = field(default_factory=list)  # [name, text] of files with members of the user's own
    jobs: list[list[dict[str, Any]]] = field(default_factory=list)  # a job is a list of configs as plain values
    start_point: str | None = None  # why the search begins with this config; None where it does not

    def with_jobs(self, jobs: list[list[TrialConfig]], start_point: str | None = None) -> "TrialWork":
        """The work of one trial: these jobs."""
        return replace(self, jobs=[_plain(job) for job in jobs], start_point=start_point)

    def plain(self) -> dict[str, Any]:
        """What Ray ships. ``TrialWork(**values)`` is the inverse."""
        return asdict(self)


def _plain(job: list[TrialConfig]) -> list[dict[str, Any]]:
    return [config.non_default() for config in job]
