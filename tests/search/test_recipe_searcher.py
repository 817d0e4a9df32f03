"""The searcher of a tuning: what it answers Ray; rungs, time, seeds and resumes on a made machine."""

import math
import time
from collections import Counter

import pytest
from ray.tune.search import Searcher

from tune_ks.core.run_folder import RunFolder
from tune_ks.planning.budget import MORE_SEEDS
from tune_ks.planning.candidates import recipe_key
from tune_ks.search.events import Halt
from tune_ks.worker.jobs import configs_of
from tuning import CANDIDATES, Machine, record


def auc(config):
    """A truth without noise: the best learning rate is 3e-3, and longer training is better."""
    return 0.9 - 0.1 * abs(math.log10(config.lr) + 2.5) - 0.1 / config.epochs


def whole(machine, seed=0):
    """Names of the recipes that were trained to the last epoch, for every vendor and both rates."""
    counts = Counter(recipe_key(c) for c in machine.trained if c.epochs == 9 and c.seed == seed)
    return {key for key, count in counts.items() if count == 4}


def test_a_deadline_ends_a_search_without_a_fault():
    halt = Halt()
    assert not halt.stop_all()
    halt.deadline = time.monotonic()
    assert halt.stop_all()
    assert not halt.reason


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "run")


def test_ray_waits_for_what_runs_gets_lost_jobs_again_and_is_told_the_end(folder):
    machine = Machine(folder, auc)
    searcher = machine.searcher(minutes=8)
    given = [searcher.suggest(f"trial{number}") for number in range(4)]
    jobs = [configs_of(work["jobs"][0]) for work in given]
    assert [config for (config,) in jobs] == CANDIDATES.trainings(CANDIDATES.default, 1)
    assert searcher.suggest("trial4") is None
    searcher.on_trial_complete("trial4", {"failed": "of a trial that was given nothing"})
    assert not searcher.tournament.board.failures
    for number in range(3):
        searcher.on_trial_complete(f"trial{number}", {"failed": "the loss became nan"})
    assert len(searcher.tournament.board.failures) == 3
    searcher.on_trial_complete("trial3", error=True)  # its node died: a search puts the job back
    searcher.queue.extend(jobs[3:])
    assert searcher.suggest("trial5") == given[3]
    assert searcher.suggest("trial6") is None
    folder.write_record(record(jobs[3][0], 0.8))
    searcher.on_trial_complete("trial5")
    assert len(searcher.tournament.board.values) == 4
    assert searcher.left
    assert searcher.suggest("trial7") == Searcher.FINISHED
    assert not searcher.left


def test_a_tuning_halves_within_its_time_and_ends_with_seeds_of_the_best(folder):
    machine = Machine(folder, auc)
    tournament = machine.run(machine.searcher(minutes=8))
    assert machine.now <= 8 * 60
    assert machine.now > 0.8 * 8 * 60, "it left much of its time"
    assert len({config.key() for config in machine.trained}) == len(machine.trained), "something was trained twice"
    tried = {recipe_key(config) for config in machine.trained}
    assert {CANDIDATES.key(recipe) for recipe in CANDIDATES.starts} <= tried
    assert len(tried) > len(CANDIDATES.starts), "Optuna drew nothing"
    default = CANDIDATES.key(CANDIDATES.default)
    assert default in whole(machine)
    comparison = tournament.board.compare(tournament.rungs)
    assert comparison.seeds == 1 + len(MORE_SEEDS)
    assert whole(machine, seed=2) == {CANDIDATES.key(row.recipe) for row in comparison.rows}
    assert default in whole(machine, seed=2)
    best = max(tournament.board.ranked(9), key=lambda pair: pair[1].value)[0]
    assert comparison.winner.recipe == best
    assert auc(CANDIDATES.trainings(best, 9)[0]) >= auc(CANDIDATES.trainings(CANDIDATES.starts[1], 9)[0])


def test_little_time_means_more_rungs_and_most_recipes_leave_early(folder):
    machine = Machine(folder, auc)
    tournament = machine.run(machine.searcher(minutes=3))
    assert tournament.rungs == [1, 3, 9]
    assert machine.now <= 3 * 60
    at_first = {recipe_key(config) for config in machine.trained if config.epochs == 1}
    assert 1 < len(whole(machine)) < len(at_first)


def test_too_few_minutes_are_one_message_after_the_first_rung(folder):
    machine = Machine(folder, auc)
    searcher = machine.searcher(minutes=0.5)
    tournament = machine.run(searcher)
    assert "--minutes 0.5 is too short for these data: an epoch of one recipe" in tournament.too_short
    assert "both trained to epoch 9. --minutes 1 would do" in tournament.too_short
    assert len(machine.trained) == 4
    assert not searcher.left
    again = Machine(folder, auc)
    tournament = again.run(again.searcher(minutes=1))  # as it said
    assert not tournament.too_short
    assert len(tournament.board.ranked(9)) >= 2
    assert not {c.key() for c in again.trained} & {c.key() for c in machine.trained}


@pytest.mark.parametrize("most", [2, 4, 11, 30])
def test_an_interrupted_tuning_goes_on_and_trains_nothing_twice(folder, most):
    first = Machine(folder, auc)
    before = first.run(first.searcher(minutes=8), most=most)
    second = Machine(folder, auc)
    tournament = second.run(second.searcher(minutes=8))
    both = [config.key() for config in first.trained + second.trained]
    assert len(set(both)) == len(both)
    begun = set(folder.keys())
    assert {key for key in begun if not folder.is_finished(key)} == set(), "a begun training was left"
    if before.rungs:
        assert tournament.rungs == before.rungs
    assert second.now <= 8 * 60 + 20  # trainings that were under way when it ended count only when they are done
    assert tournament.board.compare(tournament.rungs).seeds == 3


def test_a_finished_tuning_goes_on_with_more_minutes_only(folder):
    machine = Machine(folder, auc)
    machine.run(machine.searcher(minutes=8))
    more = Machine(folder, auc)
    more.run(more.searcher(minutes=16))
    assert more.trained
    assert more.now <= 16 * 60


def test_a_recipe_that_fails_is_out_and_a_default_that_fails_ends_it(folder, tmp_path):
    def no_high_rate(config):
        return None if config.lr > 2e-3 else auc(config)

    machine = Machine(folder, no_high_rate)
    tournament = machine.run(machine.searcher(minutes=8))
    assert tournament.board.failures
    assert all(row.recipe["lr"] <= 2e-3 for row in tournament.board.compare(tournament.rungs).rows)
    hopeless = Machine(RunFolder(tmp_path / "other"), lambda config: None)
    tournament = hopeless.run(hopeless.searcher(minutes=8))
    assert len(hopeless.trained) == 4
    assert tournament.board.compare([9]) is None


def test_the_default_goes_on_however_low_it_is(folder):
    machine = Machine(folder, lambda config: 0.5 if config.lr == 1e-3 else auc(config))
    machine.run(machine.searcher(minutes=3))
    assert CANDIDATES.key(CANDIDATES.default) in whole(machine)
