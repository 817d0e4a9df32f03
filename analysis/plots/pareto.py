"""The Pareto plot of one source vendor, and how often each rate is Pareto-optimal."""

import math
from collections.abc import Sequence
from itertools import cycle
from typing import Any, NamedTuple

import pandas as pd
import plotly.graph_objects as go

from analysis.choice.selection import Selection
from analysis.plots.common import (
    AMBER,
    GREEN,
    GREY,
    ORANGE,
    SPLIT_WORDS,
    SYMBOLS,
    about_configurations,
    about_trials,
    blank,
    faded,
    rate_axis,
    rate_bar,
    rate_colours,
    rate_ticks,
)
from analysis.read.configurations import FULL
from analysis.results.pareto_info import ParetoInfo
from analysis.results.pareto_subsets import Subset
from analysis.results.rate_units import RateUnit
from analysis.statistics.measures import Measure
from analysis.statistics.pareto import ParetoFront
from analysis.statistics.uncertain_front import SURFACES, UncertainFront
from tune_ks.core.rate_words import rate_tick, rate_words

CROWD = 60  # configurations: beyond it large points hide each other
HOVER = "%{text}<br>in-domain %{x:.3f}, cross-domain %{y:.3f}<extra></extra>"

ROOM = 0.07  # of the span of an axis, beyond its values; twice above, where the star has its rate


class Objectives(NamedTuple):
    """What a rate can be optimal for, and how its line looks."""

    words: str  # "metrics" in them is replaced by the name of the run's metric
    colour: str
    dash: str


OBJECTIVES = {  # column of UncertainFront.probability_optimal -> what it counts
    "two_objectives": Objectives("both metrics", GREEN, "solid"),
    "three_objectives": Objectives("both metrics and the rate", GREY, "dash"),
}


class Line(NamedTuple):
    """The corners of a front or of an attainment surface."""

    x: list[float]
    y: list[float]


class Star(NamedTuple):
    """The chosen configuration; empty lists where there is none."""

    x: list[float]
    y: list[float]
    text: list[str]


LEAST_SPAN = 0.02  # of the scores on an axis: equal scores get as much room


def plot_pareto(info: ParetoInfo) -> go.Figure:
    """In-domain against cross-domain metric on the split that chose: trials, configurations, front, choice.

    A trace whose ``meta.role`` is set moves with them: ``layout.meta.subsets`` holds what it shows of each subset.
    A trace whose ``meta.points`` is set can be filtered: its customdata are [mask family, temperature or "", key
    of the trial, or of one trial of the configuration].
    """
    ticks = rate_ticks(info.rates)
    scored = f"{SPLIT_WORDS[info.split]} {info.measure.title}"
    figure = blank(f"in-domain {scored}", f"cross-domain {scored}")
    _add_trials(figure, info)
    tables = (info.configurations, info.trials)
    x_range = _range([table[info.in_domain] for table in tables], info.attainment, "in_domain")
    y_range = _range([table[info.cross_domain] for table in tables], info.attainment, "cross_domain")
    # the legend may be as wide as the figure: on a telephone it would else take half of its height
    legend = {"xref": "container", "x": 0.02, "yref": "container", "y": 0.99, "yanchor": "top", "font": {"size": 10}}
    figure.update_layout(xaxis={"range": x_range}, yaxis={"range": y_range}, legend=legend)
    if info.attainment is not None:
        _add_surfaces(figure, info.attainment, floor=(x_range[0], y_range[0]))
    _add_front(figure, info.front)
    _add_configurations(figure, info, lowest=math.log2(ticks[0]))
    _add_choice(figure, info)
    rate_bar(figure, ticks)
    figure.update_layout(meta={"subsets": [_subset(subset, info, (x_range[0], y_range[0])) for subset in info.subsets]})
    return figure


