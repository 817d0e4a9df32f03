"""The table of a phantom that is not written yet is that of the written one, as far as both know it."""

import pandas as pd

from tune_ks.data.cohort.cohort import survey_cohort
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.cohort.table import with_splits
from tune_ks.data.layouts.detect import detect
from tune_ks.data.phantom.planned import planned_cohort
from tune_ks.data.phantom.settings import PhantomSettings
from tune_ks.data.phantom.write import write_phantom


def test_the_planned_images_patients_labels_and_splits_are_those_written(tmp_path):
    phantom = PhantomSettings(patients=4, slices=2, matrix=32)
    both = [CohortSettings(), CohortSettings(series="post_1")]  # without a series it is the one before contrast agent
    planned_of = [planned_cohort(tmp_path / "p", phantom, settings, 64) for settings in both]
    write_phantom(tmp_path / "p", phantom, workers=1)
    columns = ["patient_id", "vendor", "series", "label", "slice", "height", "width", "orientation", "split"]

    def facts(cohort):
        table = with_splits(cohort.table, 3)[columns]
        return table.sort_values(["patient_id", "slice"], ignore_index=True)

    for planned, settings in zip(planned_of, both, strict=True):
        written = survey_cohort(detect(tmp_path / "p", labels_required=True), settings, 64, workers=1)
        assert len(planned.table) == 2 * 4 * 2
        pd.testing.assert_frame_equal(facts(planned), facts(written), check_dtype=False)
        assert planned.image_side == written.image_side == 32
