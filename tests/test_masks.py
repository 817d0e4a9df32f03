"""Laws of every mask family, and the learned one's numbers against independent definitions."""

import math

import numpy as np
import pytest
import torch

from tune_ks.masks import MASKS
from tune_ks.masks.base import keep_largest, rescale_to_rate
from tune_ks.masks.gumbel import GumbelMask, logistic_noise
from tune_ks.masks.gumbel_literal import GumbelLiteralMask
from tune_ks.record import TrialConfig
from tune_ks.transforms import TRANSFORMS

LAWFUL = sorted(set(MASKS) - {"gumbel_literal"})  # the literal reading is kept to break these laws
RATES = (1 / 16, 0.25, 6 / 16, 0.75, 1.0)
LEARNED = ["gumbel"]


def radius_of(pattern, side=16):
    config = TrialConfig("GE", 0.5, pattern=pattern)
    return TRANSFORMS["fourier"](config).radius(1 if pattern == "lines" else side, side)


def build(name, rate, pattern="lines", side=16, **changes):
    config = TrialConfig("GE", rate, mask=name, temperature=1.0, pattern=pattern, **changes)
    return MASKS[name](config, radius_of(pattern, side))


def test_the_registry_was_met():
    assert len(LAWFUL) >= 2
    assert set(LEARNED) <= set(LAWFUL)


@pytest.mark.parametrize("pattern", ["lines", "points"])
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("name", LAWFUL)
def test_evaluation_mask_spends_exactly_the_budget_and_keeps_dc(name, rate, pattern):
    mask = build(name, rate, pattern).eval()
    found = mask(torch.full((3,), rate))
    assert found.shape == (3, 1, 1 if pattern == "lines" else 16, 16)
    assert set(found.unique().tolist()) <= {0.0, 1.0}
    assert (found.sum((1, 2, 3)) == round(rate * found[0].numel())).all()
    assert (found[:, 0][mask.is_dc.expand(3, -1, -1)] == 1).all()
    assert torch.equal(found, mask(torch.full((3,), rate)))


@pytest.mark.parametrize("pattern", ["lines", "points"])
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("name", LAWFUL)
def test_training_masks_are_binary_keep_dc_and_meet_the_rate_on_average(name, rate, pattern):
    torch.manual_seed(0)
    mask = build(name, rate, pattern)
    draws = mask(torch.full((2000,), rate)).detach()
    assert set(draws.unique().tolist()) <= {0.0, 1.0}
    assert (draws[:, 0][mask.is_dc.expand(2000, -1, -1)] == 1).all()
    error = math.sqrt(rate * (1 - rate) / draws.numel())
    assert draws.mean().item() == pytest.approx(rate, abs=5 * error + 2e-5)


@pytest.mark.parametrize("name", LAWFUL)
def test_several_rates_in_one_batch_are_each_met(name):
    mask = build(name, 0.5).eval()
    rates = torch.tensor([0.125, 0.5, 1.0])
    assert mask(rates).sum((1, 2, 3)).tolist() == [2, 8, 16]


@pytest.mark.parametrize("name", LAWFUL)
def test_same_seed_same_mask_and_ties_are_not_broken_by_radius(name):
    masks = [build(name, 0.25, side=64, seed=seed).eval()(torch.tensor([0.25])) for seed in (0, 0, 1)]
    assert torch.equal(masks[0], masks[1])
    if name in LEARNED:  # untrained: all equal, so another seed is another mask, and none is low-pass
        assert not torch.equal(masks[0], masks[2])
        distance = radius_of("lines", 64)[masks[0][0, 0] == 1].mean()
        assert distance > 10


@pytest.mark.parametrize("name", LAWFUL)
def test_a_rate_below_one_line_is_refused(name):
    with pytest.raises(ValueError, match=r"1/16 = 0.0625 or more; got 0.05"):
        build(name, 0.05)


@pytest.mark.parametrize("pattern", ["lines", "points"])
@pytest.mark.parametrize("name", LEARNED)
def test_a_learned_family_gets_a_gradient_and_none_when_settled(name, pattern):
    mask = build(name, 0.25, pattern)
    weight = torch.rand(1, 1, *mask.radius.shape)
    (mask(torch.full((8,), 0.25)) * weight).sum().backward()
    gradient = mask.mask_logits.grad
    assert gradient.abs().sum() > 0
    assert torch.isfinite(gradient).all()
    assert not mask.eval()(torch.full((8,), 0.25)).requires_grad


def test_fixed_families_have_nothing_to_learn():
    assert list(build("lowpass", 0.25).parameters()) == []


def test_lowpass_is_the_nearest_lines_by_hand():
    mask = build("lowpass", 5 / 16).eval()(torch.tensor([5 / 16]))[0, 0, 0]
    assert mask.nonzero().flatten().tolist() == [6, 7, 8, 9, 10]  # DC is index 8
    one = build("lowpass", 1 / 16).eval()(torch.tensor([1 / 16]))[0, 0, 0]
    assert one.nonzero().flatten().tolist() == [8]


