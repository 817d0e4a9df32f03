"""NIfTI cohorts: the phantom's images as volumes of MAMA-MIA, ODELIA and a table, are read as written."""

import gzip
import itertools
import shutil
import tracemalloc

import nibabel
import numpy as np
import pandas as pd
import pytest
import torch

from dicom_files import save_labels
from nifti_files import (
    CODES,
    MARKED,
    ORDER,
    PLANTED,
    phantom_patients,
    write_breast_dcedl,
    write_mama_mia,
    write_odelia,
    write_volume,
)
from tune_ks.data.cohort.cohort import open_cohort, survey_cohort
from tune_ks.data.cohort.prepare import crop_kspace, pad_to_square
from tune_ks.data.cohort.sample import sampled_bands
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.cohort.target_masks import shrink_by_area, with_target_masks
from tune_ks.data.cohort.volume_files import mask_label
from tune_ks.data.layouts.detect import detect
from tune_ks.data.layouts.duke import MARGIN
from tune_ks.data.layouts.sheets import InputError
from tune_ks.data.nifti.file import read_volume
from tune_ks.data.nifti.slices import divide, read_facts, read_slice, slice_geometry
from tune_ks.data.unusable import UnusableFile
from tune_ks.training.tasks.boxes import true_boxes

SIDE = 32
COUNT = len(ORDER)


@pytest.fixture(scope="module")
def patients(tmp_path_factory):
    return phantom_patients(tmp_path_factory.mktemp("phantom") / "data")


@pytest.fixture(scope="module")
def mama_mia(tmp_path_factory, patients):
    return write_mama_mia(tmp_path_factory.mktemp("mama_mia") / "data", patients)


@pytest.fixture(scope="module")
def cohort(mama_mia):
    plain = open_cohort(mama_mia, CohortSettings(), SIDE, mama_mia.parent / "cache")
    return with_target_masks(plain, mama_mia)


def expected_images(images):
    """A volume's slices as the cohort should hold them, by numpy's percentiles over all of them."""
    small = np.stack([crop_kspace(pad_to_square(np.asarray(image, np.float32)), SIDE) for image in images])
    low, high = np.percentile(small, (1, 99))
    return np.clip((small - low) / (high - low), 0, 1)


def require_slices(rows, patient, expected, pictures, masks):
    """A patient's rows have the labels, sizes, images and masks of its volume; how many they are."""
    assert rows["label"].tolist() == [1, 1, 1, 0, 0, 0, 0]
    assert rows["slice"].tolist() == [*MARKED, 8, 9, 10, 11]  # between them less than MARGIN slices
    assert np.allclose(rows["spacing_mm"], patient.spacing_mm * 48 / SIDE, rtol=1e-4)
    assert np.allclose(rows["thickness_mm"], 2.5 * patient.spacing_mm, rtol=1e-4)
    for row in rows.itertuples():
        place = int(row.slice) - 1
        assert np.allclose(pictures[row.row], expected[place], atol=1e-5)
        stored = pad_to_square(patient.marked[place].astype(np.float32))
        assert np.array_equal(masks[row.row], shrink_by_area(stored, SIDE))
    return len(rows)


def test_mama_mia_is_read_back_to_the_phantom_s_images_labels_and_masks(patients, cohort):
    """However the axes of each patient's volume lie in its file."""
    pictures = np.load(cohort.images)
    masks = np.load(cohort.masks)
    met = 0
    for patient in patients:
        rows = cohort.table[cohort.table["patient_id"] == patient.name]
        expected = expected_images(patient.images.astype(np.int16))
        assert set(rows["vendor"]) == {patient.vendor}
        met += require_slices(rows, patient, expected, pictures, masks)
    assert met == len(cohort.table) == 42
    boxes = true_boxes(torch.tensor(masks)[:, None].float())
    assert (~boxes.isnan().any(1)).tolist() == (cohort.table["label"] == 1).tolist()
    assert set(cohort.table["field_t"]) == {1.5}
    assert set(cohort.table["orientation"]) == {"canonical"}
    assert cohort.table["path"].is_unique
    assert cohort.table["path"].iloc[0] == f"images/{patients[0].name}/{patients[0].name.lower()}_0001.nii.gz#001"
    assert cohort.left_out == {"another phase": 6, "slices less than 5 from a tumour": 24}
    assert cohort.skipped.empty


