"""Does a learned mask find the lines in which a planted label lies?

    python -m benchmarks.planted_truth

The images are the phantom's at 64 px, and the label is planted in the lines |k| = 19, 20 and 21 alone
(tune_ks/data/phantom/planted.py). A budget of 8/64 is enough for all six of these lines and DC. Every learned family is
trained with five seeds on the recipe of real_patches. Beside them stand the low-pass at 8/64, which can see no label,
full sampling, the mask that keeps exactly DC and the six lines (the oracle), and the Gumbel mask as published, whose
lines all start equal. About ten minutes on two idle cores.
"""

import argparse
import multiprocessing
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.alone import finish, train_to_end
from search_spaces import RECIPE, THINNED, THINNED_LOUPE
from tune_ks.core.arrays import read_array
from tune_ks.core.metrics import METRICS
from tune_ks.core.storage import storage_path
from tune_ks.data.cohort.cohort import open_cohort
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.cohort.table import split_patients, write_table
from tune_ks.data.dataset import open_splits
from tune_ks.data.phantom.planted import Plant, lines_of, planted
from tune_ks.data.phantom.settings import PhantomSettings
from tune_ks.data.phantom.write import write_phantom
from tune_ks.model.masks import MASKS
from tune_ks.training.members import config_from

SIDE = 64
PLANT = Plant(bands=((19, 21),), level=0.3, contrast=1.35)
BUDGET = 8 / SIDE
PHANTOM = PhantomSettings(patients=240, slices=4, matrix=96)
LEARNED = [name for name, member in MASKS.items() if member.learned]
LOUPE = ("loupe", "loupe_straight_through")
EQUAL_START = "gumbel, lines start equal"
ROWS = (*LEARNED, EQUAL_START, "lowpass", "full sampling", "oracle")


def main() -> None:
    """Print the table as Markdown, one line a training."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--masks", nargs="+", choices=ROWS, default=ROWS, metavar="MASK", help="some of the rows")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_cohorts(folder)
        tasks = []
        for name in arguments.masks:
            tasks += [(folder, name, seed) for seed in range(arguments.seeds)]
        print("| mask | seed | planted lines held, of 6 | of 3 pairs | empty of label | AUC, GE | AUC, SIEMENS |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        with multiprocessing.get_context("spawn").Pool(arguments.workers) as pool:
            for line in pool.imap(train_one, tasks):
                print(line, flush=True)


def write_cohorts(folder: Path) -> None:
    """``planted`` and ``oracle``: the same images, in the second with DC and the planted lines only."""
    write_phantom(folder / "phantom", PHANTOM)
    cohort = open_cohort(folder / "phantom", CohortSettings(series="post_1"), SIDE, folder / "cache")
    table = cohort.table.copy()
    images, table["label"] = planted(read_array(storage_path(cohort.images)), table["vendor"].to_numpy(), PLANT)
    table["split"] = split_patients(table, 0)
    kept = lines_of(PLANT.bands, SIDE)
    kept[SIDE // 2] = True
    kspace = np.fft.fft(images, axis=-1) * np.fft.ifftshift(kept)
    for name, pixels in (("planted", images), ("oracle", np.abs(np.fft.ifft(kspace, axis=-1)))):
        (folder / name).mkdir()
        write_table(folder / name / "cohort.csv", table)
        np.save(folder / name / "images.npy", np.float32(pixels))


def train_one(task: tuple[Path, str, int]) -> str:
    """One line of the table: what the exported mask holds, and the test AUC of each vendor."""
    folder, name, seed = task
    torch.set_num_threads(1)
    cohort = folder / ("oracle" if name == "oracle" else "planted")
    splits = open_splits(cohort / "cohort.csv", cohort / "images.npy", "GE")
    config = config_from({"vendor": "GE", **RECIPE, **settings_of(name), "seed": seed})
    done = finish(config, splits, train_to_end(config, splits))
    aucs = []
    for vendor, images in splits.test.items():
        aucs.append(f"{METRICS['auc'].overall(images.label.numpy(), done.scores['test'][vendor]):.3f}")
    held = "| | | |"
    if not config.is_full:
        hits = np.flatnonzero(done.mask & lines_of(PLANT.bands, SIDE)) - SIDE // 2
        pairs = {abs(int(k)) for k in hits}
        held = f"| {len(hits)} | {len(pairs)} | {int(done.mask.sum()) - len(hits) - 1} |"
    return f"| {name} | {seed} {held} {' | '.join(aucs)} |"


def thinned(name: str) -> dict[str, Any]:
    """The fields of a learned mask that is thinned out, with a temperature where the family has one."""
    fields = {"mask": name, **(THINNED_LOUPE if name in LOUPE else THINNED)}
    if "temperature" in {option.name for option in MASKS[name].options}:
        fields["temperature"] = 1.0
    return fields


def settings_of(name: str) -> dict[str, Any]:
    """The fields of a config for one row of the table."""
    if name in ("full sampling", "oracle"):
        return {"mask": "lowpass", "sampling_rate": 1.0}
    if name == "lowpass":
        return {"mask": "lowpass", "sampling_rate": BUDGET}
    if name == EQUAL_START:
        return {"mask": "gumbel", "temperature": 1.0, "sampling_rate": BUDGET}
    return {"sampling_rate": BUDGET, **thinned(name)}


if __name__ == "__main__":
    main()
