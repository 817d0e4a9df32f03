"""Cohorts of noise, to measure speed with: in memory, as a training sees them, or as the files that a trial reads."""

from pathlib import Path

import numpy as np
import pandas as pd

from tune_ks.data.cohort.table import COLUMNS, write_table
from tune_ks.data.dataset import ACQUISITION, Images, Splits

VENDORS = ("GE", "SIEMENS")
AT_ONCE = 256  # images that are drawn at once


def sizes_of(count: int) -> dict[str, int]:
    """Split and vendor -> images: ``count`` to train on GE, and a tenth of that for each validation and test."""
    few = max(2, count // 10)
    return {"train GE": count, "val GE": few, "val SIEMENS": few, "test GE": few, "test SIEMENS": few}


def synthetic(count: int, side: int, masks: bool = False) -> Splits:
    """Noise of two vendors, with noise as tumour ``masks`` too where they are asked for."""
    stream = np.random.default_rng(0)
    sizes = sizes_of(count)
    pixels = stream.random((sum(sizes.values()), side, side), dtype=np.float32)
    tumours = (pixels > 0.9).astype(np.uint8) if masks else None
    rows = np.arange(len(pixels))
    table = pd.DataFrame(
        {"row": rows, "vendor": "GE", "patient_id": rows.astype(str), "label": rows % 2, "acquired_width": side}
    )
    table = table.assign(width=side, **dict.fromkeys(set(ACQUISITION) - {"acquired_ratio"}, 1.0))
    parts = {}
    end = 0
    for name, size in sizes.items():
        parts[name] = Images(table, pixels, rows[end : end + size], tumours)
        end += size
    val, test = ({vendor: parts[f"{split} {vendor}"] for vendor in VENDORS} for split in ("val", "test"))
    return Splits(parts["train GE"], val, test)


def write_synthetic(folder: Path, count: int, side: int) -> tuple[Path, Path]:
    """The same as files: (cohort.csv, images.npy)."""
    sizes = sizes_of(count)
    images = np.lib.format.open_memmap(
        folder / "images.npy", "w+", dtype=np.float32, shape=(sum(sizes.values()), side, side)
    )
    stream = np.random.default_rng(0)
    for start in range(0, len(images), AT_ONCE):
        images[start : start + AT_ONCE] = stream.random(images[start : start + AT_ONCE].shape, dtype=np.float32)
    images.flush()
    role = np.repeat(list(sizes), list(sizes.values()))
    rows = np.arange(len(images))
    table = pd.DataFrame(dict.fromkeys(COLUMNS, ""), index=rows)
    numbers = {"slice": 0, "position": 0.5, "height": side, "width": side, "acquired_width": side}
    numbers |= dict.fromkeys(("low", "mean", "p75", "p90", "spacing_mm", "field_t", "tr_ms", "te_ms", "flip_deg"), 1.0)
    table = table.assign(
        row=rows,
        path=[f"{row}.dcm" for row in rows],
        patient_id=[f"P{row}" for row in rows],
        split=[name.split()[0] for name in role],
        vendor=[name.split()[1] for name in role],
        label=rows % 2,
        thickness_mm=1.0,
        high=2.0,
        **numbers,
    )
    write_table(folder / "cohort.csv", table)
    return folder / "cohort.csv", folder / "images.npy"
