"""Learning curves of one source vendor: each epoch of the records' histories, a line a trial, coloured by rate."""

import math
from typing import NamedTuple

import plotly.graph_objects as go

from analysis.plots.common import blank, rate_bar, rate_colours, rate_ticks
from analysis.results.compute import Analysis


class HistoryEntry(NamedTuple):
    """One number that a history holds for each epoch."""

    words: str  # "metric" in them is replaced by the name of the run's metric
    cross_domain: bool = False  # whether it was measured on other vendors


LINES = {
    "val_in_domain": HistoryEntry("in-domain validation metric"),
    "val_cross_domain": HistoryEntry("cross-domain validation metric", cross_domain=True),
    "loss": HistoryEntry("loss"),
}


def plot_training(analysis: Analysis, vendor: str, name: str = "val_in_domain") -> go.Figure | None:
    """One entry of the records' histories against the epoch; None where no record has it."""
    trials = analysis.run.trials[analysis.run.trials["vendor"] == vendor].sort_values("realised_rate")
    ticks = rate_ticks(analysis.configurations["realised_rate"])
    figure = blank("epoch", analysis.measure.words(LINES[name].words), legend=False)
    for row in trials.itertuples():
        history = [epoch for epoch in analysis.run.records[row.key].history if _is_number(epoch.get(name))]
        if not history:
            continue
        colour = rate_colours([row.realised_rate], math.log2(ticks[0]))[0]
        about = f"rate {row.realised_rate:.3f}, seed {row.seed}, {row.key}"
        figure.add_trace(
            go.Scatter(
                x=[epoch.get("epoch", count) for count, epoch in enumerate(history, start=1)],
                y=[round(float(epoch[name]), 4) for epoch in history],
                mode="lines",
                line={"width": 1.2, "color": colour},
                opacity=0.75,
                hovertemplate=f"{about}<br>epoch %{{x}}: %{{y:.3f}}<extra></extra>",
            )
        )
    if not figure.data:
        return None
    rate_bar(figure, ticks)
    return figure


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
