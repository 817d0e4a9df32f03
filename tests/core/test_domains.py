"""Which vendors the cross-domain mean is over: hand-made numbers with exact answers."""

import dataclasses
import json
import math

import pytest

from tune_ks.core.config import TrialConfig
from tune_ks.core.domains import FEWEST, ClassPatients, mean_of_others, other_vendors
from tune_ks.core.record import TrialRecord

SCORES = {"GE": 0.9, "PHILIPS": 0.7, "SIEMENS": 0.8, "TOSHIBA": 0.2}
ENOUGH = ClassPatients(FEWEST, FEWEST + 5)


@pytest.mark.parametrize("small", [ClassPatients(2, 2), ClassPatients(FEWEST - 1, 40), ClassPatients(40, 0)])
def test_a_vendor_of_few_patients_of_a_class_is_left_out_by_name(small):
    patients = dict.fromkeys(SCORES, ENOUGH) | {"TOSHIBA": small}
    others = other_vendors(SCORES, "GE", patients)
    assert others.counted == ("PHILIPS", "SIEMENS")
    assert list(others.left_out) == ["TOSHIBA"]
    assert f"{small.with_tumour} patient(s) with a tumour, {small.without} without" in others.left_out["TOSHIBA"]
    assert not others.all_small
    assert mean_of_others(SCORES, "GE", patients) == 0.75
    assert mean_of_others(SCORES, "GE") == pytest.approx(1.7 / 3)  # nothing is known of the patients: all count


def test_a_vendor_without_a_value_is_left_out_by_name_even_where_all_are_small():
    scores = SCORES | {"TOSHIBA": math.nan}
    few = dict.fromkeys(scores, ClassPatients(3, 3)) | {"TOSHIBA": ClassPatients(3, 0)}
    others = other_vendors(scores, "GE", few)
    assert others.counted == ("PHILIPS", "SIEMENS")
    assert others.all_small
    assert others.left_out == {"TOSHIBA": "3 patient(s) with a tumour, 0 without: the metric needs both"}
    assert other_vendors({"GE": 0.9, "TOSHIBA": math.nan}, "GE").left_out == {"TOSHIBA": "it has no value"}
    assert math.isnan(mean_of_others({"GE": 0.9, "TOSHIBA": math.nan}, "GE"))
    assert math.isnan(mean_of_others({"GE": 0.9}, "GE"))


def test_the_only_other_vendor_counts_however_small_it_is():
    scores = {"GE": 0.9, "SIEMENS": 0.6}
    assert mean_of_others(scores, "GE", {"SIEMENS": ClassPatients(2, 2)}) == 0.6


def test_a_metric_of_one_class_needs_patients_of_that_class_only():
    only_tumours = {"SIEMENS": ClassPatients(FEWEST, 0), "PHILIPS": ClassPatients(FEWEST - 1, 99)}
    scores = {"GE": 0.9, "SIEMENS": 0.6, "PHILIPS": 0.2}
    assert other_vendors(scores, "GE", only_tumours, classes=(1,)).counted == ("SIEMENS",)


def test_a_record_decides_by_its_own_patients_and_keeps_them():
    patients = {f"test {vendor}": ENOUGH for vendor in SCORES} | {"test TOSHIBA": ClassPatients(2, 2)}
    record = TrialRecord(TrialConfig("GE", 0.25), val=SCORES, test=SCORES, realised_rate=0.25, patients=patients)
    assert record.cross_domain("test") == 0.75
    assert record.cross_domain("val") == pytest.approx(1.7 / 3)  # of the validation patients it says nothing
    assert record.others("test").counted == ("PHILIPS", "SIEMENS")
    again = TrialRecord.from_json(record.to_json())
    assert again == record
    assert isinstance(again.patients["test GE"], ClassPatients)
    older = dataclasses.replace(record, patients=None)
    assert "patients" not in older.to_json()
    assert older.cross_domain("test") == pytest.approx(1.7 / 3)  # a record of before keeps its meaning


@pytest.mark.parametrize(
    ("damaged", "message"),
    [
        ("[1, 2]", r"patients: input should be a valid dictionary, got \[1, 2\]"),
        ('{"val GE": 3}', "patients.val GE: input should be a valid list, got 3"),
        ('{"val GE": [1]}', r"patients.val GE: list should have at least 2 items .*, got \[1\]"),
        ('{"val GE": [1, true]}', "patients.val GE.1: input should be a valid integer, got True"),
    ],
)
def test_damaged_numbers_of_patients_are_refused(damaged, message):
    record = TrialRecord(TrialConfig("GE", 1.0), val={}, test={}, realised_rate=1.0)
    values = json.loads(record.to_json()) | {"patients": json.loads(damaged)}
    with pytest.raises(ValueError, match=message):
        TrialRecord.from_json(json.dumps(values))
