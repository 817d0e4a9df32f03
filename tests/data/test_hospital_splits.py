"""Splits and patients as hospitals hand them over: a split without a class, patients of two makers, shared numbers."""

import contextlib
import dataclasses
import io
import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from tiny import write_tiny
from tune_ks.data.cohort.require_splits import require_splits
from tune_ks.data.cohort.table import read_table, split_patients
from tune_ks.data.dataset import open_splits
from tune_ks.data.layouts.sheets import InputError


def of_patients(*lines):
    """(patient, vendor, split, labels) -> a table with a row for each label."""
    rows = []
    for patient, vendor, split, labels in lines:
        rows += [{"patient_id": patient, "vendor": vendor, "split": split, "label": int(label)} for label in labels]
    return pd.DataFrame(rows)


WHOLE = [
    (f"{vendor}{split}", vendor, split, "01") for vendor in ("GE", "SIEMENS") for split in ("train", "val", "test")
]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([line for line in WHOLE if line[2] != "val"], "GE has 0 positive and 0 negative images in val; SIEMENS has 0"),
        ([line for line in WHOLE if line[:2] != ("SIEMENStrain", "SIEMENS")], "SIEMENS has 0 positive and 0 negative"),
        ([*WHOLE[:1], ("v", "GE", "val", "11"), *WHOLE[2:]], "GE has 2 positive and 0 negative images in val."),
        ([*WHOLE[:5], ("t", "SIEMENS", "test", "00")], "SIEMENS has 0 positive and 2 negative images in test."),
        ([line for line in WHOLE if line[2] != "test"], "no vendor has images in test"),
    ],
)
def test_a_split_without_a_class_is_named_before_any_training(lines, words):
    with pytest.raises(InputError) as caught:
        require_splits(of_patients(*lines), ["GE", "SIEMENS"])
    assert words in str(caught.value)
    assert "--split-seed" in str(caught.value)


def test_splits_that_serve():
    table = of_patients(*WHOLE)
    require_splits(table, ["GE", "SIEMENS"])
    tests_only = of_patients(*WHOLE[:2], ("s", "SIEMENS", "test", "01"))
    require_splits(tests_only, ["GE"])  # train on GE, test on Siemens
    with pytest.raises(InputError, match="SIEMENS has 0 positive and 0 negative images in train"):
        require_splits(tests_only, ["GE", "SIEMENS"])
    joined = of_patients(*WHOLE[:3], ("s", "SIEMENS", "train", "1"), ("t", "SIEMENS", "val", "0"))
    require_splits(joined, ["GE"])  # of another vendor both count together
    positive = table[table["label"] == 1]
    require_splits(positive, ["GE"], classes=(1,))  # outlining tumours needs no negative image
    with pytest.raises(InputError, match="0 negative"):
        require_splits(positive, ["GE"])


def test_a_search_is_refused_before_it_starts(tmp_path):
    from front_door import SPACE, inside

    table = write_labelled(tmp_path / "data", lambda patient: "train" if patient < 2 else "test")
    (tmp_path / "space.py").write_text(SPACE)
    for words in ((), ("--dry-run",)):
        result = inside("--data", "data", "--space", "space.py", "--run", "run", *words, cwd=tmp_path)
        assert result.returncode == 2
        assert "GE has 0 positive and 0 negative images in val" in result.stderr
        assert not (tmp_path / "run").exists()
    assert len(table) == 16


@pytest.mark.parametrize(("sampler", "objectives", "said"), [
    ("tpe", "['val_in_domain', 'val_cross_domain']", "the sampler 'tpe' would learn from val_cross_domain, and no"),
    ("tpe", "['val_in_domain', 'realised_rate']", ""),
    ("random", "['val_in_domain', 'val_cross_domain']", ""),
])  # fmt: skip
def test_a_sampler_does_not_learn_from_what_no_trial_has(tmp_path, sampler, objectives, said):
    from tune_ks.planning.space import load_space
    from tune_ks.planning.start_run import require_objectives

    table = of_patients(*WHOLE[:3], *((f"SIEMENS{n}", "SIEMENS", "test", "01") for n in range(3)))
    (tmp_path / "space.py").write_text(
        "from ray import tune\nSPACE = {'vendor': 'GE', 'mask': 'lowpass', 'sampling_rate': tune.uniform(0.1, 1)}\n"
        f"SEARCH = {{'sampler': '{sampler}', 'objectives': {objectives}}}"
    )
    space = load_space(str(tmp_path / "space.py"))
    whole = of_patients(*WHOLE)
    require_objectives(space, SimpleNamespace(table=whole), 0)
    with pytest.raises(ValueError, match=said) if said else contextlib.nullcontext():
        require_objectives(space, SimpleNamespace(table=table), 0)


