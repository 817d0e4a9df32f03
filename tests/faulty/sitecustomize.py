"""Changes for tests. Python runs this file in every process started with this folder on PYTHONPATH; the product has no
hooks of its own, so modules are changed here just after their import. Ray always starts as lean_ray.py says; the rest
are faults that a test asks for.

FAULTS is the path of a JSON file: {"kill": "first_record" | "mid_epoch" | "before_record" | "checkpoint",
"steps": {"RATE": "die" | "die_once" | "raise" | "hang" | "memory" | "memory_always"},
"hold": {"folder": path, "step": number}, "hold_export": path, "hold_ray": path,
"delete": a file that goes when the first trial begins,
"storage_wait": seconds, "old_version": true where the workers have a version of the program that knows fewer fields,
"escapes": number}. FAULT_LOG takes a line for each record that was written.

A kill is of the driver, at that point of a worker, which then stands still. A hold is of every worker, before that
training step of its process: it leaves a file in the folder, and goes on when the folder is gone. "hold_export" is
the same of the driver, when it has searched and is about to export and analyse, "hold_ray" when it is within ray.init.
"""

import contextlib
import importlib.machinery
import inspect
import json
import os
import signal
import time
from pathlib import Path

from lean_ray import count_no_callbacks, fork_workers, leave_out

FAULTS = json.loads(Path(os.environ["FAULTS"]).read_text()) if os.environ.get("FAULTS") else {}
os.environ.setdefault("FAULT_DRIVER", str(os.getpid()))  # the first Python process; the others inherit it
STEPS_OF_AN_EPOCH = 4
steps = 0
os.fsync = lambda descriptor: None  # as in conftest.py


def kill_driver(point):
    if FAULTS.get("kill") == point:
        os.kill(int(os.environ["FAULT_DRIVER"]), signal.SIGKILL)
        time.sleep(600)


def change_storage(module):
    write_whole = module.write_whole

    def write(path, data, *args, **options):
        name = Path(path).name
        if name == "attempts.json":
            kill_driver("first_record")
            if FAULTS.get("delete"):
                Path(FAULTS["delete"]).unlink(missing_ok=True)
        if name == "record.json":
            kill_driver("before_record")
        if name == "checkpoint.pt" and FAULTS.get("kill") == "checkpoint":
            os.replace = lambda *paths: kill_driver("checkpoint")  # the temporary file is there, the checkpoint old
        write_whole(path, data, *args, **options)
        if name == "record.json" and os.environ.get("FAULT_LOG"):
            with open(os.environ["FAULT_LOG"], "a") as log:
                log.write(f"{Path(path).parent.name}\n")

    module.write_whole = write


def stand_still(folder):
    """So that a test meets a trial at work, however fast it trains."""
    with contextlib.suppress(FileNotFoundError):
        (folder / str(os.getpid())).touch()
    while folder.exists():
        time.sleep(0.05)


def change_train(module):
    step = module.step

    def faulty(*args, **named):
        global steps
        steps += 1
        if steps == STEPS_OF_AN_EPOCH + 2:
            kill_driver("mid_epoch")
        if "hold" in FAULTS and steps == FAULTS["hold"]["step"]:
            stand_still(Path(FAULTS["hold"]["folder"]))
        given = inspect.signature(step).bind(*args, **named).arguments
        for training in given["trainings"]:
            fault(FAULTS.get("steps", {}).get(str(training.config.sampling_rate)), module, given.get("parts", 1))
        return step(*args, **named)

    module.step = faulty


def fault(kind, module, parts):
    once = Path(f"{os.environ.get('FAULTS')}.once")
    if kind == "die" or (kind == "die_once" and not once.exists()):
        if kind == "die_once":
            once.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "raise":
        raise ArithmeticError("planted")
    elif kind == "hang":
        time.sleep(600)
    elif kind == "memory_always" or (kind == "memory" and parts == 1):
        raise module.torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nmore lines")


def change_exports(module):
    export_run = module.export_run

    def held(*args):
        if "hold_export" in FAULTS:
            stand_still(Path(FAULTS["hold_export"]))
        export_run(*args)

    module.export_run = held


def change_faults(module):
    module.STORAGE_WAIT = FAULTS.get("storage_wait", module.STORAGE_WAIT)


def change_config(module):
    if FAULTS.get("old_version") and os.getpid() != int(os.environ["FAULT_DRIVER"]):

        def from_dict(values):
            raise ValueError("unknown field 'colour'; the fields are: vendor, sampling_rate")

        module.TrialConfig.from_dict = from_dict


def change_watch(module):
    module.ESCAPES = FAULTS.get("escapes", module.ESCAPES)


def change_ray(module):
    leave_out(module)
    fork_workers(module)
    start_ray_processes = module.Node.start_ray_processes

    def held(*args):
        if "hold_ray" in FAULTS and os.getpid() == int(os.environ["FAULT_DRIVER"]):
            stand_still(Path(FAULTS["hold_ray"]))
        start_ray_processes(*args)

    module.Node.start_ray_processes = held


ALWAYS = {"ray._private.node": change_ray, "ray.air._internal.usage": count_no_callbacks}
CHANGES = {
    "tune_ks.core.config": change_config,
    "tune_ks.worker.faults": change_faults,
    "tune_ks.core.storage": change_storage,
    "tune_ks.training.train": change_train,
    "tune_ks.search.events": change_watch,
    "tune_ks.commands.exports": change_exports,
}
_exec_module = importlib.machinery.SourceFileLoader.exec_module


def exec_module(loader, module):
    _exec_module(loader, module)
    ALWAYS.get(module.__name__, lambda module: None)(module)
    if FAULTS or os.environ.get("FAULT_LOG"):
        CHANGES.get(module.__name__, lambda module: None)(module)


importlib.machinery.SourceFileLoader.exec_module = exec_module
