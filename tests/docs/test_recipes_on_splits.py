"""Recipes on several splits: rows are what differs, cells are those of the runs; and the patients to choose them on."""

import csv
import dataclasses

from analysis.read.load import load
from docs.few_patients import copy_patients
from docs.recipes_on_splits import recipes_on_splits
from docs.untested_patients import untested
from synthetic_run import make_cohort, write_run, write_trial
from tune_ks.core.config import TrialConfig


def run_of_two_recipes(root, seeds):
    """Full sampling at two learning rates, both vendors."""
    folder = write_run(root, rates=(), seeds=(), patients=24, images=4)
    cohort = make_cohort(("GE", "SIEMENS"), 24, 4)
    for vendor in ("GE", "SIEMENS"):
        for lr in (1e-3, 2e-3):
            for seed in seeds:
                config = TrialConfig(vendor=vendor, sampling_rate=1.0, mask="lowpass", lr=lr, seed=seed)
                write_trial(folder, cohort, config)
    return load(folder.root)


def test_cells_are_the_means_over_seeds_and_differences_are_within_a_split(tmp_path):
    runs = [run_of_two_recipes(tmp_path / "a", (0, 1)), run_of_two_recipes(tmp_path / "b", (2, 3))]
    tables = recipes_on_splits(runs)
    assert [table.title for table in tables] == ["Trained on GE", "Trained on SIEMENS"]
    for table, vendor in zip(tables, ("GE", "SIEMENS")):
        assert table.heads[:3] == ["lr", "validation AUC", "validation - first"]
        assert [row[0] for row in table.rows] == ["0.001", "0.002"]
        means = [
            run.trials[run.trials["vendor"] == vendor].groupby("lr")[["val_in_domain", "test_cross_domain"]].mean()
            for run in runs
        ]
        first, second = (dict(zip(table.heads, row)) for row in table.rows)
        expected = [f"{mean.loc[2e-3, 'test_cross_domain']:.3f}" for mean in means]
        assert second["other vendors AUC"].split("; ")[0].split() == expected
        changes = [f"{mean.loc[2e-3, 'val_in_domain'] - mean.loc[1e-3, 'val_in_domain']:+.3f}" for mean in means]
        assert second["validation - first"].split("; ")[0].split() == changes
        assert first["validation - first"] == ""


def test_a_recipe_that_one_run_lacks_is_left_out(tmp_path):
    both = run_of_two_recipes(tmp_path / "a", (0,))
    one = dataclasses.replace(both, records={key: of for key, of in both.records.items() if of.config.lr == 1e-3})
    assert [len(table.rows) for table in recipes_on_splits([both, one])] == [1, 1]


def test_untested_patients_are_those_that_train_or_validate(tmp_path):
    run = write_run(tmp_path / "run", rates=(), seeds=(), patients=24, images=4)
    cohort = load(run.root).cohort
    tested = set(cohort.loc[cohort["split"] == "test", "patient_id"])
    assert tested
    assert untested(run.root) == set(cohort["patient_id"]) - tested


def test_only_the_files_and_rows_of_the_patients_are_copied(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    rows = [{"path": f"{patient}.dcm", "patient_id": patient} for patient in ("P1", "P2")]
    for row in rows:
        (source / row["path"]).write_text(row["patient_id"])
    words = copy_patients(source, rows, {"P2"}, tmp_path / "target")
    assert words == f"1 images of 1 patients in {tmp_path / 'target'}"
    assert sorted(path.name for path in (tmp_path / "target").iterdir()) == ["P2.dcm", "labels.csv"]
    with (tmp_path / "target/labels.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == rows[1:]
