"""The phantom of scarred hearts: its signal, where its scars are, and what its files hold."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
from pydicom import dcmread

from tune_ks.core.seeding import generator
from tune_ks.data.cohort.cohort import open_cohort
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.cohort.target_masks import with_target_masks
from tune_ks.data.layouts.sheets import InputError
from tune_ks.data.phantom.heart import (
    BLOOD_T1_MS,
    FAT_T1_MS,
    MYOCARDIUM_T1_MS,
    SCAR_T1_MS,
    Heart,
    Scar,
    inversion_recovery,
    nulling_ti_ms,
    turn,
)
from tune_ks.data.phantom.lge import TR_MS, VENDORS, LgeSettings, examine, grid_mm, planned_hearts, write_lge
from tune_ks.data.phantom.phantoms import PHANTOMS
from tune_ks.data.phantom.planned import planned_hearts_cohort
from tune_ks.data.phantom.settings import PhantomSettings

SMALL = LgeSettings(train=1, val=1, test=1, slices=16, matrix=32)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_lge(tmp_path_factory.mktemp("lge") / "hearts", SMALL)


@pytest.fixture(scope="module")
def cohort(written):
    cohort = open_cohort(written, CohortSettings(), 16, written.parent / "cache", workers=1)
    return with_target_masks(cohort, written, organs=True)


def test_the_signal_is_that_of_the_bloch_equation_and_myocardium_is_nulled():
    """Inverted every TR until nothing changes, step by step; the published form is that times 1 + exp(-TR / T1)."""
    for t1_ms, ti_ms in itertools.product((SCAR_T1_MS, BLOOD_T1_MS, MYOCARDIUM_T1_MS), (150.0, 240.0, 400.0)):
        magnetisation = 1.0
        for _ in range(50):
            magnetisation = 1 - (1 + magnetisation) * np.exp(-TR_MS / t1_ms)
        at_ti = 1 - (1 + magnetisation) * np.exp(-ti_ms / t1_ms)
        expected = at_ti * (1 + np.exp(-TR_MS / t1_ms))
        assert inversion_recovery(np.float64(t1_ms), ti_ms, TR_MS) == pytest.approx(expected, abs=1e-9)
    null = nulling_ti_ms(MYOCARDIUM_T1_MS, TR_MS)
    assert inversion_recovery(np.float64(MYOCARDIUM_T1_MS), null, TR_MS) == pytest.approx(0, abs=1e-12)
    bright = [float(inversion_recovery(np.float64(t1), null, TR_MS)) for t1 in (FAT_T1_MS, SCAR_T1_MS, BLOOD_T1_MS)]
    assert bright == sorted(bright, reverse=True)
    assert bright[-1] > 0.1
    assert inversion_recovery(np.float64(MYOCARDIUM_T1_MS), 0.9 * null, TR_MS) < 0  # too short: grey in magnitude


def test_a_scar_is_an_angle_a_stretch_and_a_depth():
    scar = Scar(angle=3.0, half_angle=0.5, start=0.2, end=0.6, transmurality=0.7)
    angles = np.array([3.0, 3.4, -3.0, 2.4, 0.0])  # -3 is 0.28 beyond 3, across pi
    assert scar.holds(angles, np.full(5, 0.4), np.full(5, 0.5)).tolist() == [True, True, True, False, False]
    along = np.array([0.1, 0.2, 0.6, 0.7])
    assert scar.holds(np.full(4, 3.0), along, np.zeros(4)).tolist() == [False, True, True, False]
    assert scar.holds(np.full(2, 3.0), np.full(2, 0.4), np.array([0.7, 0.71])).tolist() == [True, False]


def test_the_scar_lies_in_a_wall_whose_volume_is_that_of_two_half_ellipsoids():
    met = 0
    for number in range(4):
        heart = Heart(generator(number, "heart"))
        x, y = grid_mm(112, 112.0)
        step = 2.0
        slices = [heart.slice_at(x, y, z) for z in np.arange(-56, 56, step)]
        wall = np.stack([tissue.myocardium for tissue in slices])
        scar = np.stack([tissue.scar for tissue in slices])
        a, b, length = heart.axes
        inside = (a - heart.wall) * (b - heart.wall) * (length - heart.wall)
        by_formula = 2 / 3 * np.pi * (a * b * length - inside)
        assert wall.sum() * step == pytest.approx(by_formula, rel=0.02)
        assert not (scar & ~wall).any()
        assert 0.01 < scar.sum() / wall.sum() < 0.4
        t1 = np.stack([tissue.t1_ms for tissue in slices])
        assert (t1[scar] == SCAR_T1_MS).all()
        assert (t1[wall & ~scar] == MYOCARDIUM_T1_MS).all()
        met += 1
    assert met == 4
    np.testing.assert_allclose(turn(0.3, 0.2, 0.1) @ turn(0.3, 0.2, 0.1).T, np.eye(3), atol=1e-12)


def test_the_files_hold_whole_hearts_of_both_vendors(written, cohort):
    table = cohort.table
    assert cohort.layout == "table"
    assert table.groupby("vendor")["patient_id"].nunique().to_dict() == {"GE": 3, "SIEMENS": 3}
    assert (table.groupby("patient_id")["slice"].agg(list).map(len) == 16).all()
    assert table["split"].value_counts().to_dict() == {"train": 32, "val": 32, "test": 32}
    assert set(table["spacing_mm"]) == {7.0}
    assert set(table["thickness_mm"]) == {7.0}
    assert set(table["orientation"]) == {"canonical"}  # GE's are turned
    masks = np.load(cohort.masks)
    assert set(np.unique(masks)) == {0, 2, 3}  # no scar outside the wall
    images = np.load(cohort.images)
    for vendor, rows in table.groupby("vendor")["row"]:
        of_vendor, wall = images[rows], masks[rows]
        assert of_vendor[wall == 3].mean() > 2.5 * of_vendor[wall == 2].mean(), vendor  # in place, and healthy is dark
    labelled = table["row"][table["label"] == 1]
    assert set(table["row"][[(mask == 3).any() for mask in masks]]) <= set(labelled)
    file = dcmread(written / "HEART_001/001.dcm")
    assert (file.BodyPartExamined, file.ImageComments) == ("HEART", "synthetic phantom, not a patient")
    assert file.InversionTime == pytest.approx(nulling_ti_ms(MYOCARDIUM_T1_MS, TR_MS), rel=0.2)
    first, second = (dcmread(written / f"HEART_001/00{number}.dcm").ImagePositionPatient[2] for number in (1, 2))
    assert float(second) - float(first) == 7.0


def test_the_same_settings_give_the_same_files_and_others_are_refused(written, tmp_path):
    again = write_lge(tmp_path / "again", SMALL)
    for name in ("labels.csv", "HEART_004/009.dcm"):
        assert (again / name).read_bytes() == (written / name).read_bytes()
    other = dataclasses.replace(SMALL, seed=1)
    with pytest.raises(ValueError, match="holds a phantom of other settings"):
        write_lge(again, other)
    assert write_lge(again, SMALL) == again
    assert json.loads((again / "phantom.json").read_text())["phantom"] == "lge"
    for wrong in ({"train": 0}, {"slices": 4}, {"matrix": 30}):
        with pytest.raises(ValueError, match="must be"):
            dataclasses.replace(SMALL, **wrong)


def test_the_switch_of_the_inversion_time_is_all_that_it_changes():
    plans = planned_hearts(LgeSettings(train=30))
    null = nulling_ti_ms(MYOCARDIUM_T1_MS, TR_MS)
    missed = {vendor: [] for vendor in VENDORS}
    for plan in plans:
        _, ti_ms, gain = examine(plan, LgeSettings(), generator(0, plan.patient_id))
        exact = examine(plan, LgeSettings(ti_error=False), generator(0, plan.patient_id))
        assert exact[1:] == (pytest.approx(null), gain)
        missed[plan.vendor].append(ti_ms / null - 1)
    assert np.mean(missed["GE"]) == pytest.approx(VENDORS["GE"].ti_error, abs=0.02)
    assert np.mean(missed["SIEMENS"]) == pytest.approx(0, abs=0.02)


def test_what_is_planned_is_what_is_written(written, cohort):
    planned = planned_hearts_cohort(written, SMALL, CohortSettings(), 16)
    for column in ("path", "patient_id", "vendor", "slice", "split", "height"):
        assert planned.table[column].tolist() == cohort.table[column].tolist(), column
    assert planned.image_side == cohort.image_side
    assert set(PHANTOMS) >= {"breast", "lge"}
    files = sum(len(LgeSettings().splits()) for _ in VENDORS) * LgeSettings().slices
    assert f"{files:,} files" in PHANTOMS["lge"].size
    assert f"{4 * 2 * 2 * PhantomSettings().patients:,} files" in PHANTOMS["breast"].size


def test_a_folder_that_does_not_say_where_the_organs_are_is_refused(written, cohort, tmp_path):
    masks = dict(np.load(written / "masks.npz"))
    for name in list(masks):
        if name.endswith("_organ"):
            del masks[name]
    np.savez(tmp_path / "masks.npz", **masks)
    (tmp_path / "labels.csv").write_bytes((written / "labels.csv").read_bytes())
    with pytest.raises(InputError, match="does not say where the organs lie, which a task of volumes needs"):
        with_target_masks(cohort, tmp_path, organs=True)
