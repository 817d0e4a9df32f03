"""Almost three hundred seeded mutants: none crashes a reader, hangs it or is lost without a name.

5,000 of them: python -m benchmarks.mutants
Fixed seeds, so that a fault can be repeated: the number of a mutant is its seed.
"""

from pathlib import Path

import pandas as pd
import pytest

import mutant_files
from dicom_files import PHI, save_labels, write_table_cohort
from made_run import make_run
from tune_ks.data.cohort import dicom_files
from tune_ks.data.cohort.cohort import open_cohort
from tune_ks.data.cohort.settings import CohortSettings

DICOM = 170
SHEETS = 90
RUNS = 20  # of the other files than JSON, of which tests/core/test_schema_fuzz.py has 5,000


@pytest.fixture
def reader(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    reader = mutant_files.Reader()
    yield reader
    reader.close()


def faults(verdicts):
    return [f"{v.source}: {v.fault}" for v in verdicts if v.fault]


def test_dicom_mutants_are_read_or_named(tmp_path, reader):
    verdicts = list(mutant_files.dicom_mutants(tmp_path / "data", DICOM, 1, reader))
    assert not faults(verdicts)
    assert len(verdicts) == DICOM
    assert 10 < sum(v.said == "image" for v in verdicts) < DICOM - 10
    assert len({v.said for v in verdicts}) > 10
    assert reader.peak_mib < 1000


def test_a_cohort_with_dicom_mutants_is_read_and_every_mutant_is_named(tmp_path, monkeypatch):
    """A healthy part beside them is read, and every mutant is in one of the two tables."""
    mutant_files.write_dicom_mutants(tmp_path / "data", DICOM, 1)
    rows = write_table_cohort(tmp_path / "data", patients=3)
    made = [path.relative_to(tmp_path / "data").as_posix() for path in (tmp_path / "data/mutants").rglob("*.dcm")]
    save_labels(
        tmp_path / "data",
        rows + [{"path": path, "patient_id": path.split("/")[1], "label": 1, "slice": 1} for path in made],
    )
    monkeypatch.setattr(dicom_files, "LOCAL_FILES", 0)  # in child processes, as a large cohort is
    settings = CohortSettings(intensity="image")
    cohort = open_cohort(tmp_path / "data", settings, 16, tmp_path / "cache", workers=2, labels_required=False)
    read = set(cohort.table["path"])
    skipped = dict(zip(cohort.skipped["path"], cohort.skipped["reason"]))
    assert {row["path"] for row in rows} <= read
    assert not read & set(skipped)
    assert read | set(skipped) == {row["path"] for row in rows} | set(made)
    assert len(read) - len(rows) + len(skipped) == DICOM
    assert all(skipped.values())
    written = pd.concat([cohort.table, cohort.skipped]).to_csv()
    assert not [word for word in (*PHI, "PLANTED") if word in written]


def test_sheet_mutants_are_read_or_refused_by_name(tmp_path, reader):
    verdicts = list(mutant_files.sheet_mutants(tmp_path, SHEETS, 2, reader))
    assert not faults(verdicts)
    assert len(verdicts) == SHEETS
    assert 10 < sum(v.said.startswith("read") for v in verdicts) < SHEETS - 10
    assert reader.peak_mib < 1000


def test_run_folder_mutants_end_in_no_traceback(tmp_path, reader):
    verdicts = list(mutant_files.run_mutants(make_run(tmp_path).root, RUNS, 3, reader))
    assert not faults(verdicts)
    assert len(verdicts) == RUNS
    assert len({v.source for v in verdicts}) == 9
    assert any(v.said != "read" for v in verdicts)  # damaged arrays and tables cost their part only
