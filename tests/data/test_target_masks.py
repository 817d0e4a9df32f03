"""Tumour masks lie where the images show the tumour, whatever turned, padded and shrank the images."""

import numpy as np
import pytest
import torch

from dicom_files import AXIAL, ROTATED, read_image, save_labels, write_dicom, write_table_cohort
from tune_ks.data.cohort.cohort import open_cohort
from tune_ks.data.cohort.prepare import crop_kspace, pad_to_square
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.cohort.target_masks import shrink_by_area, with_target_masks
from tune_ks.data.layouts.sheets import InputError
from tune_ks.data.phantom.settings import PhantomSettings
from tune_ks.data.phantom.write import write_phantom
from tune_ks.training.tasks.boxes import true_boxes

DIRECTIONS = {"axial": AXIAL, "rotated": ROTATED, "sagittal": [0, 1, 0, 0, 0, -1], "transposed": [0, 1, 0, 1, 0, 0]}


def disc(shape, at, radius):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.hypot(y - at[0], x - at[1]) < radius


def agree(first, second):
    """The same place to a third of a pixel, and nearly the same pixels: a crop of k-space rings at an edge."""
    overlap = 2 * (first & second).sum() / (first.sum() + second.sum())
    middles = [np.argwhere(mask).mean(axis=0) for mask in (first, second)]
    return overlap > 0.8 and np.abs(middles[0] - middles[1]).max() < 1 / 3