def test_lowpass_points_is_a_disc():
    mask = build("lowpass", 0.25, "points").eval()(torch.tensor([0.25]))[0, 0]
    radius = radius_of("points")
    assert radius[mask == 1].max() <= radius[mask == 0].min()


@pytest.mark.parametrize("rate", [2 / 16, 0.25, 0.9, 1.0])
def test_rescaled_probabilities_have_the_asked_mean(rate):
    for seed in range(20):
        prob = torch.rand(1, 1, 16, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        is_dc = radius_of("lines") == 0
        scaled = rescale_to_rate(prob, torch.tensor([rate], dtype=torch.float64), is_dc)
        assert scaled.mean().item() == pytest.approx(rate)
        assert scaled.min() >= 0
        assert scaled.max() <= 1 + 1e-12
        ranks = prob[0, 0].argsort()[is_dc[0].logical_not()[prob[0, 0].argsort()]]
        assert (scaled[0, 0][ranks].diff() >= -1e-12).all()  # the order is kept


def test_keep_largest_by_hand():
    prob = torch.tensor([[[0.9, 0.1, 0.5, 0.5]]])  # mean 0.5: two are kept
    assert keep_largest(prob, torch.tensor([0, 1, 2, 3])).tolist() == [[[1, 0, 1, 0]]]
    assert keep_largest(prob, torch.tensor([3, 2, 1, 0])).tolist() == [[[1, 0, 0, 1]]]


def test_straight_through_draw_is_the_two_class_gumbel_softmax():
    """Keep frequency p at every temperature: g0 + logit(p) > g1 with two Gumbel variables (NumPy's)."""
    rng = np.random.default_rng(0)
    for prob in (0.1, 0.5, 0.8):
        kept = rng.gumbel(size=200_000) + math.log(prob) > rng.gumbel(size=200_000) + math.log(1 - prob)
        assert kept.mean() == pytest.approx(prob, abs=0.005)
    torch.manual_seed(0)
    for temperature in (0.1, 1.0, 5.0):
        mask = GumbelMask(radius_of("lines"), 0, 0.4, temperature, held=True)
        drawn = mask(torch.full((20_000,), 0.4)).detach()[:, 0, 0]
        others = drawn[:, radius_of("lines")[0] > 0].mean(0)
        np.testing.assert_allclose(others, (0.4 * 16 - 1) / 15, atol=0.02)


def test_logistic_noise_has_its_moments():
    torch.manual_seed(0)
    noise = logistic_noise(torch.empty(200_000))
    assert noise.mean().item() == pytest.approx(0, abs=0.02)
    assert noise.var().item() == pytest.approx(math.pi**2 / 3, rel=0.02)


def test_mean_gradient_by_temperature_is_the_one_measured_in_the_design():
    """0.25, 0.21, 0.17, 0.05 at 0.1, 0.5, 1, 5 for p = 1/2: E[s(1 - s)] / temperature, s the soft value."""
    rng = np.random.default_rng(0)
    noise = rng.logistic(size=400_000)
    for temperature, expected in ((0.1, 0.25), (0.5, 0.21), (1.0, 0.17), (5.0, 0.05)):
        soft = 1 / (1 + np.exp(-noise / temperature))
        assert (soft * (1 - soft) / temperature).mean() == pytest.approx(expected, abs=0.006)


def test_drift_starts_at_the_rate_and_is_free_to_leave_it():
    mask = build("gumbel", 0.25, budget="drift")
    rates = torch.tensor([0.25])
    assert mask.probability(rates).mean().item() == pytest.approx(0.25, abs=1e-5)
    with torch.no_grad():
        mask.mask_logits += 1
    assert mask.probability(rates).mean() > 0.35
    held = build("gumbel", 0.25)
    with torch.no_grad():
        held.mask_logits += 1
    assert held.probability(rates).mean().item() == pytest.approx(0.25, abs=1e-5)
    assert mask.eval()(rates).sum() == round(mask.probability(rates).mean().item() * 16)


def test_gumbel_without_a_temperature_is_refused():
    with pytest.raises(ValueError, match="needs a temperature"):
        MASKS["gumbel"](TrialConfig("GE", 0.5), radius_of("lines"))


def literal(rate):
    return GumbelLiteralMask(radius_of("lines"), 0, rate, 1.0)


def test_the_literal_reading_fails_as_the_design_says():
    below, above = torch.full((50,), 0.25), torch.full((50,), 0.75)
    assert literal(0.25).draw(below).isnan().all()  # log of a negative logit
    assert literal(0.75).draw(above).sum() == 0  # log(logits(1)) = log 0: an empty mask, DC included
    assert literal(1.0).draw(torch.ones(50)).isnan().all()  # an infinite logit
    for rate in (0.25, 0.75):
        prob = literal(rate).probability(torch.tensor([rate]))
        assert prob.mean().item() == pytest.approx(1 - rate)  # column 1 is what is dropped
    assert literal(0.75).eval()(above).sum() == 0  # argmax
    assert literal(0.25).eval()(below).mean() == 1
