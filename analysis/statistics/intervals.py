"""Patient-clustered intervals of each configuration's test metric and of its distance to full sampling and baseline."""

import math

import pandas as pd

from analysis.read.configurations import full_sampling_of
from analysis.statistics.bootstrap import NOWHERE, TrialDraws, interval
from analysis.statistics.pareto import TWO
from analysis.statistics.resampling import configuration_draws, domain_draws, paired

SPANS = ("test", "above_baseline", "difference")


def metric_intervals(
    configurations: pd.DataFrame, draws: dict[str, TrialDraws], baseline: dict[str, TrialDraws]
) -> pd.DataFrame:
    """One row a configuration: ``SPAN_DOMAIN_low/_high`` for SPANS, and ``difference_DOMAIN``, to full sampling.

    Full sampling is the configuration at rate 1 that agrees in all but the mask; its difference to itself is NaN.
    ``draws`` of all trials: a configuration's seeds are averaged inside each draw, so the interval is over patients
    only (how far seeds differ is ``test_DOMAIN_sd``). Differences are paired, as a draw takes the same patients for
    every trial and baseline of a vendor. ``baseline``: source vendor -> draws of what its choices must be above. NaN
    where scores.npz, the vendor's test patients or full sampling are missing.
    """
    averaged = {row.configuration: configuration_draws(row.keys, draws) for row in configurations.itertuples()}
    rows = []
    for row, full in zip(configurations.itertuples(), full_sampling_of(configurations)):
        scores = averaged[row.configuration]
        has_reference = full is not None and full != row.configuration
        spans = {
            "test": scores,
            "above_baseline": paired(scores, baseline.get(row.vendor, {})),
            "difference": paired(scores, averaged[full]) if has_reference else {},
        }
        rows.append({"configuration": row.configuration} | _interval_columns(spans, row.vendor))
    names = [f"{span}_{domain}_{end}" for span in SPANS for domain in TWO for end in ("low", "high")]
    return pd.DataFrame(rows, columns=["configuration", *(f"difference_{domain}" for domain in TWO), *names])


def _interval_columns(spans: dict[str, TrialDraws], vendor: str) -> dict[str, float]:
    """One configuration's draws by SPAN -> its columns."""
    columns = {}
    for span, of_span in spans.items():
        for domain in TWO:
            of_domain = domain_draws(of_span, vendor, "test", domain)
            ends = NOWHERE if of_domain is None else interval(of_domain)
            columns[f"{span}_{domain}_low"] = ends.low
            columns[f"{span}_{domain}_high"] = ends.high
            if span == "difference":
                columns[f"difference_{domain}"] = math.nan if of_domain is None else of_domain.point
    return columns
