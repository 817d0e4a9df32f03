"""A survey of headers says of a cohort what its decoding says, but for what only pixels tell."""

import pandas as pd
import pytest

from dicom_files import write_duke, write_table_cohort
from tune_ks.data.cohort.cohort import cached_cohort, open_cohort, survey_cohort
from tune_ks.data.cohort.image_table import NO_FACTS
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.layouts.detect import detect


@pytest.mark.parametrize("form", ["table", "duke"])
def test_it_is_the_decoded_table_without_what_pixels_tell(tmp_path, form):
    settings = CohortSettings()
    root = tmp_path / "data"
    if form == "table":
        write_table_cohort(root)
    else:
        write_duke(root, csv=True)
    layout = detect(root, labels_required=True)
    survey = survey_cohort(layout, settings, 8, workers=1)
    assert cached_cohort(layout, settings, 8, tmp_path / "cache") is None
    assert not survey.is_decoded
    assert not survey.images.exists()
    decoded = open_cohort(root, settings, 8, tmp_path / "cache", workers=1)
    plain = [name for name in decoded.table.columns if name not in NO_FACTS]
    assert len(plain) > 15
    pd.testing.assert_frame_equal(survey.table[plain], decoded.table[plain], check_dtype=False)
    assert survey.table["digest"].eq("").all()
    assert (survey.image_side, survey.left_out, survey.notes) == (8, decoded.left_out, decoded.notes)
    again = cached_cohort(layout, settings, 8, tmp_path / "cache")
    assert again.is_decoded
    assert again.fingerprint == decoded.fingerprint
