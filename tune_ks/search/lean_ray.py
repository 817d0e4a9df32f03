"""What Ray starts and counts beside a search, and nobody uses there: 1.6 s of CPU at each start, left out.

The three processes are the autoscaler, which would add nodes to a cluster; the monitor of the log files, which would
print what workers print; and the server of the dashboard, which Ray starts even where no dashboard is asked for, and
waits for. It is also what would send Ray's statistics of use.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from ray._private import node

PROCESSES = ("start_monitor", "start_log_monitor", "start_api_server")  # methods of Ray's Node


@contextmanager
def fewer_processes() -> Iterator[None]:
    """While inside, Ray on this machine starts without these processes.

    Another version may name them otherwise, and then starts them.
    """
    with ExitStack() as stack:
        for name in PROCESSES:
            stack.enter_context(_replaced(node.Node, name, _nothing))
        yield


@contextmanager
def callbacks_uncounted() -> Iterator[None]:
    """While inside, Ray Tune does not count kinds of callbacks.

    For that it imports MLflow and others where they are installed: half a second of CPU.
    """
    from ray.air._internal import usage  # a part of Ray Tune, which a dry run can do without

    with _replaced(usage, "tag_callbacks", _nothing):
        yield


@contextmanager
def _replaced(owner: Any, name: str, function: Any) -> Iterator[None]:
    before = getattr(owner, name, None)
    if before is None:
        yield
        return
    setattr(owner, name, function)
    try:
        yield
    finally:
        setattr(owner, name, before)


def _nothing(*values: Any, **options: Any) -> None:
    """Stands for a function whose work is left out."""
