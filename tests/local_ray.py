"""Ray on this machine, started once for all the tests of a process that search in it; it ends with the process.

And a cluster of several nodes on this machine, for tests of their own.
"""

import atexit
from contextlib import ExitStack

import ray
import ray._private.node
import ray.air._internal.usage
from ray._private.services import node_ip_address_from_perspective
from ray.cluster_utils import Cluster

from lean_ray import count_no_callbacks, fork_workers, leave_out
from tune_ks.search.local_start import folder_of_ray, start_here
from warm_workers import serve_workers


def start_local_ray():
    """Two CPUs, started as a search starts it. Does nothing where Ray runs already."""
    serve_workers()
    fork_workers(ray._private.node)
    if not ray.is_initialized():
        stack = ExitStack()
        start_here(stack.enter_context(folder_of_ray()), num_cpus=2)
        stack.callback(ray.shutdown)
        atexit.register(stack.close)


def start_cluster(**head):
    """A cluster whose first node has the resources ``head``; the caller adds others, and shuts it down."""
    leave_out(ray._private.node)
    fork_workers(ray._private.node)
    count_no_callbacks(ray.air._internal.usage)
    # beside a Ray in this process it would listen on 127.0.0.1 as that does, and no driver would find it there
    of_head = {"include_dashboard": False, "node_ip_address": node_ip_address_from_perspective(), **head}
    return Cluster(initialize_head=True, head_node_args=of_head)