@pytest.mark.parametrize(("size", "side"), [(12, 12), (12, 6), (12, 4), (12, 5), (15, 6), (15, 7), (9, 4)])
def test_a_pixel_is_tumour_where_more_than_half_of_it_is(size, side):
    """Against points on a grid 30 times finer, each pixel about the place where the crop of k-space puts it."""
    mask = np.random.default_rng(size).random((size, size)) < 0.6
    fine = 30
    step = size / side
    expected = np.zeros((side, side))
    points = (np.arange(fine) + 0.5) / fine - 0.5
    for row in range(side):
        for column in range(side):
            y, x = (np.floor(size // 2 + (k - side // 2 + points) * step + 0.5).astype(int) for k in (row, column))
            inside = [np.where((at >= 0) & (at < size), at, size) for at in (y, x)]
            expected[row, column] = np.pad(mask, (0, 1))[np.ix_(*inside)].mean()
    clear = np.abs(expected - 0.5) > 0.05
    assert clear.mean() > 0.7
    assert (shrink_by_area(mask.astype(float), side) == (expected > 0.5))[clear].all()


def test_the_phantom_s_masks_lie_where_its_tumours_are_for_both_vendors(tmp_path):
    """A stored mask written over its own file's pixels and read as an image is the yardstick."""
    root = write_phantom(tmp_path / "phantom", PhantomSettings(patients=3, slices=4, matrix=64), workers=1)
    drawn = np.load(root / "masks.npz")
    plain = open_cohort(root, CohortSettings(series="post_1"), 32, tmp_path / "cache", workers=1)
    cohort = with_target_masks(plain, root)
    assert cohort.fingerprint != plain.fingerprint
    masks = np.load(cohort.masks)
    assert masks.shape == (24, 32, 32)
    assert masks.dtype == np.uint8
    met = {"GE": 0, "SIEMENS": 0}
    for row in cohort.table.itertuples():
        numbers = drawn[f"{row.patient_id}_slices"].tolist()
        stored = drawn[row.patient_id][numbers.index(row.slice)]
        if row.label == 0:
            assert not stored.any()
            assert not masks[row.row].any()
            continue
        directions = ROTATED if row.vendor == "GE" else AXIAL
        file = write_dicom(tmp_path / "one.dcm", 1000 * stored.astype(np.uint16), ImageOrientationPatient=directions)
        image = crop_kspace(pad_to_square(read_image(file)), 32)
        assert agree(masks[row.row] == 1, image > 500)
        picture = np.load(cohort.images)[row.row]
        assert picture[masks[row.row] == 1].mean() > picture[masks[row.row] == 0].mean() + 0.2
        met[row.vendor] += 1
    assert met == {"GE": 6, "SIEMENS": 6}


@pytest.mark.parametrize("directions", DIRECTIONS.values(), ids=DIRECTIONS)
@pytest.mark.parametrize("orientation", ["canonical", "raw"])
@pytest.mark.parametrize("spacing", [[0.5, 0.5], [0.5, 1.0]])
def test_a_mask_goes_the_way_of_its_image(tmp_path, directions, orientation, spacing):
    lesion = disc((40, 56), (9, 37), 7)
    rows = []
    for vendor in ("GE", "SIEMENS"):
        for label in (0, 1):
            rows.append({"path": f"{vendor}/{label}.dcm", "patient_id": vendor, "label": label, "slice": label + 1})
            pixels = 100 + 900 * (lesion if label else disc((40, 56), (30, 10), 7)).astype(np.uint16)
            tags = {"ImageOrientationPatient": directions, "PixelSpacing": spacing}
            write_dicom(tmp_path / "data" / rows[-1]["path"], pixels, vendor, **tags)
    save_labels(tmp_path / "data", rows)
    arrays = {"GE": lesion[None], "GE_slices": np.array([2]), "SIEMENS": lesion[None], "SIEMENS_slices": np.array([2])}
    np.savez(tmp_path / "data/masks.npz", **arrays)
    cohort = open_cohort(tmp_path / "data", CohortSettings(orientation=orientation), 32, tmp_path / "cache")
    masks = np.load(with_target_masks(cohort, tmp_path / "data").masks)
    images = np.load(cohort.images)
    assert masks.any((1, 2)).tolist() == [False, True, False, True]
    for i in (1, 3):
        assert agree(masks[i] == 1, images[i] > 0.5)


@pytest.mark.parametrize("site", ["", "north"])
def test_a_box_is_a_rectangle_in_the_slices_of_label_1(tmp_path, copy_duke, site):
    """With --site too, which goes before the patients' ids and stands in none of the folder's sheets."""
    copy_duke(tmp_path / "duke", csv=True)
    cohort = open_cohort(tmp_path / "duke", CohortSettings(site=site), 16, tmp_path / "cache", workers=1)
    masks = np.load(with_target_masks(cohort, tmp_path / "duke").masks)
    box = np.zeros((16, 16))
    box[:4, :4] = 1  # rows and columns 1 to 4
    assert set(cohort.table["label"]) == {0, 1}
    assert cohort.table["patient_id"].str.startswith(f"{site}_" if site else "Breast_MRI_").all()
    for row in cohort.table.itertuples():
        assert np.array_equal(masks[row.row], box * row.label)
        of_detection = true_boxes(torch.tensor(masks[row.row])[None, None].float())[0].tolist()
        assert np.array_equal(of_detection, [0, 0, 4, 4] if row.label else [np.nan] * 4, equal_nan=True)


def test_masks_are_made_once_and_anew_when_their_source_changes(tmp_path, copy_duke):
    copy_duke(tmp_path / "duke", csv=True)
    root = tmp_path / "duke"
    settings = CohortSettings(site="north")  # masks.npz names patients as the folder does
    plain = open_cohort(root, settings, 16, tmp_path / "cache", workers=1)
    assert plain.masks is None
    before = sorted(p.name for p in plain.images.parent.iterdir())
    cohort = with_target_masks(plain, root)
    first = cohort.masks
    stamp = first.stat().st_mtime_ns
    assert with_target_masks(plain, root) == cohort
    assert first.stat().st_mtime_ns == stamp
    patients = sorted({patient.removeprefix("north_") for patient in plain.table["patient_id"]})
    numbers = np.arange(1, 25)
    drawn = {patient: np.ones((24, 16, 16), bool) for patient in patients}
    np.savez(root / "masks.npz", **drawn, **{f"{patient}_slices": numbers for patient in patients})
    again = open_cohort(root, settings, 16, tmp_path / "cache", workers=1)
    assert again.images == plain.images  # masks are no part of what the images depend on
    redrawn = with_target_masks(again, root)
    second = redrawn.masks
    assert second != first
    assert redrawn.fingerprint != cohort.fingerprint  # so no run goes on with other masks than it began with
    assert np.load(second).mean((1, 2)).tolist() == again.table["label"].tolist()
    assert sorted(p.name for p in plain.images.parent.iterdir()) == sorted([*before, first.name, second.name])


def test_what_is_missing_or_wrong_is_named(tmp_path, copy_duke):
    data = tmp_path / "data"
    write_table_cohort(data, patients=1)
    cohort = open_cohort(data, CohortSettings(), 16, tmp_path / "cache")

    def refused(match, **arrays):
        if arrays:
            np.savez(data / "masks.npz", **arrays)
        with pytest.raises(InputError, match=match):
            with_target_masks(cohort, data)

    refused("does not say where its tumours lie.*neither masks.npz .* nor Duke's Annotation_Boxes; use task =")
    (data / "masks.npz").write_bytes(b"PK nothing")
    refused("does not hold GE0, GE0_slices whole")
    slices = {"GE0_slices": np.array([2, 4])}
    refused("does not hold GE0, GE0_slices whole", **slices)
    refused(r"GE0 must be bool \(n, rows, columns\)", GE0=np.zeros((2, 16, 16)), **slices)
    refused("no mask of slice 4 of GE0, only of 2, 3", GE0=np.zeros((2, 16, 16), bool), GE0_slices=np.array([2, 3]))
    refused(r"GE0/1.dcm must be \(16, 16\) as .*got \(8, 16\)", GE0=np.zeros((2, 8, 16), bool), **slices)
    assert not list(cohort.images.parent.glob("*masks*"))

    copy_duke(tmp_path / "duke", csv=True)
    boxes = tmp_path / "duke/Annotation_Boxes.csv"
    boxes.write_text(boxes.read_text().replace("Breast_MRI_001,1,4", "Breast_MRI_001,1,17"))
    duke = open_cohort(tmp_path / "duke", CohortSettings(), 16, tmp_path / "cache", workers=1)
    with pytest.raises(InputError, match="box of Breast_MRI_001 must lie in an image of 16 x 16 pixels, got"):
        with_target_masks(duke, tmp_path / "duke")
