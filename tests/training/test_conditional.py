"""Trainings at drawn or falling rates, and the classifiers that are told the rate: definitions, laws, resuming."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from benchmarks.alone import finish, run_config, train
from tiny import write_tiny
from tune_ks.core.config import TrialConfig
from tune_ks.core.run_folder import RunFolder
from tune_ks.model.classifiers import CLASSIFIERS
from tune_ks.model.per_image import convolve_each
from tune_ks.model.pipeline import build_member, build_pipeline
from tune_ks.planning.plan import plan_search
from tune_ks.planning.space import SEARCH_DEFAULTS, Space
from tune_ks.training.draws import compared_configs, training_rates, training_temperatures
from tune_ks.worker.checkpoints import load_checkpoint, save_checkpoint

FIELDS = {"width": 0.05, "image_size": 64, "epochs": 4, "batch_size": 8, "lr": 1e-3, "settle": 0.5, "temperature": 1.0}
TOLD = ["alexnet_film", "alexnet_hyper"]
CONDITIONAL = TrialConfig("GE", 0.25, classifier="alexnet_film", rate_from=1 / 64, **FIELDS)


def test_drawn_rates_are_log_uniform_whole_lines_within_their_range():
    rates = training_rates(CONDITIONAL, 1, 20_000, 64, np.random.default_rng(0))
    lines = rates * 64
    assert torch.equal(lines, lines.round())
    assert lines.min() == 1
    assert lines.max() == 64
    for k in (1, 4, 20):  # k whole lines stand for everything from k - 1/2 to k + 1/2, from the lower end up
        share = math.log2((k + 0.5) / max(k - 0.5, 1)) / 6
        assert (lines == k).float().mean().item() == pytest.approx(share, abs=0.01)


def test_drawn_temperatures_lie_in_their_range_and_are_absent_where_none_are_asked_for():
    config = dataclasses.replace(CONDITIONAL, temperature_from=0.5, temperature_to=2.0)
    temperatures = training_temperatures(config, 1000, np.random.default_rng(0))
    assert 0.5 <= temperatures.min() < 0.52
    assert 1.92 < temperatures.max() <= 2.0
    assert training_temperatures(CONDITIONAL, 10, np.random.default_rng(0)) is None


def test_a_falling_rate_starts_dense_and_has_arrived_when_it_settles():
    config = TrialConfig("GE", 0.25, rate_start=1.0, **{**FIELDS, "epochs": 10})
    rates = [training_rates(config, epoch, 1, 64, np.random.default_rng(0)).item() for epoch in range(1, 11)]
    assert rates[0] == 1
    assert config.first_settled_epoch() == 6
    assert rates[5:] == [0.25] * 5
    steps = np.diff(np.log(rates[:6]))
    np.testing.assert_allclose(steps, math.log(0.25) / 5, rtol=1e-5)


def test_one_training_whatever_it_is_scored_at():
    other = dataclasses.replace(CONDITIONAL, sampling_rate=0.5)
    assert CONDITIONAL.key() != other.key()
    assert CONDITIONAL.training() == other.training() == CONDITIONAL.training().training()
    assert CONDITIONAL.training().sampling_rate == pytest.approx(1 / 8)
    assert compared_configs(CONDITIONAL) == compared_configs(other)
    assert [c.sampling_rate for c in compared_configs(other)] == pytest.approx([1 / 64, 1 / 16, 1 / 4, 1])
    plain = TrialConfig("GE", 0.25, temperature=1.0)
    assert plain.training() == plain
    assert compared_configs(plain) == [plain]


def test_kernels_of_each_image_are_ordinary_convolutions_one_by_one():
    torch.manual_seed(0)
    image, kernel, bias = torch.rand(3, 2, 9, 9), torch.rand(3, 4, 2, 3, 3), torch.rand(3, 4)
    fast = convolve_each(image, kernel, bias, 2, 1)
    slow = [functional.conv2d(i[None], k, b, 2, 1) for i, k, b in zip(image, kernel, bias)]
    torch.testing.assert_close(fast, torch.cat(slow))
    same = convolve_each(image, kernel[:1].expand(3, -1, -1, -1, -1), bias[:1].expand(3, -1), 2, 1)
    torch.testing.assert_close(same, functional.conv2d(image, kernel[0], bias[0], 2, 1))


@pytest.mark.parametrize("name", TOLD)
def test_a_told_classifier_starts_as_alexnet_and_learns_to_listen(name):
    torch.manual_seed(0)
    network = build_member(TrialConfig("GE", 0.5, classifier=name, **FIELDS), "classifier").eval()
    image, facts = torch.rand(3, 1, 64, 64), torch.zeros(3, 7)
    low, high = torch.tensor([[-6.0, 0.0]]).expand(3, -1), torch.tensor([[0.0, 0.0]]).expand(3, -1)
    before = network(image, facts, low)
    torch.testing.assert_close(before, network(image, facts, high))
    if name == "alexnet_film":
        plain = network.head(network.pool(network.features(image)).flatten(1)).squeeze(1)
        torch.testing.assert_close(before, plain)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    for _ in range(20):  # the same image is a tumour at one rate and none at the other
        optimizer.zero_grad()
        wrong = functional.softplus(-network(image, facts, low)) + functional.softplus(network(image, facts, high))
        wrong.mean().backward()
        optimizer.step()
    assert (network(image, facts, low) > network(image, facts, high)).all()
    mixed = network(image, facts, torch.stack([low[0], high[0], low[0]]))
    torch.testing.assert_close(mixed[1], network(image, facts, high)[1], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", sorted(set(CLASSIFIERS) - {"resnet18", "densenet121"}))  # these see as alexnet does
def test_a_conditional_training_learns_and_is_scored_at_any_rate_with_the_same_weights(name, splits):
    config = dataclasses.replace(CONDITIONAL, classifier=name, temperature_from=0.5, temperature_to=2.0, epochs=2)
    other = dataclasses.replace(config, sampling_rate=1.0)
    *_, epoch = train(config, splits)
    *_, again = train(other, splits)
    for name, value in epoch.state["weights"].items():
        assert torch.equal(value, again.state["weights"][name])
    low, full = finish(config, splits, epoch.state), finish(other, splits, again.state)
    assert low.mask.sum() == 16
    assert full.mask.all()
    assert not np.array_equal(low.scores["test"]["GE"], full.scores["test"]["GE"])


def test_a_range_below_one_line_is_refused():
    with pytest.raises(ValueError, match=r"be 1/64 = 0\.01562 or more; got 0\.01"):
        build_pipeline(dataclasses.replace(CONDITIONAL, rate_from=0.01), 64)


def test_one_training_is_trained_once_and_each_rate_has_its_record(tmp_path):
    """As the worker does it: the second rate finds the training whole, and gives the bits of a lone one."""
    cohort, images = write_tiny(tmp_path / "one")
    configs = [dataclasses.replace(CONDITIONAL, sampling_rate=rate) for rate in (0.25, 1.0)]
    folder, lone = RunFolder(tmp_path / "one"), RunFolder(tmp_path / "lone")
    lone.root.mkdir()
    lone.cohort_csv.write_bytes(cohort.read_bytes())
    first = run_config(configs[0], folder, images, "cpu", lambda line: None)
    checkpoint = folder.checkpoint(configs[1])
    save_checkpoint(checkpoint, {**load_checkpoint(checkpoint), "seconds": 1e6})
    second = run_config(configs[1], folder, images, "cpu", lambda line: None)
    by_itself = run_config(configs[1], lone, images, "cpu", lambda line: None)
    assert second.val == by_itself.val
    assert second.test == by_itself.test
    assert second.history == first.history
    assert first.facts["training"] == second.facts["training"] == CONDITIONAL.training().key()
    assert second.seconds < 1e6  # the training's seconds are counted once, by who trained it
    assert (first.realised_rate, second.realised_rate) == (0.25, 1.0)
    scores = [np.load(f.trial(configs[1].key(), "scores.npz"))["score"] for f in (folder, lone)]
    assert np.array_equal(*scores)


def test_the_rates_of_one_training_are_one_job(tmp_path):
    block = {**FIELDS, "classifier": "alexnet_film", "sampling_rate": [0.25, 0.5, 1.0]}
    space = Space("s", "", [{**block, "rate_from": 1 / 64}, block], {**SEARCH_DEFAULTS, "sampler": "grid", "seeds": 2})
    plan = plan_search(space, RunFolder(tmp_path), ["GE"])
    assert sorted(len(job) for job in plan.jobs) == [1] * 6 + [3, 3]
    assert all(len({config.training() for config in job}) == 1 for job in plan.jobs)
    assert (plan.finished, plan.trials) == (0, 12)
