"""Intervals of each configuration's test metric and of its distance to full sampling."""

from collections.abc import Mapping

import pandas as pd

from analysis.read.configurations import full_sampling_of
from analysis.statistics.bootstrap import Resampled, TrialDraws
from analysis.statistics.estimate import Noise, estimate
from analysis.statistics.pareto import TWO
from analysis.statistics.training_noise import seeds_of, training_noise

SPANS = ("test", "difference")


def metric_intervals(configurations: pd.DataFrame, draws: Mapping[str, TrialDraws]) -> pd.DataFrame:
    """One row a configuration: ``SPAN_DOMAIN_low/_high`` for SPANS, and of the difference to full sampling more.

    Full sampling is the configuration at rate 1 that agrees in all but the mask; its difference to itself is NaN.
    ``draws`` of all trials. Intervals are over patients and trainings (analysis.statistics.estimate); the error of a
    training that was not repeated is pooled over the vendor's rates, and left out where that can't be said. Of the
    difference also the value itself, ``_seeds`` (trainings of the side that has fewer) and ``_of_trainings`` (standard
    error; NaN where it was left out). Differences are paired, as a draw takes the same patients for every trial of a
    vendor. NaN where scores.npz, the vendor's test patients or full sampling are missing.
    """
    parts = [_of_vendor(rows, draws) for _, rows in configurations.groupby("vendor")]
    names = [f"{span}_{domain}{end}" for span in SPANS for domain in TWO for end in ("_low", "_high")]
    names += [f"difference_{domain}{end}" for domain in TWO for end in ("", "_seeds", "_of_trainings")]
    rows = [row for part in parts for row in part]
    return pd.DataFrame(rows, columns=["configuration", *names])


def _of_vendor(rows: pd.DataFrame, draws: Mapping[str, TrialDraws]) -> list[dict]:
    """The rows of one source vendor's configurations."""
    vendor = str(rows["vendor"].iloc[0])
    fulls = full_sampling_of(rows)
    columns: list[dict] = [{"configuration": name} for name in rows["configuration"]]
    for domain in TWO:
        noise = training_noise(rows, draws, vendor, "test", domain)
        seeds = {
            name: seeds_of(keys, draws, vendor, "test", domain)
            for name, keys in zip(rows["configuration"], rows["keys"], strict=True)
        }
        for of_row, full in zip(columns, fulls):
            name = of_row["configuration"]
            of_row |= _ends(f"test_{domain}", seeds[name], noise)
            if full is not None and full != name:
                of_row |= _difference(f"difference_{domain}", seeds[name], seeds[full], noise)
    return columns


def _ends(name: str, seeds: list[Resampled], noise: Noise | None) -> dict[str, float]:
    ends = estimate(seeds, noise=noise).interval()
    return {f"{name}_low": ends.low, f"{name}_high": ends.high}


def _difference(name: str, seeds: list[Resampled], full: list[Resampled], noise: Noise | None) -> dict[str, float]:
    if not seeds or not full:
        return {}
    known = estimate(seeds, full, noise)
    ends = known.interval()
    return {
        name: known.point,
        f"{name}_low": ends.low,
        f"{name}_high": ends.high,
        f"{name}_seeds": known.seeds,
        f"{name}_of_trainings": known.of_trainings,
    }
