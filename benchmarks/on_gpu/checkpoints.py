"""What does a checkpoint cost? A training's state at the table's width, from the GPU into a file and back.

A trial writes one after its first epoch, one after its last, and between them as rarely as keeps them below a twentieth
of its time (tune_ks/worker/checkpoints.py). The weights are copied to the host after each epoch that is the best yet.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.on_gpu.common import config_of
from benchmarks.synthetic import synthetic
from benchmarks.tools import clock_of, print_heads, print_row
from tune_ks.core.storage import storage_path
from tune_ks.training.train import step
from tune_ks.training.training import Training
from tune_ks.worker.checkpoints import load_checkpoint, save_checkpoint


def run(args: argparse.Namespace) -> None:
    """One row for each thing that is written or copied. RuntimeError where a checkpoint does not come back."""
    config = config_of(args, 0.25)
    splits = synthetic(args.batch, args.side)
    training = Training(config, splits, device=args.device)
    training.begin_epoch()
    step([training], [training.draws[0]])  # the optimiser then has its moments
    wait = clock_of(args.device)
    wait()
    print_heads(["what", "MiB", "s", "MiB a second"])
    with tempfile.TemporaryDirectory(prefix="tune_ks_gpu_") as name:
        path = storage_path(Path(name) / "checkpoint.pt")
        took = seconds_of(lambda: save_checkpoint(path, {"state": training.state()}))
        mib = (Path(name) / "checkpoint.pt").stat().st_size / 2**20
        print_row(["checkpoint written", f"{mib:.0f}", f"{took:.2f}", f"{mib / took:.0f}"])
        took = seconds_of(lambda: load_checkpoint(path)["state"]["weights"])
        print_row(["checkpoint read", f"{mib:.0f}", f"{took:.2f}", f"{mib / took:.0f}"])
    took = seconds_of(training._exported)
    mib = sum(value.nbytes for value in training.pipeline.state_dict().values()) / 2**20
    print_row(["weights copied to the host", f"{mib:.0f}", f"{took:.2f}", f"{mib / took:.0f}"])
    print(f"\nWidth {args.width:g}. Written to the system's folder for temporary files.")


def seconds_of(action: Callable[[], object]) -> float:
    """Seconds on the clock of one call."""
    started = time.perf_counter()
    action()
    return max(1e-6, time.perf_counter() - started)
