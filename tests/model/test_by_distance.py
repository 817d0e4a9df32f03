"""Sums and means by distance from DC, against counts made by hand."""

import pytest
import torch

from tune_ks.model.masks.by_distance import mean_by_distance, sum_by_distance
from tune_ks.model.transforms import TRANSFORMS


def test_lines_of_a_small_image_by_hand():
    radius = torch.tensor([[2.0, 1.0, 0.0, 1.0]])  # k = -2, -1, 0, 1
    values = torch.tensor([[0.5, 0.25, 1.0, 0.75]])
    assert sum_by_distance(values, radius).tolist() == [1.0, 1.0, 0.5]
    assert mean_by_distance(values, radius).tolist() == [1.0, 0.5, 0.5]


def test_points_are_taken_to_the_nearest_whole_distance():
    radius = torch.tensor([[1.4142, 1.0, 1.4142], [1.0, 0.0, 1.0], [1.4142, 1.0, 1.5]])
    assert sum_by_distance(torch.ones(3, 3), radius).tolist() == [1, 7, 1]


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("rows", [1, 16])
def test_every_coefficient_is_counted_once(name, rows):
    transform = TRANSFORMS[name].build(axes=(-1,) if rows == 1 else (-2, -1))
    radius = transform.radius(rows, 16)
    values = torch.rand(radius.shape)
    assert sum_by_distance(torch.ones_like(radius), radius).sum() == radius.numel()
    assert sum_by_distance(values, radius).sum().item() == pytest.approx(values.double().sum().item())
