"""Replays of recorded trainings: epochs and hypervolumes known by hand, and searches that spend what they should."""

import numpy as np
import pytest

from analysis.statistics.pareto import THREE, TWO
from benchmarks import constrained
from benchmarks.efficiency_tables import cell
from benchmarks.recorded import replay
from benchmarks.replayed_searches import one_of_each, scheduler_of, searcher_of, space_of, table_configs, trace
from tiny_space import WORK
from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.planning.plan import Plan
from tune_ks.search.searcher import JobSearcher


def training(config, val, test=(0.5, 0.5)):
    """A record whose validation AUCs are the same after every epoch."""
    of_split = [{config.vendor: scores[0], "SIEMENS": scores[1]} for scores in (val, test)]
    lines = [
        {"epoch": epoch, "loss": 0.5, "val_in_domain": val[0], "val_cross_domain": val[1]}
        for epoch in range(1, config.epochs + 1)
    ]
    return TrialRecord(config, *of_split, config.sampling_rate, history=lines)


def in_order(records, space):
    """These trainings asked for one after another; what ended."""
    jobs, table = [[record.config] for record in records], {record.config.key(): record for record in records}
    searcher = JobSearcher(Plan(jobs, 0, 0, 0), space, RunFolder(""), [], WORK)
    return list(replay(searcher, scheduler_of(space), lambda config: table[config.key()]))


def test_hypervolumes_against_epochs_are_those_known_by_hand():
    at = [TrialConfig("GE", rate, epochs=2, temperature=1.0) for rate in (0.5, 0.25, 0.75)]
    records = [
        training(at[0], (0.7, 0.6), (0.6, 0.7)),
        training(at[1], (0.6, 0.7), (0.7, 0.6)),
        training(at[2], (0.8, 0.8), (0.6, 0.6)),  # it puts the others off the front of two objectives
    ]
    ended = in_order(records, space_of("grid", TWO))
    assert [(step.spent, step.record.config, step.whole) for step in ended] == [
        (3, at[0], True),  # two at once, in turn
        (4, at[1], True),
        (6, at[2], True),
    ]
    two = [(0, 0), (0.02, 0.02), (0.03, 0.03), (0.03, 0.03), (0.09, 0.01)]
    np.testing.assert_allclose(trace(ended, np.array([2, 3, 4, 5, 6]), TWO), two, atol=1e-12)
    # above 0.25: 0.02 * 0.75 and what the rate of 0.5 adds; at 0.75 the rest of 0.09 - 0.03
    three = [(0.02 * 0.5, 0.02 * 0.5), (0.02 * 0.75 + 0.01 * 0.5, 0.02 * 0.75 + 0.01 * 0.5)]
    np.testing.assert_allclose(trace(ended, np.array([3, 4]), THREE), three, atol=1e-12)
    whole = trace(ended, np.array([6]), THREE)[0]
    np.testing.assert_allclose(whole, (three[1][0] + 0.06 * 0.25, three[1][1]), atol=1e-12)


@pytest.mark.parametrize("method", ["grid", "random"])
def test_a_replay_spends_what_it_asks_for(method):
    asked, count = table_configs(), 96 if method == "grid" else 10
    assert len(asked) == 96
    trained = {key: [training(config, (0.7, 0.6)) for config in configs] for key, configs in asked.items()}
    table, space = one_of_each(trained, 0), space_of(method, TWO, samples=count)
    first, again, other = (
        list(replay(searcher_of(space, seed), None, lambda config: table[config.key()])) for seed in (0, 0, 1)
    )
    assert [step.spent for step in first][-1] == sum(len(step.record.history) for step in first) == count * 24
    assert len({step.record.config.key("seed") for step in first}) == len(first) == count
    assert {step.record.config.seed for step in first} == {0, 1, 2}
    assert first == again
    assert (first == other) == (method == "grid")


def test_a_stopped_training_costs_its_epochs_and_is_not_found():
    at = [TrialConfig("GE", 0.5, epochs=24, lr=lr, temperature=1.0) for lr in (1e-4, 2e-4, 3e-4, 4e-4, 5e-4)]
    records = [training(config, (val, val)) for config, val in zip(at, (0.6, 0.7, 0.8, 0.9, 0.55))]
    for method in ("random, asha", "random, pareto_halving"):
        ended = in_order(records, space_of(method, TWO))
        assert [step.whole for step in ended] == [True] * 4 + [False]
        assert ended[-1].spent == 4 * 24 + 6
        assert trace(ended, np.array([1000]), TWO)[0, 0] == pytest.approx(0.4**2)


def test_a_mean_is_marked_where_it_differs_from_randoms_beyond_its_error():
    values = np.array([0.5, 0.6, 0.7])
    assert cell(values, values) == "60 (52, 68)"
    assert cell(values, values - 0.1) == "60 (52, 68) +"
    assert cell(values, values + 0.1) == "60 (52, 68) -"
    assert cell(values, values[::-1]) == "60 (52, 68)"


def test_the_answer_of_a_constrained_search_is_judged_by_hand():
    at = [TrialConfig("GE", rate, epochs=2, temperature=1.0) for rate in (1.0, 0.5, 0.25)]
    records = [
        training(at[0], (0.90, 0.60), (0.5, 0.61)),
        training(at[1], (0.885, 0.70), (0.5, 0.66)),  # the best that keeps the in-domain AUC
        training(at[2], (0.87, 0.80), (0.5, 0.80)),  # loses more than 0.02
    ]
    ended = in_order(records, space_of("grid", TWO))
    below = constrained.below_the_best(ended, np.array([1, 3, 6]), records)
    np.testing.assert_allclose(below, [[np.nan, np.nan], [0.1, 0.05], [0, 0]], atol=1e-12)
    assert constrained.best(records[2:], 0.9) is None


def test_a_simulated_search_that_is_constrained_begins_with_full_sampling_and_ends():
    table = one_of_each(constrained.simulated_table(table_configs()), 0)
    space = space_of("tpe", TWO)
    space = space._replace(search=space.search | constrained.METHODS["tpe, constrained"] | {"samples": 12})
    ended = list(replay(constrained.searcher_of(space, 0), None, lambda config: table[config.key()]))
    assert len(ended) == 12
    assert ended[0].record.config.is_full
    below = constrained.play(space, [table], np.array([12 * 24]))
    assert below.shape == (1, 1, 2)
    assert below[0, 0, 0] >= 0 or np.isnan(below[0, 0, 0])
