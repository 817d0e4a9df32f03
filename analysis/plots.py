"""The Pareto plot and the paper's two curves: drawn from a finished Analysis, no thinking here."""

import math
from itertools import cycle

import pandas as pd
import plotly.graph_objects as go
from plotly.colors import sample_colorscale
from plotly.offline import get_plotlyjs
from plotly.subplots import make_subplots

from analysis.baselines import best
from analysis.configurations import curves
from analysis.study import Analysis

BLUE, ORANGE, GREY = "#2f7fd1", "#d9622b", "#8a8f98"
DOMAINS = {"in_domain": ("in-domain", BLUE), "cross_domain": ("cross-domain", ORANGE)}
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SYMBOLS = ("circle", "square", "triangle-up", "x", "pentagon", "hexagon")
SPLIT_WORDS = {"val": "validation", "test": "test"}


def plotly_js() -> str:
    """plotly.js itself, to be embedded once in a page."""
    return get_plotlyjs()


def to_div(figure: go.Figure, name: str) -> str:
    """A figure as an HTML fragment with the id ``name``; the page must hold plotly_js() before it."""
    config = {"displaylogo": False, "responsive": True, "toImageButtonOptions": {"format": "svg", "filename": name}}
    return figure.to_html(full_html=False, include_plotlyjs=False, div_id=name, config=config, default_height="100%")


def plot_pareto(analysis: Analysis) -> go.Figure:
    """In-domain against cross-domain AUC, one panel a source vendor, on the split that chose."""
    figure = _panels(analysis)
    ticks = _rate_ticks(analysis.configurations["realised_rate"])
    lowest = min(math.log2(ticks[0]), -1)
    for column, (vendor, selection) in enumerate(analysis.selections.items(), start=1):
        split = analysis.split[vendor]
        x, y = f"{split}_in_domain", f"{split}_cross_domain"
        at = {"row": 1, "col": column}
        own = analysis.configurations[analysis.configurations["vendor"] == vendor]
        seeds = analysis.run.trials[analysis.run.trials["vendor"] == vendor]
        figure.add_trace(
            go.Scatter(
                x=seeds[x],
                y=seeds[y],
                mode="markers",
                name="one trial",
                legendgroup="trial",
                showlegend=column == 1,
                marker={"size": 5, "color": GREY, "opacity": 0.5},
                text=_about_trials(seeds),
                hovertemplate="%{text}<br>in-domain %{x:.3f}, cross-domain %{y:.3f}<extra></extra>",
            ),
            **at,
        )
        front = analysis.fronts[vendor][0].points
        figure.add_trace(_front_line(front, column == 1), **at)
        for symbol, (family, part) in zip(cycle(SYMBOLS), own.groupby("family", sort=True)):
            figure.add_trace(
                go.Scatter(
                    x=part[x],
                    y=part[y],
                    mode="markers",
                    name=str(family),
                    legendgroup=str(family),
                    showlegend=column == 1,
                    marker={
                        "size": 12,
                        "symbol": symbol,
                        "color": sample_colorscale(
                            "Viridis", [1 - math.log2(rate) / lowest for rate in part["realised_rate"]]
                        ),
                        "line": {"width": 1, "color": "white"},
                    },
                    text=_about_configurations(part),
                    hovertemplate="%{text}<br>in-domain %{x:.3f}, cross-domain %{y:.3f}<extra></extra>",
                ),
                **at,
            )
        if not math.isnan(selection.rate):
            figure.add_trace(
                go.Scatter(
                    x=[selection.values[x]],
                    y=[selection.values[y]],
                    mode="markers+text",
                    name=f"chosen by {selection.rule}",
                    legendgroup="chosen",
                    showlegend=column == 1,
                    text=[f"{selection.rate:.3f}"],
                    textposition="top center",
                    marker={"size": 20, "symbol": "star-open", "color": ORANGE, "line": {"width": 2}},
                    hovertemplate=f"chosen: rate {selection.rate:.3f}<extra></extra>",
                ),
                **at,
            )
        figure.update_xaxes(title=f"in-domain {SPLIT_WORDS[split]} AUC", **at)
        figure.update_yaxes(title=f"cross-domain {SPLIT_WORDS[split]} AUC", **at)
    _rate_colours(figure, ticks, lowest)
    return figure


