"""Laws of every mask family, and the learned one's numbers against independent definitions."""

import math
from functools import partial

import numpy as np
import pytest
import torch

from devices import DEVICES
from gumbel_literal import GumbelLiteral
from tune_ks.core.config import TrialConfig
from tune_ks.core.record import FIXED_MASKS_0_1_0
from tune_ks.model.masks import MASKS, Gumbel, fixed
from tune_ks.model.masks.base import (
    PROBABILITY_FLOOR,
    Mask,
    keep_first,
    keep_largest,
    mirror_index,
    rescale_to_rate,
)
from tune_ks.model.masks.dps import successive_softmaxes
from tune_ks.model.masks.fixed import FixedMask
from tune_ks.model.masks.learned import draw_together, per_image, straight_through
from tune_ks.model.pipeline import build_mask, build_pipeline, build_transform
from tune_ks.training.members import config_from, require_own_options

LAWFUL = sorted(MASKS)
RATES = (1 / 16, 0.25, 6 / 16, 0.75, 1.0)
FIXED = [name for name in LAWFUL if not MASKS[name].learned]
LEARNED = [name for name in LAWFUL if name not in FIXED]
EVERY = [
    (name, pattern) for name in LAWFUL for pattern in ("lines", "points") if (name, pattern) != ("equispaced", "points")
]


def radius_of(pattern, side=16):
    config = TrialConfig("GE", 0.5, pattern=pattern)
    return build_transform(config).radius(1 if pattern == "lines" else side, side)


def build(name, rate, pattern="lines", side=16, **changes):
    tempered = {"temperature": 1.0} if name in ("gumbel", "dps") else {}
    return build_mask(
        TrialConfig("GE", rate, mask=name, pattern=pattern, **tempered | changes), radius_of(pattern, side)
    )


def test_the_registry_was_met():
    assert set(FIXED) == FIXED_MASKS_0_1_0
    assert all(issubclass(MASKS[name].build, FixedMask) == (name in FIXED) for name in MASKS)
    assert all(any(True for _ in build(name, 0.5).parameters()) == MASKS[name].learned for name in MASKS)
    assert set(LEARNED) == {"gumbel", "loupe", "loupe_straight_through", "dps"}


@pytest.mark.parametrize(("name", "pattern"), EVERY)
@pytest.mark.parametrize("rate", RATES)
def test_evaluation_mask_spends_exactly_the_budget_and_keeps_dc(name, rate, pattern):
    mask = build(name, rate, pattern).eval()
    values = mask(torch.full((3,), rate))
    assert values.shape == (3, 1, 1 if pattern == "lines" else 16, 16)
    assert set(values.unique().tolist()) <= {0.0, 1.0}
    assert (values.sum((1, 2, 3)) == round(rate * values[0].numel())).all()
    assert (values[:, 0][(mask.radius == 0).expand(3, -1, -1)] == 1).all()
    assert torch.equal(values, mask(torch.full((3,), rate)))


@pytest.mark.parametrize(("name", "pattern"), [pair for pair in EVERY if pair[0] != "loupe"])
@pytest.mark.parametrize("rate", [1 / 16, 6 / 16, 1.0])
def test_training_masks_are_binary_keep_dc_and_meet_the_rate_on_average(name, rate, pattern):
    torch.manual_seed(0)
    mask = build(name, rate, pattern)
    draws = mask(torch.full((2000,), rate)).detach()
    assert set(draws.unique().tolist()) <= {0.0, 1.0}
    assert (draws[:, 0][(mask.radius == 0).expand(2000, -1, -1)] == 1).all()
    # a coefficient of probability p varies by p (1 - p) at most the rate's own p (1 - p) on average
    error = math.sqrt(rate * (1 - rate) / draws.numel())
    assert draws.mean().item() == pytest.approx(rate, abs=5 * error + 2e-5)


