"""Every task by name: what the network is trained for. ``build`` of a member is the class of the task."""

from collections.abc import Sequence

from torch import Tensor

from tune_ks.core.config import TrialConfig
from tune_ks.core.metrics import METRICS
from tune_ks.data.dataset import Batch
from tune_ks.model.members import named
from tune_ks.training.tasks import classification, detection, mapping, segmentation, volume
from tune_ks.training.tasks.base import Task

TASKS = {
    "classification": classification.MEMBER,
    "detection": detection.MEMBER,
    "segmentation": segmentation.MEMBER,
    "volume": volume.MEMBER,
    "map": mapping.MEMBER,
}


def task_named(name: str) -> type[Task]:
    """The class of a task. ValueError names an unknown one."""
    return named(TASKS, "task", name).build


def task_of(config: TrialConfig) -> type[Task]:
    """The class of a config's task. ValueError names an unknown one."""
    return task_named(config.task)


def slices_of(config: TrialConfig) -> int:
    """How many consecutive images belong together: the slices of a volume, as many as it has pixels a side; else 1."""
    return config.image_size if task_of(config).group == "volume" else 1


def build_task(config: TrialConfig) -> Task:
    """The config's task with its options, for one training. ValueError where the task cannot use the network."""
    member = named(TASKS, "task", config.task)
    return member.build(**member.checked_values(config))


def task_losses(tasks: Sequence[Task], outputs: Sequence[Tensor], batches: Sequence[Batch]) -> Sequence[Tensor]:
    """The loss of each of several trainings, of one class of tasks, on the network's output for its batch."""
    if len(tasks) > 1:
        return tasks[0].losses(tasks, outputs, batches)
    return [task.loss(output, batch) for task, output, batch in zip(tasks, outputs, batches, strict=True)]


def title_of(config: TrialConfig) -> str:
    """The title of the config's metric: AUC, Dice ...."""
    return METRICS[task_of(config).metric].title
