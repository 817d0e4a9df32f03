"""Where trials run: how many fit at once, the connection to Ray, and the code for its nodes."""

import contextlib
import json
import logging
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import ray
from ray._common.utils import get_ray_address_file
from ray._private import ray_constants
from ray._private.authentication import authentication_token_setup

import tune_ks
from tune_ks.core.allocator import KEEP_FREED
from tune_ks.search.local_start import folder_of_ray, start_here
from tune_ks.search.resources import Resources, slots_on, slots_on_nodes

# isort: split
import psutil  # Ray's own copy, which can be imported after it

# where an object store is, for nodes that were started without these variables; its keys are never sent
STORAGE_VARIABLES = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION")
START_SLOWLY = {"RAY_gcs_server_port_wait_time_s": "180"}  # seconds that Ray's first process has on a busy machine
# Tune starts every worker by itself: those that Ray starts beforehand, one for each CPU, would never be used
NO_SPARE_WORKERS = {"RAY_prestart_worker_first_driver": "0"}
ANSWER_WITHIN = 10.0  # seconds until a cluster must have answered
PLANNED_WITHIN = 3.0  # the same of a dry run
NODES_WITHIN = 15.0  # seconds until it must have said to a dry run which nodes it has


class ClusterAddress(NamedTuple):
    """Where a cluster is, and who says so, for a message."""

    address: str  # HOST:PORT, or "auto" where Ray has to look for it
    said_by: str = ""


def slots_now(cpus: float, gpus: float) -> int:
    """How many such trials fit on the nodes that are alive now, at once. Counted per node: a trial runs on one node."""
    return sum(slots_on(node["Resources"], cpus, gpus) for node in ray.nodes() if node["Alive"])


def slots_in_cluster(resources: Resources) -> tuple[float, int]:
    """(GPUs of a trial, number of trials at once) on the connected cluster. ValueError when no trial fits on any node.

    On this machine ``concurrent`` is an upper limit; on a cluster it is the number itself, because a cluster may grow
    when trials wait.
    """
    return slots_on_nodes(resources, [node["Resources"] for node in ray.nodes() if node["Alive"]])


def slots_of_running(resources: Resources) -> tuple[float, int]:
    """As ``slots_in_cluster``, of a running cluster, for a search that is not started.

    One that does not answer within PLANNED_WITHIN seconds is refused. ValueError as a search raises it.
    """
    assert resources.address is not None  # of this machine slots_here knows
    cluster = find_cluster(resources.address)
    require_answer(cluster, PLANNED_WITHIN)
    return slots_on_nodes(resources, nodes_of(cluster))


