"""A folder of field maps: what its sheet says becomes geometry, what its files hold becomes images and targets."""

import shutil

import numpy as np
import pandas as pd
import pytest

from tune_ks.data.cohort.cohort import open_cohort, require_usable, survey_cohort
from tune_ks.data.cohort.map_scan import HIGH, LOW, require_target, shrunk
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.cohort.target_masks import naming_masks, with_target_masks
from tune_ks.data.dipole import GEOMETRY, b0_in_image_axes, ppm_of_hz
from tune_ks.data.layouts.detect import detect, holds_maps
from tune_ks.data.layouts.sheets import InputError
from tune_ks.data.phantom.planned import planned_maps
from tune_ks.data.phantom.qsm import QsmSettings, field_of, planned_slices, susceptibility, write_qsm_phantom

SMALL = QsmSettings(synthetic=4, others=3, side=16)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("maps")


@pytest.fixture(scope="module")
def phantom(place):
    return write_qsm_phantom(place / "phantom", SMALL)


@pytest.fixture(scope="module")
def cohort(place, phantom):
    return with_target_masks(open_cohort(phantom, CohortSettings(), 16, place / "cache"), phantom)


@pytest.fixture
def folder(tmp_path, phantom):
    """A copy that a test may change, and the table of its sheet."""
    shutil.copytree(phantom, tmp_path / "copy")
    return tmp_path / "copy"


def rewritten(folder, **cells):
    """The sheet with other values in its first row."""
    table = pd.read_csv(folder / "maps.csv", dtype=str)
    for name, value in cells.items():
        table.loc[0, name] = value
    table.to_csv(folder / "maps.csv", index=False)
    return folder


def opened(folder, size=16):
    return open_cohort(folder, CohortSettings(), size, folder.parent / "cache")


def test_every_file_becomes_an_image_and_a_target_in_the_same_unit(phantom, cohort):
    assert cohort.holds_maps
    assert cohort.table["vendor"].value_counts().to_dict() == {"SYNTHETIC": 4, "CORONAL_ISO": 3, "TILTED_ANISO": 3}
    images, targets = np.load(cohort.images), np.load(cohort.masks)
    assert images.shape == targets.shape == (10, 16, 16)
    for row in cohort.table.itertuples():
        file = np.load(phantom / row.path)
        field = ppm_of_hz(file["field_hz"].astype(float), row.field_t)
        np.testing.assert_allclose(images[row.row], 0.5 + field / 0.5, atol=1e-6)
        np.testing.assert_allclose(targets[row.row], file["chi_ppm"] / 0.5, atol=1e-6)
    assert HIGH - LOW == 0.5


def test_the_geometry_is_that_of_the_sheet_and_b0_that_of_the_orientation(phantom, cohort):
    sheet = pd.read_csv(phantom / "maps.csv").set_index("path")
    for row in cohort.table.to_dict("records"):
        line = sheet.loc[row["path"]]
        assert [row[name] for name in GEOMETRY[:3]] == line[list(GEOMETRY[:3])].tolist()
        expected = b0_in_image_axes([float(text) for text in line["orientation"].split()])
        np.testing.assert_allclose([row[name] for name in GEOMETRY[3:]], expected)
    of_domain = cohort.table.groupby("vendor")
    assert (of_domain.get_group("CORONAL_ISO")[["b0_x", "b0_y", "b0_z"]] == [0, 1, 0]).all(axis=None)
    assert (of_domain.get_group("TILTED_ANISO")[["b0_x", "b0_y", "b0_z"]].abs() > 0.1).all(axis=None)


def test_the_phantom_is_the_dipole_model_of_its_shapes_plus_noise(phantom):
    planned = {slice_.patient: slice_.geometry for slice_ in planned_slices(SMALL)}
    met = 0
    for patient, geometry in planned.items():
        file = np.load(phantom / patient.rpartition("_")[0] / f"{patient}.npz")
        noise = file["field_hz"] - field_of(file["chi_ppm"].astype(float), geometry) * 42.577478518 * geometry.field_t
        assert 0.2 < noise.std() < 0.4
        met += 1
    assert met == 10
    assert susceptibility([], 8).shape == (8, 8)


def test_the_phantom_is_written_once_and_no_other_folder_is_touched(phantom, tmp_path):
    before = (phantom / "maps.csv").stat().st_mtime_ns
    assert write_qsm_phantom(phantom, SMALL) == phantom
    assert (phantom / "maps.csv").stat().st_mtime_ns == before
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds files that are no phantom"):
        write_qsm_phantom(tmp_path, SMALL)


