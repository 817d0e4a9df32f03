"""Mask jitter: the rate and the centre stay, each image has other lines, the gradient is that of the mask."""

import dataclasses

import pytest
import torch

from tune_ks.core.config import TrialConfig
from tune_ks.model.jitter import jittered
from tune_ks.model.pipeline import build_pipeline

SIDE = 64
CONFIG = TrialConfig("GE", 0.25, mask="lowpass", mask_jitter=0.3, width=0.05, image_size=SIDE)


def low_pass(count=40):
    """(B, 1, 1, W) masks of 16 of 64 lines, the outermost pair of which may be unequal."""
    mask = torch.zeros(count, 1, 1, SIDE)
    mask[..., 24:40] = 1
    return mask


def test_as_many_lines_are_kept_and_the_centre_always_is():
    torch.manual_seed(0)
    centre = torch.zeros(1, SIDE, dtype=torch.bool)
    centre[0, 30:35] = True
    moved = jittered(low_pass(), centre, 0.3)
    assert set(moved.unique().tolist()) == {0.0, 1.0}
    assert (moved.sum(-1) == 16).all()
    assert (moved[..., 30:35] == 1).all()
    left = (low_pass() - moved).clamp(min=0).sum(-1).mean().item()
    assert left == pytest.approx(0.3 * 11, rel=0.2)  # of the 16 kept lines 11 may leave
    assert len({tuple(mask.flatten().tolist()) for mask in moved}) > 30


def test_where_few_places_are_free_only_so_many_leave():
    mask = torch.ones(10, 1, 1, SIDE)
    mask[..., :2] = 0
    moved = jittered(mask, torch.zeros(1, SIDE, dtype=torch.bool), 1.0)
    assert (moved.sum(-1) == SIDE - 2).all()
    assert (moved[..., :2] == 1).all()
    whole = torch.ones(3, 1, 1, SIDE)
    assert torch.equal(jittered(whole, torch.zeros(1, SIDE, dtype=torch.bool), 0.5), whole)


def test_the_gradient_is_that_of_the_mask():
    mask = low_pass(2).requires_grad_()
    weight = torch.rand(2, 1, 1, SIDE)
    (jittered(mask, torch.zeros(1, SIDE, dtype=torch.bool), 0.5) * weight).sum().backward()
    assert torch.equal(mask.grad, weight)


def test_it_moves_in_training_only():
    image = torch.rand(4, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    rate = torch.full((4,), 0.25)
    with_jitter = build_pipeline(CONFIG, SIDE)
    without = build_pipeline(dataclasses.replace(CONFIG, mask_jitter=0.0), SIDE)
    assert torch.equal(with_jitter.eval().restore(image, rate).image, without.eval().restore(image, rate).image)
    with_jitter.train()
    torch.manual_seed(0)
    first = with_jitter.measure(image, rate).mask
    assert (first.sum(-1) == 16).all()
    assert not torch.equal(first, with_jitter.measure(image, rate).mask)


def test_a_tied_mask_cannot_move():
    with pytest.raises(ValueError, match="mask_jitter must be 0 where hermitian is 'tied', got 0\\.3"):
        build_pipeline(TrialConfig("GE", 0.25, mask="lowpass", hermitian="tied", mask_jitter=0.3), SIDE)
