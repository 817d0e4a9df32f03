"""Trials start in the order in which they were added, as with Ray's own scheduler, which also walks over ended ones."""

import random
from collections import Counter

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler

from benchmarks import driver
from tune_ks.search.in_order import InOrder
from tune_ks.search.schedulers import EarlyStopping

LIVE = [Trial.PENDING, Trial.RUNNING, Trial.PAUSED]


class Fake:
    """What a scheduler reads of Ray's Trial; counts how often its status was read."""

    def __init__(self, number):
        self.trial_id = f"{random.Random(number).random()}"  # not in the order of the trials
        self.is_status = Trial.PENDING
        self.reads = 0

    @property
    def status(self):
        self.reads += 1
        return self.is_status


class Controller:
    """Ray's controller, of which a scheduler sees the trials of a fit and those that live."""

    def __init__(self, scheduler):
        self.scheduler = scheduler
        self.trials = []

    def add(self, trial):
        self.trials.append(trial)
        self.scheduler.on_trial_add(self, trial)

    def add_again(self, trial):
        """As Ray does it when the process of a trial has died."""
        self.trials.remove(trial)
        self.add(trial)

    def get_trials(self):
        return self.trials

    def get_live_trials(self):
        return {trial for trial in self.trials if trial.is_status in LIVE}


def test_the_next_trial_is_the_one_that_rays_scheduler_chooses():
    stream = random.Random(0)
    controller = Controller(InOrder())
    for number in range(10):
        controller.add(Fake(number))
    chosen = Counter()
    for _ in range(300):
        if stream.random() < 0.3:
            controller.add_again(stream.choice(controller.trials))
        for trial in controller.trials:
            trial.is_status = stream.choice([Trial.TERMINATED] * 15 + [Trial.ERROR, *LIVE])
        expected = FIFOScheduler().choose_trial_to_run(controller)
        assert controller.scheduler.choose_trial_to_run(controller) is expected
        chosen[expected and expected.is_status] += 1
    assert min(chosen[status] for status in (Trial.PENDING, Trial.PAUSED, None)) > 20


def test_trials_that_have_ended_are_not_looked_at():
    controller = Controller(InOrder())
    trials = [Fake(number) for number in range(50)]
    for trial in trials:
        controller.add(trial)
        trial.is_status = Trial.TERMINATED
    trials[-1].is_status = Trial.PENDING
    assert controller.scheduler.choose_trial_to_run(controller) is trials[-1]
    assert sum(trial.reads for trial in trials) <= 2
    trials[-1].is_status = Trial.TERMINATED
    assert controller.scheduler.choose_trial_to_run(controller) is None


def test_early_stopping_starts_trials_in_this_order_too():
    assert EarlyStopping.choose_trial_to_run is InOrder.choose_trial_to_run
    assert EarlyStopping.on_trial_add is InOrder.on_trial_add


def test_a_fit_of_rays_own_loop_starts_its_trials_in_order_and_ends_them_all(tmp_path):
    """The loop is Ray's, the actors that it talks to are answered for."""
    clock = driver.run(9, 2, tmp_path)
    assert len(clock.seconds) == 9
    assert clock.events == 9 * (1 + driver.FIELDS["epochs"] + 1)  # started, epochs, finished
    assert clock.started == sorted(clock.started)
    assert len(clock.started) == 9
