"""A tuning's arithmetic and its judge: what fits into minutes, which recipe wins, and by which numbers alone."""

import dataclasses
import math

import pytest

from tune_ks.core.config import OWN_FIELDS
from tune_ks.planning.budget import (
    FINALISTS,
    MORE_SEEDS,
    RECIPES,
    Budget,
    Costs,
    Pace,
    choose_rungs,
    expected_seconds,
    least_seconds,
    path_seconds,
    recipes_that_fit,
    rungs_of,
    seconds_together,
    seeds_that_fit,
)
from tune_ks.planning.candidates import candidates_of, recipe_key, rounded
from tune_ks.planning.scoreboard import Scoreboard, value_of
from tune_ks.planning.space import load_space
from tuning import BLOCK, CANDIDATES, START, VENDORS, record, space


def board_of(aucs, seeds=(0,)):
    """A Scoreboard on which recipe ``number`` of START has ``aucs[number](vendor, rate, seed)`` at the last epoch."""
    board = Scoreboard(CANDIDATES)
    for number, auc in enumerate(aucs):
        for seed in seeds:
            for config in CANDIDATES.trainings(CANDIDATES.starts[number], 9, seed):
                board.enter(record(config, auc(config.vendor, config.sampling_rate, config.seed)))
    return board


def test_the_recipe_of_the_project_is_the_default_candidate():
    shipped = candidates_of(load_space("recipe_candidates"), VENDORS)
    patches = {config.key() for config in _grid_of("real_patches")}
    default = shipped.trainings(shipped.default, shipped.epochs)
    assert {config.key() for config in default} <= patches  # both rates, both vendors, seed 0
    assert len(default) == 4
    assert len({shipped.key(recipe) for recipe in shipped.starts}) == len(shipped.starts) > 5


def _grid_of(name):
    from tune_ks.planning.plan import config_at

    return [config_at(point, {}, 0) for point in load_space(name).grid(VENDORS)]


def test_trainings_of_a_recipe_share_its_key_and_give_it_back():
    for recipe in CANDIDATES.starts:
        for epochs, seed in ((1, 0), (9, 2)):
            trainings = CANDIDATES.trainings(recipe, epochs, seed)
            assert [(c.vendor, c.sampling_rate) for c in trainings] == [
                ("GE", 1.0), ("SIEMENS", 1.0), ("GE", 0.25), ("SIEMENS", 0.25)
            ]  # fmt: skip
            assert {recipe_key(config) for config in trainings} == {CANDIDATES.key(recipe)}
            given_back = CANDIDATES.recipe_of(trainings[0])
            assert CANDIDATES.trainings(given_back, epochs, seed) == trainings
    constant = CANDIDATES.starts[2]
    assert "warmup" not in CANDIDATES.trainings(constant, 9)[0].options  # no member of it has this option
    assert CANDIDATES.key(constant) == CANDIDATES.key({**constant, "warmup": 0.3})
    assert rounded({"lr": 0.00123456, "schedule": "cosine"}) == {"lr": 0.0012, "schedule": "cosine"}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (space(sampling_rate=[0.25, 0.5]), "must list full sampling, 1.0, and one low rate; got [0.25, 0.5]"),
        (space(sampling_rate=[0.1, 0.25, 1.0]), "must list full sampling"),
        (space(batch_size=[8, 16]), "a recipe has one batch_size, and SPACE lists 16, 8"),
        (space(start=[]), "it has no START"),
        (space(start=[{"lr": 1.0}]), "START has lr 1.0, which its domain (0.0001, 0.01) cannot draw"),
        (space(task="segmentation", classifier="unet"), "outlines tumours"),
        (load_space("quick"), "must be one dict with domains"),
        (load_space("rate_temperature"), "sampling_rate is no part of a recipe and cannot be drawn"),
    ],
)
def test_a_space_that_cannot_be_tuned_is_one_message(changed, said):
    with pytest.raises(ValueError) as error:
        candidates_of(changed, VENDORS)
    assert said in str(error.value)
    assert f"tune cannot use the space {changed.name!r}: " in str(error.value)


def test_the_auc_of_a_training_is_the_mean_of_its_last_quarter_not_of_its_best_epoch():
    values = [0.99, 0.5, 0.5, 0.5, 0.6, 0.6, 0.7, 0.8]
    history = [{"epoch": number + 1, "val_in_domain": value} for number, value in enumerate(values)]
    assert value_of(history) == pytest.approx((0.7 + 0.8) / 2)
    assert value_of(history[:1]) == 0.99
    assert math.isnan(value_of([]))


