"""Which way of searching gets most from its epochs? Hypervolume against epochs spent, on recorded trainings.

    python -m benchmarks.search_efficiency --data phantom/version-2 --out table
    python -m benchmarks.search_efficiency --data phantom/version-2 --out table --live 32
    python -m benchmarks.search_efficiency --data phantom/version-2 --out table --constrained
    python -m benchmarks.search_efficiency --simulated --constrained

The question is that of the space ``quick``, shortened: 16 rates, 3 learning rates and 2 of the mask, each configuration
trained with ``TRAININGS`` seeds. ``--out`` is a run folder that keeps these trainings, so a second call only replays
them. Every method is replayed ``--searches`` times with the project's own searcher and schedulers; in each search a
configuration stands for one of its trainings, drawn at random. For comparison there are conditional trainings as in the
space ``one_training``, each scored at all rates.

Tables: the hypervolume that a search reaches, in per cent of what training the whole table reaches in the same search;
the mean, and in brackets the 10th and 90th percentile over searches. Validation: of the front itself. Test: of the
points that validation put on the front. "+" and "-" mark means that differ from random's by more than three standard
errors of the paired difference. ``--live`` trains what random and TPE ask for in a continuous space, and needs no
table. ``--constrained`` asks another question: the best cross-domain AUC that loses little in-domain
(benchmarks/constrained.py), by trainings of the table or by ``--simulated`` ones.
"""

import dataclasses
import multiprocessing
import tempfile
from concurrent.futures import ProcessPoolExecutor
from itertools import product, takewhile
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import optuna
import pandas as pd
import plotly.graph_objects as go
from ray import tune

from analysis.plots.common import BLUE, GREEN, GREY, ORANGE, band, blank
from analysis.plots.paper import on_white
from analysis.report.export import DPI, HEIGHT, PIXELS, WIDTH
from analysis.statistics.pareto import THREE, TWO, hypervolume, pareto_front
from benchmarks import constrained
from benchmarks.recorded import NO_WORK, Ended, prepare, record_all, record_training, replay
from benchmarks.tools import parser, print_heads, print_row
from search_spaces import LEARNED
from search_spaces.one_training import CONDITIONAL as CONDITIONAL_TRAINING
from search_spaces.quick import COMMON
from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.seeding import generator
from tune_ks.planning.plan import plan_search
from tune_ks.planning.space import SEARCH_DEFAULTS, Space
from tune_ks.search import searcher
from tune_ks.search.schedulers import EarlyStopping

optuna.logging.set_verbosity(optuna.logging.WARNING)  # every new study would print a line

TRAININGS = 3  # seeds of each configuration
FIXED = {**COMMON, **LEARNED, "vendor": "GE", "epochs": 24}
RATES = [k / 16 for k in range(1, 17)]
LISTED = {"lr": [3e-4, 1e-3, 3e-3], "mask_lr_multiplier": [3.0, 30.0], "sampling_rate": RATES}
DRAWN = {
    "lr": tune.choice(LISTED["lr"]),
    "mask_lr_multiplier": tune.choice(LISTED["mask_lr_multiplier"]),
    "sampling_rate": tune.quniform(1 / 16, 1.0, 1 / 16),
}
CONTINUOUS = {
    "lr": tune.loguniform(1e-4, 1e-2),
    "mask_lr_multiplier": tune.loguniform(1.0, 100.0),
    "sampling_rate": tune.quniform(1 / 64, 1.0, 1 / 64),
}
ONE_TRAINING = {**CONDITIONAL_TRAINING, "vendor": "GE", "rate_from": RATES[0]}
CONDITIONAL = {"rate not given": "alexnet", "rate given by FiLM": "alexnet_film"}
METHODS = {
    "grid": {"sampler": "grid"},
    "random": {"sampler": "random"},
    "tpe": {"sampler": "tpe"},
    "nsga2": {"sampler": "nsga2"},
    "random, asha": {"sampler": "random", "scheduler": "asha"},
    "random, pareto_halving": {"sampler": "random", "scheduler": "pareto_halving"},
}
CHUNK = 5  # searches that a process replays in a row
LIVE_METHODS = ("random", "tpe")
OBJECTIVES = {TWO: ["val_in_domain", "val_cross_domain"], THREE: ["val_in_domain", "val_cross_domain", "realised_rate"]}
BUDGETS = np.array([24 * trials for trials in (2, 3, 4, 6, 8, 12, 16, 24, 32)])  # epochs
SHOWN = [24 * trials for trials in (4, 8, 16, 32)]  # in the tables
STYLES = {
    "grid": (GREY, "dot"),
    "random": (GREY, "solid"),
    "tpe": (BLUE, "solid"),
    "nsga2": (GREEN, "solid"),
    "random, asha": (ORANGE, "dot"),
    "random, pareto_halving": (ORANGE, "solid"),
}


def space_of(method: str, objectives: tuple[str, ...], varied: dict[str, Any] = DRAWN, samples: int = 10**6) -> Space:
    """The space that a method searches: the same values for all, as lists for the grid."""
    search = {**SEARCH_DEFAULTS, **METHODS[method], "objectives": OBJECTIVES[objectives], "samples": samples}
    return Space("", "", [{**FIXED, **(LISTED if search["sampler"] == "grid" else varied)}], search)


