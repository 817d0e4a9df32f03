"""Schedules: factors by an independent definition, on every group's rate, by the number of the step alone."""

import dataclasses
import math

import pytest
import torch

from benchmarks.alone import train
from tune_ks.core.config import TrialConfig
from tune_ks.training.schedules import SCHEDULES, build_schedule
from tune_ks.training.train import train_together
from tune_ks.training.training import Training

STEPS = (1, 2, 7, 100)
FIELDS = {"width": 0.05, "image_size": 64, "epochs": 4, "batch_size": 8, "settle": 0, "slow": "classifier.features"}
LEARNED = TrialConfig("GE", 0.25, temperature=1.0, lr=1e-3, **FIELDS)


def built(name, **options):
    return build_schedule(TrialConfig("GE", 1.0, schedule=name, **options))


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("name", SCHEDULES)
def test_factors_are_shares_that_reach_the_whole_rate_and_go_down_once(name, steps):
    schedule = built(name)
    factors = [schedule.factor(step, steps) for step in range(steps)]
    assert all(0 < factor <= 1 for factor in factors)  # 0 at the last step would waste it
    assert max(factors) == 1
    assert schedule.factor(steps + 3, steps) == factors[-1]
    top = factors.index(1)
    assert factors[: top + 1] == sorted(factors[: top + 1])
    assert factors[top:] == sorted(factors[top:], reverse=True)
    assert (len(set(factors)) == 1) == (name == "constant" or steps == 1)


def rates_of_torch(scheduler_of, steps):
    """The learning rates of a scheduler of torch for a rate of 1."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = scheduler_of(optimizer)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize("final_lr", [0.0, 0.1, 1.0])
def test_cosine_is_torchs_after_its_warm_up(final_lr):
    schedule = built("cosine", warmup=0.2, final_lr=final_lr)
    factors = [schedule.factor(step, 50) for step in range(50)]
    assert factors[:10] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    annealed = torch.optim.lr_scheduler.CosineAnnealingLR
    assert factors[10:] == pytest.approx(rates_of_torch(lambda o: annealed(o, 40, eta_min=final_lr), 40))
    assert built("cosine", warmup=0).factor(0, 50) == 1


def test_one_cycle_is_torchs_with_its_turn_at_a_whole_step():
    """Torch reaches the top at rise * steps - 1 and the end at the last step: two cycles of other lengths are met."""
    schedule = built("one_cycle", rise=0.25, start_lr=0.1, final_lr=0.01)
    factors = [schedule.factor(step, 40) for step in range(40)]

    def cycle(optimizer, rising, falling):
        of_torch = torch.optim.lr_scheduler.OneCycleLR
        share = (rising + 1) / (rising + falling + 1)
        return of_torch(optimizer, 1.0, rising + falling + 1, pct_start=share, div_factor=10, final_div_factor=10)

    assert factors == pytest.approx(rates_of_torch(lambda o: cycle(o, 10, 30), 40))
    assert factors[0] == pytest.approx(0.1)
    assert factors[10] == 1


def rates_of_steps(config, splits, monkeypatch):
    """For every step of a training, the rates of all groups as the fused kernel gets them."""
    rates = []
    fused = torch._fused_adamw_

    def watched(*given, lr, **more):
        rates.append(lr)
        return fused(*given, lr=lr, **more)

    monkeypatch.setattr(torch, "_fused_adamw_", watched)
    training = Training(config, splits)
    list(train_together([training], splits))
    groups = len(training.optimizer.param_groups)
    return [rates[first : first + groups] for first in range(0, len(rates), groups)]


@pytest.mark.parametrize("mask_schedule", ["same", "constant"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_every_group_follows_by_the_number_of_the_step(name, mask_schedule, splits, monkeypatch):
    options = {} if name == "constant" else {"mask_schedule": mask_schedule}
    config = dataclasses.replace(LEARNED, schedule=name, options=LEARNED.options | options)
    rates = rates_of_steps(config, splits, monkeypatch)
    schedule = build_schedule(config)
    steps = config.epochs * math.ceil(len(splits.train) / config.batch_size)
    assert len(rates) == steps > 8
    for step, of_step in enumerate(rates):
        factor = schedule.factor(step, steps)
        of_mask = factor if mask_schedule == "same" else 1
        assert of_step == pytest.approx([factor * 1e-3, factor * 1e-5, of_mask * 1e-2])


def test_a_schedule_moves_the_weights(splits):
    ends = [list(train(dataclasses.replace(LEARNED, schedule=name), splits))[-1].state for name in SCHEDULES]
    losses = {tuple(line["loss"] for line in state["history"]) for state in ends}
    assert len(losses) == len(SCHEDULES) >= 3


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"schedule": "step"}, "schedule must be one of constant, cosine, one_cycle"),
        ({"schedule": "cosine", "warmup": 1.0}, "warmup must be in [0, 1), got 1.0"),
        ({"schedule": "one_cycle", "rise": 0}, "rise must be in (0, 1), got 0"),
        ({"schedule": "cosine", "mask_schedule": "no"}, "mask_schedule must be 'same' or 'constant', got 'no'"),
    ],
)
def test_a_wrong_schedule_is_refused(values, said):
    with pytest.raises(ValueError) as error:
        build_schedule(TrialConfig("GE", 1.0, **values))
    assert said in str(error.value)
