"""Ray on this machine, started once for all the tests of a process that search in it; it ends with the process."""

import ray


def start_local_ray():
    """Two CPUs. Does nothing where Ray runs already."""
    if not ray.is_initialized():
        ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=100 * 2**20)
