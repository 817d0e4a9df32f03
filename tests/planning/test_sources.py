"""What a space is trained on: several vendors as one source, every vendor left out in turn, and what makes no sense."""

import pandas as pd
import pytest

from tune_ks.core.config import TrialConfig
from tune_ks.core.domains import joined, leave_one_out, mean_of_sources, other_vendors, sources_of
from tune_ks.core.record import TrialRecord
from tune_ks.data.cohort.require_splits import require_splits
from tune_ks.planning.space import Space, space_of
from tune_ks.planning.start_run import require_vendors, sources_asked

VENDORS = ["GE", "PHILIPS", "SIEMENS"]


def space(**block) -> Space:
    return space_of("mine", {"SPACE": {"mask": "lowpass", "sampling_rate": 1.0, **block}, "__doc__": "Is it so?"})


@pytest.mark.parametrize(
    ("vendor", "asked"),
    [
        ("SIEMENS+GE", ["GE+SIEMENS"]),
        ("SIEMENS + GE", ["GE+SIEMENS"]),
        (["GE", "PHILIPS+GE"], ["GE", "GE+PHILIPS"]),
        ("leave-one-out", ["GE+PHILIPS", "GE+SIEMENS", "PHILIPS+SIEMENS"]),
        (["leave-one-out", "GE"], ["GE", "GE+PHILIPS", "GE+SIEMENS", "PHILIPS+SIEMENS"]),
    ],
)
def test_a_space_names_one_vendor_several_or_all_but_one(vendor, asked):
    asking = space(vendor=vendor)
    assert sources_asked(asking, VENDORS) == asked
    require_vendors(asking, VENDORS)
    assert sources_asked(space(), VENDORS) == VENDORS


@pytest.mark.parametrize(
    ("vendor", "vendors", "said"),
    [
        ("GE+TOSHIBA", VENDORS, "trains on TOSHIBA, and the cohort has GE, PHILIPS, SIEMENS only"),
        ("GE+SIEMENS", ["GE", "SIEMENS"], r"a training on GE\+SIEMENS has no other to be tested on"),
        ("leave-one-out", ["GE", "SIEMENS"], "a cohort needs three or more to choose from; it has GE, SIEMENS"),
    ],
)
def test_what_the_cohort_cannot_give_is_one_clear_message(vendor, vendors, said):
    with pytest.raises(ValueError, match=said):
        require_vendors(space(vendor=vendor), vendors)


def test_what_makes_no_sense_is_refused_with_the_space():
    with pytest.raises(ValueError, match=r"different names with \+ between them, got 'GE\+GE'"):
        space(vendor="GE+GE")
    with pytest.raises(ValueError, match="this trial is trained on one, GE: name them all"):
        space(invariance="coral")
    assert len(space(vendor="leave-one-out", invariance=["coral", "irm"]).grid(VENDORS)) == 6


def test_the_order_of_the_names_does_not_change_the_key_and_one_vendor_has_its_old_one():
    assert TrialConfig("SIEMENS+GE", 0.5).key() == TrialConfig("GE + SIEMENS", 0.5).key()
    assert TrialConfig("GE+SIEMENS", 0.5).key() != TrialConfig("GE", 0.5).key()
    assert TrialConfig("GE", 0.25).non_default() == {"vendor": "GE", "sampling_rate": 0.25}
    record = TrialRecord(TrialConfig("SIEMENS+GE", 0.5), {"GE": 0.5}, {}, 0.5)
    assert TrialRecord.from_json(record.to_json()) == record


def test_one_place_says_which_vendors_are_sources():
    scores = {"GE": 0.9, "PHILIPS": 0.5, "SIEMENS": 0.7}
    assert sources_of("GE") == ("GE",)
    assert joined(["SIEMENS", "GE"]) == "GE+SIEMENS"
    assert joined(sources_of("SIEMENS+GE")) == "GE+SIEMENS"
    assert mean_of_sources(scores, "GE+SIEMENS") == pytest.approx(0.8)
    assert mean_of_sources(scores, "GE") == 0.9
    missing = mean_of_sources({"GE": 0.9}, "GE+SIEMENS")
    assert missing != missing
    assert other_vendors(scores, "GE+SIEMENS").counted == ("PHILIPS",)
    assert leave_one_out(VENDORS) == ["GE+PHILIPS", "GE+SIEMENS", "PHILIPS+SIEMENS"]


def test_every_source_needs_images_that_train_and_validate():
    rows = [(vendor, split, label) for vendor in VENDORS for split in ("train", "val", "test") for label in (0, 1)]
    table = pd.DataFrame(rows, columns=["vendor", "split", "label"])
    require_splits(table, ["GE", "SIEMENS"])
    without = table[~((table["vendor"] == "SIEMENS") & (table["split"] == "val") & (table["label"] == 1))]
    with pytest.raises(ValueError, match="SIEMENS has 0 positive and 1 negative images in val"):
        require_splits(without, ["GE", "SIEMENS"])
