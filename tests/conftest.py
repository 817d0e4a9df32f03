"""What holds for every test: Ray's settings, and the order.

A busy machine may take minutes to start Ray, and no worker of it is spare.
"""

import os
from typing import Any

from order import in_order

# read by Ray when it is imported, so they are set before any test imports it
os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "180")
os.environ.setdefault("RAY_gcs_server_port_wait_time_s", "180")
os.environ.setdefault("RAY_DASHBOARD_STARTUP_TIMEOUT_S", "180")
os.environ.setdefault("RAY_prestart_worker_first_driver", "0")  # as a search sets it


def pytest_collection_modifyitems(config: Any, items: list[Any]) -> None:
    """As order.py says, for as many processes as xdist has started; one without it."""
    processes = getattr(config, "workerinput", {"workercount": 1})["workercount"]
    items[:] = in_order(items, [item.nodeid.partition("::")[0] for item in items], processes)
