"""How much memory does one more trial cost a node, as the cohort grows?

    python -m benchmarks.node_memory                  500 MiB of images against 200, 1 and 3 trials, images by path
    python -m benchmarks.node_memory --fetched        the same, fetched by a node that does not see the path
    python -m benchmarks.node_memory --train          the same after a whole trial of one epoch (minutes)

Each worker opens the cohort as a trial does and reads every image in batches. Then all workers of the node read
/proc/self/smaps_rollup at the same time (proportional set size: a page that n processes share counts 1/n in each). The
cohort's own cost is the difference between an extra worker with the large cohort and one with the small cohort. A
network's buffers do not grow with the cohort, and malloc keeps a varying share of them; with --train that hides the
small difference that is looked for. Needs Linux, and memory for the workers.
"""

import argparse
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import ray
import torch

from benchmarks.alone import run_config
from benchmarks.tools import parser
from tune_ks.core.config import TrialConfig
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.cohort.table import COLUMNS, split_patients, write_table
from tune_ks.data.dataset import open_splits
from tune_ks.training.scoring import EVALUATION_BATCH
from tune_ks.worker.node_files import SharedFile, on_this_node, shared

SIDE, MIB = 256, 2**20
SMALL = 800  # images: enough for every batch of training and scoring to be full
VENDORS = ("GE", "SIEMENS")


class Memory(NamedTuple):
    """Of one process, in MiB: ``pss`` counts a page that n processes share as 1/n; ``file`` is the images' part."""

    pss: float
    file: float
    private: float  # anonymous: not shared


def main() -> None:
    """Print the table."""
    arguments = parser(__doc__)
    arguments.add_argument("--images", type=int, default=2000, help="images of the large cohort (0.25 MiB each)")
    arguments.add_argument("--trials", type=int, default=3, help="trials at once on the node")
    arguments.add_argument("--fetched", action="store_true", help="the node does not see the path of the images")
    arguments.add_argument("--train", action="store_true", help="each worker runs a whole trial first")
    args = arguments.parse_args()
    print("cohort MiB   trials   PSS of all   of the images   anonymous, each   one more trial")
    small, small_extra = print_cohort(SMALL, args)
    large, large_extra = print_cohort(args.images, args)
    more = large_extra - small_extra
    share = more / (large - small)
    print(f"an extra trial costs {more:.1f} MiB more for {large - small:.0f} MiB more of images: {share:.2%} of them")


def print_cohort(images: int, args: argparse.Namespace) -> tuple[float, float]:
    """Two rows for a cohort of so many images; its MiB, and the MiB that one more trial costs."""
    with tempfile.TemporaryDirectory() as place:
        size = write_cohort(Path(place), images)
        alone = measure(Path(place), 1, args)
        together = measure(Path(place), args.trials, args)
    extra = (total(together) - total(alone)) / (args.trials - 1)
    print(_line(size, alone))
    print(f"{_line(size, together)}   {extra:14.1f}")
    return size, extra


def _line(size: float, workers: list[Memory]) -> str:
    private = np.mean([worker.private for worker in workers])
    mapped = sum(worker.file for worker in workers)
    return f"{size:10.0f}   {len(workers):6d}   {total(workers):10.1f}   {mapped:13.1f}   {private:15.1f}"


def write_cohort(place: Path, count: int) -> float:
    """cohort.csv and images.npy of ``count`` noise images; returns the MiB of the images."""
    rng = np.random.default_rng(0)
    pixels = np.lib.format.open_memmap(place / "images.npy", "w+", np.float32, (count, SIDE, SIDE))
    for row in range(count):
        pixels[row] = rng.random((SIDE, SIDE), np.float32)
    pixels.flush()
    rows = np.arange(count)
    patients = max(5, count // 20)  # of each vendor
    table = pd.DataFrame({name: [None] * count for name in COLUMNS}).assign(
        row=rows,
        path=[f"{row}.dcm" for row in rows],
        vendor=[VENDORS[row % 2] for row in rows],
        patient_id=[f"{VENDORS[row % 2]}_{row // 2 % patients}" for row in rows],
        label=rows // 2 // patients % 2,
        width=SIDE,
        height=SIDE,
        slice=1,
        series="pre",
        split="",
        mean=0.5,
        p75=0.7,
        p90=0.9,
    )
    table["split"] = split_patients(table, 0)
    write_table(place / "cohort.csv", table)
    return (place / "images.npy").stat().st_size / MIB


def measure(place: Path, trials: int, args: argparse.Namespace) -> list[Memory]:
    """Memory of each of ``trials`` workers that have read the cohort in ``place``."""
    ray.init("local", num_cpus=trials, include_dashboard=False, log_to_driver=False, object_store_memory=256 * MIB)
    try:
        with shared({SIDE: place / "images.npy"}, cluster=True) as files:
            file = files[str(SIDE)]
            if args.fetched:
                file = file._replace(path="/nowhere/images.npy")
            environment = {"env_vars": {"TUNE_KS_SCRATCH": str(place / "scratch"), "OMP_NUM_THREADS": "1"}}
            actors = [ray.remote(_Trial).options(runtime_env=environment).remote() for _ in range(trials)]
            ray.get([actor.run.remote(str(place), file, seed, args.train) for seed, actor in enumerate(actors)])
            return [Memory(*values) for values in ray.get([actor.memory.remote() for actor in actors])]
    finally:
        ray.shutdown()


def total(workers: list[Memory]) -> float:
    """MiB that the node spends on all of them."""
    return sum(worker.pss for worker in workers)


class _Trial:
    """A worker that does what a trial does and then stays, so that its memory can be read."""

    def run(self, place: str, file: SharedFile, seed: int, train: bool) -> None:
        self.splits = open_splits(Path(place) / "cohort.csv", on_this_node(file), VENDORS[0])
        for images in (self.splits.train, *self.splits.val.values(), *self.splits.test.values()):
            for index in torch.arange(len(images)).split(EVALUATION_BATCH):
                images.gather(index)
        if train:
            self.train(place, file, seed)

    def train(self, place: str, file: SharedFile, seed: int) -> None:
        fields = {"width": 0.02, "epochs": 1, "batch_size": 16, "settle": 1.0, "sampling_rate": 0.5, "mask": "lowpass"}
        config = TrialConfig.from_dict({"vendor": VENDORS[0], "seed": seed, "image_size": SIDE, **fields})
        folder = RunFolder(place)
        folder.trial(config.key(), "record.json").unlink(missing_ok=True)
        run_config(config, folder, on_this_node(file))

    def memory(self) -> tuple[float, float, float]:
        rollup = _fields(Path("/proc/self/smaps_rollup").read_text())
        mapped = 0.0
        for block in Path("/proc/self/smaps").read_text().split("VmFlags:"):
            if ".npy" in block:
                mapped += _fields(block)["Pss"]
        return rollup["Pss"], mapped, rollup["Pss_Anon"]


def _fields(text: str) -> dict[str, float]:
    """The lines "Name: 12 kB" of a text, in MiB."""
    fields = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and words[2] == "kB":
            fields[words[0].rstrip(":")] = float(words[1]) / 1024
    return fields


if __name__ == "__main__":
    main()
