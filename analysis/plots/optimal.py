"""How often each rate is Pareto-optimal, in draws of both fitted curves of one source vendor."""

import plotly.graph_objects as go

from analysis.plots.common import GREEN, GREY, blank, rate_axis
from analysis.results.compute import Analysis

LINES = {
    "two_objectives": ("both metrics", GREEN, "solid"),
    "three_objectives": ("both metrics and the rate", GREY, "dash"),
}


def plot_optimal(analysis: Analysis, vendor: str) -> go.Figure | None:
    """Probability against the realised rate, with and without the rate as an objective; None without both curves."""
    uncertain = analysis.vendors[vendor].uncertain_front
    if uncertain is None:
        return None
    found = uncertain.probability_optimal
    figure = blank("", "probability Pareto-optimal")
    for column, (objectives, colour, dash) in LINES.items():
        name = analysis.measure.words(objectives)
        figure.add_trace(
            go.Scatter(
                x=found["realised_rate"].tolist(),
                y=found[column].round(3).tolist(),
                mode="lines+markers",
                name=name,
                line={"color": colour, "dash": dash},
                marker={"size": 7},
                hovertemplate=f"rate %{{x:.3f}}: optimal in %{{y:.0%}} of draws ({name})<extra></extra>",
            )
        )
    rate_axis(figure, found["realised_rate"])
    figure.update_layout(yaxis={"range": [-0.04, 1.06]})
    return figure
