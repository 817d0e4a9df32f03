"""What the network is asked for: every task by name."""

from tune_ks.record import TrialConfig
from tune_ks.tasks.base import Task
from tune_ks.tasks.classification import Classification

TASKS: dict[str, type[Task]] = {"classification": Classification}


def task_of(config: TrialConfig) -> type[Task]:
    """ValueError names an unknown task."""
    if config.task not in TASKS:
        raise ValueError(f"task must be one of {', '.join(sorted(TASKS))}; got {config.task!r}")
    return TASKS[config.task]
