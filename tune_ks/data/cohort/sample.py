"""The occupied band of k-space from a few images of each vendor: for a look at a folder that is not decoded yet."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from tune_ks.data.cohort.cohort import Cohort
from tune_ks.data.cohort.percentiles import PERCENTILES, percentiles
from tune_ks.data.cohort.prepare import crop_kspace, pad_to_square
from tune_ks.data.cohort.table import manufacturer_of
from tune_ks.data.dicom.reader import read_file
from tune_ks.data.nifti.slices import read_slice, volume_and_number
from tune_ks.data.occupied import Band, bands_of
from tune_ks.data.unusable import UnusableFile
from tune_ks.data.vendors import VendorNames

IMAGES = 8  # of each vendor, evenly spread over its files


def sampled_bands(cohort: Cohort, root: Path) -> Iterator[Band]:
    """The band of each vendor and series from IMAGES of its files, each scaled by its own percentiles.

    A file whose pixels cannot be decoded is left out, and so is a vendor without any that can be.
    """
    chosen = []
    images = []
    for _, rows in cohort.table.groupby("vendor"):
        places = np.linspace(0, len(rows) - 1, min(IMAGES, len(rows))).round().astype(int)
        for _, row in rows.iloc[places].iterrows():
            image = _image(cohort, Path(root), row)
            if image is not None:
                chosen.append(row)
                images.append(image)
    if not images:
        return iter(())
    table = pd.DataFrame(chosen).assign(row=np.arange(len(chosen)))
    return bands_of(table, np.stack(images))


def _image(cohort: Cohort, root: Path, row: pd.Series) -> np.ndarray | None:
    """(S, S) float32 in [0, 1]; None where the file cannot be decoded or is flat."""
    try:
        image = _canonical_image(cohort, root, row)
    except UnusableFile:
        return None
    small = crop_kspace(pad_to_square(image), cohort.image_side)
    low, high = percentiles([small], PERCENTILES)
    if not high > low:
        return None
    return np.clip((small - low) / (high - low), 0, 1).astype(np.float32)


def _canonical_image(cohort: Cohort, root: Path, row: pd.Series) -> np.ndarray:
    """(height, width) in the unit of the file."""
    if cohort.holds_volumes:
        path, number = volume_and_number(row["path"])
        return read_slice(root / path, cohort.settings.orientation, number).image
    names = VendorNames(cohort.settings.vendor_of, manufacturer_of(row))
    return read_file(root / row["path"], cohort.settings.orientation, names).image