def test_the_winner_has_the_highest_mean_over_both_rates_vendors_and_common_seeds():
    def flat(vendor, rate, seed):
        return 0.80

    def better_at_full_sampling_alone(vendor, rate, seed):
        return 0.88 if rate == 1 else 0.70

    def better_for_one_vendor(vendor, rate, seed):
        return 0.90 if vendor == "GE" else 0.74

    comparison = board_of([flat, better_at_full_sampling_alone, better_for_one_vendor]).compare([1, 3, 9])
    assert comparison.winner.recipe == CANDIDATES.starts[2]
    assert [row.mean for row in comparison.rows] == pytest.approx([0.82, 0.80, 0.79])
    assert [row.is_default for row in comparison.rows] == [False, True, False]
    assert math.isnan(comparison.by_chance)

    def lucky_with_seed_0(vendor, rate, seed):
        return 0.90 if seed == 0 else 0.70

    three = board_of([flat, lucky_with_seed_0], seeds=(0, 1, 2)).compare([9])
    assert three.winner.is_default
    assert [len(row.scores) for row in three.rows] == [3, 3]
    values = [0.90, 0.70, 0.70]
    deviation = math.sqrt(sum((value - sum(values) / 3) ** 2 for value in values) / 2)
    assert three.scatter == pytest.approx(math.sqrt((0 + deviation**2) / 2))
    assert three.by_chance == pytest.approx(2 * three.scatter * math.sqrt(2 / 3))


def test_recipes_are_compared_at_the_seeds_that_they_share():
    board = board_of([lambda *_: 0.8, lambda *_: 0.9])
    for config in CANDIDATES.trainings(CANDIDATES.starts[1], 9, 1):
        board.enter(record(config, 0.5))  # the default has no seed 1
    comparison = board.compare([9])
    assert [len(row.scores) for row in comparison.rows] == [1, 1]
    assert comparison.winner.recipe == CANDIDATES.starts[1]


def test_a_failed_training_takes_its_recipe_out_and_nothing_is_compared_without_the_default():
    board = board_of([lambda *_: 0.8, lambda *_: 0.9])
    board.enter_failure(CANDIDATES.trainings(CANDIDATES.starts[1], 9)[0], "the loss became nan")
    assert board.compare([9]).winner.is_default
    assert len(board.compare([9]).rows) == 1
    lacking = Scoreboard(CANDIDATES)
    for config in CANDIDATES.trainings(CANDIDATES.starts[1], 9):
        lacking.enter(record(config, 0.9))
    assert lacking.compare([9]) is None


def test_no_test_score_and_no_score_of_another_vendor_changes_the_comparison():
    def auc(vendor, rate, seed):
        return 0.8 + 0.01 * rate

    before = board_of([auc, auc]).compare([9])
    board = Scoreboard(CANDIDATES)
    for number in (0, 1):
        for config in CANDIDATES.trainings(CANDIDATES.starts[number], 9):
            other = next(vendor for vendor in VENDORS if vendor != config.vendor)
            made = record(config, auc(config.vendor, config.sampling_rate, 0))
            history = [{**line, "val_cross_domain": 0.1 * number} for line in made.history]
            val = {**made.val, other: 0.5 * number}
            changed = dataclasses.replace(made, test={"GE": number, "SIEMENS": number}, val=val, history=history)
            board.enter(changed)
    assert board.compare([9]) == before


def test_rungs_are_fewer_where_there_is_time():
    assert [rungs_of(24, count) for count in (1, 2, 3)] == [[24], [8, 24], [3, 8, 24]]
    assert rungs_of(2, 3) == [1, 2]
    pace = Pace(epoch=2.0, once=5.0)
    for rungs in ([24], [8, 24]):
        enough = RECIPES * expected_seconds(rungs, pace)
        assert choose_rungs(24, pace, enough) == rungs
        assert len(choose_rungs(24, pace, enough - 1)) == len(rungs) + 1
    two = 2 * path_seconds([3, 8, 24], pace)
    assert choose_rungs(24, pace, two) == [3, 8, 24]
    assert choose_rungs(24, pace, two - 1) == [24], "two recipes had no time for three rungs"
    assert least_seconds(24, pace) == 2 * (24 * 2 + 5)
    # by hand: 3 epochs, then 8 for one in three, then 24 for one in nine
    assert expected_seconds([3, 8, 24], pace) == pytest.approx(11 + 21 / 3 + 53 / 9)
    assert path_seconds([3, 8, 24], pace) == 11 + 21 + 53
    assert recipes_that_fit([3, 8, 24], pace, 85 + 5 * (11 + 7 + 53 / 9) + 1) == 1 + 5
    assert recipes_that_fit([3, 8, 24], pace, 1.0) == 1


