"""Augmentation: every pixel only changes place, by a law that k-space knows too; flips keep their bits."""

import numpy as np
import pytest
import torch

from tune_ks.data.dataset import Batch
from tune_ks.model.transforms import Fourier
from tune_ks.training.augmentations import AUGMENTATIONS
from tune_ks.training.augmentations.moves import REACH, moved

NAMES = ("flips", "shifts", "flips_shifts")
SIDES = (32, 33)


def images(count, side, channels=1):
    return torch.from_numpy(np.random.default_rng(side).random((count, channels, side, side), np.float32))


def moves_of(name, count, side, seed=0):
    return AUGMENTATIONS[name].build().draw(count, side, np.random.default_rng(seed))


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", NAMES)
def test_each_image_moves_as_numpy_would_move_it(name, side):
    image, moves = images(40, side, channels=2), moves_of(name, 40, side)
    moved_images = moved(image, moves).numpy()
    seen = set()
    for moved_image, expected, ((column_sign, column), (row_sign, row)) in zip(
        moved_images, image.numpy(), moves.tolist()
    ):
        for axis, sign, offset in ((-1, column_sign, column), (-2, row_sign, row)):
            # mirrored about the middle is offset -1; the rest is a shift of the mirrored image
            expected = np.flip(expected, axis) if sign < 0 else expected
            expected = np.roll(expected, offset + 1 if sign < 0 else -offset, axis)
        assert np.array_equal(moved_image, expected)
        seen.add((column_sign, row_sign))
    assert len(seen) == (4 if "flips" in name else 1)


def test_flips_are_those_of_the_stream_and_shifts_stay_within_their_reach():
    stream = np.random.default_rng(3)
    mirrored = np.stack([stream.random(50) < 0.5, stream.random(50) < 0.5], axis=1)  # columns, then rows
    assert np.array_equal(moves_of("flips", 50, 64, seed=3)[..., 0] == -1, mirrored)
    assert AUGMENTATIONS["none"].build().draw(50, 64, stream) is None
    shifts = moves_of("shifts", 2000, 64)[..., 1]
    for along in shifts.T:
        assert sorted(set(along.tolist())) == list(range(-64 // REACH, 64 // REACH + 1))
    assert np.corrcoef(shifts.T)[0, 1] < 0.1  # each axis its own
    both = moves_of("flips_shifts", 2000, 64)
    assert ((both[..., 1] + 1) * (both[..., 0] < 0)).abs().max() == 64 // REACH


@pytest.mark.parametrize("channels", [0, 1])
def test_the_target_moves_with_its_image(channels):
    image = images(6, 32)
    facts = (torch.zeros(6), torch.zeros(6, 2), torch.arange(6))
    batch = Batch(image, *facts, (image > 0.5).float()[:, :channels])
    applied = AUGMENTATIONS["flips_shifts"].build().apply(batch, moves_of("flips_shifts", 6, 32))
    assert not torch.equal(applied.image, image)
    assert torch.equal(applied.target, (applied.image > 0.5).float()[:, :channels])
    assert applied[1:4] == batch[1:4]
    assert AUGMENTATIONS["none"].build().apply(batch, None) is batch


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", NAMES)
def test_in_k_space_it_is_a_phase_ramp_and_a_mirrored_index(name, side):
    fourier = Fourier(axes=(-2, -1))
    image, moves = images(20, side).double(), moves_of(name, 20, side)
    expected = fourier.forward(moved(image, moves))
    centre, k = side // 2, torch.arange(side) - side // 2
    kspace = fourier.forward(image)
    for spectrum, of_image, target in zip(kspace[:, 0], moves.tolist(), expected[:, 0]):
        for axis, (sign, offset) in zip((-1, -2), of_image):
            spectrum = spectrum.index_select(axis, (sign * k + centre) % side)
            angle = 2 * torch.pi / side * k.double() * (sign * offset + (1 - sign) * centre)
            ramp = torch.polar(torch.ones_like(angle), angle)
            spectrum = spectrum * (ramp if axis == -1 else ramp[:, None])
        assert torch.allclose(spectrum, target, atol=1e-12)
    reversed_index = (-k + centre) % side
    of_real = kspace[:, :, reversed_index][..., reversed_index].conj()
    assert torch.allclose(of_real, kspace, atol=1e-12)  # so mirroring both axes is a conjugate


@pytest.mark.parametrize("side", SIDES)
def test_sampling_commutes_with_every_move_of_lines_and_of_points_with_shifts_and_both_mirrors(side):
    """|F^-1 M F T x| = T |F^-1 M F x|: augmentation may follow a layer whose transform is cached."""
    generator = torch.Generator().manual_seed(side)
    image = images(40, side).double()
    both = torch.tensor([[-1, -1], [-1, -1]]).repeat(40, 1, 1)
    commutes = {}
    for pattern, rows in (("lines", 1), ("points", side)):
        fourier = Fourier(axes=(-1,) if pattern == "lines" else (-2, -1))
        mask = (torch.rand(40, 1, rows, side, generator=generator) < 0.4).double()  # no symmetry, one an image
        for name, moves in {**{name: moves_of(name, 40, side) for name in NAMES}, "both": both}.items():
            after = moved(fourier.inverse(mask * fourier.forward(image)).abs(), moves)
            before = fourier.inverse(mask * fourier.forward(moved(image, moves))).abs()
            commutes[pattern, name] = torch.allclose(before, after, atol=1e-12)
        for name in NAMES:  # what the trainer relies on
            assert AUGMENTATIONS[name].build().commutes(fourier) == commutes[pattern, name]
    assert commutes == {
        **{("lines", name): True for name in (*NAMES, "both")},
        **{("points", name): name in ("shifts", "both") for name in (*NAMES, "both")},
    }
