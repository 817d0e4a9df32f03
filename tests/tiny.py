"""A tiny two-vendor cohort as the search sees it, made without DICOM: cohort.csv, images.npy, masks.npy in a moment."""

import numpy as np
import pandas as pd

from tune_ks.data.cohort.table import COLUMNS, split_patients


def write_tiny(folder, patients=10, per_patient=4, side=64, vendors=("GE", "SIEMENS"), seed=0):
    """Noise, and a bright disc, its mask, where the label is 1. Returns (cohort_csv, images_npy)."""
    rng = np.random.default_rng(seed)
    lines, images, masks = [], [], []
    y, x = np.mgrid[:side, :side]
    for vendor in vendors:
        for patient in range(patients):
            for number in range(per_patient):
                label = number % 2
                image = rng.random((side, side)) * 0.5
                cy, cx = rng.integers(16, side - 16, 2)
                masks.append(label * (np.hypot(y - cy, x - cx) < side / 8))
                image += 0.5 * masks[-1]
                images.append(image)
                lines.append(
                    dict.fromkeys(COLUMNS)
                    | {
                        "row": len(lines),
                        "path": f"{vendor}{patient}/{number}.dcm",
                        "patient_id": f"{vendor}_{patient}",
                    }
                    | {"vendor": vendor, "series": "pre", "label": label, "slice": number, "split": ""}
                    | {"orientation": "canonical", "width": side, "height": side, "mean": image.mean()}
                    | {"p75": np.percentile(image, 75), "p90": np.percentile(image, 90)}
                )
    table = pd.DataFrame(lines)
    table["split"] = split_patients(table, 0)
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "cohort.csv", index=False)
    np.save(folder / "images.npy", np.float32(images))
    np.save(folder / "masks.npy", np.uint8(masks))
    return folder / "cohort.csv", folder / "images.npy"
