"""Ray as the tests start a cluster: without the processes that no test looks at, which cost 1.5 s of CPU at a start.

A search on one machine does so itself (tune_ks/search/lean_ray.py). They are the autoscaler, which would add nodes; the
log monitor, which would print what workers print; and the server of the dashboard, which Ray starts even where no
dashboard is asked for. And without counting the callbacks of a fit for Ray's statistics of use, which imports all of
mlflow, half a second of CPU.

Where a test asks for it, workers are forked from a warm process (tests/warm_workers.py).
"""

import os
from pathlib import Path
from types import ModuleType
from typing import Any

SOCKET = "WARM_WORKERS"  # the variable that holds where warm_workers.py serves, if it does
SETUP = str(Path(__file__).with_name("warm_workers.py"))


def leave_out(node_module: ModuleType) -> None:
    """Change Ray's module ``ray._private.node``: its nodes start none of the three."""
    for name in ("start_monitor", "start_log_monitor", "start_api_server"):
        getattr(node_module.Node, name)  # AttributeError: this Ray names them otherwise, and would start them
        setattr(node_module.Node, name, _start_nothing)


def fork_workers(node_module: ModuleType) -> None:
    """Change Ray's module ``ray._private.node``: its nodes have workers forked, where warm_workers.py serves that."""
    assert node_module.ray_constants.SETUP_WORKER_FILENAME in ("setup_worker.py", SETUP)
    if SOCKET in os.environ:
        node_module.ray_constants.SETUP_WORKER_FILENAME = SETUP  # absolute: joined to any folder it stays what it is


def count_no_callbacks(usage_module: ModuleType) -> None:
    """Change Ray's module ``ray.air._internal.usage``."""
    assert usage_module.tag_callbacks  # AttributeError: this Ray names it otherwise, and would count them
    usage_module.tag_callbacks = _count_nothing


def _count_nothing(callbacks: Any) -> bool:
    return False


def _start_nothing(node: Any, **options: Any) -> None:
    pass
