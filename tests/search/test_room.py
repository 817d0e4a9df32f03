"""Nodes that join a search are used, and nodes that are lost again and again do not end it."""

from types import SimpleNamespace

import pytest
from ray.tune.search import ConcurrencyLimiter, Searcher

from tiny_space import GRID, VENDORS, WORK
from tune_ks.core.run_folder import RunFolder
from tune_ks.planning.plan import plan_search
from tune_ks.search import room, search
from tune_ks.search.events import Halt
from tune_ks.search.resources import Resources
from tune_ks.search.room import Room
from tune_ks.search.searcher import JobSearcher


class Endless(Searcher):
    def suggest(self, trial_id):
        return {"number": trial_id}


def handed_out(limiter, ids):
    return [number for number in ids if limiter.suggest(number) is not None]


def test_the_slots_of_a_node_that_joins_are_used_and_those_of_a_lost_node_stay_asked_for(monkeypatch):
    limiter = ConcurrencyLimiter(Endless(), 2)
    slots = iter([4, 1])
    growing = Room(limiter, lambda: next(slots))
    assert handed_out(limiter, "abcde") == ["a", "b"]
    growing.on_step_begin(1, [])
    assert handed_out(limiter, "cde") == [], "the slots are not counted at every step"
    monkeypatch.setattr(room, "COUNT_EVERY", 0)
    growing.on_step_begin(2, [])
    assert handed_out(limiter, "cde") == ["c", "d"]
    growing.on_step_begin(3, [])
    assert limiter.max_concurrent == 4


@pytest.mark.parametrize(
    ("asked", "grows"),
    [(Resources(), False), (Resources(address="h:1"), True), (Resources(address="h:1", concurrent=3), False)],
)
def test_only_a_cluster_without_a_number_of_trials_is_counted_again(asked, grows, tmp_path):
    assert len(a_search(tmp_path, asked)._room(ConcurrencyLimiter(Endless(), 1), WORK)) == grows


@pytest.mark.parametrize(("ends_a_job", "fits"), [(True, 6), (False, search.ROUNDS)])
def test_a_search_whose_nodes_die_again_and_again_goes_on_as_long_as_jobs_end(ends_a_job, fits, tmp_path, monkeypatch):
    """In each fit Ray drops every job that it was given but one, and that one too where nothing ends."""
    ran = []

    class Tuner:
        def __init__(self, trainable, tune_config, run_config):
            self.searcher = tune_config.search_alg.searcher
            self.watcher = run_config.callbacks[0]

        def fit(self):
            jobs = [self.searcher.queue.popleft() for _ in range(len(self.searcher.queue))]
            ran.append(len(jobs))
            if ends_a_job:
                jobs.pop()
                self.watcher.ended.add(str(len(ran)))
            self.watcher.lost += jobs

    monkeypatch.setattr(search.tune, "Tuner", Tuner)
    folder = RunFolder(tmp_path)
    jobs = JobSearcher(plan_search(GRID, folder, VENDORS), GRID, folder, VENDORS, WORK)
    a_search(tmp_path, Resources())._fit(jobs, None, WORK, 1)
    assert len(ran) == fits
    assert jobs.left == (0 if ends_a_job else 6)


def a_search(tmp_path, resources):
    """A search that reaches no Ray."""
    nothing = SimpleNamespace()
    return search._Search(
        space=GRID,
        folder=RunFolder(tmp_path),
        files={},
        vendors=VENDORS,
        plan=nothing,
        resources=resources,
        show=lambda event: None,
        halt=Halt(),
        make_searcher=None,
        scratch=str(tmp_path),
        has_slots=lambda slots: None,
    )
