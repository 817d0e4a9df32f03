"""Tools of the fault tests and benchmarks/reliability.py: start a driver, kill it, look at a run folder."""

import json
import os
import shutil
import time
from pathlib import Path

import torch

from benchmarks.alone import run_config
from tune_ks.core.run_folder import RunFolder
from tune_ks.planning.merge import answer
from warm import Warm

TESTS = Path(__file__).parent
FIELDS = '"width": 0.05, "image_size": 64, "epochs": 3, "batch_size": 8, "lr": 1e-3, "settle": 0.5'
GRID = f"""
SPACE = [
    {{"mask": "gumbel", "temperature": 1.0, "sampling_rate": 0.25, {FIELDS}}},
    {{"mask": "lowpass", "sampling_rate": 1.0, {FIELDS}}},
]
"""
DRAWN = f"""
from ray import tune
SPACE = {{"mask": "gumbel", "temperature": 1.0, "sampling_rate": tune.quniform(1 / 64, 1.0, 1 / 64), {FIELDS}}}
SEARCH = {{"sampler": "tpe", "samples": 2, "seeds": 1}}
"""

HANG_AFTER = 40  # seconds; a tiny epoch takes a tenth of one on a quiet machine
PLANTED = {  # sampling rate -> what happens in its first training step
    0.5: "die_once",
    0.0625: "die",
    0.125: "raise",
    0.375: "hang",
    0.625: "memory",
    0.75: "memory_always",
}
PLANTED_SPACE = f"""
COMMON = {{"vendor": "GE", "mask": "lowpass", {FIELDS}}}
SPACE = [
    {{**COMMON, "sampling_rate": {[0.25, *PLANTED]}}},
    {{**COMMON, "sampling_rate": 1.0, "lr": 1e30}},
    {{**COMMON, "sampling_rate": 1.0, "image_size": 96}},
]
"""


def variables(run, faults=None, log=None):
    """The environment of a process with ``faults``, as tests/faulty takes them."""
    path = [TESTS / "faulty", TESTS, TESTS.parent, *filter(None, [os.environ.get("PYTHONPATH")])]
    values = {"PYTHONPATH": os.pathsep.join(map(str, path)), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    if faults is not None:
        file = Path(run).with_name(f"{Path(run).name}-faults.json")
        file.write_text(json.dumps(faults))
        values["FAULTS"] = str(file)
    if log is not None:
        values["FAULT_LOG"] = str(log)
    return values


def start(run, space, *words, faults=None, log=None, **options):
    """A driver process of tests/drive_search.py; ``options`` are those of Warm."""
    env = os.environ | variables(run, faults, log)
    env.pop("RAY_ADDRESS", None)
    words = [TESTS / "drive_search.py", run, space, *words]
    return Warm(words, env=env, start_new_session=True, **options)


def drive(*args, timeout=500, **options):
    """(exit code, what it said) of a driver that is waited for."""
    process = start(*args, **options)
    said, _ = process.communicate(timeout=timeout)
    return process.returncode, said


def wait_for(condition, *processes):
    """Until ``condition()`` is true; an error after 500 s, or when one of the ``processes`` ends before."""
    deadline = time.monotonic() + 500
    while not condition():
        for process in processes:
            assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alone(config, source, root):
    """The content of one trial trained by itself in this process, on the cohort of the run ``source``."""
    folder = RunFolder(root)
    folder.root.mkdir()
    shutil.copy(source.cohort_csv, folder.cohort_csv)
    torch.set_num_threads(1)  # as every worker had: another count gives other bits
    run_config(config, folder, source.root / "images.npy", "cpu", lambda line: None)
    return content(folder)


def stamps(folder):
    """key -> when its record was written."""
    return {key: folder.trial(key, "record.json").stat().st_mtime_ns for key in folder.finished()}


def content(folder):
    """key -> what a repeated search must find again, to the bit: the record less its clock, and the other files."""
    contents = {}
    for record in folder.records():
        key = record.config.key()
        files = {n: folder.trial(key, n).read_bytes() for n in ("scores.npz", "mask.npy", "model.safetensors")}
        contents[key] = (answer(record), files)
    return contents
