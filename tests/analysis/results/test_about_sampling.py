"""What a report says was sampled: magnitude images, or raw k-space of several coils."""

import pandas as pd

from analysis.results.sentences import RETROSPECTIVE, about_sampling


def test_a_cohort_of_coils_is_not_said_to_be_of_magnitudes():
    assert about_sampling(pd.DataFrame({"row": [0, 1]})) == RETROSPECTIVE
    assert about_sampling(pd.DataFrame()) == RETROSPECTIVE  # cohort.csv is not there
    several = about_sampling(pd.DataFrame({"coils": [2, 4]}))
    assert "no magnitudes but raw k-space" in several
    assert "k-space of up to 4 coils, compressed where a volume has more" in several
    assert "the distinct rate is the realised one" in several
    assert "k-space of one coil" in about_sampling(pd.DataFrame({"coils": [1, 1]}))
