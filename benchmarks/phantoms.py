"""What benchmarks on the breast phantom share: writing one vendor of it, and reading it with the project's reader."""

from pathlib import Path

from tune_ks.data.cohort.cohort import Cohort, open_cohort
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.phantom.files import write_masks, write_sheets
from tune_ks.data.phantom.write import PhantomSettings, plan_vendor, write_patient_in_child


def write_vendor(root: Path, vendor: str, settings: PhantomSettings) -> Path:
    """Write the files that ``write_phantom`` would write of one vendor, in this process. Returns ``root``.

    Every random number of a patient depends on the seed, its purpose, the vendor and the patient's number, so that it
    does not matter that the other vendor is missing.
    """
    patients = []
    for plan in plan_vendor(vendor, settings):
        patient = write_patient_in_child(lambda _: None, plan, settings, root)
        if isinstance(patient, OSError):
            raise patient
        patients.append(patient)
    write_sheets(root, patients)
    write_masks(root, patients)
    return root


def read(root: Path, cache: Path, series: str, image_size: int) -> Cohort:
    """The images of one series. RuntimeError where the reader skips any file."""
    cohort = open_cohort(root, CohortSettings(series=series), image_size, cache, workers=1)
    if len(cohort.skipped):
        raise RuntimeError(f"the reader skipped {len(cohort.skipped)} files: {cohort.skipped.iloc[0]}")
    return cohort
