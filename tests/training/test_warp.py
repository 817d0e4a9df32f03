"""Richer augmentation: each amount by a slow twin, and a law of the whole registry on what commutes with a mask."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from torch.nn import functional

from tune_ks.core.config import TrialConfig
from tune_ks.data.dataset import Batch
from tune_ks.model.pipeline import build_transform
from tune_ks.model.transforms import TRANSFORMS
from tune_ks.training.augmentations import AUGMENTATIONS
from tune_ks.training.augmentations.warp import AMOUNTS, GRID, OPTIONS, Warp

OFF = {option.name: 0.0 for option in OPTIONS}
GEOMETRY = ("mirror", "shift", "angle_deg", "zoom", "elastic")
ALONE = {  # one amount on, all others off
    "mirror": 0.5, "shift": 0.1, "angle_deg": 40.0, "zoom": 0.3, "elastic": 0.1,
    "gamma": 0.5, "contrast": 0.5, "brightness": 0.2,
}  # fmt: skip
SETTINGS = [
    *((name, {}) for name in AUGMENTATIONS),
    ("warp", OFF),
    *(("warp", OFF | {name: amount}) for name, amount in ALONE.items()),
    ("warp", OFF | {"mirror": 0.5, "contrast": 0.5}),
]
SIDE = 32


def batch_of(count=8, side=SIDE, channels=1, smooth=False):
    image = torch.from_numpy(np.random.default_rng(side).random((count, 1, side, side), np.float32))
    if smooth:
        image = functional.interpolate(image[..., :6, :6], (side, side), mode="bicubic").clamp(0, 1)
    facts = (torch.zeros(count), torch.zeros(count, 2), torch.arange(count))
    return Batch(image, *facts, (image > 0.5).float()[:, :channels])


def draws_of(augmentation, count=8, side=SIDE, seed=0):
    return augmentation.draw(count, side, np.random.default_rng(seed))


def positions_by_hand(warp, draws, side):
    """(S, S, 2): the row and column that every pixel of one image is read at, by the equation of the module."""
    u = dict(zip(AMOUNTS, draws.tolist(), strict=False))
    bend = draws[len(AMOUNTS) :].reshape(2, GRID, GRID)
    field = functional.interpolate(bend[None], (side, side), mode="bicubic", align_corners=True)[0].numpy()
    sign_x = -1 if (u["mirror columns"] + 1) / 2 < warp.mirror else 1
    sign_y = -1 if (u["mirror rows"] + 1) / 2 < warp.mirror else 1
    angle = math.radians(warp.angle_deg) * u["angle"]
    zoom = (1 + warp.zoom) ** u["zoom"]
    read = np.empty((side, side, 2))
    for row, column in itertools.product(range(side), range(side)):
        x = (column + 0.5) / side - 0.5
        y = (row + 0.5) / side - 0.5
        to_x = sign_x * zoom * (math.cos(angle) * x - math.sin(angle) * y)
        to_y = sign_y * zoom * (math.sin(angle) * x + math.cos(angle) * y)
        to_x += warp.shift * u["shift x"] + warp.elastic * field[0, row, column]
        to_y += warp.shift * u["shift y"] + warp.elastic * field[1, row, column]
        read[row, column] = ((to_y + 0.5) * side - 0.5, (to_x + 0.5) * side - 0.5)
    return read


@pytest.mark.parametrize("amounts", [*({name: ALONE[name]} for name in GEOMETRY), ALONE], ids=lambda a: "+".join(a))
@pytest.mark.parametrize("side", [16, 17])
def test_images_and_targets_are_read_where_the_equation_says(amounts, side):
    intensities = ("gamma", "contrast", "brightness")
    warp = Warp(**OFF | {name: amount for name, amount in amounts.items() if name not in intensities})
    batch = batch_of(side=side)
    draws = draws_of(warp, side=side)
    result = warp.apply(batch, draws)
    for position in range(len(draws)):
        read = np.moveaxis(positions_by_hand(warp, draws[position], side), -1, 0).clip(0, side - 1)
        image = map_coordinates(batch.image[position, 0].double().numpy(), read, order=1)
        np.testing.assert_allclose(result.image[position, 0], image, atol=1e-4)
        target = batch.target[position, 0].numpy()[*np.rint(read).astype(int)]
        assert (result.target[position, 0].numpy() != target).mean() < 0.01  # a place between two pixels may round
    assert not torch.allclose(result.image, batch.image, atol=1e-3)
    assert set(result.target.unique().tolist()) <= {0, 1}
    assert result[1:4] == batch[1:4]


def test_intensities_by_hand():
    warp = Warp(**OFF | {"gamma": 0.5, "contrast": 0.4, "brightness": 0.2})
    batch = batch_of()
    draws = draws_of(warp)
    result = warp.apply(batch, draws)
    for image, expected, u in zip(result.image, batch.image.double(), draws.tolist()):
        named = dict(zip(AMOUNTS, u, strict=False))
        power = expected ** (1.5 ** named["gamma"])
        expected = 1.4 ** named["contrast"] * power + 0.2 * named["brightness"]
        np.testing.assert_allclose(image, expected, atol=1e-5)
    assert torch.equal(result.target, batch.target)


def test_without_interpolation_mirrors_keep_every_bit():
    warp = Warp(**OFF | {"mirror": 0.5})
    batch = batch_of(40)
    draws = draws_of(warp, 40)
    result = warp.apply(batch, draws)
    met = set()
    for image, original, u in zip(result.image.numpy(), batch.image.numpy(), draws.tolist()):
        axes = tuple(axis for axis, value in zip((-1, -2), u) if value < 0)
        assert np.array_equal(image, np.flip(original, axes))
        met.add(axes)
    assert len(met) == 4


def test_an_amount_of_0_changes_nothing_and_one_amount_does_not_change_what_another_draws():
    batch = batch_of()
    off = Warp(**OFF)
    assert torch.equal(off.apply(batch, draws_of(off)).image, batch.image)
    first = draws_of(Warp(**OFF | {"zoom": 0.5}))
    assert torch.equal(first, draws_of(Warp()))
    assert first.abs().max() <= 1
    assert not torch.equal(first, draws_of(Warp(), seed=1))


@pytest.mark.parametrize("channels", [0, 1])
def test_several_batches_at_once_are_each_by_itself(channels):
    """What a pack relies on, and what segmentation without masks does."""
    warp = Warp(**ALONE)
    batch = batch_of(channels=channels)
    draws = draws_of(warp)
    whole = warp.apply(batch, draws)
    for first in (0, 4):
        part = warp.apply(Batch(*(values[first : first + 4] for values in batch)), draws[first : first + 4])
        torch.testing.assert_close(part.image, whole.image[first : first + 4])
        assert torch.equal(part.target, whole.target[first : first + 4])


def sampled(transform, mask, image):
    return transform.inverse(mask * transform.forward(image)).abs()


def commutes_in_numbers(augmentation, transform, rows):
    """Whether sampling with random masks, then augmenting, is augmenting, then sampling."""
    generator = torch.Generator().manual_seed(3)
    mask = (torch.rand(8, 1, rows, SIDE, generator=generator) < 0.4).float()
    mask[..., rows // 2, SIDE // 2] = 1
    batch = batch_of()
    draws = draws_of(augmentation)
    before = sampled(transform, mask, augmentation.apply(batch, draws).image)
    after = augmentation.apply(batch._replace(image=sampled(transform, mask, batch.image)), draws).image
    return torch.allclose(before, after, atol=1e-5)


@pytest.mark.parametrize("pattern", ["lines", "points"])
@pytest.mark.parametrize(("name", "options"), SETTINGS, ids=str)
def test_every_augmentation_says_whether_it_commutes_with_a_fixed_mask(name, options, pattern):
    """With the Fourier transform exactly where it does; with others it must not claim it where it is wrong."""
    augmentation = AUGMENTATIONS[name].build(**options)
    met = 0
    for transform_name in TRANSFORMS:
        transform = build_transform(TrialConfig("GE", 0.5, pattern=pattern, transform=transform_name))
        holds = commutes_in_numbers(augmentation, transform, 1 if pattern == "lines" else SIDE)
        claimed = augmentation.commutes(transform)
        assert holds or not claimed, transform_name
        if transform_name == "fourier":
            assert claimed == holds
            met += 1
    assert met == 1


def test_the_law_meets_both_answers_of_every_kind():
    assert {name for name, _ in SETTINGS} == set(AUGMENTATIONS)
    assert set(ALONE) == {option.name for option in OPTIONS}
    fourier = build_transform(TrialConfig("GE", 0.5))
    answers = {name: Warp(**OFF | {name: amount}).commutes(fourier) for name, amount in ALONE.items()}
    assert [name for name, answer in answers.items() if answer] == ["mirror", "contrast"]
    assert not Warp().commutes(fourier)
