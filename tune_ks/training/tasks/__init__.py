"""What the network is asked for: every task by name."""

from tune_ks.core.config import TrialConfig
from tune_ks.core.metrics import METRICS
from tune_ks.training.tasks.base import Task
from tune_ks.training.tasks.classification import Classification
from tune_ks.training.tasks.segmentation import Segmentation

TASKS: dict[str, type[Task]] = {"classification": Classification, "segmentation": Segmentation}


def task_named(name: str) -> type[Task]:
    """ValueError names an unknown task."""
    if name not in TASKS:
        raise ValueError(f"task must be one of {', '.join(sorted(TASKS))}; got {name!r}")
    return TASKS[name]


def task_of(config: TrialConfig) -> type[Task]:
    """The task of a config. ValueError names an unknown one."""
    return task_named(config.task)


def title_of(config: TrialConfig) -> str:
    """What the config's results are told in: AUC, Dice."""
    return METRICS[task_of(config).metric].title
