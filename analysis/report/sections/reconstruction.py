"""The report's section on reconstruction: how near the restored images are to the fully sampled ones."""

import pandas as pd

from analysis.read.configurations import average_over_seeds, plain_name, varied_fields
from analysis.report.page import paragraph, table
from analysis.results.compute import Analysis
from tune_ks.core.record import TrialRecord

COLUMNS = {
    "psnr": "PSNR, dB",
    "psnr_zero_filled": "PSNR, zero-filled",
    "ssim": "SSIM",
    "ssim_zero_filled": "SSIM, zero-filled",
}
WORDS = (
    "Means over test images of the magnitude against the fully sampled image, for a range of 1, seeds averaged. "
    "Zero-filled: the same mask, with nothing learned. A likeness that is better on the vendor trained on than on "
    "another belongs to that vendor's images; whether it helps the metric is in the other tables."
)


def reconstructions(analysis: Analysis) -> str:
    """A table of the trials whose reconstruction learns; nothing where there is none."""
    found = quality_table(analysis.run.records, analysis.run.trials)
    return table(found, "reconstruction") + paragraph(analysis.measure.words(WORDS), "small") if len(found) else ""


def quality_table(records: dict[str, TrialRecord], trials: pd.DataFrame) -> pd.DataFrame:
    """One row a configuration and test vendor, of the trials that say how well they restore; seeds averaged."""
    each = [
        {"key": key, "test vendor": vendor, **measured}
        for key, record in records.items()
        for vendor, measured in record.quality.items()
    ]
    if not each:
        return pd.DataFrame()
    varied = [name for name in varied_fields(average_over_seeds(trials)) if name not in ("mask", "reconstruction")]
    about = ["vendor", "reconstruction", "mask", *varied, "sampling_rate", "realised_rate"]
    frame = pd.DataFrame(each).merge(trials[["key", "configuration", "seed", *about]], on="key")
    measures = [name for name in COLUMNS if name in frame]
    groups = frame.groupby(["configuration", "test vendor"], sort=False)
    mean = groups[measures].mean().join(groups[about].first()).join(groups["seed"].nunique().rename("seeds"))
    mean = mean.reset_index().sort_values([*about, "test vendor"], ignore_index=True)
    return mean[[*about, "test vendor", "seeds", *measures]].rename(
        columns=COLUMNS | {name: plain_name(name).replace("_", " ") for name in about} | {"vendor": "trained on"}
    )