def plot_optimal(uncertain: UncertainFront, measure: Measure, units: Sequence[RateUnit] = ()) -> go.Figure:
    """Probability of being Pareto-optimal against the realised rate, with and without the rate as an objective."""
    optimal = uncertain.probability_optimal
    figure = blank("", "probability Pareto-optimal")
    for column, objectives in OBJECTIVES.items():
        name = measure.words(objectives.words)
        figure.add_trace(
            go.Scatter(
                x=optimal["realised_rate"].tolist(),
                y=optimal[column].round(3).tolist(),
                mode="lines+markers",
                name=name,
                line={"color": objectives.colour, "dash": objectives.dash},
                marker={"size": 7},
                text=optimal["realised_rate"].map(rate_words).tolist(),
                hovertemplate=f"rate %{{text}}: optimal in %{{y:.0%}} of draws ({name})<extra></extra>",
            )
        )
    rate_axis(figure, optimal["realised_rate"], units)
    figure.update_layout(yaxis={"range": [-0.04, 1.06]})
    return figure


def _points(info: ParetoInfo, rows: pd.DataFrame, family: pd.Series, kind: str, name: str) -> go.Scatter:
    """Rows of one of its tables as points that the page's filters can hide."""
    temperature = ["" if pd.isna(value) else float(value) for value in rows["temperature"]]
    return go.Scatter(
        x=rows[info.in_domain].tolist(),
        y=rows[info.cross_domain].tolist(),
        mode="markers",
        name=name,
        customdata=[list(of_point) for of_point in zip(family, temperature, _keys(rows))],
        meta={"points": kind},
        hovertemplate=HOVER,
    )


def _keys(rows: pd.DataFrame) -> list[str]:
    """The key of each trial; of a configuration that of its first trial."""
    return rows["key"].tolist() if "key" in rows else [keys[0] for keys in rows["keys"]]


def _add_trials(figure: go.Figure, info: ParetoInfo) -> None:
    family = info.trials["mask"].where(~info.trials["full"].astype(bool), FULL)
    points = _points(info, info.trials, family, "trial", "single trial")
    points.update(text=about_trials(info.trials), marker={"size": 4, "color": GREY})
    figure.add_trace(points)


def _add_configurations(figure: go.Figure, info: ParetoInfo, lowest: float) -> None:
    """A trace a mask family, coloured by rate from ``lowest`` (log2 of a rate) to 1; then full sampling."""
    table = info.configurations
    full = table["full"].astype(bool)
    size = 12 if len(table) <= CROWD else 7
    for symbol, (name, of_family) in zip(cycle(SYMBOLS), table[~full].groupby("family", sort=True)):
        colours = rate_colours(of_family["realised_rate"], lowest)
        marker = {"size": size, "symbol": symbol, "color": colours, "line": {"width": 1, "color": GREY}}
        points = _points(info, of_family, of_family["family"], "configuration", str(name))
        figure.add_trace(points.update(text=about_configurations(of_family), marker=marker))
    if full.any():
        marker = {"size": 15, "symbol": "diamond-wide", "color": AMBER}
        points = _points(info, table[full], table.loc[full, "family"], "configuration", FULL)
        figure.add_trace(points.update(text=about_configurations(table[full]), marker=marker))


def _add_choice(figure: go.Figure, info: ParetoInfo) -> None:
    """A star, where a rate was chosen and has both scores; empty where only a filtered plot has one."""
    star = _star(info.selection, info)
    if star is None and all(_star(subset.selection, info) is None for subset in info.subsets):
        return
    star = star or Star([], [], [])
    figure.add_trace(
        go.Scatter(
            **star._asdict(),
            mode="markers+text",
            name="chosen",
            textposition="top center",
            marker={"size": 22, "symbol": "star-open", "color": ORANGE, "line": {"width": 2}},
            hovertemplate=f"chosen by {info.selection.rule}: rate %{{text}}<extra></extra>",
            meta={"role": "star"},
        )
    )


def _star(selection: Selection, info: ParetoInfo) -> Star | None:
    if math.isnan(selection.rate) or math.isnan(selection.values.get(info.cross_domain, math.nan)):
        return None
    values = selection.values
    return Star([values[info.in_domain]], [values[info.cross_domain]], [rate_tick(selection.rate)])


