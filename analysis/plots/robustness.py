"""AUC against the severity of each corruption: the chosen rate beside full sampling, in small panels."""

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.plots.common import DOMAINS, blank, faded
from analysis.results.robustness import Robust

COLUMNS = 2  # to be read on a phone too
LINES = {"chosen": "solid", "full sampling": "dot"}


def plot_robustness(found: Robust) -> go.Figure:
    """A panel a corruption; colour is the domain, the line's style the sampling; bars are 90 % intervals."""
    names = list(dict.fromkeys(found.curves["corruption"]))
    rows = -(-len(names) // COLUMNS)
    titles = [name.replace("_", " ") for name in names]
    figure = make_subplots(
        rows, COLUMNS, shared_yaxes=True, subplot_titles=titles, horizontal_spacing=0.03, vertical_spacing=0.08
    )
    figure.update_layout(blank().layout)
    figure.update_layout(legend_y=1.05)  # above the panels' names
    for (sampling, domain, corruption), part in found.curves.groupby(["sampling", "domain", "corruption"], sort=False):
        place, (words, colour) = names.index(corruption), DOMAINS[domain]
        rate = f"rate {found.rate:.3g}" if sampling == "chosen" else sampling
        figure.add_trace(
            go.Scatter(
                x=part["severity"],
                y=part["auc"],
                mode="lines+markers",
                name=f"{words}, {rate}",
                legendgroup=f"{domain} {sampling}",
                showlegend=place == 0,
                line={"color": colour, "dash": LINES[sampling], "width": 2},
                marker={"size": 4},
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": part["high"] - part["auc"],
                    "arrayminus": part["auc"] - part["low"],
                    "thickness": 1,
                    "width": 0,
                    "color": faded(colour, 0.45),
                },
                hovertemplate=f"{corruption}, severity %{{x}}<br>{words}, {rate}: %{{y:.3f}}<extra></extra>",
            ),
            row=place // COLUMNS + 1,
            col=place % COLUMNS + 1,
        )
    figure.update_xaxes(tickvals=list(range(6)), zeroline=False)
    figure.update_yaxes(zeroline=False)
    figure.update_annotations(font_size=12)
    figure.update_yaxes(title_text="AUC", col=1)
    figure.update_xaxes(title_text="severity", row=rows)
    return figure
