"""Harmonisation, styles, MixStyle and masks minus plain full sampling."""

import pandas as pd

from analysis.read.configurations import FULL, average_over_seeds
from analysis.read.load import Run
from analysis.results.comparators import comparator_of, comparators, lines, name_of, sampling_of
from analysis.results.yardsticks import noise_of
from analysis.statistics.resampling import trial_draws
from docs.tables.cells import pair
from docs.tables.differences import DOMAINS, signed
from docs.tables.table import Table
from tune_ks.core.metrics import METRICS


def comparator_tables(run: Run) -> list[Table]:
    """comparators.md: harmonisation, styles, MixStyle and masks minus plain full sampling (space comparators).

    A table a vendor trained on, with the transfer loss.
    """
    configurations = average_over_seeds(run.trials)
    draws = trial_draws(run)
    compared = comparators(configurations, draws, noise_of(configurations, draws))
    heads = ["setting", "every seed", "in-domain, minus plain", "cross-domain, minus plain", "loss", "loss, less by"]
    tables = []
    for vendor, of_vendor in configurations.groupby("vendor"):
        metrics = compared.rows[compared.rows["vendor"] == vendor]
        losses = compared.losses[compared.losses["trained on"] == vendor]
        rows = [_comparator_cells(run, row, metrics, losses) for row in of_vendor.to_dict("records")]
        rows.sort(key=lambda cells: (cells[0] != FULL, " with " in cells[0], "(R" in cells[0], cells[0]))
        tables.append(Table(heads, rows, f"Trained on {vendor}, test {METRICS[run.metric].title}"))
    note = "\n\n".join(lines(compared, METRICS[run.metric].title))
    return [*tables[:-1], tables[-1]._replace(note=note)]


def _comparator_cells(run: Run, row: dict, metrics: pd.DataFrame, losses: pd.DataFrame) -> list[str]:
    """The cells of one configuration; ``metrics`` and ``losses`` are those of its vendor."""
    setting = {"comparator": comparator_of(row), "sampling": sampling_of(row)}
    metrics, losses = (
        table[(table["comparator"] == setting["comparator"]) & (table["sampling"] == setting["sampling"])]
        for table in (metrics, losses)
    )
    records = [run.records[key] for key in row["keys"]]
    cells = [name_of(setting), ", ".join(pair(r.in_domain("test"), r.cross_domain("test")) for r in records)]
    for domain in DOMAINS:
        of_domain = metrics[metrics["domain"] == domain]
        cells.append(signed(of_domain.iloc[0]) if len(of_domain) else "")
    less = losses.assign(difference=losses["less"]).dropna(subset="less")
    cells.append(f"{losses['loss'].iloc[0]:+.3f}" if len(losses) else "")
    cells.append(signed(less.iloc[0]) if len(less) else "")
    return cells
