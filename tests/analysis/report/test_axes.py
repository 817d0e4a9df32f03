"""Axes that can be read: names in two lines, and units."""

import numpy as np
import pandas as pd
import pytest

from analysis.plots.masks import plot_profile, profile
from analysis.plots.parameters import _dimension


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("realised_rate", "rate"),
        ("lr", "lr"),
        ("mask_lr_multiplier", "mask lr<br>multiplier"),
        ("val_in_domain", "val<br>in-domain"),
        ("test_cross_domain", "test<br>cross-domain"),
    ],
)
def test_the_name_of_a_parallel_axis_stands_in_two_lines(name, label):
    assert _dimension(pd.Series([0.25, 0.5]), name)["label"] == label


def test_a_distance_in_k_space_has_its_unit():
    figure = plot_profile(profile(np.array([False, True, True, False])))
    assert figure.layout.xaxis.title.text == "distance from DC (k-space samples)"