def test_the_header_s_texts_reach_nothing(mama_mia, cohort):
    volume = next(mama_mia.rglob("*.nii.gz"))
    assert gzip.decompress(volume.read_bytes()).count(PLANTED.encode()) >= 3
    files = [path for path in cohort.images.parent.iterdir() if path.is_file()]
    assert len(files) >= 5
    assert not [path for path in files if PLANTED.encode() in path.read_bytes()]


def test_a_survey_and_the_band_agree_with_the_cohort_and_a_phase_is_a_series(mama_mia, cohort):
    surveyed = survey_cohort(detect(mama_mia, True), CohortSettings(), SIDE)
    columns = [
        "path",
        "patient_id",
        "vendor",
        "series",
        "label",
        "slice",
        "position",
        "height",
        "spacing_mm",
        "field_t",
    ]
    pd.testing.assert_frame_equal(surveyed.table[columns], cohort.table[columns])
    bands = list(sampled_bands(surveyed, mama_mia))
    assert [(band.vendor, band.series) for band in bands] == [("GE", "0001"), ("SIEMENS", "0001")]
    before = survey_cohort(detect(mama_mia, True), CohortSettings(series="0"), SIDE)
    assert set(before.table["series"]) == {"0000"}
    for domain, values in {"centre": {"site 0", "site 1"}, "field_strength": {"1.5T"}, "dataset": {"DUKE"}}.items():
        by_domain = survey_cohort(detect(mama_mia, True), CohortSettings(domain=domain), SIDE)
        assert set(by_domain.table["vendor"]) == values
        assert set(by_domain.table["manufacturer"]) == {"GE", "SIEMENS"}


def test_the_affine_alone_says_how_a_volume_lies(tmp_path):
    """Each of the 48 ways to store one volume gives the same slices, and so does a slightly oblique one."""
    values = np.random.default_rng(0).integers(1, 1000, (5, 8, 6)).astype(np.int16)  # slices, rows, columns
    codes = []
    for axes in itertools.permutations(("LR", "PA", "SI")):
        codes += ["".join(code) for code in itertools.product(*axes)]
    assert len(set(codes)) == 48
    assert set(CODES) <= set(codes)
    for code in codes:
        path = write_volume(tmp_path / "v.nii", values, code=code)
        for number in (1, 2, 5):
            assert np.array_equal(read_slice(path, "canonical", number).image, values[number - 1])
    image = nibabel.load(path)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(0.2), -np.sin(0.2)], [np.sin(0.2), np.cos(0.2)]]
    nibabel.Nifti1Image(np.asarray(image.dataobj), turn @ image.affine).to_filename(tmp_path / "o.nii.gz")
    assert np.array_equal(read_slice(tmp_path / "o.nii.gz", "canonical", 4).image, values[3])


def test_the_acquired_plane_is_that_of_square_pixels(tmp_path):
    """Planes are turned as DICOM's are: sagittal and coronal ones have the feet in the first row."""
    shape = (6, 8, 10)
    values = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    expected = {  # voxel sizes of the axes to the right, the front and the head -> plane and its first slice
        (1, 1, 3): ("axial", values[::-1, ::-1, 0].T),
        (3, 1, 1): ("sagittal", values[-1, ::-1, :].T),
        (1, 0.7, 1): ("coronal", values[::-1, -1, :].T),
        (1, 1, 1): ("axial", values[::-1, ::-1, 0].T),
        (2, 0.5, 0.6): ("sagittal", None),
    }
    for sizes, (plane, first) in expected.items():
        nibabel.Nifti1Image(values, np.diag([*sizes, 1.0])).to_filename(tmp_path / "v.nii")
        volume = read_volume(tmp_path / "v.nii")
        assert divide(volume, "canonical").plane == plane
        if first is not None:
            assert np.array_equal(read_slice(tmp_path / "v.nii", "canonical", 1).image, first)
    assert slice_geometry(tmp_path / "v.nii", "canonical").spacing_mm == pytest.approx(0.5)
    raw = read_slice(tmp_path / "v.nii", "raw", 2).image
    assert raw.shape == (12, 8)  # resampled to square pixels
    nibabel.Nifti1Image(values, None).to_filename(tmp_path / "v.nii")  # neither sform nor qform
    assert slice_geometry(tmp_path / "v.nii", "canonical").orientation == "unknown"
    assert np.array_equal(read_slice(tmp_path / "v.nii", "canonical", 3).image, values[:, :, 2].T)


