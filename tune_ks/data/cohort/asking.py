"""Files that child processes read: groups of them are given away as tasks, and every file gets an answer."""

from collections.abc import Iterator
from typing import Any

from tune_ks.data.child_process import ChildPool, function_named
from tune_ks.data.cohort.prepare import CRASHED
from tune_ks.data.progress import Progress

DICOM_WORK = "tune_ks.data.cohort.prepare_dicom"  # the module of DICOM files
LOCAL_FILES = 200  # up to so many uncompressed ones are read in this process: starting child processes takes longer


class Asking:
    """Asks the functions of the module named ``work``, in children of ``pool`` or in this process.

    Where children do all of it, this process need not import what reads the files.
    """

    def __init__(self, pool: ChildPool, work: str, progress: Progress) -> None:
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
            pairs += zip(group, answers_of_group.get(number, [CRASHED] * len(group)))
        return pairs

    def run(self, function: str, tasks: list[dict[str, Any]], local: bool) -> Iterator[Any]:
        """What ``function`` returns for each task, as soon as it is there."""
        name = f"{self.work}:{function}"
        if local:
            called = function_named(name)
            return (called(lambda _: None, **task) for task in tasks)
        return self.pool.run(name, tasks, without_crashed)


def without_crashed(task: dict[str, Any], index: Any) -> dict[str, Any] | None:
    """The task without the file over which a child died; None when that is not known, or it was tried before."""
    if index is None or index in task["crashed"]:
        return None
    return {**task, "crashed": [*task["crashed"], index]}
