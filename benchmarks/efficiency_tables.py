"""What replayed searches reached, as tables and as a figure."""

import numpy as np
import plotly.graph_objects as go

from analysis.plots.common import BLUE, GREEN, GREY, ORANGE, band, blank
from analysis.plots.paper import on_white
from benchmarks.conditional_trainings import ONE_TRAINING
from benchmarks.replayed_searches import BUDGETS
from benchmarks.tools import print_heads, print_row

SHOWN = [24 * trials for trials in (4, 8, 16, 32)]  # in the tables
STYLES = {
    "grid": (GREY, "dot"),
    "random": (GREY, "solid"),
    "tpe": (BLUE, "solid"),
    "nsga2": (GREEN, "solid"),
    "random, asha": (ORANGE, "dot"),
    "random, pareto_halving": (ORANGE, "solid"),
}


def print_tables(
    objectives: tuple[str, ...], shares: dict[str, np.ndarray], conditional: dict[str, np.ndarray]
) -> None:
    """Validation, then test: a row for each method, a column for each budget."""
    columns = [int(np.flatnonzero(budget == BUDGETS)[0]) for budget in SHOWN]
    for side, split in enumerate(("validation", "test")):
        print(f"\n{len(objectives)} objectives, {split}:\n")
        print_heads(["search", *(f"{budget} epochs" for budget in SHOWN)])
        for method, of_method in shares.items():
            cells = [cell(of_method[:, at, side], shares["random"][:, at, side]) for at in columns]
            print_row([method, *cells])
        for name, reached in conditional.items():
            ends = ", ".join(f"{100 * share:.0f}" for share in reached[:, 0, side])
            print(f"\nOne training, {name}, {ONE_TRAINING['epochs']} epochs, each seed: {ends}", flush=True)


def cell(shares: np.ndarray, random: np.ndarray) -> str:
    """Mean, 10th and 90th percentile in per cent, and a mark where the mean differs from random's."""
    difference = shares - random
    error = difference.std(ddof=1) / len(difference) ** 0.5
    mark = ""
    if difference.mean() > 3 * error:
        mark = " +"
    elif difference.mean() < -3 * error:
        mark = " -"
    low, high = np.quantile(shares, (0.1, 0.9))
    return f"{100 * shares.mean():.0f} ({100 * low:.0f}, {100 * high:.0f}){mark}"


def draw(shares: dict[str, np.ndarray], conditional: dict[str, np.ndarray]) -> go.Figure:
    """Mean validation share against epochs; the band is random's, 10th to 90th percentile."""
    figure = blank("epochs spent", "hypervolume, % of the whole table's (validation)")
    low, high = np.quantile(100 * shares["random"][..., 0], (0.1, 0.9), axis=0).round(2)
    band(figure, BUDGETS.tolist(), low.tolist(), high.tolist(), GREY, "random, 80 % of searches")
    for method, (colour, dash) in STYLES.items():
        mean = (100 * shares[method][..., 0].mean(axis=0)).round(2).tolist()
        style = {"color": colour, "dash": dash, "width": 2}
        figure.add_trace(go.Scatter(x=BUDGETS.tolist(), y=mean, mode="lines", name=method, line=style))
    for symbol, (name, shares_of_seeds) in zip(("x", "circle-open"), conditional.items()):
        marker = {"color": BLUE, "symbol": symbol, "size": 9}
        reached = (100 * shares_of_seeds[:, 0, 0]).round(2).tolist()
        spent = [ONE_TRAINING["epochs"]] * len(reached)
        figure.add_trace(go.Scatter(x=spent, y=reached, mode="markers", name=f"one training, {name}", marker=marker))
    ends = np.log10([0.93 * BUDGETS[0], 1.07 * BUDGETS[-1]]).tolist()
    figure.update_xaxes(type="log", range=ends, tickvals=BUDGETS.tolist(), ticktext=[str(b) for b in BUDGETS])
    return on_white(figure)
