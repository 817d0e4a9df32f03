"""How fast do DICOM files become images on the device? Files of a phantom -> the cache -> the device."""

import argparse
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.tools import clock_of, print_heads, print_row
from tune_ks.data.dataset import open_splits


def run(args: argparse.Namespace) -> None:
    """One row for each stage; left out where nothing reads DICOM or writes workbooks here."""
    try:
        _print_stages(args)
    except ModuleNotFoundError as error:
        print(f"Left out: there is no {error.name} here (benchmarks/wheels.sh collects it).")


def _print_stages(args: argparse.Namespace) -> None:
    # here, because the other parts need none of what these import
    from tune_ks.data.cohort.cohort import open_cohort
    from tune_ks.data.cohort.settings import CohortSettings
    from tune_ks.data.cohort.table import with_splits, write_table
    from tune_ks.data.phantom.write import PhantomSettings, write_phantom

    with tempfile.TemporaryDirectory(prefix="tune_ks_gpu_") as name:
        place = Path(name)
        settings = PhantomSettings(patients=max(6, args.slices // 24), slices=min(4, args.slices), matrix=args.side)
        data = write_phantom(place / "data", settings)
        started = time.perf_counter()
        cohort = open_cohort(data, CohortSettings(series="post_1"), args.side, place / "cache")
        decoded = time.perf_counter() - started
        write_table(place / "cohort.csv", with_splits(cohort.table, 0))
        splits = open_splits(place / "cohort.csv", cohort.images, "GE")
        clock = clock_of(args.device)
        seconds = []
        for _ in range(3):
            started = clock()
            every = torch.arange(len(splits.train), device=splits.train.home(args.device))
            splits.train.gather(every, args.device)
            seconds.append(clock() - started)
    print_heads(["what", "images", "images a second"])
    print_row(["DICOM -> cache", len(cohort.table), f"{len(cohort.table) / decoded:,.0f}"])
    print_row(["cache -> device, with the first copy", len(every), f"{len(every) / seconds[0]:,.0f}"])
    print_row(["gathered where they stay", len(every), f"{len(every) / max(seconds[-1], 1e-9):,.0f}"])
