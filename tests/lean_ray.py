"""Ray as the tests start a cluster: without the processes that no test looks at, which cost 1.5 s of CPU at a start.

A search on one machine does so itself (tune_ks/search/lean_ray.py). They are the autoscaler, which would add nodes; the
log monitor, which would print what workers print; and the server of the dashboard, which Ray starts even where no
dashboard is asked for. And without counting the callbacks of a fit for Ray's statistics of use, which imports all of
mlflow, half a second of CPU.
"""

from types import ModuleType
from typing import Any


def leave_out(node_module: ModuleType) -> None:
    """Change Ray's module ``ray._private.node``: its nodes start none of the three."""
    for name in ("start_monitor", "start_log_monitor", "start_api_server"):
        getattr(node_module.Node, name)  # AttributeError: this Ray names them otherwise, and would start them
        setattr(node_module.Node, name, _start_nothing)


def count_no_callbacks(usage_module: ModuleType) -> None:
    """Change Ray's module ``ray.air._internal.usage``."""
    assert usage_module.tag_callbacks  # AttributeError: this Ray names it otherwise, and would count them
    usage_module.tag_callbacks = _count_nothing


def _count_nothing(callbacks: Any) -> bool:
    return False


def _start_nothing(node: Any, **options: Any) -> None:
    pass
