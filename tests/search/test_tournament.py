"""A tournament by hand: four recipes whose values are known, so that every training that it asks for is known."""

import pytest
from ray import tune
from ray.tune.search.optuna import OptunaSearch

from tune_ks.core.run_folder import RunFolder
from tune_ks.planning.budget import Budget
from tune_ks.planning.candidates import candidates_of
from tune_ks.search.tournament import Tournament
from tuning import VENDORS, record, space

RATES = [1e-3, 2e-3, 3e-3, 4e-3]  # learning rates: the default, two of START, and the one that is left to draw
START = [{"lr": rate} for rate in RATES[:3]]
FOUR = candidates_of(space(START, lr=tune.choice(RATES), schedule="cosine", warmup=0.1), VENDORS)
VALUES = {  # (learning rate, epochs) -> validation AUC
    (1e-3, 1): 0.60, (1e-3, 3): 0.80, (1e-3, 9): 0.81,
    (2e-3, 1): 0.70, (2e-3, 3): 0.75,
    (3e-3, 1): 0.65, (3e-3, 3): 0.70,
    (4e-3, 1): 0.72, (4e-3, 3): 0.85, (4e-3, 9): 0.86,
}  # fmt: skip
ASKED = [  # (learning rate, epochs, seed), four trainings each
    (1e-3, 1, 0), (1e-3, 3, 0), (1e-3, 9, 0),  # the default always goes on
    (2e-3, 1, 0), (2e-3, 3, 0),  # the best at the first rung, behind the default at the second
    (3e-3, 1, 0),  # behind at the first rung
    (4e-3, 1, 0), (4e-3, 3, 0), (4e-3, 9, 0),  # the best at every rung
    (1e-3, 9, 1), (4e-3, 9, 1), (1e-3, 9, 2), (4e-3, 9, 2),  # more seeds of the two that came to the end
]  # fmt: skip


def enter(folder):
    """A tournament whose clock stands still: the trainings of an epoch and of what comes once take 1 s each.

    Of 300 s, 210 are for the search: too few for nine recipes with the rungs 3 and 9, which take 264 s, and enough for
    two that reach all of the rungs 1, 3 and 9, 128 s.
    """
    budget = Budget(300.0, slots=1, begun=0.0, now=lambda: 0.0)
    return Tournament(FOUR, folder, budget, OptunaSearch.convert_search_space(FOUR.drawn))


def play(tournament, folder, most=10**6):
    """Answer it, one training at a time; returns the trainings that it asked for."""
    trained = []
    while len(trained) < most and (job := tournament.next_job()):
        (config,) = job
        folder.write_config(config)
        folder.write_record(record(config, VALUES[config.lr, config.epochs], config.epochs + 1.0))
        tournament.end(config, failed="")
        trained.append((config.lr, config.epochs, config.seed))
    return trained


@pytest.mark.parametrize("most", [0, 4, 14, 22, 27, 45])
def test_every_training_is_known_also_after_a_break(tmp_path, most):
    folder = RunFolder(tmp_path)
    before = play(enter(folder), folder, most)
    tournament = enter(folder)
    after = play(tournament, folder)
    assert len(before) == most
    assert before + after == [asked for asked in ASKED for _ in range(4)]
    assert tournament.rungs == [1, 3, 9]
    assert {contestant.recipe["lr"]: contestant.rung for contestant in tournament.contestants.values()} == {
        1e-3: 3, 2e-3: 2, 3e-3: 1, 4e-3: 3
    }  # fmt: skip
    assert all(contestant.is_out for contestant in tournament.contestants.values())


def test_a_recipe_of_which_a_training_fails_is_out_and_the_next_one_is_the_best_so_far(tmp_path):
    folder = RunFolder(tmp_path)
    tournament = enter(folder)
    play(tournament, folder, most=12 + 3)
    (config,) = tournament.next_job()
    assert (config.lr, config.epochs) == (2e-3, 1)
    tournament.end(config, failed="the loss became nan")
    goes_on = [(3e-3, 1, 0), (3e-3, 3, 0)]
    assert play(tournament, folder) == [asked for asked in goes_on + ASKED[6:] for _ in range(4)]
    assert list(tournament.board.failures.values()) == ["the loss became nan"]