def test_more_seeds_of_few_recipes_go_before_one_seed_of_many():
    seconds = [[10.0, 10.0]] * 5
    assert seeds_that_fit(seconds, 80.0) == (FINALISTS, MORE_SEEDS)
    assert seeds_that_fit(seconds, 79.0) == (2, MORE_SEEDS)
    assert seeds_that_fit(seconds, 40.0) == (1, MORE_SEEDS)
    assert seeds_that_fit(seconds, 39.0) == (2, MORE_SEEDS[:1])
    assert seeds_that_fit(seconds, 19.0) == (0, ())
    assert seeds_that_fit(seconds[:1], 100.0) == (0, ())
    half_done = [[0.0, 10.0], [0.0, 10.0], [10.0, 10.0]]
    assert seeds_that_fit(half_done, 20.0) == (1, MORE_SEEDS)


def test_costs_are_those_of_the_nearest_trainings_that_ended():
    costs = Costs(slots=2)
    default, other = (CANDIDATES.trainings(CANDIDATES.starts[number], 9) for number in (0, 1))
    assert math.isnan(costs.seconds(default[0]))
    costs.enter(record(default[0], 0.8, seconds=20.0))  # GE: 9 epochs and the scoring, 2 s each
    assert costs.seconds(other[0]) == pytest.approx(20.0)
    assert costs.seconds(CANDIDATES.trainings(CANDIDATES.starts[0], 3)[1]) == pytest.approx(
        8.0
    )  # of all: no SIEMENS yet
    costs.enter(record(default[1], 0.8, seconds=10.0))
    assert costs.seconds(CANDIDATES.trainings(CANDIDATES.starts[0], 3)[1]) == pytest.approx(4.0)
    assert seconds_together([4.0, 4.0, 4.0], 2) == 6.0
    assert seconds_together([4.0, 1.0], 2) == 4.0
    assert seconds_together([], 2) == 0.0


def test_what_is_left_of_a_budget_is_neither_used_nor_needed():
    now = 1000.0
    budget = Budget(100.0, slots=2, begun=990.0, now=lambda: now)  # earlier commands used 10 s
    default = CANDIDATES.trainings(CANDIDATES.default, 9)
    assert (budget.used, budget.left([])) == (10.0, 90.0)
    budget.costs.enter(record(default[0], 0.8, seconds=20.0))
    assert budget.left([default[:1], default[1:2]]) == 90.0 - (20.0 + 20.0) / 2
    budget.start("first", default[0])
    budget.start("second", default[1])
    assert budget.left([]) == 70.0
    now = 1015.0
    assert budget.left([default[:1]]) == 75.0 - (5.0 + 5.0 + 20.0) / 2
    now = 1030.0  # both take longer than expected
    assert budget.left([]) == 60.0
    assert budget.end("first") == default[0]
    assert list(budget.running) == ["second"]


def test_a_budget_says_when_it_is_too_short_for_two_recipes():
    now = 10.0
    budget = Budget(116.0, slots=2, begun=0.0, now=lambda: now)
    pace = Pace(epoch=2.0, once=5.0)  # twice 24 epochs and what comes once: 106 s
    assert budget.too_short(24, pace) == ""
    now = 11.0
    said = budget.too_short(24, pace)
    assert said.startswith("--minutes 1.93333 is too short for these data: an epoch of one recipe")
    assert "2 trainings at once) takes 2.0 s here" in said
    assert "both trained to epoch 24. --minutes 3 would do" in said  # 1.2 * (11 + 106) s are 2.34 minutes


def test_start_fills_up_from_its_first_recipe_and_from_the_defaults():
    assert CANDIDATES.starts[1] == {**START[0], "lr": 5e-3}
    assert OWN_FIELDS["schedule"].default == "constant"
    assert candidates_of(space(start=[{"lr": 1e-3, "warmup": 0.1}]), VENDORS).default["schedule"] == "constant"
    assert BLOCK["epochs"] == CANDIDATES.epochs
