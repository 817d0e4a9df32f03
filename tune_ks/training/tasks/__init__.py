"""What the network is trained for: every task by name. ``build`` of a member is its class."""

from tune_ks.core.config import TrialConfig
from tune_ks.core.metrics import METRICS
from tune_ks.model.members import named
from tune_ks.training.tasks import classification, segmentation
from tune_ks.training.tasks.base import Task

TASKS = {"classification": classification.MEMBER, "segmentation": segmentation.MEMBER}


def task_named(name: str) -> type[Task]:
    """The class of a task. ValueError names an unknown one."""
    return named(TASKS, "task", name).build


def task_of(config: TrialConfig) -> type[Task]:
    """The class of a config's task. ValueError names an unknown one."""
    return task_named(config.task)


def build_task(config: TrialConfig) -> Task:
    """The config's task with its options, for one training."""
    member = named(TASKS, "task", config.task)
    return member.build(**member.values(config.options))


def title_of(config: TrialConfig) -> str:
    """What the config's results are told in: AUC, Dice."""
    return METRICS[task_of(config).metric].title
