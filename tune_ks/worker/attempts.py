"""The attempts of a trial: which process trained it, how each attempt ended, and whether it is tried again.

RUN/trials/KEY/attempts.json lists the attempts in order. Only the last attempt may write to the trial. An older process
(of a driver that was killed, or on a node that was cut off) sees a newer attempt in the list, and stops writing.
"""

import dataclasses
import math
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from tune_ks.core.record import FORMAT
from tune_ks.core.run_folder import RunFolder, read_json, write_json

WORKER_DEATHS = 3  # a trial whose process died more often than this, on nodes that are alive, is given up
DIED, MEMORY, HUNG = "died", "memory", "hung"


@dataclass(frozen=True)
class Attempt:
    """A process that started a trial. ``ended`` stays None where it is not known how it ended."""

    token: str  # random, unique to this attempt
    session: str  # the driver that asked for it
    node: str  # Ray's id of the node it ran on
    accumulate: int = 1  # parts that a batch is split into, their gradients added up: 2 needs half the memory
    together: int = 1  # how many trials the process trained together, this one included
    ended: str | None = None  # DIED | MEMORY | HUNG
    detail: str = ""


class GivenUp(RuntimeError):
    """The trial is not tried again; the message is the reason that failure.json names."""


class Superseded(RuntimeError):
    """Another process has started the trial since: this one must not write any more."""


def read_attempts(folder: RunFolder, key: str) -> list[Attempt]:
    """The attempts in order; [] where there are none or the file is not what this program writes."""
    try:
        lines = read_json(folder.trial(key, "attempts.json"))["attempts"]
        return [_attempt_from(line) for line in lines]
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return []


def _attempt_from(values: dict[str, Any]) -> Attempt:
    """ValueError or TypeError where the values of the file are not those of an attempt."""
    attempt = Attempt(**values)
    for text in (attempt.token, attempt.session, attempt.node, attempt.detail):
        if not isinstance(text, str):
            raise ValueError(f"an attempt's ids and detail must be texts, got {text!r}")
    for count in (attempt.accumulate, attempt.together):
        if not isinstance(count, int):
            raise ValueError(f"an attempt's counts must be whole numbers, got {count!r}")
    return attempt


def start_attempt(
    folder: RunFolder, key: str, session: str, node: str, alive: Collection[str], together: int = 1
) -> Attempt:
    """Write that this process tries the trial now; ``alive`` holds the ids of the nodes that are alive.

    GivenUp when the trial has failed too often.
    """
    attempts = read_attempts(folder, key)
    parts = parts_of_a_batch(attempts, session, alive)
    attempt = Attempt(uuid.uuid4().hex, session, node, parts, together)
    _write(folder, key, [*attempts, attempt])
    return attempt


def parts_of_a_batch(attempts: list[Attempt], session: str, alive: Collection[str]) -> int:
    """How many parts a batch is split into: 2 after an attempt ran out of memory, otherwise 1.

    GivenUp when this driver's attempts leave no hope. Not counted are attempts of an earlier driver (the user asked to
    try again), those on a node that has died, and those together with other trials: there it is unknown which trial
    was the cause, and the next pack is half as large.
    """
    alone = [attempt for attempt in attempts if attempt.together == 1]
    reason = _reason_to_give_up([attempt for attempt in alone if attempt.session == session], alive)
    if reason:
        raise GivenUp(reason)
    ran_out_of_memory = any(attempt.ended == MEMORY for attempt in alone)
    return 2 if ran_out_of_memory else 1


def _reason_to_give_up(attempts: list[Attempt], alive: Collection[str]) -> str | None:
    """Why a trial with these attempts, each of them alone and of this driver, is not tried again; None if it is."""
    for attempt in attempts:
        if attempt.ended == HUNG:
            return f"it hung: {attempt.detail}"
        if attempt.ended == MEMORY and attempt.accumulate > 1:
            return f"out of memory, with half the batch too: {attempt.detail}"
    deaths = [attempt for attempt in attempts if attempt.ended in (None, DIED) and attempt.node in alive]
    if len(deaths) > WORKER_DEATHS:
        return f"its process died {len(deaths)} times; the last time: {deaths[-1].detail or 'nobody saw why'}"
    return None


def largest_pack(attempts: list[Attempt], session: str, alive: Collection[str]) -> float:
    """The largest pack in which this trial may be trained: half of the smallest one that failed.

    Infinite where no pack failed; 1 after the trial ran out of memory alone, because it then needs its batch split.
    As in ``parts_of_a_batch``, deaths on nodes that died do not count.
    """
    if any(attempt.ended == MEMORY and attempt.together == 1 for attempt in attempts):
        return 1
    packs = [attempt for attempt in attempts if attempt.together > 1]
    failed = [attempt.together for attempt in packs if _pack_is_to_blame(attempt, session, alive)]
    return max(1, min(failed) // 2) if failed else math.inf


def _pack_is_to_blame(attempt: Attempt, session: str, alive: Collection[str]) -> bool:
    """Whether the size of a pack may be why it failed: it ran out of memory, hung, or died on a node that is alive."""
    if attempt.ended == MEMORY:
        return True
    return attempt.session == session and (attempt.ended == HUNG or attempt.node in alive)


def end_attempt(folder: RunFolder, key: str, session: str, ended: str, detail: str = "") -> bool:
    """Write how the running attempt of this session ended. False where it has none."""
    attempts = read_attempts(folder, key)
    if not attempts or attempts[-1].session != session or attempts[-1].ended or folder.is_finished(key):
        return False
    _write(folder, key, [*attempts[:-1], dataclasses.replace(attempts[-1], ended=ended, detail=detail)])
    return True


def require_owner(folder: RunFolder, key: str, attempt: Attempt) -> None:
    """Superseded when another process has started the trial after ``attempt``."""
    attempts = read_attempts(folder, key)
    if attempts and attempts[-1].token != attempt.token:
        raise Superseded(f"{key}: another process goes on with this trial")


def _write(folder: RunFolder, key: str, attempts: list[Attempt]) -> None:
    values = {"format": FORMAT, "attempts": [dataclasses.asdict(attempt) for attempt in attempts]}
    write_json(folder.trial(key, "attempts.json"), values)