def searcher_of(space: Space, seed: int) -> searcher.JobSearcher:
    """The searcher of a search that has no trial yet. A user's searches have one seed; these are repeated with many."""
    vendors = [FIXED["vendor"]]
    with tempfile.TemporaryDirectory() as empty, mock.patch.object(searcher, "SEED", seed):
        folder = RunFolder(empty)
        return searcher.JobSearcher(plan_search(space, folder, vendors), space, folder, vendors, NO_WORK)


def scheduler_of(space: Space) -> EarlyStopping | None:
    """The space's early stopping, if it asks for one."""
    return None if space.search["scheduler"] == "none" else EarlyStopping(space)


def one_of_each(trained: dict[str, list[TrialRecord]], seed: int) -> dict[str, TrialRecord]:
    """Key of a configuration at seed 0 -> the training that stands for it in the search ``seed``."""
    chosen = {}
    for key, trainings in trained.items():
        chosen[key] = trainings[generator(seed, "training", key).integers(len(trainings))]
    return chosen


def hypervolumes(records: list[TrialRecord], objectives: tuple[str, ...]) -> tuple[float, float]:
    """Hypervolume of the validation front, and of the test values of its points; 0 where there are no points."""
    if not records:
        return 0.0, 0.0
    points = pd.DataFrame(
        {
            "in_domain": record.in_domain("val"),
            "cross_domain": record.cross_domain("val"),
            "realised_rate": record.realised_rate,
            "test_in_domain": record.in_domain("test"),
            "test_cross_domain": record.cross_domain("test"),
        }
        for record in records
    )
    front = pareto_front(points, objectives)
    tested = front.points[["test_in_domain", "test_cross_domain", "realised_rate"]].to_numpy()
    return front.hypervolume, hypervolume(tested[:, : len(objectives)], objectives)


def trace(ended: list[Ended], budgets: np.ndarray, objectives: tuple[str, ...]) -> np.ndarray:
    """(budgets, 2) hypervolumes, of validation and test, of the trials that were whole within each number of epochs."""
    volumes = []
    for budget in budgets:
        records = [trial.record for trial in ended if trial.whole and trial.spent <= budget]
        volumes.append(hypervolumes(records, objectives))
    return np.array(volumes)


def play(
    method: str, objectives: tuple[str, ...], trained: dict[str, list[TrialRecord]], searches: range
) -> np.ndarray:
    """(searches, budgets, 2) shares of the whole table's hypervolume, validation and test."""
    space = space_of(method, objectives)
    shares = []
    for seed in searches:
        table = one_of_each(trained, seed)
        ended = replay(searcher_of(space, seed), scheduler_of(space), lambda config, table=table: table[config.key()])
        within = list(takewhile(lambda trial: trial.spent <= BUDGETS[-1], ended))
        shares.append(trace(within, BUDGETS, objectives) / hypervolumes(list(table.values()), objectives))
    return np.array(shares)


def play_all(
    trained: dict[str, list[TrialRecord]], searches: int, workers: int
) -> dict[tuple[str, ...], dict[str, np.ndarray]]:
    """Objectives -> method -> the shares of all its searches."""
    parts = [range(first, min(first + CHUNK, searches)) for first in range(0, searches, CHUNK)]
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        jobs = {}
        for objectives, method in product(OBJECTIVES, METHODS):
            jobs[objectives, method] = [pool.submit(play, method, objectives, trained, part) for part in parts]
        shares: dict[tuple[str, ...], dict[str, np.ndarray]] = {objectives: {} for objectives in OBJECTIVES}
        for (objectives, method), of_method in jobs.items():
            shares[objectives][method] = np.concatenate([job.result() for job in of_method])
    return shares


def conditional_records(classifier: str, folder: RunFolder, images: Path, workers: int) -> list[list[TrialRecord]]:
    """For each seed the records of its one training, at all rates."""
    configs = []
    for seed, rate in product(range(TRAININGS), RATES):
        values = {**ONE_TRAINING, "classifier": classifier, "seed": seed, "sampling_rate": rate}
        configs.append(TrialConfig.from_dict(values))
    records = record_all(configs, folder, images, workers)
    return [records[first : first + len(RATES)] for first in range(0, len(records), len(RATES))]


def one_training(
    records: list[list[TrialRecord]], trained: dict[str, list[TrialRecord]], searches: int, objectives: tuple[str, ...]
) -> np.ndarray:
    """(seeds, 1, 2) hypervolumes of conditional trainings, as shares of the whole table's mean over the searches."""
    tables = [list(one_of_each(trained, seed).values()) for seed in range(searches)]
    whole = np.mean([hypervolumes(table, objectives) for table in tables], axis=0)
    return np.array([[hypervolumes(rates, objectives) / whole] for rates in records])


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