@pytest.mark.parametrize("name", LAWFUL)
def test_several_rates_in_one_batch_are_each_met(name):
    mask = build(name, 0.5, rate_from=0.125).eval()
    rates = torch.tensor([0.125, 0.5, 1.0])
    assert mask(rates).sum((1, 2, 3)).tolist() == [2, 8, 16]


@pytest.mark.parametrize("name", LAWFUL)
def test_same_seed_same_mask(name):
    masks = [build(name, 0.25, side=64, seed=seed).eval()(torch.tensor([0.25])) for seed in (0, 0, 1)]
    assert torch.equal(masks[0], masks[1])
    if name not in ("lowpass", "equispaced"):
        assert not torch.equal(masks[0], masks[2])


@pytest.mark.parametrize("name", LEARNED)
def test_an_untrained_mask_is_not_low_pass(name):
    mask = build(name, 0.25, side=64).eval()(torch.tensor([0.25]))
    assert radius_of("lines", 64)[mask[0, 0] == 1].mean() > 10  # of low-pass: 4


@pytest.mark.parametrize("name", LAWFUL)
def test_a_rate_below_one_line_is_refused(name):
    with pytest.raises(ValueError, match=r"1/16 = 0.0625 or more; got 0.05"):
        build(name, 0.05)


@pytest.mark.parametrize(("name", "pattern"), EVERY)
def test_the_centre_is_kept_and_counted_in_the_budget(name, pattern):
    mask = build(name, 0.5, pattern, centre_fraction=0.25)
    nearest = build("lowpass", 0.25, pattern).eval()(torch.tensor([0.25]))[0, 0]
    rates = torch.full((20,), 0.5)
    for values in (mask(rates), mask.eval()(rates)):
        assert (values[:, 0][:, nearest == 1] == 1).all()
    assert (mask.eval()(rates).sum((1, 2, 3)) == nearest.numel() // 2).all()
    with pytest.raises(ValueError, match=r"centre_fraction is counted .* 0.5; got 0.75"):
        build(name, 0.5, pattern, centre_fraction=0.75)


@pytest.mark.parametrize(("name", "pattern"), [pair for pair in EVERY if pair[0] not in ("equispaced", "poisson_disc")])
@pytest.mark.parametrize("rate", RATES)
def test_a_tied_mask_keeps_k_with_minus_k_within_one_coefficient_of_its_budget(name, rate, pattern):
    torch.manual_seed(0)
    mask = build(name, rate, pattern, hermitian="tied")
    rates = torch.full((20,), rate)
    axes = (-1,) if pattern == "lines" else (-2, -1)
    drawn, scored = mask(rates)[:, 0].detach(), mask.eval()(rates)[:, 0]
    for values in (drawn, scored):
        mirrored = values.flip(axes).roll((1,) * len(axes), axes)  # an even axis: its first index is its own mirror
        assert torch.equal(values, mirrored)
    budget = round(rate * scored[0].numel())
    assert ((scored.sum((1, 2)) == budget) | (scored.sum((1, 2)) == budget - 1)).all()
    # so what comes back is real: the measurement of a real image is that of a real, blurred one
    image = torch.rand(20, 16, 16)
    transform = build_transform(TrialConfig("GE", rate, pattern=pattern))
    assert transform.inverse(scored * transform.forward(image)).imag.abs().max() < 1e-5


def test_a_tie_without_a_meaning_is_refused():
    for name in ("equispaced", "poisson_disc"):
        config = config_from({"vendor": "GE", "sampling_rate": 0.5, "mask": name, "hermitian": "tied"})
        with pytest.raises(ValueError, match=f"hermitian is an option of the mask dps, .* this trial's mask is {name}"):
            require_own_options(config)
    tied = TrialConfig("GE", 0.5, temperature=1.0, hermitian="tied", transform="hadamard")
    with pytest.raises(ValueError, match="needs the transform 'fourier', got 'hadamard'"):
        build_pipeline(tied, 64)
    with pytest.raises(ValueError, match="'equispaced' needs pattern 'lines', got 'points'"):
        build("equispaced", 0.5, "points")


def test_mirror_by_hand():
    assert mirror_index((1, 4)).tolist() == [0, 3, 2, 1]  # k = -2 -1 0 1
    assert mirror_index((3, 3)).tolist() == [8, 7, 6, 5, 4, 3, 2, 1, 0]


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


@pytest.mark.parametrize("name", LEARNED)
def test_a_learned_family_finds_the_lines_that_pay(name):
    """Reward six lines: a few hundred steps must put them into the exported mask."""
    torch.manual_seed(0)
    mask = build(name, 0.5)
    reward = torch.zeros(1, 1, 1, 16)
    reward[..., [0, 3, 5, 9, 12, 15]] = 1
    optimizer = torch.optim.Adam(mask.parameters(), lr=0.05)
    rates = torch.full((32,), 0.5)
    for _ in range(300):
        optimizer.zero_grad()
        (-(mask(rates) * reward).sum((1, 2, 3)).mean()).backward()
        optimizer.step()
    kept = mask.eval()(rates[:1])
    assert (kept * reward).sum() == 6
    assert kept.sum() == 8


@pytest.mark.parametrize("name", FIXED)
def test_fixed_families_have_nothing_to_learn_and_train_on_what_they_export(name):
    mask = build(name, 0.25, rate_from=0.25)
    assert list(mask.parameters()) == []
    rates = torch.tensor([0.25, 0.5])
    assert torch.equal(mask(rates), mask.eval()(rates))


def test_loupe_starts_from_its_published_distribution_and_relaxes_as_its_equation_says():
    mask = build("loupe", 0.3, side=4000)
    start = torch.sigmoid(5 * mask.mask_logits.detach())
    assert start.min() > 0.0099
    assert start.max() < 0.9901
    assert start.mean().item() == pytest.approx(0.5, abs=0.02)
    torch.manual_seed(0)
    prob = mask.probability(torch.tensor([0.3])).detach().double()
    # E[sigmoid(s (p - u))] over u, by its integral
    expected = ((12 * prob).exp().log1p() - (12 * (prob - 1)).exp().log1p()) / 12
    away = mask.radius[None] > 0
    drawn = mask(torch.full((500,), 0.3)).detach()[:, 0].double().mean(0, keepdim=True)
    assert drawn[away].mean().item() == pytest.approx(expected[away].mean().item(), abs=1e-3)
    assert drawn[away].mean() > prob[away].mean()  # the relaxation's bias, said in its docstring


def test_loupe_straight_through_keeps_a_line_as_often_as_its_probability_says():
    torch.manual_seed(0)
    mask = build("loupe_straight_through", 0.4)
    drawn = mask(torch.full((20_000,), 0.4)).detach()[:, 0].mean(0)
    np.testing.assert_allclose(drawn, mask.probability(torch.tensor([0.4])).detach()[0], atol=0.02)


def test_successive_softmaxes_are_those_of_picking_one_by_one():
    """The slow twin: k softmaxes, each over what the picks before it left; and their gradient."""
    scores = torch.randn(3, 7, dtype=torch.float64, requires_grad=True)
    counts = torch.tensor([1, 4, 7])
    weight = torch.rand(3, 7, dtype=torch.float64)
    slow = []
    for row, count in zip(scores, counts.tolist()):
        gone, total = torch.zeros(7, dtype=torch.bool), 0
        for _ in range(count):
            share = torch.softmax(row.masked_fill(gone, -torch.inf), 0)
            total = total + share
            pick = row.masked_fill(gone, -torch.inf).argmax()
            gone = gone | (torch.arange(7) == pick)
        slow.append(total)
    slow = torch.stack(slow)
    index = scores.argsort(dim=1, descending=True)
    fast = successive_softmaxes(scores, index, torch.arange(scores.shape[1]) < counts[:, None])
    torch.testing.assert_close(fast, slow)
    torch.testing.assert_close(fast.sum(1), counts.double())
    gradients = [torch.autograd.grad((relaxed * weight).sum(), scores)[0] for relaxed in (fast, slow)]
    torch.testing.assert_close(*gradients)


def test_dps_draws_exactly_its_budget_and_as_often_as_plackett_and_luce_say():
    """Of two speeds 3 and 1 the first of one pick is the fast one with probability 3/4: Gumbel-max."""
    torch.manual_seed(0)
    mask = build("dps", 0.5, side=4)
    with torch.no_grad():
        mask.mask_logits[0] = torch.tensor([math.log(3.0), 0.0, 5.0, -50.0])  # index 2 is DC, index 3 never comes
    drawn = mask(torch.full((40_000,), 0.5)).detach()[:, 0, 0]
    assert (drawn.sum(1) == 2).all()
    np.testing.assert_allclose(drawn.mean(0), [0.75, 0.25, 1, 0], atol=0.01)
    prob = mask.probability(torch.tensor([0.5])).detach()[0, 0]
    assert prob.sum().item() == pytest.approx(2, abs=1e-4)
    assert prob.argsort().tolist() == [3, 1, 0, 2]


@pytest.mark.parametrize("pattern", ["lines", "points"])
@pytest.mark.parametrize("hermitian", ["none", "tied"])
def test_dps_sorts_its_logits_to_the_mask_of_its_probabilities(pattern, hermitian):
    """The slow twin finds the probabilities of every rate by bisection, and keeps the largest."""
    rates = torch.tensor([1 / 16, 0.1, 0.25, 0.6, 1.0])
    for seed, slope in ((0, None), (1, 3.0)):
        mask = build("dps", 1 / 16, pattern, seed=seed, hermitian=hermitian, centre_fraction=0.02, start_slope=slope)
        assert torch.equal(mask.binary(rates), Mask.binary(mask, rates))  # as it starts: equal logits, or rings of them
        with torch.no_grad():
            mask.mask_logits.add_(torch.randn(mask.mask_logits.shape, generator=torch.Generator().manual_seed(seed)))
        assert torch.equal(mask.binary(rates), Mask.binary(mask, rates))


def test_a_fixed_mask_forgets_masks_of_other_counts_and_selects_them_again(monkeypatch):
    mask = build("variable_density", 1 / 16)
    rates = torch.arange(1, 17) / 16
    expected = torch.stack([build("variable_density", 1 / 16).probability(rate[None])[0] for rate in rates])
    monkeypatch.setattr(fixed, "CHOSEN_BYTES", 3 * mask.radius.nbytes)
    for rows in ([0, 1], [2, 1], [3, 4, 5, 6], [0]):
        assert torch.equal(mask.probability(rates[rows]), expected[rows])
        assert len(mask.chosen) <= max(3, len(rows))


def test_equispaced_by_hand_and_its_gaps():
    mask = build("equispaced", 4 / 16).eval()(torch.tensor([4 / 16]))[0, 0, 0]
    assert mask.nonzero().flatten().tolist() == [0, 4, 8, 12]  # DC is index 8
    for count in range(1, 17):
        kept = build("equispaced", count / 16).eval()(torch.tensor([count / 16]))[0, 0, 0].nonzero().flatten()
        gaps = torch.diff(torch.cat([kept, kept[:1] + 16]))
        assert gaps.max() - gaps.min() <= 1
    centred = build("equispaced", 6 / 16, centre_fraction=3 / 16).eval()(torch.tensor([6 / 16]))[0, 0, 0]
    assert centred[[7, 8, 9]].tolist() == [1, 1, 1]
    assert centred.sum() == 6


def test_random_uniform_and_variable_density_are_nested_in_the_rate():
    for name in ("random_uniform", "variable_density"):
        masks = build(name, 0.5, "points").eval()(torch.tensor([0.1, 0.3, 0.6]))
        assert (masks.diff(dim=0) >= 0).all()


def test_variable_density_keeps_as_often_as_its_density_says():
    """At one pick beside DC, coefficient c is taken with probability w(c) / sum of w."""
    kept = torch.zeros(8)
    for seed in range(1500):
        kept += build("variable_density", 2 / 8, side=8, seed=seed, density_power=2.0).eval()(torch.tensor([0.25]))[
            0, 0, 0
        ]
    weight = (1 + 1e-3 - radius_of("lines", 8)[0] / 4) ** 2
    weight[4] = 0
    expected = weight / weight.sum()
    expected[4] = 1
    np.testing.assert_allclose(kept / 1500, expected, atol=0.045)


@pytest.mark.parametrize(("pattern", "count"), [("lines", 3), ("lines", 5), ("points", 12), ("points", 40)])
def test_poisson_disc_points_are_as_far_apart_as_the_budget_lets_them(pattern, count):
    side = 16
    size = side if pattern == "lines" else side * side
    kept = build("poisson_disc", count / size, pattern).eval()(torch.tensor([count / size]))[0, 0]
    points = [p for p in kept.nonzero() if radius_of(pattern)[tuple(p)] > 0]  # the centre is kept whatever is near
    nearest = min(torch.dist(a.float(), b.float()).item() for i, a in enumerate(points) for b in points[:i])
    uniform = build("random_uniform", count / size, pattern).eval()(torch.tensor([count / size]))[0, 0].nonzero()
    closest = min(torch.dist(a.float(), b.float()).item() for i, a in enumerate(uniform) for b in uniform[:i])
    assert nearest > closest
    assert nearest >= 0.5 * (side / count if pattern == "lines" else side / math.sqrt(count))


@pytest.mark.parametrize(("pattern", "count", "centre"), [("lines", 8, 0), ("lines", 4, 0), ("points", 30, 12 / 256)])
def test_poisson_disc_keeps_its_distance_from_dc_and_the_centre_too(pattern, count, centre):
    """A law over seeds: what is not in the centre lies no nearer than the distance to anything that is kept."""
    side = 64 if pattern == "lines" else 16
    rate = count / radius_of(pattern, side).numel()
    nearer = {"kept": 0, "none": 0}
    for seed in range(40):
        for spacing in nearer:
            mask = build("poisson_disc", rate, pattern, side, seed=seed, centre_fraction=centre, centre_spacing=spacing)
            kept = mask.select(count)
            assert kept.sum() == count
            points = kept.nonzero().float()
            apart = torch.cdist(points, points)
            apart[mask.centre[kept]] = torch.inf  # rows of the centre: they stay, whatever is near
            apart.fill_diagonal_(torch.inf)
            nearer[spacing] += bool(apart.min() ** 2 < mask.square(count) - 1e-3)
    assert nearer["kept"] == 0
    assert nearer["none"] >= 36  # the way of version 0.1.0, whose keys it keeps


def test_lowpass_is_the_nearest_lines_by_hand():
    mask = build("lowpass", 5 / 16).eval()(torch.tensor([5 / 16]))[0, 0, 0]
    assert mask.nonzero().flatten().tolist() == [6, 7, 8, 9, 10]  # DC is index 8
    line = build("lowpass", 1 / 16).eval()(torch.tensor([1 / 16]))[0, 0, 0]
    assert line.nonzero().flatten().tolist() == [8]


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


def test_keep_first_is_a_plain_sort():
    stream = torch.Generator().manual_seed(0)
    values = torch.randint(0, 4, (5, 3, 4), generator=stream).float()  # many are equal
    order = torch.randperm(12, generator=stream)
    counts = [0, 1, 5, 11, 12]
    kept = keep_first(values, order, torch.tensor(counts))
    place = {index: position for position, index in enumerate(order.tolist())}
    for row, count, of_row in zip(values.flatten(1).tolist(), counts, kept.flatten(1).tolist(), strict=True):
        falling = sorted(range(12), key=lambda index: (-row[index], place[index]))
        assert [index for index in range(12) if of_row[index]] == sorted(falling[:count])


def test_straight_through_draw_is_the_two_class_gumbel_softmax():
    """Keep frequency p at every temperature: g0 + logit(p) > g1 with two Gumbel variables (NumPy's)."""
    rng = np.random.default_rng(0)
    for prob in (0.1, 0.5, 0.8):
        kept = rng.gumbel(size=200_000) + math.log(prob) > rng.gumbel(size=200_000) + math.log(1 - prob)
        assert kept.mean() == pytest.approx(prob, abs=0.005)
    torch.manual_seed(0)
    for temperature in (0.1, 1.0, 5.0):
        mask = Gumbel(radius_of("lines"), 0.4, temperature=temperature)
        drawn = mask(torch.full((20_000,), 0.4)).detach()[:, 0, 0]
        others = drawn[:, radius_of("lines")[0] > 0].mean(0)
        np.testing.assert_allclose(others, (0.4 * 16 - 1) / 15, atol=0.02)


def plain_draw(mask, rate):
    """A draw of a Gumbel mask as its equation has it, by autograd."""
    logits = torch.logit(mask.probability(mask.distinct(rate)), PROBABILITY_FLOOR)
    noise = torch.logit(mask.noise(len(rate)), PROBABILITY_FLOOR / 10)
    soft = torch.sigmoid((logits + mask.tie(noise)) / per_image(mask.temperature, 2))
    return torch.where(mask.centre, 1, straight_through((soft > 0.5).to(soft.dtype), soft))


@pytest.mark.parametrize("hermitian", ["none", "tied"])
@pytest.mark.parametrize("pattern", ["lines", "points"])
def test_a_draw_in_few_passes_is_the_plain_one_to_the_last_bit(pattern, hermitian):
    for rates_differ in (False, True):
        for temperature in (1.0, 0.3, torch.tensor([0.5, 1.0, 4.0])):
            mask = build("gumbel", 0.25, pattern, hermitian=hermitian, centre_fraction=0.1, start_slope=4.0)
            mask.temperature, mask.rates_differ = temperature, rates_differ
            rate = torch.tensor([0.25, 0.5, 0.75]) if rates_differ else torch.full((3,), 0.25)
            results = []
            for draw in (mask.draw, partial(plain_draw, mask)):
                torch.manual_seed(0)
                mask.zero_grad()
                values = draw(rate)
                (torch.rand(values.shape, generator=torch.Generator().manual_seed(1)) * values).sum().backward()
                results.append((values, mask.mask_logits.grad.clone()))
            (fast, gradient), (plain, expected) = results
            assert 0 < fast.sum() < fast.numel()
            assert torch.equal(fast, plain)
            assert expected.abs().max() > 0
            torch.testing.assert_close(gradient, expected, rtol=1e-6, atol=1e-8)


def test_logistic_noise_has_its_moments():
    torch.manual_seed(0)
    noise = torch.logit(build("gumbel", 0.5).noise(12_500), 1e-7)
    assert noise.mean().item() == pytest.approx(0, abs=0.02)
    assert noise.var().item() == pytest.approx(math.pi**2 / 3, rel=0.02)


SETTINGS = [{}, {"hermitian": "tied"}, {"centre_fraction": 0.1875}]


@pytest.mark.parametrize("name", LEARNED)
@pytest.mark.parametrize("pattern", ["lines", "points"])
@pytest.mark.parametrize("settings", [*SETTINGS, {"rate_from": 0.25}])
@pytest.mark.parametrize("device", DEVICES)
def test_masks_drawn_together_are_those_that_each_draws(name, pattern, settings, device):
    """Values and gradients, for members that differ in rate, logits and, where the family has one, temperature."""
    wide = {"device": device, "dtype": torch.float64}
    masks = []
    rates = []
    for number, rate in enumerate((0.25, 0.5, 0.75)):
        tempered = {"temperature": 0.5 + number} if name in ("gumbel", "dps") else {}
        mask = build(name, rate, pattern, **settings, **tempered)
        torch.nn.init.normal_(mask.mask_logits, generator=torch.Generator().manual_seed(number))
        masks.append(mask.to(**wide))
        rates.append(torch.full((5,), rate, **wide))
        if "rate_from" in settings:
            rates[-1][::2] = 0.375
            mask.temperature = torch.linspace(0.5, 2, 5, **wide) if number == 1 else mask.temperature
    assert len({mask.kind for mask in masks}) == 1
    weights = torch.rand(5, *masks[0].radius.shape, **wide)
    expected = []
    noises = []
    for number, (mask, rate) in enumerate(zip(masks, rates, strict=True)):
        torch.manual_seed(number)
        drawn = mask.draw(rate)
        (drawn * weights).sum().backward()
        expected.append((drawn.detach(), mask.mask_logits.grad))
        mask.mask_logits.grad = None
        torch.manual_seed(number)
        noises.append(mask.noise(5))
    together = draw_together(masks, rates, noises)
    torch.stack([(drawn * weights).sum() for drawn in together]).sum().backward()
    for mask, drawn, (values, gradient) in zip(masks, together, expected, strict=True):
        torch.testing.assert_close(drawn.detach(), values)
        torch.testing.assert_close(mask.mask_logits.grad, gradient)
        assert gradient.abs().max() > 0
    assert not torch.equal(expected[0][0], expected[1][0])


def test_what_makes_masks_another_kind():
    changes = [*SETTINGS, {"rate_from": 0.25}, {"pattern": "points"}, {"side": 32}]
    kinds = [build(name, 0.5, **change).kind for name in LEARNED for change in changes]
    kinds.append(build("gumbel", 0.5, budget="drift").kind)
    assert len(set(kinds)) == len(kinds) == 25
    others = [build("gumbel", 0.25, seed=1, start_slope=4.0, temperature=3.0), build("gumbel", 0.5)]
    assert len({mask.kind for mask in others}) == 1
    # where the last of the centre is one of two equally far lines, the seed chooses it
    wide = {build("gumbel", 0.5, centre_fraction=0.25, seed=seed).kind for seed in range(8)}
    assert len(wide) == 2


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
        build_mask(TrialConfig("GE", 0.5), radius_of("lines"))


def literal(rate):
    return GumbelLiteral(radius_of("lines"), rate)


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


@pytest.mark.parametrize("pattern", ["lines", "points"])
@pytest.mark.parametrize("name", LEARNED)
def test_a_centre_out_start_prefers_what_is_near_dc_and_meets_the_rate(name, pattern):
    mask = build(name, 0.25, pattern, start_slope=6.0).eval()
    kept = mask(torch.full((1,), 0.25))[0, 0].bool()
    assert kept.sum() == round(0.25 * kept.numel())
    assert mask.radius[kept].max() <= mask.radius[~kept].min()
    probability = mask.probability(torch.tensor([0.25]))[0].detach()
    assert probability.sum().item() == pytest.approx(0.25 * kept.numel(), rel=1e-4)
    ordered = probability.flatten()[mask.radius.flatten().argsort()]
    assert (ordered.diff() <= 1e-6).all()


def test_a_centre_out_start_has_the_logits_of_its_formula():
    mask = build("gumbel", 0.25, start_slope=6.0)
    expected = [6 * (0.5 - abs(k) / 8) for k in range(-8, 8)]
    assert mask.mask_logits.detach()[0].tolist() == pytest.approx(expected)
