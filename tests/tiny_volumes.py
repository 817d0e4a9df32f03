"""A cohort of volumes small enough to train on in seconds."""

import itertools

import numpy as np
import pandas as pd

from tune_ks.data.cohort.table import COLUMNS
from tune_ks.data.dataset import open_splits
from tune_ks.data.volumes import LESION, ORGAN

SIDE = 32


def write_volumes(folder, patients=5, slices=SIDE + 2):
    """Noise with a bright ball in a larger grey one, in volumes of two slices more than are used, in mixed-up rows."""
    rng = np.random.default_rng(0)
    z, y, x = np.mgrid[:slices, :SIDE, :SIDE]
    lines = []
    for vendor, patient in itertools.product(("GE", "SIEMENS"), range(patients)):
        centre = rng.integers(12, 20, 3)
        away = np.sqrt((z - centre[0] - 1) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2)
        organ = away < 9
        lesion = away < 4
        volume = np.float32(0.2 * rng.random(away.shape) + 0.3 * organ + 0.5 * lesion)
        split = "train" if patient < 3 else ("val", "test")[patient - 3]
        for number in range(slices):
            about = {"patient_id": f"{vendor}_{patient}", "vendor": vendor, "slice": number + 1, "split": split}
            about |= {"label": int(lesion[number].any()), "spacing_mm": 2.0, "thickness_mm": 3.0, "width": SIDE}
            mask = LESION * lesion[number] + ORGAN * organ[number]
            lines.append((about, volume[number], np.uint8(mask)))
    lines = [lines[place] for place in rng.permutation(len(lines))]
    table = pd.DataFrame([dict.fromkeys(COLUMNS) | about for about, _, _ in lines])
    table["row"] = np.arange(len(table))
    table.to_csv(folder / "cohort.csv", index=False)
    np.save(folder / "images.npy", np.stack([image for _, image, _ in lines]))
    np.save(folder / "masks.npy", np.stack([mask for _, _, mask in lines]))
    return folder


def open_volumes(place, slices=SIDE):
    return open_splits(place / "cohort.csv", place / "images.npy", "GE", place / "masks.npy", slices=slices)
