"""What holds for every test: one thread, Ray's settings, the order, and what tests of several wings share.

A busy machine may take minutes to start Ray, and no worker of it is spare.
"""

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from long_collections import LongCollections
from order import in_order
from tune_ks.core.collector import imported_for_good
from warm_workers import serve_workers

# else each of the processes that the tests start, a hundred, compiles the whole program anew
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# read when NumPy and torch are imported. More threads than cores wait for each other: fits took ten times the CPU time
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.fsync = lambda descriptor: None  # no test cuts the power, and waiting for the disk takes a fifth of their time
# read by Ray when it is imported, so they are set before any test imports it
os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "180")
os.environ.setdefault("RAY_gcs_server_port_wait_time_s", "180")
os.environ.setdefault("RAY_DASHBOARD_STARTUP_TIMEOUT_S", "180")
os.environ.setdefault("RAY_prestart_worker_first_driver", "0")  # as a search sets it
os.environ.setdefault("RAY_worker_niceness", "0")  # at 15, which is its default, workers starve beside other work


@pytest.fixture(scope="session")
def patches_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder for ``../shared/data/breast_patches``, which takes 10 s to read."""
    return tmp_path_factory.mktemp("patches")


@pytest.fixture(scope="session")
def warm_workers() -> None:
    """Workers of Ray are forked from a warm process, in the drivers too that this process starts from now on."""
    serve_workers()


def pytest_configure() -> None:
    gc.callbacks.append(LongCollections())


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[Any]:
    """What is imported and collected lives as long as the process, so the garbage collector need not look at it."""
    with imported_for_good():
        return (yield)


def pytest_collection_modifyitems(config: Any, items: list[Any]) -> None:
    """As order.py says, for as many processes as xdist has started; one without it."""
    processes = getattr(config, "workerinput", {"workercount": 1})["workercount"]
    items[:] = in_order(items, [item.nodeid.partition("::")[0] for item in items], processes)
