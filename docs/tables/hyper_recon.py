"""One reconstruction for every loss mix against separate ones."""

from analysis.read.load import Run
from docs.tables.cells import SCORES, mean_and_error, option, rate_name
from docs.tables.table import Table
from tune_ks.core.config import UNIFORM
from tune_ks.core.domains import mean_of_others


def hyper_recon(run: Run) -> list[Table]:
    """families.md: one reconstruction for every loss mix against separate ones, by seed (space hyper_recon)."""
    mix, drawn = "loss_mix", "loss_mix_drawn"
    measures = {"PSNR": "psnr", "SSIM": "ssim"}
    trials = run.trials.assign(
        loss_mix=option(run, run.trials, mix, 0.5), loss_mix_drawn=option(run, run.trials, drawn, "fixed")
    )
    for words, name in measures.items():
        of_trials = [
            _in_and_cross(run.records[key].quality, name, run.records[key].config.vendor) for key in trials["key"]
        ]
        trials[[f"{words} in", f"{words} cross"]] = of_trials
    columns = ["PSNR in", "PSNR cross", "SSIM in", "SSIM cross", *SCORES]
    forms = [".2f", ".2f", *[".3f"] * 4]
    rows = []
    for (vendor, rate, how, value), part in trials.groupby(["vendor", "sampling_rate", drawn, mix]):
        trained = "one training" if how == UNIFORM else "separate"
        cells = []
        for column, form in zip(columns, forms, strict=True):
            cells.append(", ".join(f"{seed:{form}}" for seed in part.sort_values("seed")[column]))
        rows.append([vendor, rate_name(rate), trained, f"{value:g}", *cells])
    paired = trials.set_index(["vendor", "sampling_rate", mix, "seed"])
    gaps = paired.loc[paired[drawn] == UNIFORM, columns] - paired.loc[paired[drawn] != UNIFORM, columns]
    differences = []
    for (vendor, rate, value), part in gaps.dropna().groupby(level=[0, 1, 2]):
        differences.append([vendor, rate_name(rate), f"{value:g}", *(mean_and_error(part[name]) for name in columns)])
    heads = [*columns[:4], "AUC in", "AUC cross"]
    return [
        Table(["trained on", "rate", "trained", "lambda", *heads], rows),
        Table(["trained on", "rate", "lambda", *heads], differences, "One training minus separate ones"),
    ]


def _in_and_cross(quality: dict[str, dict[str, float]], name: str, vendor: str) -> tuple[float, float]:
    """A measure of the restored images of the vendor trained on, and its mean over the others."""
    by_vendor = {test_vendor: values[name] for test_vendor, values in quality.items()}
    return by_vendor[vendor], mean_of_others(by_vendor, vendor)