def _subset(subset: Subset, info: ParetoInfo, floor: tuple[float, float]) -> dict[str, Any]:
    """What each role shows when only these configurations are shown; a role that is absent shows nothing."""
    shown: dict[str, Any] = {"name": subset.name, "keys": subset.keys, "front": _front(subset.front)._asdict()}
    if subset.attainment is not None:
        surfaces = _surfaces(subset.attainment, floor)
        shown |= {role: surface._asdict() for role, surface in surfaces.items()}
    star = _star(subset.selection, info)
    return shown if star is None else shown | {"star": star._asdict()}


def _surfaces(attainment: pd.DataFrame, floor: tuple[float, float]) -> dict[str, Line]:
    """The outline between best and worst attainment surface, and the middle one."""
    surfaces = {percent: _staircase(rows, floor) for percent, rows in attainment.groupby("percent")}
    best, middle, worst = (surfaces[percent] for percent in SURFACES)
    return {"band": Line(best.x + worst.x[::-1], best.y + worst.y[::-1]), "median": middle}


def _add_surfaces(figure: go.Figure, attainment: pd.DataFrame, floor: tuple[float, float]) -> None:
    """The front as a distribution: a band between its best and worst attainment surface, and the middle one."""
    surfaces = _surfaces(attainment, floor)
    figure.add_trace(
        go.Scatter(
            **surfaces["band"]._asdict(),
            fill="toself",
            fillcolor=faded(GREEN, 0.16),
            line={"color": GREEN, "width": 0.5},
            mode="lines",
            name="front 10-90 %",
            hoverinfo="skip",
            meta={"role": "band"},
        )
    )
    figure.add_trace(
        go.Scatter(
            **surfaces["median"]._asdict(),
            mode="lines",
            name="front median",
            line={"color": GREEN, "width": 2},
            hoverinfo="skip",
            meta={"role": "median"},
        )
    )


def _front(front: ParetoFront) -> Line:
    points = front.points.sort_values("in_domain")
    return Line(points["in_domain"].tolist(), points["cross_domain"].tolist())


def _add_front(figure: go.Figure, front: ParetoFront) -> None:
    figure.add_trace(
        go.Scatter(
            **_front(front)._asdict(),
            mode="lines+markers",  # a front may be a single point
            name="front measured",
            line={"color": GREY, "width": 1.5},
            marker={"size": 17, "symbol": "circle-open", "color": GREY, "line": {"width": 1}},
            hoverinfo="skip",
            meta={"role": "front"},
        )
    )


def _staircase(surface: pd.DataFrame, floor: tuple[float, float]) -> Line:
    """The corners of an attainment surface, run out to the floor of both axes: what lies below is attained."""
    surface = surface.sort_values("in_domain")
    x = surface["in_domain"].round(4).tolist()
    y = surface["cross_domain"].round(4).tolist()
    corners = Line([floor[0]], [y[0]])
    for at, here, below in zip(x, y, [*y[1:], floor[1]]):
        corners.x.extend([at, at])
        corners.y.extend([here, below])
    return corners


def _range(scores: list[pd.Series], surfaces: pd.DataFrame | None, domain: str) -> list[float]:
    """The ends of an axis that holds all scores, and of the attainment surfaces what lies near them.

    A surface may reach far from all scores. It is followed by the span of these on either side, so that they, which
    are what is compared, have a third of the axis.
    """
    values = pd.concat(scores).astype(float)
    low, high = values.min(), values.max()
    span = max(high - low, LEAST_SPAN)
    if surfaces is not None:
        reached = surfaces[domain].astype(float).clip(low - span, high + span)
        low, high = min(low, reached.min()), max(high, reached.max())
    room = ROOM * max(high - low, LEAST_SPAN)
    return [float(low - room), float(high + room + (room if domain == "cross_domain" else 0))]
