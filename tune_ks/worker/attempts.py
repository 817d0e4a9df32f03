"""Who has tried a trial, and how each attempt ended: whether it is tried again, and with which batch.

RUN/trials/KEY/attempts.json lists the attempts in order. The last one owns the trial: an older process, of a driver
that was killed or of a node that was cut off, finds another's attempt below its own and stops writing.
"""

import dataclasses
import json
import math
import uuid
from collections.abc import Collection
from dataclasses import dataclass

from tune_ks.core.record import FORMAT
from tune_ks.core.run_folder import RunFolder, read_json
from tune_ks.core.storage import write_whole

WORKER_DEATHS = 3  # a trial whose process died more often than this, on nodes that live, is given up
DIED, MEMORY, HUNG = "died", "memory", "hung"


@dataclass(frozen=True)
class Attempt:
    """One process that began a trial. ``ended`` stays None when nobody could say how it ended."""

    token: str  # of this attempt alone
    session: str  # of the driver that asked for it
    node: str  # Ray's id of the node it ran on
    accumulate: int = 1  # parts of a batch, whose gradients are added up: 2 is half the memory
    together: int = 1  # trials that the process trained as one, this one among them
    ended: str | None = None  # DIED | MEMORY | HUNG
    detail: str = ""


class GivenUp(RuntimeError):
    """The trial is not tried again; the message is the reason that failure.json names."""


class Superseded(RuntimeError):
    """Another process has begun this trial since: this one must not write any more."""


def read_attempts(folder: RunFolder, key: str) -> list[Attempt]:
    """The attempts in order; [] where there are none or the file is not what this program writes."""
    try:
        lines = read_json(folder.trial(key, "attempts.json"))["attempts"]
        attempts = [Attempt(**line) for line in lines]
        texts = [text for one in attempts for text in (one.token, one.session, one.node, one.detail)]
        counts = [count for one in attempts for count in (one.accumulate, one.together)]
        if not all(isinstance(text, str) for text in texts) or not all(isinstance(count, int) for count in counts):
            raise ValueError("an id that is no text, or a count that is no number")
        return attempts
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return []


def begin_attempt(
    folder: RunFolder, key: str, session: str, node: str, alive: Collection[str], together: int = 1
) -> Attempt:
    """Write that this process tries the trial now. GivenUp when it has failed too often; ``alive`` are node ids."""
    attempts = read_attempts(folder, key)
    parts = parts_of_a_batch(attempts, session, alive)
    attempt = Attempt(uuid.uuid4().hex, session, node, parts, together)
    _write(folder, key, [*attempts, attempt])
    return attempt


def parts_of_a_batch(attempts: list[Attempt], session: str, alive: Collection[str]) -> int:
    """1, or 2 after an attempt ran out of memory. GivenUp when this driver's attempts leave no hope.

    Attempts of an earlier driver are not charged (it was asked to try again), nor are those on a node that has died,
    nor those together with other trials: nobody knows whose fault it was, and the next pack is half as large.
    """
    attempts = [attempt for attempt in attempts if attempt.together == 1]
    mine = [attempt for attempt in attempts if attempt.session == session]
    parts = 2 if any(attempt.ended == MEMORY for attempt in attempts) else 1
    for attempt in mine:
        if attempt.ended == HUNG:
            raise GivenUp(f"it hung: {attempt.detail}")
        if attempt.ended == MEMORY and attempt.accumulate > 1:
            raise GivenUp(f"out of memory, with half the batch too: {attempt.detail}")
    deaths = [attempt for attempt in mine if attempt.ended in (None, DIED) and attempt.node in alive]
    if len(deaths) > WORKER_DEATHS:
        raise GivenUp(f"its process died {len(deaths)} times; the last time: {deaths[-1].detail or 'nobody saw why'}")
    return parts


def largest_pack(attempts: list[Attempt], session: str, alive: Collection[str]) -> float:
    """With how many trials at once this one may be tried: half of a pack that ended badly; infinite where none did.

    Alone once it ran out of memory alone, so on half batches. As above, deaths on nodes that died do not count.
    """
    if any(attempt.ended == MEMORY and attempt.together == 1 for attempt in attempts):
        return 1
    bad = [a for a in attempts if a.ended == MEMORY or (a.session == session and (a.node in alive or a.ended == HUNG))]
    return min((max(1, attempt.together // 2) for attempt in bad if attempt.together > 1), default=math.inf)


def end_attempt(folder: RunFolder, key: str, session: str, ended: str, detail: str = "") -> bool:
    """Say how the session's running attempt ended. False where it has none."""
    attempts = read_attempts(folder, key)
    if not attempts or attempts[-1].session != session or attempts[-1].ended or folder.is_finished(key):
        return False
    _write(folder, key, [*attempts[:-1], dataclasses.replace(attempts[-1], ended=ended, detail=detail)])
    return True


def require_owner(folder: RunFolder, key: str, attempt: Attempt) -> None:
    """Superseded when another process has begun the trial after ``attempt``."""
    attempts = read_attempts(folder, key)
    if attempts and attempts[-1].token != attempt.token:
        raise Superseded(f"{key}: another process goes on with this trial")


def _write(folder: RunFolder, key: str, attempts: list[Attempt]) -> None:
    values = {"format": FORMAT, "attempts": [dataclasses.asdict(attempt) for attempt in attempts]}
    write_whole(folder.trial(key, "attempts.json"), json.dumps(values, indent=1).encode())
