"""What the rules read of a candidate: the fitted mean where it lies on a curve, else the observed mean of its seeds."""

from typing import Any

import pandas as pd

from analysis.read.configurations import choosable
from analysis.results.compute import VendorAnalysis
from analysis.statistics.pareto import TWO

FITTED, OBSERVED = "fitted", "observed"


def read_table(computed: VendorAnalysis) -> pd.DataFrame:
    """One row a candidate of one vendor by rate: ``configuration``, ``family``, ``rate``, ``split``, and by domain

    ``DOMAIN_fitted``, ``DOMAIN_observed`` (mean over seeds), ``DOMAIN_read`` (FITTED or OBSERVED) and
    ``DOMAIN_below_best``: the best of what is read, less this row's. NaN where there is none.
    """
    candidates = choosable(computed.configurations).sort_values("realised_rate", kind="stable")
    fitted = computed.fitted[computed.split]
    columns: dict[str, Any] = {
        "configuration": candidates["configuration"].tolist(),
        "family": candidates["family"].tolist(),
        "rate": candidates["realised_rate"].tolist(),
        "split": [computed.split] * len(candidates),
    }
    for domain in TWO:
        smooth = candidates["configuration"].map(getattr(fitted, domain).mean).astype(float)
        observed = candidates[f"{computed.split}_{domain}"].astype(float)
        values = smooth.fillna(observed)
        columns[f"{domain}_fitted"] = smooth.tolist()
        columns[f"{domain}_observed"] = observed.tolist()
        columns[f"{domain}_read"] = [FITTED if known else OBSERVED for known in smooth.notna()]
        columns[f"{domain}_below_best"] = (values.max() - values).tolist()
    return pd.DataFrame(columns)
