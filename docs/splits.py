"""The same space on several splits of the patients, as Markdown: every split, and the mean over them.

    python -m docs.splits RUN [RUN ...]

Each RUN searched one space with another --split-seed. A cell shows the test AUC of every run, mean over its seeds, in
the order given; then their mean with its 90 % interval. Splits share most of their training patients, so their scatter
is too small to be divided by their number: the variance of the mean over J splits is taken as (1/J + n_test / n_train)
times their variance, with J - 1 degrees of freedom (Nadeau and Bengio, Machine Learning 2003). It holds patients and
trainings. Differences are taken within a split, and are bold where 0 lies outside. The last table has the trainings of
a split used together: the AUC of their mean score, and its differences to one training and to the linear yardstick.
"""

import argparse
import math
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import t

from analysis.read.load import Run, load
from analysis.read.trial_arrays import image_scores, yardstick_scores
from analysis.results.ensembles import mean_scores
from analysis.statistics.bootstrap import LEVEL
from docs.tables.cells import SCORES, rate_name
from docs.tables.table import Table
from tune_ks.core.ensemble import FEWEST_TOGETHER
from tune_ks.core.metrics import auc

GROUP = ["vendor", "sampling_rate", "mask"]
DOMAINS = ("in", "cross")  # in the order of SCORES
YARDSTICK = "linear_on_35_numbers"


def splits(runs: list[Run]) -> list[Table]:
    """The metric of every group of trials, and its differences to full sampling and to the low-pass."""
    means = [run.trials.groupby(GROUP)[SCORES].mean() for run in runs]
    groups = _in_all(means)
    scores = []
    gains = []
    for vendor, rate, mask in groups:
        ratio = float(np.mean([test_to_train(run.cohort, vendor) for run in runs]))
        about = [vendor, "full" if rate == 1 else mask, rate_name(rate)]
        mine = [mean.loc[(vendor, rate, mask)] for mean in means]
        cells = [summary([values[score] for values in mine], ratio) for score in SCORES]
        scores.append(about + cells)
        if rate == 1:
            continue
        cells = []
        for other in ((vendor, 1.0, "lowpass"), (vendor, rate, "lowpass")):
            same = other == (vendor, rate, mask) or other not in groups
            theirs = [mean.loc[other] for mean in means] if not same else mine
            for score in SCORES:
                change = [a[score] - b[score] for a, b in zip(mine, theirs, strict=True)]
                cells.append("" if same else summary(change, ratio, "+.3f", difference=True))
        gains.append(about + cells)
    about = ["trained on", "mask", "rate"]
    against = [f"{domain} - {other}" for other in ("full", "low-pass") for domain in ("in", "cross")]
    return [Table([*about, "in-domain AUC", "cross-domain AUC"], scores), Table([*about, *against], gains)]


def together(runs: list[Run]) -> Table:
    """The trainings of every group used together: the AUC of their mean score, and what it is above.

    These are one training (the mean of the AUCs of all), and the linear yardstick on the same sampled images.
    """
    of_runs = [used_together(run) for run in runs]
    groups = _in_all(of_runs)
    rows = []
    for vendor, rate, mask in groups:
        ratio = float(np.mean([test_to_train(run.cohort, vendor) for run in runs]))
        mine = [of_run.loc[[(vendor, rate, mask)]].iloc[0] for of_run in of_runs]
        cells = []
        for domain in DOMAINS:
            cells.append(summary([values[domain] for values in mine], ratio))
            for other in ("one", "yardstick"):
                change = [values[domain] - values[f"{domain} {other}"] for values in mine]
                cells.append(summary(change, ratio, "+.3f", difference=True))
        rows.append([vendor, "full" if rate == 1 else mask, rate_name(rate), *cells])
    heads = [f"{domain}{what}" for domain in DOMAINS for what in (" together", " - one", " - yardstick")]
    return Table(["trained on", "mask", "rate", *heads], rows)


def used_together(run: Run) -> pd.DataFrame:
    """By GROUP the test AUCs of the mean score, in-domain and cross-domain, of one training, and of the yardstick."""
    rows = {}
    for group, trials in run.trials.groupby(GROUP):
        keys = trials["key"].tolist()
        scores = mean_scores([image_scores(run.root, key, run.cohort) for key in keys])
        by_yardstick = mean_scores([yardstick_scores(run.root, key, run.cohort, YARDSTICK) for key in keys])
        if len(keys) < FEWEST_TOGETHER or scores is None or by_yardstick is None:
            continue
        row = {}
        for domain, column in zip(DOMAINS, SCORES, strict=True):
            row |= {domain: _auc(scores, group[0], domain), f"{domain} one": trials[column].mean()}
            row[f"{domain} yardstick"] = _auc(by_yardstick, group[0], domain)
        rows[group] = row
    return pd.DataFrame(rows.values(), index=list(rows))


def _auc(scores: pd.DataFrame, source: str, domain: str) -> float:
    """The AUC on the test images of the source vendor, or the mean over the others."""
    test = scores[scores["split"] == "test"]
    values = []
    for vendor, images in test.groupby("vendor"):
        if (vendor == source) == (domain == DOMAINS[0]):
            values.append(auc(images["label"].to_numpy(), images["score"].to_numpy()))
    return float(np.mean(values))


def _in_all(means: list[pd.DataFrame]) -> list[tuple[str, float, str]]:
    """The groups that every run has, in order."""
    common = set(means[0].index)
    for mean in means[1:]:
        common &= set(mean.index)
    return sorted(common)


def test_to_train(cohort: pd.DataFrame, vendor: str) -> float:
    """Test patients of a vendor for each of its training patients."""
    patients = cohort[cohort["vendor"] == vendor].groupby("split")["patient_id"].nunique()
    return patients.get("test", 0) / patients["train"]


def interval_of_splits(values: list[float], ratio: float) -> tuple[float, float]:
    """The LEVEL interval of the mean over splits; NaN at both ends for fewer than two splits."""
    count = len(values)
    if count < 2:
        return math.nan, math.nan
    error = math.sqrt((1 / count + ratio) * float(np.var(values, ddof=1)))
    reach = error * float(t.ppf((1 + LEVEL) / 2, count - 1))
    middle = float(np.mean(values))
    return middle - reach, middle + reach


def summary(values: list[float], ratio: float, form: str = ".3f", difference: bool = False) -> str:
    """Every split, and the mean [low, high]."""
    low, high = interval_of_splits(values, ratio)
    text = f"{np.mean(values):{form}} [{low:{form}}, {high:{form}}]"
    marked = f"**{text}**" if difference and (low > 0 or high < 0) else text
    return f"{' '.join(f'{value:{form}}' for value in values)}; {marked}"


def main() -> None:
    """Print the tables of the run folders together."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    runs = [load(folder) for folder in parser.parse_args().runs]
    for table in (*splits(runs), together(runs)):
        print(f"\n{table}", flush=True)


if __name__ == "__main__":
    main()