def test_what_is_planned_is_what_is_written(place, phantom, cohort):
    planned = planned_maps(phantom, SMALL, CohortSettings(), 16)
    surveyed = survey_cohort(detect(phantom, True), CohortSettings(), 16)
    told = ["path", "patient_id", "vendor", "label", "height", "width", "field_t", *GEOMETRY]
    pd.testing.assert_frame_equal(planned.table[told], cohort.table[told], check_dtype=False)
    pd.testing.assert_frame_equal(surveyed.table[told], cohort.table[told], check_dtype=False)
    assert naming_masks(planned, phantom).masks.name == "maps.npy"
    for known in (planned, cohort):
        require_usable(known, phantom, vendors=3)  # a map needs no classes


def test_a_larger_map_is_shrunk_by_a_crop_of_its_k_space_and_keeps_its_sign(folder):
    at = np.arange(32)
    wave = 0.1 * np.cos(2 * np.pi * 3 * at / 32)[None, :] * np.ones((32, 1)) - 0.05
    small = shrunk(wave, 16)
    np.testing.assert_allclose(small, wave[::2, ::2], atol=1e-12)
    assert small.min() < 0
    half = opened(folder, size=8)
    assert half.image_side == 8
    coronal = half.table[half.table["vendor"] == "CORONAL_ISO"]
    assert (coronal[["voxel_x_mm", "voxel_y_mm", "voxel_z_mm"]] == [2, 2, 1]).all(axis=None)


def test_another_susceptibility_or_geometry_is_another_cohort(folder, cohort):
    assert opened(folder).fingerprint == cohort.fingerprint
    assert opened(rewritten(folder, voxel_z_mm="1.7")).fingerprint != cohort.fingerprint
    path = folder / "CORONAL_ISO" / "CORONAL_ISO_0000.npz"
    arrays = dict(np.load(path))
    np.savez(path, **{**arrays, "chi_ppm": arrays["chi_ppm"] * 2})
    assert len({opened(folder).fingerprint, opened(rewritten(folder, voxel_z_mm="1.7")).fingerprint}) == 1
    assert opened(folder).fingerprint != cohort.fingerprint


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"orientation": ""}, "line 2: no orientation, and without it B0 has no direction in the image"),
        ({"orientation": "1 0 0"}, "line 2: the orientation must be two unit vectors at right angles"),
        ({"orientation": "a b"}, "line 2: orientation must be six numbers"),
        ({"voxel_x_mm": "0"}, "line 2: voxel_x_mm must be a number above 0, got '0'"),
        ({"field_t": "x"}, "line 2: field_t must be a number above 0, got 'x'"),
        ({"path": "../x.npz"}, "names '../x.npz', which leaves the folder"),
        ({"patient_id": ""}, "line 2: no patient_id"),
        ({"path": "absent.npz"}, "absent.npz is no .npz file that holds field_hz and chi_ppm whole"),
        ({"split": "train"}, "gives a split for some patients only"),
        ({"split": "dev"}, "split must be one of train, val, test"),
    ],
)
def test_a_sheet_that_cannot_be_used_is_named(folder, cells, message):
    table = pd.read_csv(folder / "maps.csv")
    if "split" in cells:
        table["split"] = ""
        table.to_csv(folder / "maps.csv", index=False)
    with pytest.raises(InputError, match=message):
        opened(rewritten(folder, **cells))


def test_a_file_without_its_map_or_with_none_is_named(folder):
    path = folder / "SYNTHETIC" / "SYNTHETIC_0000.npz"
    whole = dict(np.load(path))
    for arrays, message in [
        ({"field_hz": whole["field_hz"]}, "holds field_hz and chi_ppm whole; the task 'map' needs both"),
        ({**whole, "chi_ppm": whole["chi_ppm"][:4]}, "must be two arrays of floats of one shape"),
        ({**whole, "chi_ppm": whole["chi_ppm"] * np.nan}, "holds values that are no finite numbers"),
        ({**whole, "chi_ppm": whole["chi_ppm"] * 0}, "chi_ppm is 0 everywhere"),
    ]:
        np.savez(path, **arrays)
        with pytest.raises(InputError, match=message):
            opened(folder)


def test_a_task_and_a_folder_that_do_not_fit_are_one_error(phantom, tmp_path):
    assert holds_maps(phantom)
    require_target(True, "map", phantom)
    require_target(False, "label", tmp_path)
    with pytest.raises(InputError, match="holds no maps, which the task 'map' needs"):
        require_target(False, "map", tmp_path)
    for target in ("label", "mask"):
        with pytest.raises(InputError, match="holds field maps and no labels, so it serves the task 'map' only"):
            require_target(True, target, phantom)