def test_scaled_and_negative_values_become_magnitudes(tmp_path):
    values = np.random.default_rng(1).integers(0, 200, (4, 6, 6)).astype(np.uint8)
    path = write_volume(tmp_path / "a.nii.gz", values, scl_slope=1, scl_inter=0)
    stored = bytearray(gzip.decompress(path.read_bytes()))
    stored[112:120] = np.array([0.5, -30], "<f4").tobytes()  # scl_slope, scl_inter
    (tmp_path / "b.nii").write_bytes(stored)
    image = read_slice(tmp_path / "b.nii", "canonical", 2).image
    assert np.allclose(image, (values[1] - values[1].min().astype(float)) / 2)
    assert image.dtype == np.float32


def test_a_marked_slice_is_positive_and_a_far_one_negative():
    """The margin of the public slice task, here to both sides of every marked slice."""
    labels = {number: mask_label(number, [10, 11, 30]) for number in range(1, 41)}
    assert [number for number, label in labels.items() if label == 1] == [10, 11, 30]
    assert [number for number, label in labels.items() if label == 0] == [*range(1, 6), *range(16, 26), *range(35, 41)]
    assert {mask_label(number, []) for number in range(9)} == {0}
    assert MARGIN == 5


def lying(path, **fields):
    """A file that says of itself what is not so; its voxels are 64 zeros."""
    header = nibabel.Nifti1Header()
    header.set_data_shape((4, 4, 4))
    header.set_data_dtype(np.int16)
    header.set_sform(np.eye(4), 1)
    header["magic"] = b"n+1"
    header["vox_offset"] = 352
    for name, value in fields.items():
        header[name] = value
    content = header.binaryblock + bytes(4 + 128)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


LIES = {
    "truncated": {"dim": [3, 400, 400, 400, 1, 1, 1, 1]},
    r"too large for one volume \(125,000 MiB, the limit is 1,024 MiB\)": {"dim": [3, 4000, 4000, 4096, 1, 1, 1, 1]},
    r"absurd size \(30000 x 4 x 4 voxels": {"dim": [3, 30000, 4, 4, 1, 1, 1, 1]},
    r"not one volume \(4 axes\)": {"dim": [4, 4, 4, 2, 2, 1, 1, 1]},
    r"not one volume \(2 axes\)": {"dim": [2, 8, 8, 1, 1, 1, 1, 1]},
    r"damaged \(dim\)": {"dim": [3, 4, -4, 4, 1, 1, 1, 1]},
    r"damaged \(vox_offset\)": {"vox_offset": 1e12},
    "not a volume of real numbers": {"datatype": 32, "bitpix": 64},
    "the affine cannot be read": {"srow_x": [np.nan, 0, 0, 0]},
    "not a NIfTI file": {"magic": b"ni1"},
    "absurd pixel spacing": {"srow_x": [1e-5, 0, 0, 0], "srow_z": [0, 0, 9, 0]},
}


