"""The first question to an object store: a command that cannot reach it ends within LIMIT seconds, with one message."""

import threading

from tune_ks.core.lasting_words import say_error
from tune_ks.core.object_path import ObjectPath
from tune_ks.core.storage import StoragePath

SILENCE = 3.0  # seconds after which it is said what is waited for
LIMIT = 30.0  # seconds: docs/guide.md names them
LONGEST = 400  # letters of what the library says
_ANSWERED: set[tuple[str, str, str]] = set()  # stores that did: while a search runs, it waits for its store


def require_answer(place: StoragePath) -> None:
    """OSError where ``place`` lies in a store that does not answer, or refuses, within LIMIT seconds.

    The question is asked in a thread of its own: some of the library's waits have no end that it can be given, and none
    can be interrupted.
    """
    if not isinstance(place, ObjectPath) or place.store in _ANSWERED:
        return
    failures: list[Exception] = []
    answered = threading.Event()

    def ask() -> None:
        try:
            place.ask_once()
        except Exception as error:  # raised below, in the thread that waits
            failures.append(error)
        answered.set()

    threading.Thread(target=ask, name="first answer", daemon=True).start()
    if not answered.wait(SILENCE):
        say_error(f"waiting for {place} to answer, {LIMIT:g} s at most")
        answered.wait(LIMIT - SILENCE)
    if not answered.is_set():
        raise OSError(_unreachable(place, f"no answer within {LIMIT:g} s"))
    if failures and isinstance(failures[0], OSError):
        raise OSError(_unreachable(place, str(failures[0])[:LONGEST])) from failures[0]
    if failures:
        raise failures[0]
    _ANSWERED.add(place.store)


def _unreachable(place: ObjectPath, reason: str) -> str:
    return (
        f"{place} cannot be reached: {reason}. Is its address right (endpoint_override, region), is there a way to it "
        "from this machine, and are there credentials (docs/cluster.md)?"
    )