def live(method: str, seed: int, trials: int, folder: RunFolder, images: Path) -> list[Ended]:
    """A search of ``trials`` that trains when the searcher asks, with the search's own seed."""

    def look_up(config: TrialConfig) -> TrialRecord:
        asked = dataclasses.replace(config, seed=seed)
        if not folder.is_finished(asked.key()):
            record_training([asked], folder, images)
        return folder.read_record(asked.key())

    space = space_of(method, TWO, CONTINUOUS, trials)
    return list(replay(searcher_of(space, seed), scheduler_of(space), look_up))


def print_live(trials: int, folder: RunFolder, images: Path, workers: int) -> None:
    """Per cent of the hypervolume of all trainings of all the live searches, a line a search."""
    searches = list(product(range(TRAININGS), LIVE_METHODS))
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        jobs = {(method, seed): pool.submit(live, method, seed, trials, folder, images) for seed, method in searches}
        ended_of = {name: job.result() for name, job in jobs.items()}
    whole = hypervolumes([trial.record for ended in ended_of.values() for trial in ended], TWO)
    budgets = [budget for budget in SHOWN if budget <= FIXED["epochs"] * trials]
    print(f"\nLive, {trials} trials a search, 2 objectives, validation / test:\n")
    print_heads(["search, seed", *(f"{budget} epochs" for budget in budgets)])
    for (method, seed), ended in sorted(ended_of.items()):
        shares = 100 * trace(ended, np.array(budgets), TWO) / whole
        print_row([f"{method}, {seed}", *(f"{val:.0f} / {test:.0f}" for val, test in shares)])


def print_constrained(trained: dict[str, list[TrialRecord]], searches: int) -> None:
    """Searches for the best cross-domain AUC that keeps the in-domain one, with and without the constraint."""
    tables = [one_of_each(trained, seed) for seed in range(searches)]
    below = {}
    for method, asked in constrained.METHODS.items():
        space = Space("", "", [{**FIXED, **DRAWN}], {**SEARCH_DEFAULTS, **asked, "samples": 10**6})
        below[method] = constrained.play(space, tables, np.array(SHOWN))
    print(f"{len(trained)} configurations, {searches} searches a method")
    constrained.print_tables(below, SHOWN)


def table_configs() -> dict[str, list[TrialConfig]]:
    """Key of a configuration at seed 0 -> it with every seed."""
    table = {}
    for values in product(*LISTED.values()):
        config = TrialConfig.from_dict({**FIXED, **dict(zip(LISTED, values))})
        table[config.key()] = [dataclasses.replace(config, seed=seed) for seed in range(TRAININGS)]
    return table


def train_table(folder: RunFolder, images: Path, workers: int) -> dict[str, list[TrialRecord]]:
    """Key of a configuration at seed 0 -> the records of all its seeds; those that the folder lacks are trained."""
    table = table_configs()
    configs = [config for seeds in table.values() for config in seeds]
    records = iter(record_all(configs, folder, images, workers))
    return {key: [next(records) for _ in seeds] for key, seeds in table.items()}


def main() -> None:
    """Train the trainings that are missing, print the tables, and draw the figures if asked."""
    arguments = parser(__doc__)
    arguments.add_argument("--data", type=Path, help="the phantom that run_search.py wrote")
    arguments.add_argument("--out", type=Path, help="folder of the recorded trainings")
    arguments.add_argument("--searches", type=int, default=50, help="of each method")
    arguments.add_argument("--figures", type=Path, help="folder for search_efficiency_2.png and _3.png (needs kaleido)")
    arguments.add_argument("--live", type=int, metavar="TRIALS", help="instead: train what random and TPE ask for")
    arguments.add_argument("--workers", type=int, default=2)
    arguments.add_argument("--constrained", action="store_true", help="instead: constrained against unconstrained TPE")
    arguments.add_argument("--simulated", action="store_true", help="of --constrained: nothing is trained")
    args = arguments.parse_args()
    if args.simulated and args.constrained:
        print_constrained(constrained.simulated_table(table_configs()), args.searches)
        return
    if args.simulated or args.data is None or args.out is None:
        arguments.error("give --data and --out, or --simulated --constrained")
    folder = RunFolder(args.out)
    images = prepare(args.data, FIXED["image_size"], folder)
    if args.live:
        print_live(args.live, folder, images, args.workers)
        return
    trained = train_table(folder, images, args.workers)
    if args.constrained:
        print_constrained(trained, args.searches)
        return
    conditional = {name: conditional_records(kind, folder, images, args.workers) for name, kind in CONDITIONAL.items()}
    print(f"{len(trained)} configurations, {TRAININGS} trainings of each, {args.searches} searches a method")
    for objectives, shares in play_all(trained, args.searches, args.workers).items():
        ends = {
            name: one_training(records, trained, args.searches, objectives) for name, records in conditional.items()
        }
        print_tables(objectives, shares, ends)
        if args.figures:
            path = args.figures / f"search_efficiency_{len(objectives)}.png"
            draw(shares, ends).write_image(path, width=WIDTH, height=HEIGHT, scale=DPI / PIXELS)


if __name__ == "__main__":
    main()