@pytest.mark.parametrize("suffix", ["nii", "nii.gz"])
def test_a_header_that_lies_is_one_reason_and_no_memory(tmp_path, suffix):
    read_facts(lying(tmp_path / f"true.{suffix}"), None, "canonical", "GE", {})
    tracemalloc.start()
    for reason, fields in LIES.items():
        path = lying(tmp_path / f"x.{suffix}", **fields)
        with pytest.raises(UnusableFile, match=reason):
            read_facts(path, None, "canonical", "GE", {})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 2**20


def test_damage_is_named(tmp_path):
    values = np.random.default_rng(2).integers(0, 1000, (6, 16, 16)).astype(np.int16)
    whole = write_volume(tmp_path / "v.nii.gz", values).read_bytes()
    (tmp_path / "v.nii.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnusableFile, match="truncated or damaged voxels"):
        read_slice(tmp_path / "v.nii.gz", "canonical", 6)
    (tmp_path / "v.nii.gz").write_bytes(whole[:30])
    with pytest.raises(UnusableFile, match=r"damaged|not a NIfTI"):
        read_slice(tmp_path / "v.nii.gz", "canonical", 1)
    write_volume(tmp_path / "n.nii", np.where(values > 990, np.nan, values).astype(np.float32))
    with pytest.raises(UnusableFile, match="no finite numbers"):
        read_slice(tmp_path / "n.nii", "canonical", 1)
    (tmp_path / "empty.nii").touch()
    for name, reason in {"empty.nii": "empty file", "gone.nii": "no such file", ".": "not a file"}.items():
        with pytest.raises(UnusableFile, match=reason):
            read_volume(tmp_path / name)


def test_a_header_with_any_byte_changed_is_read_or_refused(tmp_path):
    """And no reason holds a text of the header."""
    values = np.random.default_rng(3).integers(0, 1000, (4, 6, 6)).astype(np.int16)
    whole = write_volume(tmp_path / "v.nii", values).read_bytes()
    rng = np.random.default_rng(4)
    reasons = []
    for place in range(0, 352, 2):
        mutant = bytearray(whole)
        mutant[place] ^= int(rng.integers(1, 256))
        mutant[place + 1] ^= int(rng.integers(1, 256))
        (tmp_path / "m.nii").write_bytes(mutant)
        try:
            facts = read_facts(tmp_path / "m.nii", None, "canonical", "GE", {})
            read_slice(tmp_path / "m.nii", "canonical", facts.count)
        except UnusableFile as unusable:
            reasons.append(unusable.reason)
    assert 8 <= len(reasons) <= 100
    assert not [reason for reason in reasons if PLANTED in reason]


def test_what_is_wrong_with_a_patient_is_one_reason(tmp_path, mama_mia, patients):
    root = tmp_path / "data"
    shutil.copytree(mama_mia, root)
    names = [patient.name for patient in patients]
    volumes = [root / "images" / name / f"{name.lower()}_0001.nii.gz" for name in names]
    masks = [root / "segmentations/expert" / f"{name.lower()}.nii.gz" for name in names]
    masks[0].unlink()
    write_volume(masks[1], patients[1].marked[:-1].astype(np.uint8), patients[1].spacing_mm)
    moved = nibabel.load(masks[4])
    nibabel.Nifti1Image(np.asarray(moved.dataobj), moved.affine @ np.diag([-1, 1, 1, 1])).to_filename(masks[4])
    volumes[5].write_bytes(volumes[5].read_bytes()[:-400])
    (root / "images/stranger").mkdir()
    shutil.copy(volumes[2], root / "images/stranger/stranger_0001.nii.gz")
    cohort = open_cohort(root, CohortSettings(), SIDE, tmp_path / "cache")
    reasons = dict(zip(cohort.skipped["path"].str.split("/").str[1], cohort.skipped["reason"]))
    assert len(reasons) == len(cohort.skipped) == 5
    assert reasons[names[0]] == "no mask in segmentations/expert"
    assert reasons[names[1]].startswith("its mask does not fit it (of ")
    assert reasons[names[4]] == "its mask does not fit it (in another place)"
    assert reasons[names[5]] == "truncated or damaged voxels"
    assert reasons["stranger"] == "the patient has no row in clinical_and_imaging_info"
    assert set(cohort.table["patient_id"]) == {names[2], names[3]}
    with pytest.raises(
        InputError, match=r"no patient has the phase '0007'; there are 0000 \(6 patients\), 0001 \(7 patients\)"
    ):
        open_cohort(root, CohortSettings(series="7"), SIDE, tmp_path / "cache")
    (root / "clinical_and_imaging_info.xlsx").unlink()
    with pytest.raises(InputError, match=r"but not clinical_and_imaging_info.xlsx \(or .csv\), which says who"):
        detect(root, labels_required=True)
    (root / "clinical_and_imaging_info.csv").write_text("patient_id,age\nA,50\n")
    with pytest.raises(InputError, match="lacks the column 'manufacturer'"):
        open_cohort(root, CohortSettings(), SIDE, tmp_path / "cache")
    shutil.rmtree(root / "images")
    with pytest.raises(InputError, match="but no folder images"):
        detect(root, labels_required=True)


def test_odelia_s_breasts_have_their_label_in_the_middle_third(tmp_path, patients):
    root = write_odelia(tmp_path / "data", patients[:3])
    cohort = open_cohort(root, CohortSettings(), SIDE, tmp_path / "cache")
    table = cohort.table
    assert set(table["vendor"]) == {"ALPHA", "BETA"}
    assert set(table["slice"]) == {4, 5, 6, 7, 8}  # of 11: three at either end are left out
    assert len(table) == 2 * 3 * 2 * 5
    assert (table["label"] == (table["breast"] == "left")).all()  # a benign lesion counts as negative
    assert sorted(set(table["patient_id"]))[0] == f"ALPHA_{patients[0].name}"
    assert table.groupby("patient_id")["split"].nunique().max() == 1
    assert set(table["split"]) == {"train", "val", "test"}
    first = table[table["path"] == f"ALPHA/data_unilateral/{patients[0].name}_left/Post_1.nii.gz#005"].iloc[0]
    assert np.allclose(np.load(cohort.images)[first["row"]], expected_images(patients[0].images)[4], atol=1e-5)
    assert any("what is called a vendor is a centre" in note for note in cohort.notes)
    by_centre = survey_cohort(detect(root, True), CohortSettings(domain="centre", series="Sub_1"), SIDE)
    assert set(by_centre.table["vendor"]) == {"ALPHA", "BETA"}
    assert not any("vendor" in note for note in by_centre.notes)
    with pytest.raises(InputError, match=r"no breast has a volume 'T2'; there are 'Post_1' \(12 volumes\), 'Sub_1'"):
        survey_cohort(detect(root, True), CohortSettings(series="T2"), SIDE)
    split = root / "BETA/metadata_unilateral/split.csv"
    split.write_text(split.read_text().replace("_left,0,train", "_left,0,val"))
    divided = survey_cohort(detect(root, True), CohortSettings(), SIDE)
    assert set(divided.table["split"]) == {""}
    assert any(note.startswith("split.csv is not used") for note in divided.notes)
    (root / "BETA/metadata_unilateral/annotation.csv").write_text("UID,Lesion\nx,3\n")
    with pytest.raises(InputError, match="line 2: Lesion must be 0, 1 or 2, got '3'"):
        survey_cohort(detect(root, True), CohortSettings(), SIDE)
    for centre in ("ALPHA", "BETA"):
        (root / centre / "metadata_unilateral/annotation.csv").unlink()
    with pytest.raises(InputError, match=r"but no centre has metadata_unilateral/annotation.csv"):
        detect(root, labels_required=True)


def test_breast_dcedl_s_stacks_are_read_back_to_the_phantom_s_images_labels_and_masks(tmp_path, patients):
    """Though their affine says that the slices lie along another axis."""
    root = write_breast_dcedl(tmp_path / "data", patients)
    cohort = with_target_masks(open_cohort(root, CohortSettings(), SIDE, tmp_path / "cache"), root)
    pictures = np.load(cohort.images)
    masks = np.load(cohort.masks)
    met = 0
    for number, patient in enumerate(patients):
        rows = cohort.table[cohort.table["patient_id"] == patient.name]
        expected = expected_images(patient.images)
        assert set(rows["vendor"]) == {("SPY1", "SPY2")[number % 2]}  # the sheet's column dataset says duke of all
        assert set(rows["split"]) == {("train", "test", "val")[number // 2]}
        met += require_slices(rows, patient, expected, pictures, masks)
    assert met == len(cohort.table) == 42
    assert set(cohort.table["orientation"]) == {"unknown"}
    assert cohort.left_out == {"another acquisition": 6, "slices less than 5 from a tumour": 24}
    assert any("what is called a vendor is a trial: the sheets name the maker" in note for note in cohort.notes)
    by_trial = survey_cohort(detect(root, True), CohortSettings(domain="trial", series="pre"), SIDE)
    assert set(by_trial.table["vendor"]) == {"SPY1", "SPY2"}
    assert set(by_trial.table["series"]) == {"pre"}
    assert not any("vendor" in note for note in by_trial.notes)
    makers = pd.DataFrame({"pid": [patient.name for patient in patients], "pCR": "", "manufacturer": "Philips"})
    makers.to_csv(root / "BreastDCEDL_spy2" / "makers.csv", index=False)  # the first sheet that has a value counts
    named = survey_cohort(detect(root, True), CohortSettings(), SIDE)
    assert set(named.table["vendor"]) == {"PHILIPS"}
    assert not named.notes


def test_breast_dcedl_cropped_has_the_patient_s_response_on_every_slice(tmp_path, patients):
    root = write_breast_dcedl(tmp_path / "data", patients[:4], cropped=True)
    cohort = survey_cohort(detect(root, True), CohortSettings(), SIDE)
    assert len(cohort.table) == 4 * COUNT
    labels = cohort.table.groupby("patient_id")["label"].agg(["min", "max"])
    assert labels["min"].tolist() == labels["max"].tolist()
    assert dict(labels["min"]) == {patient.name: number // 2 for number, patient in enumerate(patients[:4])}
    assert any("the label is pCR" in note for note in cohort.notes)
    assert not any(item.mask for item in cohort_items(root))


def cohort_items(root, series=None):
    layout = detect(root, labels_required=True)
    return layout.listing(series, True, layout.files()).items


def test_what_breast_dcedl_lacks_is_said(tmp_path, patients):
    root = write_breast_dcedl(tmp_path / "data", patients[:4])
    names = [patient.name for patient in patients[:4]]
    sheet = root / "BreastDCEDL_metadata.csv"
    table = pd.read_csv(sheet, dtype=str)
    table.loc[0, "post_early"] = None
    table.loc[1, "post_early"] = "5.0"
    table.drop(index=3).to_csv(sheet, index=False)
    next(root.rglob(f"{names[2]}*mask*")).unlink()
    layout = detect(root, labels_required=True)
    listing = layout.listing(None, True, layout.files())
    assert not listing.items
    reasons = {path.rpartition("/")[2].partition("_spy")[0]: reason for path, reason in listing.skipped}
    assert (
        reasons[names[0]]
        == "no sheet says which acquisition is post_early (--series 1, for example, names it by its number)"
    )
    assert reasons[names[1]] == "the patient has no acquisition 5"
    assert reasons[names[2]].startswith("no mask (Duke's have none")
    assert reasons[names[3]] == "the patient has no row in a sheet"
    assert [item.path.rpartition("_")[2] for item in cohort_items(root, "1")] == ["acq1.nii.gz"]
    with pytest.raises(InputError, match="--series must be one of pre, post_early, post_late, or the number"):
        layout.listing("early", True, layout.files())
    write_breast_dcedl(root, patients[:1], cropped=True)
    with pytest.raises(InputError, match="of the full and of the cropped release"):
        cohort_items(root)
    table.loc[[0, 0]].to_csv(sheet, index=False)
    with pytest.raises(InputError, match=f"BreastDCEDL_metadata.csv has more than one row for {names[0]}"):
        cohort_items(root)
    for path in root.glob("*.csv"):
        path.unlink()
    with pytest.raises(InputError, match="but no sheet of BreastDCEDL, which gives the labels"):
        detect(root, labels_required=True)


def test_any_folder_of_volumes_with_labels_csv(tmp_path, patients):
    root = tmp_path / "data"
    rows = []
    for patient in patients:
        write_volume(root / f"{patient.name}.nii.gz", patient.images, patient.spacing_mm)
        write_volume(root / f"{patient.name}_mask.nii", patient.marked.astype(np.uint8), patient.spacing_mm)
        rows.append({"path": f"{patient.name}.nii.gz", "patient_id": patient.name, "vendor": patient.vendor})
        rows[-1]["mask"] = f"{patient.name}_mask.nii"

    def read(rows, **settings):
        save_labels(root, rows)
        return survey_cohort(detect(root, True), CohortSettings(**settings), SIDE)

    assert detect(write_labels(root, rows), True).kind == "volumes"
    by_mask = read(rows)
    assert by_mask.table.groupby("patient_id")["label"].sum().tolist() == [3] * 6
    assert by_mask.skipped.empty
    masked = with_target_masks(open_cohort(root, CohortSettings(), SIDE, tmp_path / "cache"), root)
    assert (np.load(masked.masks).any((1, 2)) == (masked.table["label"] == 1)).all()

    whole = [{**row, "label": number % 2, "mask": ""} for number, row in enumerate(rows)]
    of_volume = read(whole)
    assert len(of_volume.table) == 6 * COUNT
    assert of_volume.table.groupby("patient_id")["label"].nunique().max() == 1
    slices = [{**row, "label": number - 2, "slice": number, "mask": ""} for row in rows for number in (2, 3)]
    of_slices = read(slices)
    assert of_slices.table["slice"].tolist() == [2, 3] * 6
    assert of_slices.table["label"].tolist() == [0, 1] * 6

    odd = [{**row, "label": 1} for row in rows]
    odd[0]["label"] = 0
    odd[1]["mask"] = "gone.nii.gz"
    odd[2]["vendor"] = ""
    reasons = read(odd).skipped["reason"].tolist()
    assert sorted(reason.split(":")[0] for reason in reasons) == [
        "its mask",
        "labelled 0, and its mask marks voxels",
        "no vendor",
    ]
    assert len(read(odd, vendor_of={"": "GE"}).skipped) == 2
    (note,) = read(rows, vendor_of={"": "GE"}).notes
    assert "no file that can be read lacks its maker; the makers are '" in note
    beyond = read([*slices, {**slices[0], "slice": COUNT + 1}])
    assert beyond.skipped["reason"].tolist() == ["a slice number beyond the last slice of its volume"]
    with pytest.raises(InputError, match="more than once"):
        read([*slices, slices[0]])
    with pytest.raises(InputError, match="which leaves the folder"):
        read([{**row, "mask": "../mask.nii"} for row in rows])
    tesla = [{**row, "field_t": ("1.5", "3")[number % 2]} for number, row in enumerate(rows)]
    said = "no field strength in the header, which says the domain; the sheet has a column field_t: --domain field_t"
    with pytest.raises(InputError, match=said):
        read(tesla, domain="field_strength")
    assert set(read(tesla, domain="field_t").table["vendor"]) == {"1.5", "3"}
    with pytest.raises(InputError, match=r"lacks the column 'field'; .*; did you mean 'field_t'\?$"):
        read(tesla, domain="field")
    nameless = [{**row, "vendor": "", "Manufacturer": row["vendor"]} for row in rows]
    with pytest.raises(InputError, match=r"a sheet names the vendors. The sheet has a column Manufacturer: call it v"):
        read(nameless)
    save_labels(root, whole)
    with pytest.raises(InputError, match="no volume has a mask"):
        with_target_masks(of_volume, root)


def write_labels(root, rows):
    save_labels(root, rows)
    return root