def nodes_of(cluster: ClusterAddress) -> list[Mapping[str, float]]:
    """The resources of each node of a running cluster, asked by a process that is ended after NODES_WITHIN seconds.

    Ray itself waits for minutes for what listens there and is no Ray, and cannot be interrupted.
    """
    words = [sys.executable, "-c", "from tune_ks.search.cluster import print_nodes; print_nodes()"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        asked = subprocess.run(
            words,
            input=json.dumps(cluster),
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=NODES_WITHIN,
            check=False,
        )
        answer = json.loads(asked.stdout.splitlines()[-1])
    except (subprocess.TimeoutExpired, ValueError, IndexError):
        raise ValueError(
            f"what listens at {cluster.address}{cluster.said_by} does not say within {NODES_WITHIN:g} s which nodes "
            "it has: it is no Ray cluster, or a very busy one"
        ) from None
    if "error" in answer:
        raise ValueError(answer["error"])
    return answer["nodes"]


def print_nodes() -> None:
    """Read a ClusterAddress from standard input, and print its nodes or the error. ``nodes_of`` starts it."""
    try:
        join(ClusterAddress(*json.load(sys.stdin)), runtime_env=None)
        answer: dict[str, Any] = {"nodes": [node["Resources"] for node in ray.nodes() if node["Alive"]]}
    except ValueError as error:
        answer = {"error": str(error)}
    sys.stdout.write(json.dumps(answer) + "\n")  # for the process that asks, not for a person


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Connect to Ray on this machine, or to the running cluster at ``address``. An existing connection is used."""
    if ray.is_initialized():
        yield
        return
    with ExitStack() as stack:
        folder = None if address else stack.enter_context(folder_of_ray())
        connect(address, folder)
        stack.callback(ray.shutdown)
        yield


def connect(address: str | None, folder: str | None = None) -> None:
    """Start Ray on this machine, or connect to the cluster at ``address``. ValueError when it cannot be used.

    ``folder`` is where Ray on this machine keeps its files (None: in RAY_TMPDIR).
    """
    # Ray's processes inherit these. Its default niceness of workers, 15, starves a search on a busy machine
    for name, value in {"RAY_worker_niceness": "0", **START_SLOWLY, **NO_SPARE_WORKERS, **KEEP_FREED}.items():
        os.environ.setdefault(name, value)
    # else Ray, as it shuts down, takes SIGTERM from the driver: the process would then end without a word
    ray_constants.RAY_DISABLE_FAILURE_SIGNAL_HANDLER = True
    if address is None:
        start_here(folder)
    else:
        join(find_cluster(address), code_for_the_nodes())


def find_cluster(address: str) -> ClusterAddress:
    """The HOST:PORT that ``address`` means. Ray itself would try an old address of "auto" for minutes."""
    variable = os.environ.get("RAY_ADDRESS", "")
    if address in ("auto", variable) and variable not in ("", "auto"):
        return ClusterAddress(variable, ", which RAY_ADDRESS says")
    if address != "auto":
        return ClusterAddress(address)
    path = Path(get_ray_address_file(None))
    try:
        return ClusterAddress(path.read_text().strip() or "auto", f", which {path} says")
    except OSError:
        return ClusterAddress("auto")


def join(cluster: ClusterAddress, runtime_env: dict[str, Any] | None) -> None:
    """Connect to a running cluster. ValueError when nothing answers there, or does not let this program in."""
    require_answer(cluster)
    use_token_as(cluster)
    try:
        ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR, runtime_env=runtime_env)
    except ConnectionError as error:
        if cluster.address == "auto":
            raise ValueError(_silence(cluster)) from error
        raise ValueError(
            f"what answers at {cluster.address}{cluster.said_by} does not let this program in: it is no Ray cluster, "
            "or one of another version, or one with another token than this machine has (docs/cluster.md)"
        ) from error
    except Exception as error:  # another version of Ray or Python, no token, a node that does not answer in time
        reason = str(error) or type(error).__name__
        raise ValueError(f"the Ray cluster at {cluster.address}{cluster.said_by} cannot be used: {reason}") from error


def require_answer(cluster: ClusterAddress, within: float = ANSWER_WITHIN) -> None:
    """ValueError where no process listens at the cluster's address; Ray itself would try for minutes."""
    if cluster.address != "auto" and not answers(cluster.address, within):
        raise ValueError(_silence(cluster))


def _silence(cluster: ClusterAddress) -> str:
    return (
        f"no Ray cluster answers at {cluster.address}{cluster.said_by}: start one with `ray start --head`, or give "
        "--address local to search on this machine"
    )


def use_token_as(cluster: ClusterAddress) -> None:
    """Show the token of this user, where there is one, unless the cluster asks for none: it must be both or neither.

    Ray itself shows it for the address "auto", whatever the cluster asks for, and else never. Where the user says
    RAY_AUTH_MODE, that is done.
    """
    if asks_for_token(cluster.address) is not False:
        logging.getLogger(authentication_token_setup.__name__).setLevel(logging.ERROR)
        authentication_token_setup.maybe_enable_token_auth_if_token_available(warn_if_disabled=False)


def asks_for_token(address: str) -> bool | None:
    """Whether the cluster with this port asks for a token, by the environment of its raylet on this machine.

    A search needs one here. None where it is not found, or belongs to another user.
    """
    port = address.rpartition(":")[2]
    for process in psutil.process_iter(["name", "cmdline"]):
        words = process.info["cmdline"] or []
        if process.info["name"] == "raylet" and any(re.fullmatch(rf"--gcs-address=.*:{port}", word) for word in words):
            with contextlib.suppress(psutil.Error):
                return process.environ().get("RAY_AUTH_MODE", "").lower() == "token"
    return None


def answers(address: str, within: float = ANSWER_WITHIN) -> bool:
    """Whether a process listens at HOST:PORT, asked for at most ``within`` seconds."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), within).close()
    except (OSError, ValueError, OverflowError):
        return False
    return True


def code_for_the_nodes() -> dict[str, Any]:
    """Ray's runtime environment: this package is sent to every node, so that all run the same version."""
    package = Path(tune_ks.__file__).parent
    variables = dict(KEEP_FREED)
    for name in (*STORAGE_VARIABLES, *KEEP_FREED):
        if name in os.environ:
            variables[name] = os.environ[name]
    return {"py_modules": [str(package)], "excludes": ["**/__pycache__"], "env_vars": variables}
