"""The tables and sentences of comparator_switches, from the scores that it has written."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.statistics.estimate import Estimate
from benchmarks.switch_effects import CHANCE, OFF, PLAIN, Scored, aucs_on, compare, shown
from benchmarks.switch_images import ALL_ON, SOURCE
from benchmarks.tools import print_heads, print_row

WORDS = {"move": "the move of the scores", "lost": "the AUC lost"}  # measure -> what it is


def scored_of(numbers: Mapping[str, Any]) -> Scored:
    """The scores of the file, of the seeds that every comparator has."""
    by_name: dict[str, dict[int, Mapping[str, Any]]] = {}
    for training in numbers["trainings"]:
        by_name.setdefault(training["comparator"], {})[training["seed"]] = training
    seeds = sorted(set.intersection(*(set(trainings) for trainings in by_name.values())))
    scores: dict[str, dict[str, np.ndarray]] = {}
    for name, trainings in by_name.items():
        scores[name] = {}
        for variant in numbers["changed"]:
            scores[name][variant] = np.array([trainings[seed]["scores"][variant] for seed in seeds])
    return Scored(np.array(numbers["label"]), np.array(numbers["patient"]), scores)


def print_result(numbers: Mapping[str, Any]) -> None:
    """The tables as Markdown, and a summary in sentences."""
    scored = scored_of(numbers)
    untouched = [name for name, change in numbers["changed"].items() if change == 0 and name != OFF]
    table = compare(scored, untouched)
    cpu = sum(training["cpu_seconds"] for training in numbers["trainings"])
    print(
        f"{len(scored.label)} GE images of {scored.patient.max() + 1} patients in {len(numbers['changed'])} variants; "
        f"{len(scored.scores[PLAIN][OFF])} trainings of each comparator on {SOURCE}, {cpu / 60:.1f} minutes of CPU; "
        f"version {numbers['version']}, torch {numbers['torch']}, {numbers['machine']}."
    )
    for name, reason in numbers["left_out"].items():
        print(f"Left out: {name}, {reason}")
    _print_aucs(scored, numbers)
    _print_changes(numbers["changed"])
    touched = table[~table["switch"].isin(untouched)]
    print("\nMove / shift, in % of the places (in bold: a move that is shown to be smaller than plain's; *: larger)\n")
    _print_effects(touched, "move", lambda row: _move_and_shift(row, table))
    print("\nAUC lost to the switch, with 90 % intervals (in bold: 0 lies outside)\n")
    _print_effects(touched, "lost", _loss)
    for line in summary(table, untouched):
        print(f"\n{line}")


def _print_aucs(scored: Scored, numbers: Mapping[str, Any]) -> None:
    """What each comparator is worth at all: one whose AUC is near 0.5 has nothing to lose."""
    print("\nTest AUC, with 90 % intervals\n")
    print_heads(["comparator", f"{SOURCE}, every seed", "GE, all off", "GE, all on"])
    off = aucs_on(scored, OFF)
    on = aucs_on(scored, ALL_ON)
    for name in scored.scores:
        of_source = [training for training in numbers["trainings"] if training["comparator"] == name]
        at_home = [f"{training['test_source']:.3f}" for training in sorted(of_source, key=lambda t: t["seed"])]
        print_row([name, ", ".join(at_home), _auc(off[name]), _auc(on[name])])


def _auc(known: Estimate) -> str:
    low, high = known.interval()
    return f"{known.point:.3f} [{low:.3f}, {high:.3f}]"


def _print_changes(changed: Mapping[str, float]) -> None:
    """How far each switch changes what a network is given."""
    switches = [name for name in changed if name != OFF]
    print("\nMean size of the change of a pixel (images lie in [0, 1])\n")
    print_heads(switches)
    print_row(f"{changed[name]:.4f}" for name in switches)


def _print_effects(table: pd.DataFrame, measure: str, cell: Callable[[Any], str]) -> None:
    """One row for each comparator and one column for each switch."""
    of_measure = table[table["measure"] == measure]
    print_heads(["comparator", *of_measure["switch"].unique()])
    for name, rows in of_measure.groupby("comparator", sort=False):
        print_row([name, *(cell(row) for row in rows.itertuples())])


def _move_and_shift(row: Any, table: pd.DataFrame) -> str:
    same_pair = (table["comparator"] == row.comparator) & (table["switch"] == row.switch)
    shift = table.loc[same_pair & (table["measure"] == "shift"), "value"].iloc[0]
    text = f"{100 * row.value:.1f} / {100 * shift:.1f}"
    if row.holm < CHANCE:
        return f"**{text}**" if row.less_value > 0 else f"{text} *"
    return text


def _loss(row: Any) -> str:
    text = f"{row.value:+.3f} [{row.low:+.3f}, {row.high:+.3f}]"
    return f"**{text}**" if row.low > 0 or row.high < 0 else text


def summary(table: pd.DataFrame, untouched: list[str]) -> Iterator[str]:
    """Which pairs are shown to be better or worse than plain, after Holm, and which comparators never are."""
    if untouched:
        yield (
            f"{', '.join(untouched)}: the reader gives the same images with the switch off and on, bit for bit; no "
            "comparator has anything to undo."
        )
    for measure, words in WORDS.items():
        compared = table[(table["measure"] == measure) & table["p_value"].notna()]
        smaller = shown(table, measure, 1)
        larger = shown(table, measure, -1)
        yield (
            f"{words[0].upper()}{words[1:]}, against plain full sampling, {len(compared)} pairs of a comparator and a "
            f"switch, after Holm. Shown to be smaller: {_pairs(smaller)}. Shown to be larger: {_pairs(larger)}. "
            f"Shown to shrink it for no switch: {_names_without(compared, smaller)}."
        )


def _pairs(rows: pd.DataFrame) -> str:
    """style: noise (noise 12.0 to 5.0), ..."""
    if rows.empty:
        return "none"
    named = []
    for name, of_name in rows.groupby("comparator", sort=False):
        parts = [_pair(row) for row in of_name.itertuples()]
        named.append(f"{name} ({', '.join(parts)})")
    return "; ".join(named)


def _pair(row: Any) -> str:
    at_plain = row.value + row.less_value
    if row.measure == "move":
        return f"{row.switch}: {100 * row.value:.1f} % in place of {100 * at_plain:.1f} %"
    return f"{row.switch}: {row.value:+.3f} in place of {at_plain:+.3f}"


def _names_without(compared: pd.DataFrame, smaller: pd.DataFrame) -> str:
    names = [name for name in compared["comparator"].unique() if name not in set(smaller["comparator"])]
    return ", ".join(names) or "none of them"
