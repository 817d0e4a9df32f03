"""How well each learned reconstruction restores the images of each vendor."""

from collections.abc import Sequence

import pandas as pd

from analysis.read.configurations import average_over_seeds, plain_name, varied_fields
from tune_ks.core.record import TrialRecord

COLUMNS = {
    "psnr": "PSNR, dB",
    "psnr_zero_filled": "PSNR, zero-filled",
    "ssim": "SSIM",
    "ssim_zero_filled": "SSIM, zero-filled",
    "volume_avd_ml": "AVD, ml",
    "volume_hd_mm": "HD, mm",
    "volume_empty": "no lesion predicted",
    "volume_organ_dice": "Dice of the organ",
    "map_nrmse": "NRMSE of the map",
    "map_psnr": "PSNR of the map, dB",
    "map_ssim": "SSIM of the map",
}


def mean_quality(records: Sequence[TrialRecord]) -> dict[str, dict[str, float]]:
    """test vendor -> the mean over records, the seeds of one configuration, of each measure that they all state."""
    vendors = [vendor for vendor in records[0].quality if all(vendor in record.quality for record in records)]
    means: dict[str, dict[str, float]] = {}
    for vendor in vendors:
        of_vendor = pd.DataFrame([record.quality[vendor] for record in records])
        means[vendor] = of_vendor.mean().to_dict()
    return means


def quality_table(records: dict[str, TrialRecord], trials: pd.DataFrame) -> pd.DataFrame:
    """One row a configuration and test vendor, of the trials that say how well they restore; seeds averaged.

    Empty where no record says so. PSNR in dB, SSIM in [0, 1]; the columns have readable names.
    """
    rows = []
    for key, record in records.items():
        for vendor, quality in record.quality.items():
            rows.append({"key": key, "test vendor": vendor, **quality})
    if not rows:
        return pd.DataFrame()
    varied = [name for name in varied_fields(average_over_seeds(trials)) if name not in ("mask", "reconstruction")]
    about = ["vendor", "reconstruction", "mask", *varied, "sampling_rate", "realised_rate"]
    frame = pd.DataFrame(rows).merge(trials[["key", "configuration", "seed", *about]], on="key")
    measured = [name for name in COLUMNS if name in frame]
    groups = frame.groupby(["configuration", "test vendor"], sort=False)
    mean = groups[measured].mean().join(groups[about].first()).join(groups["seed"].nunique().rename("seeds"))
    mean = mean.reset_index().sort_values([*about, "test vendor"], ignore_index=True)
    names = {name: plain_name(name) for name in about} | {"vendor": "trained on"} | COLUMNS
    return mean[[*about, "test vendor", "seeds", *measured]].rename(columns=names)
