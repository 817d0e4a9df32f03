"""Files that child processes read: groups of them are given away as tasks, and every file gets an answer."""

from collections.abc import Iterator
from types import ModuleType
from typing import Any

from tune_ks.data.child_process import ChildPool
from tune_ks.data.cohort import prepare
from tune_ks.data.progress import Progress


class Asking:
    """Asks the functions of the module ``work``, in children of ``pool`` or in this process."""

    def __init__(self, pool: ChildPool, work: ModuleType, progress: Progress) -> None:
        self.pool = pool
        self.work = work
        self.progress = progress

    def answers(
        self, stage: str, function: str, groups: list[list[Any]], tasks: list[dict[str, Any]], local: bool
    ) -> list[tuple[Any, Any]]:
        """Every file of ``groups`` with the answer of ``function`` for it, in the order of the groups.

        ``tasks`` are the arguments for each group. A group whose task was given up has crashed its children.
        """
        total = sum(map(len, groups))
        done = 0
        answers_of_group: dict[int, list[Any]] = {}
        self.progress(stage, 0, total)
        numbered = [{"number": number, **task} for number, task in enumerate(tasks)]
        for number, answers in self.run(function, numbered, local):
            answers_of_group[number] = answers
            done += len(answers)
            self.progress(stage, done, total)
        pairs: list[tuple[Any, Any]] = []
        for number, group in enumerate(groups):
            pairs += zip(group, answers_of_group.get(number, [prepare.CRASHED] * len(group)))
        return pairs

    def run(self, function: str, tasks: list[dict[str, Any]], local: bool) -> Iterator[Any]:
        """What ``function`` returns for each task, as soon as it is there."""
        if local:
            return (getattr(self.work, function)(lambda _: None, **task) for task in tasks)
        return self.pool.run(f"{self.work.__name__}:{function}", tasks, without_crashed)


def without_crashed(task: dict[str, Any], index: Any) -> dict[str, Any] | None:
    """The task without the file over which a child died; None when that is not known, or it was tried before."""
    if index is None or index in task["crashed"]:
        return None
    return {**task, "crashed": [*task["crashed"], index]}