def write_labelled(root, split):
    from dicom_files import write_table_cohort

    return write_table_cohort(root, patients=4, images=2, side=64, split=lambda row: split(int(row["patient_id"][-1])))


def test_training_on_one_vendor_and_testing_on_another_alone(tmp_path):
    """No image validates across vendors, none tests in the domain: undefined, no trial fails of it, none says nan."""
    from optuna.exceptions import ExperimentalWarning

    from analysis import analyse, print_analysis
    from benchmarks.alone import run_config
    from tune_ks.commands.exports import export_run
    from tune_ks.core.config import TrialConfig
    from tune_ks.core.run_folder import RunFolder, write_json

    cohort_csv, images = write_tiny(tmp_path, patients=4)
    table = pd.read_csv(cohort_csv)
    number = table["patient_id"].str[-1].astype(int)
    table["split"] = np.where(table["vendor"] == "SIEMENS", "test", np.where(number < 2, "train", "val"))
    table.to_csv(cohort_csv, index=False)
    folder = RunFolder(tmp_path)
    cohort = {"fingerprint": "0123456789ab", "settings": {}, "synthetic": False, "counts": []}
    search = {"format": 1, "space": "mine", "split_seed": 0, "cohort": cohort, "versions": {}, "command": "python"}
    write_json(folder.search_json, search)
    small = TrialConfig("GE", 0.25, temperature=1.0, width=0.05, image_size=64, epochs=1)
    said = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ExperimentalWarning)  # as exports.py does
        records = [run_config(dataclasses.replace(small, sampling_rate=rate), folder, images) for rate in (0.25, 1.0)]
        export_run(folder)
        print_analysis(analyse(folder.root, report=False), Console(file=said, width=1000))
    for record in records:
        assert record.images["val SIEMENS"] == record.images["test GE"] == 0
        assert np.isnan([record.val["SIEMENS"], record.test["GE"]]).all()
        assert np.isfinite([record.val["GE"], record.test["SIEMENS"]]).all()
    assert (
        "GE: 1/4 of k-space (R = 4) by the rule" in said.getvalue() or "GE: all of k-space (R = 1)" in said.getvalue()
    )
    assert "nan" not in said.getvalue()


def test_patients_of_both_makers_are_split_once():
    rows = []
    for vendor in ("GE", "SIEMENS"):
        rows += [(f"{vendor}{i}", vendor, "", "01") for i in range(5)]
    alone = of_patients(*rows)
    before = split_patients(alone, 0)
    for shared in (1, 2, 3, 8):
        both = [(f"both{i}", vendor, "", "01") for i in range(shared) for vendor in ("GE", "SIEMENS")]
        table = of_patients(*rows, *both)
        split = split_patients(table, 0)
        assert split.notna().all()
        assert table.assign(split=split).groupby("patient_id")["split"].nunique().max() == 1
        assert split[: len(alone)].equals(before)  # the others' split is what it was
        assert set(split[len(alone) :]) == ({"train"} if shared < 3 else {"train", "val", "test"})
    two = of_patients(*rows, ("both", "GE", "", "01"), ("both", "PHILIPS", "", "01"))
    with pytest.raises(InputError, match="PHILIPS has 1 patient"):
        split_patients(two, 0)


def test_a_training_patient_validates_nothing_on_the_other_maker(tmp_path):
    cohort_csv, images = write_tiny(tmp_path, patients=6)
    table = read_table(cohort_csv)
    in_training = table.loc[(table["vendor"] == "GE") & (table["split"] == "train"), "patient_id"].iloc[0]
    there = table["vendor"].eq("SIEMENS") & table["split"].isin(["train", "val"])
    moved = table.loc[there, "patient_id"].iloc[0]
    before = open_splits(cohort_csv, images, "GE").val["SIEMENS"]
    table.loc[table["patient_id"] == moved, ["patient_id", "split"]] = [in_training, "train"]
    table.to_csv(tmp_path / "both.csv", index=False)
    for share in (1.0, 0.3):
        splits = open_splits(tmp_path / "both.csv", images, "GE", train_share=share)
        assert len(splits.val["SIEMENS"]) == len(before) - 4
        trained = set(table["patient_id"][splits.train.rows.numpy()])
        assert not trained & set(table["patient_id"][splits.val["SIEMENS"].rows.numpy()])
