"""What one more trial costs a node in memory, as the cohort grows: proportional set size of workers, side by side.

    python benchmarks/node_memory.py                  500 MiB of images against 200, 1 and 3 trials, images by path
    python benchmarks/node_memory.py --fetched        the same, fetched by a node that does not see the path
    python benchmarks/node_memory.py --train          the same after a whole trial of one epoch (minutes)

Each worker opens the cohort as a trial does and reads every image in batches, then all workers of the node read
/proc/self/smaps_rollup at the same time. What an extra one costs with the large cohort less what it costs with the
small one is what the cohort costs it. A network's own buffers do not grow with the cohort, and malloc keeps a varying
share of them: with --train they hide what is looked for. Needs Linux, and memory for the workers.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import ray
import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from tune_ks.core.config import TrialConfig
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.cohort.table import COLUMNS, split_patients, write_table
from tune_ks.data.dataset import open_splits
from tune_ks.training.scoring import EVALUATION_BATCH
from tune_ks.worker.node_files import on_this_node, shared
from tune_ks.worker.run_pack import run_pack

SIDE, MIB = 256, 2**20
SMALL = 800  # images: enough for every batch of training and scoring to be full
VENDORS = ("GE", "SIEMENS")


class Memory(NamedTuple):
    """Of one process, in MiB: ``pss`` counts a page that n processes share as 1/n; ``file`` is the images' part."""

    pss: float
    file: float
    private: float  # anonymous: nobody shares it


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=2000, help="images of the large cohort (0.25 MiB each)")
    parser.add_argument("--trials", type=int, default=3, help="trials at once on the node")
    parser.add_argument("--fetched", action="store_true", help="the node does not see the path of the images")
    parser.add_argument("--train", action="store_true", help="each worker runs a whole trial first")
    options = parser.parse_args()
    print("cohort MiB   trials   PSS of all   of the images   anonymous, each   one more trial")
    extra = {}
    for count in (SMALL, options.images):
        with tempfile.TemporaryDirectory() as place:
            size = write_cohort(Path(place), count)
            alone, together = (measure(Path(place), trials, options) for trials in (1, options.trials))
            extra[size] = (total(together) - total(alone)) / (options.trials - 1)
            for found in (alone, together):
                private = np.mean([one.private for one in found])
                mapped = sum(one.file for one in found)
                line = f"{size:10.0f}   {len(found):6d}   {total(found):10.1f}   {mapped:13.1f}   {private:15.1f}"
                print(line + (f"   {extra[size]:14.1f}" if found is together else ""))
    small, large = sorted(extra)
    more = extra[large] - extra[small]
    share = more / (large - small)
    print(f"an extra trial costs {more:.1f} MiB more for {large - small:.0f} MiB more of images: {share:.2%} of them")


def write_cohort(place: Path, count: int) -> float:
    """cohort.csv and images.npy of ``count`` noise images; returns the MiB of the images."""
    rng = np.random.default_rng(0)
    pixels = np.lib.format.open_memmap(place / "images.npy", "w+", np.float32, (count, SIDE, SIDE))
    for row in range(count):
        pixels[row] = rng.random((SIDE, SIDE), np.float32)
    pixels.flush()
    rows = np.arange(count)
    table = pd.DataFrame({name: [None] * count for name in COLUMNS}).assign(
        row=rows,
        path=[f"{row}.dcm" for row in rows],
        vendor=[VENDORS[row % 2] for row in rows],
        patient_id=[f"{VENDORS[row % 2]}_{row // 2 % max(5, count // 20)}" for row in rows],
        label=rows // 2 // max(5, count // 20) % 2,
        **{
            "width": SIDE,
            "height": SIDE,
            "slice": 1,
            "series": "pre",
            "split": "",
            "mean": 0.5,
            "p75": 0.7,
            "p90": 0.9,
        },
    )
    table["split"] = split_patients(table, 0)
    write_table(place / "cohort.csv", table)
    return (place / "images.npy").stat().st_size / MIB


def measure(place: Path, trials: int, options: argparse.Namespace) -> list[Memory]:
    """Memory of each of ``trials`` workers that have read the cohort in ``place``."""
    ray.init("local", num_cpus=trials, include_dashboard=False, log_to_driver=False, object_store_memory=256 * MIB)
    try:
        with shared({SIDE: place / "images.npy"}, cluster=True) as files:
            file = files[str(SIDE)]
            if options.fetched:
                file = file | {"path": "/nowhere/images.npy"}
            environment = {"env_vars": {"TUNE_KS_SCRATCH": str(place / "scratch"), "OMP_NUM_THREADS": "1"}}
            actors = [ray.remote(_Trial).options(runtime_env=environment).remote() for _ in range(trials)]
            ray.get([actor.run.remote(str(place), file, seed, options.train) for seed, actor in enumerate(actors)])
            return [Memory(*one) for one in ray.get([actor.memory.remote() for actor in actors])]
    finally:
        ray.shutdown()


def total(found: list[Memory]) -> float:
    """MiB that the node spends on all of them."""
    return sum(one.pss for one in found)


class _Trial:
    """One worker that does what a trial does, and stays to be looked at."""

    def run(self, place: str, file: dict, seed: int, train: bool) -> None:
        self.splits = open_splits(Path(place) / "cohort.csv", on_this_node(file), VENDORS[0])
        for images in (self.splits.train, *self.splits.val.values(), *self.splits.test.values()):
            for index in torch.arange(len(images)).split(EVALUATION_BATCH):
                images.gather(index)
        if train:
            self.train(place, file, seed)

    def train(self, place: str, file: dict, seed: int) -> None:
        fields = {"width": 0.02, "epochs": 1, "batch_size": 16, "settle": 1.0, "sampling_rate": 0.5, "mask": "lowpass"}
        config = TrialConfig.from_dict({"vendor": VENDORS[0], "seed": seed, "image_size": SIDE, **fields})
        folder = RunFolder(place)
        folder.trial(config.key(), "record.json").unlink(missing_ok=True)
        list(run_pack([config], folder, on_this_node(file), "cpu", lambda config, line: True))

    def memory(self) -> tuple[float, float, float]:
        rollup = _fields(Path("/proc/self/smaps_rollup").read_text())
        mapped = 0.0
        for block in Path("/proc/self/smaps").read_text().split("VmFlags:"):
            if ".npy" in block:
                mapped += _fields(block)["Pss"]
        return rollup["Pss"], mapped, rollup["Pss_Anon"]


def _fields(text: str) -> dict[str, float]:
    """The lines "Name: 12 kB" of a text, in MiB."""
    found = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and words[2] == "kB":
            found[words[0].rstrip(":")] = float(words[1]) / 1024
    return found


if __name__ == "__main__":
    main()