def plot_curves(analysis: Analysis, split: str) -> go.Figure:
    """AUC against the realised rate, in-domain and cross-domain, one panel a source vendor; every seed a point."""
    figure = _panels(analysis)
    shown: set[str] = set()

    def once(name: str) -> dict:
        new = name not in shown
        shown.add(name)
        return {"name": name, "legendgroup": name, "showlegend": new}

    for column, (vendor, selection) in enumerate(analysis.selections.items(), start=1):
        at = {"row": 1, "col": column}
        own = analysis.configurations[analysis.configurations["vendor"] == vendor]
        seeds = analysis.run.trials[analysis.run.trials["vendor"] == vendor]
        for domain, (word, colour) in DOMAINS.items():
            name = f"{split}_{domain}"
            figure.add_trace(
                go.Scatter(
                    x=seeds["realised_rate"],
                    y=seeds[name],
                    mode="markers",
                    marker={"size": 5, "color": colour, "opacity": 0.4},
                    text=_about_trials(seeds),
                    hovertemplate="%{text}<br>AUC %{y:.3f}<extra></extra>",
                    **once(f"one trial, {word}"),
                ),
                **at,
            )
            for dash, symbol, (curve, part) in zip(cycle(DASHES), cycle(SYMBOLS), curves(own).items()):
                figure.add_trace(
                    go.Scatter(
                        x=part["realised_rate"],
                        y=part[name],
                        mode="lines+markers",
                        line={"color": colour, "dash": dash},
                        marker={"size": 8, "symbol": symbol},
                        error_y=_error_bars(part, name),
                        text=_about_configurations(part),
                        hovertemplate="%{text}<br>AUC %{y:.3f}<extra></extra>",
                        **once(f"{curve}, {word}"),
                    ),
                    **at,
                )
            if not math.isnan(selection.values.get(name, math.nan)):
                figure.add_trace(
                    go.Scatter(
                        x=[selection.rate],
                        y=[selection.values[name]],
                        mode="markers",
                        marker={"size": 18, "symbol": "star-open", "color": colour, "line": {"width": 2}},
                        hovertemplate=f"chosen by {selection.rule}: %{{x:.3f}}<extra></extra>",
                        **once(f"chosen, {word}"),
                    ),
                    **at,
                )
        if split == "test":
            _baseline_lines(figure, analysis, vendor, once, at)
        ticks = _rate_ticks(own["realised_rate"])
        figure.update_xaxes(
            title="realised rate (share of k-space)",
            type="log",
            tickvals=ticks,
            ticktext=[f"{t:.2g}" for t in ticks],
            **at,
        )
        figure.update_yaxes(title=f"{SPLIT_WORDS[split]} AUC", **at)
    return figure


def _baseline_lines(figure: go.Figure, analysis: Analysis, vendor: str, once, at: dict) -> None:
    """The best one-number baseline of the source vendor, and of each other one, as horizontal lines."""
    own = analysis.configurations[analysis.configurations["vendor"] == vendor]
    ends = [own["realised_rate"].min(), own["realised_rate"].max()]
    for other in analysis.baselines["vendor"].unique():
        row = best(analysis.baselines, other)
        word, colour = DOMAINS["in_domain" if other == vendor else "cross_domain"]
        figure.add_trace(
            go.Scatter(
                x=ends,
                y=[row["auc"]] * 2,
                mode="lines",
                line={"color": colour, "width": 1, "dash": "dot"},
                opacity=0.6,
                hovertemplate=f"{row['baseline']} of {other}: {row['auc']:.3f}<extra></extra>",
                **once(f"best one-number baseline, {word}"),
            ),
            **at,
        )


def _rate_colours(figure: go.Figure, ticks: list[float], lowest: float) -> None:
    """The colour bar of log2 rate, on a trace of its own: plotly.js warns about numbers as legend colours."""
    bar = {
        "title": {"text": "realised rate"},
        "tickvals": [math.log2(rate) for rate in ticks],
        "ticktext": [f"{rate:.2g}" for rate in ticks],
    }
    marker = {"color": [lowest], "cmin": lowest, "cmax": 0, "colorscale": "Viridis", "colorbar": bar, "showscale": True}
    figure.add_trace(go.Scatter(x=[None], y=[None], mode="markers", marker=marker, showlegend=False), row=1, col=1)


def _front_line(front: pd.DataFrame, legend: bool) -> go.Scatter:
    front = front.sort_values("in_domain")
    return go.Scatter(
        x=front["in_domain"],
        y=front["cross_domain"],
        mode="lines",
        name="front of the two AUCs",
        legendgroup="front",
        showlegend=legend,
        line={"color": GREY},
        hoverinfo="skip",
    )


def _panels(analysis: Analysis) -> go.Figure:
    names = [f"trained on {vendor}" for vendor in analysis.selections]
    figure = make_subplots(rows=1, cols=max(len(names), 1), subplot_titles=names, horizontal_spacing=0.1)
    figure.update_layout(
        template="plotly_white",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": GREY},
        margin={"l": 60, "r": 20, "t": 60, "b": 60},
        legend={"orientation": "h", "y": -0.2},
    )
    return figure


def _error_bars(part: pd.DataFrame, name: str) -> dict:
    """The patient-clustered interval where there is one."""
    if f"{name}_low" not in part or part[f"{name}_low"].isna().all():
        return {"visible": False, "array": []}
    return {
        "type": "data",
        "symmetric": False,
        "array": (part[f"{name}_high"] - part[name]).clip(lower=0),
        "arrayminus": (part[name] - part[f"{name}_low"]).clip(lower=0),
        "thickness": 1,
    }


def _about_trials(trials: pd.DataFrame) -> list[str]:
    return [
        f"{row.mask}, realised {row.realised_rate:.3f}, nominal {row.sampling_rate:.3f}"
        f"{'' if pd.isna(row.temperature) else f', temperature {row.temperature:g}'}, seed {row.seed}, {row.key}"
        for row in trials.itertuples()
    ]


def _about_configurations(table: pd.DataFrame) -> list[str]:
    return [
        f"{row.family}, realised {row.realised_rate:.3f}, nominal {row.sampling_rate:.3f}"
        f"{'' if pd.isna(row.temperature) else f', temperature {row.temperature:g}'}, mean of {row.seeds} seed(s)"
        for row in table.itertuples()
    ]


def _rate_ticks(rates: pd.Series) -> list[float]:
    """Powers of two from the smallest rate up to 1."""
    low = math.floor(math.log2(rates.min())) if len(rates) else -1
    return [2.0**power for power in range(low, 1)]
