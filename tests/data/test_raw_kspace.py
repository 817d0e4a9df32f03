"""Raw k-space files -> complex coil images: against their definition, file by file and as a cohort."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from raw_files import (
    BOX,
    COLUMNS,
    PIXEL_MM,
    ROWS,
    header,
    in_full_grid,
    kspace_of,
    read_ismrmrd,
    slices_of,
    write_boxes,
    write_cohort,
    write_fastmri,
    write_ismrmrd,
)
from tune_ks.data.cohort.cohort import open_cohort, require_usable, survey_cohort
from tune_ks.data.cohort.kspace_files import STUDY_LEVEL
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.cohort.target_masks import with_target_masks
from tune_ks.data.coils import centred, compression, covariance_of, root_sum_of_squares
from tune_ks.data.kspace import to_image
from tune_ks.data.layouts.detect import detect
from tune_ks.data.layouts.sheets import InputError
from tune_ks.data.occupied import acquired_lines, occupied_bands
from tune_ks.data.raw import ismrmrd_file
from tune_ks.data.raw.header import read_header
from tune_ks.data.raw.open import open_volume
from tune_ks.data.unusable import UnusableFile

h5py = pytest.importorskip("h5py", reason="raw k-space files are read by h5py (the extra kspace)")
SHARED = Path(__file__).parents[3] / "shared" / "data" / "kspace" / "cartesian_ksp.npy"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_cohort(tmp_path_factory.mktemp("raw") / "data")


@pytest.fixture(scope="module")
def cohort(root):
    opened = open_cohort(root, CohortSettings(), 64, root.parent / "cache")
    return with_target_masks(opened, root)


def opened(folder, size=64, **settings):
    return open_cohort(folder, CohortSettings(**settings), size, folder.parent / "cache")


def by_definition(kspace):
    """(coils, ROWS, COLUMNS) -> root of the sum of squares of the coils' images, the rows cut to the lines' field."""
    squares = 0
    for of_coil in kspace:
        squares = squares + np.abs(to_image(of_coil.astype(np.complex128))) ** 2
    top = ROWS // 2 - COLUMNS // 2
    return np.sqrt(squares)[top : top + COLUMNS]


def one_volume(folder, kspace, rows=(("a", 0, "No", "Tear"),), **options):
    folder.mkdir(parents=True, exist_ok=True)
    write_fastmri(folder / "a.h5", kspace, **options)
    write_boxes(folder, rows)
    return folder


def test_full_sampling_is_the_root_of_the_sum_of_squares(root, cohort):
    assert cohort.holds_kspace
    assert cohort.image_side == COLUMNS  # 64 were asked for, and no line is made up
    images = np.load(cohort.images)
    assert images.dtype == np.complex64
    assert images.shape == (32, 3, COLUMNS, COLUMNS)
    for row in (0, 5, 31):
        line = cohort.table.iloc[row]
        with open_volume(root / line["path"]) as volume:
            expected = by_definition(volume.kspace(int(line["slice"]) - 1))
        assert np.allclose(root_sum_of_squares(images[row]) * line["high"], expected, atol=1e-4 * expected.max())


def test_the_table_has_what_header_and_boxes_say_and_nothing_that_identifies(root, cohort):
    table = cohort.table
    assert table["vendor"].value_counts().to_dict() == {"SIEMENS": 16, "GE": 16}
    assert table["patient_id"].nunique() == 8
    assert table["label"].tolist() == [1, 0, 1, 0] * 8
    assert table["slice"].tolist() == [1, 2, 3, 4] * 8
    for name, value in {"field_t": 2.89, "tr_ms": 2800, "te_ms": 27, "flip_deg": 150, "thickness_mm": 4}.items():
        assert (table[name] == value).all(), name
    assert (table["model"] == "Skyra").all()
    assert (table["spacing_mm"] == PIXEL_MM).all()
    assert (table["coils"] == 3).all()
    assert (table["acquired_width"] == COLUMNS).all()
    for file in cohort.images.parent.iterdir():
        assert b"SECRET" not in file.read_bytes(), file.name
    require_usable(cohort, root, vendors=2)
    assert any("no magnitudes" in note for note in cohort.notes)


def test_a_survey_says_the_same_without_reading_k_space(root, cohort):
    surveyed = survey_cohort(detect(root, labels_required=True), CohortSettings(), 64)
    assert surveyed.image_side == cohort.image_side
    assert [note for note in surveyed.notes if note not in cohort.notes] == []
    assert any("no magnitudes" in note for note in surveyed.notes)
    for name in ("path", "patient_id", "vendor", "label", "slice", "coils"):
        assert surveyed.table[name].tolist() == cohort.table[name].tolist(), name


def test_a_box_becomes_a_mask_where_the_image_shows_it(cohort):
    masks = np.load(cohort.masks)
    rows, columns = in_full_grid()
    expected = np.zeros((COLUMNS, COLUMNS), np.uint8)
    top = ROWS // 2 - COLUMNS // 2
    expected[rows.start - top : rows.stop - top, columns] = 1
    for row, label in enumerate(cohort.table["label"]):
        assert np.array_equal(masks[row], expected * label), row


def test_at_a_smaller_side_the_central_lines_are_taken(root):
    small = with_target_masks(opened(root, 16), root)
    images = np.load(small.images)
    assert images.shape[-1] == 16
    line = small.table.iloc[0]
    with open_volume(root / line["path"]) as volume:
        kspace = volume.kspace(0)
    rows = centred(kspace, 16, -1)  # the lines as they were acquired
    along = np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(rows, -2), axis=-2, norm="ortho"), -2)
    cut = np.fft.fftshift(np.fft.fft(np.fft.ifftshift(centred(along, COLUMNS, -2), -2), axis=-2, norm="ortho"), -2)
    expected = [to_image(of_coil) for of_coil in centred(cut, 16, -2)]
    assert np.allclose(images[0] * line["high"], expected, atol=1e-4)
    masks = np.load(small.masks)
    assert masks[0].sum() == BOX["width"] * BOX["height"] / 4
    assert any("central 16" in note for note in small.notes)


def test_more_coils_are_compressed_by_singular_values(tmp_path):
    kspace = kspace_of(slices_of(0, 2, [0]), 7)
    flat = kspace.transpose(1, 0, 2, 3).reshape(7, -1)
    left, singular, _ = np.linalg.svd(flat.astype(np.complex128), full_matrices=False)
    made = compression(covariance_of(kspace[0]) + covariance_of(kspace[1]))
    assert made.energy == pytest.approx((singular[:4] ** 2).sum() / (singular**2).sum())
    projector = made.matrix @ made.matrix.conj().T
    assert np.allclose(projector, left[:, :4] @ left[:, :4].conj().T, atol=1e-6)  # the same space
    every = compression(covariance_of(kspace[0]), count=7)
    assert every.matrix is None
    few = opened(one_volume(tmp_path / "data", kspace))
    images = np.load(few.images)
    assert images.shape[1] == 4
    difference = root_sum_of_squares(images[0]) * few.table["high"][0] - by_definition(kspace[0])
    assert np.abs(difference).max() < 0.1 * by_definition(kspace[0]).max()
    assert any("compressed to 4" in note for note in few.notes)


def test_stored_zeros_are_known_for_lines_that_were_not_acquired(tmp_path):
    kspace = kspace_of(slices_of(0, 2, [0]), 2)
    kspace[..., :6] = 0
    kspace[..., -5:] = 0
    assert acquired_lines(kspace).tolist() == [False] * 6 + [True] * 21 + [False] * 5
    partly = opened(one_volume(tmp_path / "data", kspace))
    assert (partly.table["acquired_width"] == 21).all()
    assert (partly.table["width"] == COLUMNS).all()
    assert any("lines of zeros" in note for note in partly.notes)
    (band,) = occupied_bands(partly.table, partly.images)
    assert band.reach <= 10
    spectrum = np.fft.fftshift(np.fft.fft(np.fft.ifftshift(np.load(partly.images), -1), axis=-1), -1)
    assert np.abs(spectrum[..., :6]).max() < 1e-4  # they stay empty


def test_ismrmrd_gives_the_k_space_of_its_acquisitions(tmp_path):
    pytest.importorskip("ismrmrd", reason="the package ismrmrd writes the files of this test")
    kspace = kspace_of(slices_of(3, 2, [1]), 2)
    write_ismrmrd(tmp_path / "a.mrd", kspace, skipped=(0, 1, 31))
    kspace[..., [0, 1, 31]] = 0
    with open_volume(tmp_path / "a.mrd") as volume:
        assert volume.shape == kspace.shape
        assert volume.header.maker == "SIEMENS"
        assert np.array_equal(np.stack(list(volume.slices())), kspace)
    write_ismrmrd(tmp_path / "b.mrd", kspace, centre=COLUMNS // 2 + 40)
    with pytest.raises(UnusableFile, match="outside the grid"), open_volume(tmp_path / "b.mrd"):
        pass


@pytest.fixture(scope="module")
def scrambled(tmp_path_factory):
    """An ISMRMRD file whose slices take turns: averages, noise between lines, short readouts, one line not acquired."""
    ismrmrd = pytest.importorskip("ismrmrd", reason="the package ismrmrd writes the files of this test")
    path = tmp_path_factory.mktemp("mrd") / "a.mrd"
    rng = np.random.default_rng(5)
    with ismrmrd.Dataset(str(path), "dataset", mode="w") as dataset:
        dataset.write_xml_header(header())
        for number in range(22):
            short = 6 * (number % 3 == 0)  # samples that an asymmetric echo lacks at its start
            samples = rng.normal(size=(2, ROWS - short)) + 1j * rng.normal(size=(2, ROWS - short))
            acquisition = ismrmrd.Acquisition.from_array(samples.astype(np.complex64))
            acquisition.idx.kspace_encode_step_1 = 3 * (number // 4)
            acquisition.idx.slice = number % 2
            acquisition.center_sample = ROWS // 2 - short
            if number in (4, 9):
                acquisition.setFlag(ismrmrd.ACQ_IS_NOISE_MEASUREMENT)
            dataset.append_acquisition(acquisition)
    return path


@pytest.mark.parametrize("block", [1, 3, ismrmrd_file.BLOCK])
def test_blocks_of_readouts_give_the_same_bits_as_readouts_one_by_one(scrambled, monkeypatch, block):
    monkeypatch.setattr(ismrmrd_file, "BLOCK", block)
    with open_volume(scrambled) as volume:
        kspace = np.stack(list(volume.slices()))
    assert np.count_nonzero(kspace) > 1000
    assert kspace.tobytes() == read_ismrmrd(scrambled).tobytes()


def test_flags_have_the_numbers_of_the_package():
    ismrmrd = pytest.importorskip("ismrmrd", reason="the package ismrmrd names the flags")
    assert len(ismrmrd_file.LEFT_OUT) == 10
    for number, name in ismrmrd_file.LEFT_OUT.items():
        assert getattr(ismrmrd, name) == number, name
    assert ismrmrd.ACQ_IS_REVERSE == ismrmrd_file.REVERSE


def test_rows_that_follow_one_another_are_one_block():
    blocks = list(ismrmrd_file._blocks(np.array([0, 1, 2, 5, 7, 8]), 2))
    assert blocks == [slice(0, 2), slice(2, 3), slice(5, 6), slice(7, 9)]
    assert list(ismrmrd_file._blocks(np.array([], int), 2)) == []


def replaced(file, table):
    """Put another table in the place of the acquisitions."""
    del file["dataset/data"]
    file["dataset/data"] = table


def with_head(file, **values):
    """Change the head of the second readout."""
    row = file["dataset/data"][1]
    for name, value in values.items():
        place = row["head"]["idx"] if name in ismrmrd_file.COUNTERS else row["head"]
        place[name] = value
    file["dataset/data"][1] = row


def with_samples(file, count):
    row = file["dataset/data"][1]
    row["data"] = np.ones(count, np.float32)
    file["dataset/data"][1] = row


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda file: file.pop("dataset/data"), "no dataset of this file"),
        (lambda file: replaced(file, np.ones(4)), "not of the ISMRMRD format"),
        (lambda file: replaced(file, np.zeros(3, [("head", "f4"), ("data", "f4")])), "not of the ISMRMRD format"),
        (lambda file: replaced(file, 5.0), "it holds 1 acquisitions"),
        (lambda file: file["dataset/data"].resize(0, axis=0), "it holds 0 acquisitions"),
        (lambda file: file["dataset/data"].resize(2**20 + 1, axis=0), "it holds 1048577 acquisitions"),
        (lambda file: with_head(file, flags=1 << 21), "both directions"),
        (lambda file: with_head(file, contrast=1), "no single 2-D scan"),
        (lambda file: with_head(file, slice=60_000), "unlikely shape"),
        (lambda file: with_head(file, active_channels=60_000), "unlikely shape"),
        (lambda file: with_head(file, active_channels=1), "outside the grid"),
        (lambda file: with_head(file, number_of_samples=60_000), "outside the grid"),
        (lambda file: with_head(file, center_sample=60_000), "outside the grid"),
        (lambda file: with_head(file, number_of_samples=ROWS - 20), "as many samples as its head says"),
        (lambda file: with_samples(file, 0), "as many samples as its head says"),
        (lambda file: with_samples(file, 7), "as many samples as its head says"),
        (lambda file: with_samples(file, 10**6), "as many samples as its head says"),
    ],
)
def test_a_damaged_or_hostile_ismrmrd_file_is_one_message(scrambled, tmp_path, change, reason):
    path = tmp_path / "a.mrd"
    shutil.copy(scrambled, path)
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(UnusableFile, match=reason), open_volume(path) as volume:
        list(volume.slices())


def test_a_truncated_ismrmrd_file_is_one_message(scrambled, tmp_path):
    content = scrambled.read_bytes()
    refused = 0
    for part in range(1, 12):
        path = tmp_path / f"{part}.mrd"
        path.write_bytes(content[: len(content) * part // 12])
        with pytest.raises(UnusableFile), open_volume(path) as volume:
            list(volume.slices())
        refused += 1
    assert refused == 11


def test_a_file_of_fewer_lines_than_the_models_is_skipped(root, cohort):
    cache = root.parent / "exact"
    fits = open_cohort(root, CohortSettings(), COLUMNS, cache, exact_size=True)
    assert len(fits.table) == len(cohort.table)
    with pytest.raises(InputError, match="fewer lines than the models' 64 pixels"):
        open_cohort(root, CohortSettings(), 64, cache, exact_size=True)


def test_raw_files_without_boxes_have_no_labels(tmp_path):
    write_fastmri(tmp_path / "data" / "a.h5", kspace_of(slices_of(0, 2), 2))
    cohort = open_cohort(tmp_path / "data", CohortSettings(), COLUMNS, tmp_path / "cache", labels_required=False)
    assert cohort.layout == "raw"
    assert cohort.holds_kspace
    assert len(cohort.table) == 2
    assert cohort.table["label"].isna().all()
    with pytest.raises(InputError, match="has no labels"):
        opened(tmp_path / "data")


def test_a_single_coil_file_has_one_coil(tmp_path):
    kspace = kspace_of(slices_of(0, 2, [0]), 1)[:, 0]
    single = opened(one_volume(tmp_path / "data", kspace))
    assert np.load(single.images).shape == (2, 1, COLUMNS, COLUMNS)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda file: file.create_dataset("mask", data=np.ones(COLUMNS)), "undersampled already"),
        (lambda file: file.pop("ismrmrd_header"), "no ismrmrd_header"),
        (lambda file: file.pop("kspace"), "neither fastMRI"),
        (lambda file: file["kspace"].write_direct(np.roll(file["kspace"][:], 9, -1)), "DC is not at the centre"),
        (lambda file: file["kspace"].write_direct(np.full(file["kspace"].shape, np.nan, np.complex64)), "finite"),
        (lambda file: file["kspace"].write_direct(np.zeros(file["kspace"].shape, np.complex64)), "dynamic range"),
    ],
)
def test_a_file_that_cannot_serve_is_named_with_its_reason(tmp_path, root, change, reason):
    folder = one_volume(tmp_path / "data", kspace_of(slices_of(0, 2, [0]), 2))
    with h5py.File(folder / "a.h5", "r+") as file:
        change(file)
    with pytest.raises(InputError, match=f"no usable file of raw k-space.*{reason}"):
        opened(folder)
    assert not [path for path in (tmp_path / "cache").glob("*") if path.is_dir()]


def test_a_bad_file_never_stops_the_scan(tmp_path):
    folder = one_volume(tmp_path / "data", kspace_of(slices_of(0, 2, [0]), 2))
    (folder / "b.h5").write_bytes((folder / "a.h5").read_bytes()[:3000])
    (folder / "c.h5").write_text("no HDF5")
    write_fastmri(folder / "d.h5", kspace_of(slices_of(1, 1), 2), maker="Acme")
    write_fastmri(folder / "e.h5", np.zeros((1, 2, ROWS, COLUMNS), np.complex64))
    shutil.copy(folder / "a.h5", folder / "f.h5")
    rows = [(name, 0, "No", "Tear") for name in "abcde"]
    write_boxes(folder, rows)
    read = opened(folder)
    assert read.table["path"].unique().tolist() == ["a.h5"]
    reasons = dict(zip(read.skipped["path"], read.skipped["reason"], strict=True))
    assert reasons.pop("f.h5").startswith("nobody looked at it")
    assert reasons["d.h5"] == "unknown vendor (Acme)"
    assert reasons["e.h5"] == "zero dynamic range"
    assert sorted(reasons) == ["b.h5", "c.h5", "d.h5", "e.h5"]


def test_a_file_must_not_open_another(tmp_path):
    folder = one_volume(tmp_path / "data", kspace_of(slices_of(0, 1, [0]), 2))
    (folder / "a.h5").rename(tmp_path / "elsewhere.h5")
    with h5py.File(folder / "a.h5", "w") as file:
        file["kspace"] = h5py.ExternalLink(str(tmp_path / "elsewhere.h5"), "kspace")
        file["ismrmrd_header"] = header().encode()
    with pytest.raises(UnusableFile, match="no dataset of this file"), open_volume(folder / "a.h5"):
        pass


def test_an_entity_in_the_header_is_refused():
    with pytest.raises(UnusableFile, match="entities"):
        read_header('<!DOCTYPE x [<!ENTITY a "b">]><ismrmrdHeader>&a;</ismrmrdHeader>')
    for xml, reason in {"<a": "no XML", "<a/>": "field of view", header(trajectory="radial"): "Cartesian"}.items():
        with pytest.raises(UnusableFile, match=reason):
            read_header(xml)


def test_findings_studies_and_lists_decide_what_is_a_negative(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("a", "b", "c"):
        write_fastmri(folder / f"{name}.h5", kspace_of(slices_of(0, 3, [1]), 2), patient=name)
    rows = [("a", 1, "No", "Tear"), ("a", 2, "No", "Cyst"), ("b", 0, "Yes", "Artifact"), ("b", 0, "No", "Cyst")]
    write_boxes(folder, rows, listed=["c"])
    either = opened(folder)
    assert list(zip(either.table["path"], either.table["slice"], either.table["label"], strict=True)) == [
        ("a.h5", 1, 0), ("a.h5", 2, 1), ("a.h5", 3, 1), ("b.h5", 1, 1), ("c.h5", 1, 0), ("c.h5", 2, 0), ("c.h5", 3, 0),
    ]  # fmt: skip
    assert either.left_out == {STUDY_LEVEL: 2}
    tears = opened(folder, finding="Tear")
    assert tears.table.loc[tears.table["label"] == 1, ["path", "slice"]].to_numpy().tolist() == [["a.h5", 2]]
    assert len(tears.table) == 9
    assert tears.fingerprint != either.fingerprint
    with pytest.raises(InputError, match="no box has this label; there are 'Artifact', 'Cyst', 'Tear'"):
        opened(folder, finding="tear")


def test_a_series_is_chosen_where_there_are_several(tmp_path):
    folder = one_volume(tmp_path / "data", kspace_of(slices_of(0, 2, [0]), 2))
    write_fastmri(folder / "b.h5", kspace_of(slices_of(1, 2, [0]), 2), acquisition="CORPDFS_FBK")
    write_boxes(folder, [("a", 0, "No", "Tear"), ("b", 0, "No", "Tear")])
    with pytest.raises(InputError, match=r"several series: 'CORPDFS_FBK' \(1 files\), 'CORPD_FBK' \(1 files\)"):
        opened(folder)
    assert opened(folder, series="CORPD_FBK").left_out == {"another series": 1}


@pytest.mark.parametrize(("domain", "names"), [("field_strength", ["1.5T", "3T"]), ("model", ["Aera", "Skyra"])])
def test_domains_can_be_field_strengths_or_models(tmp_path, domain, names):
    folder = one_volume(tmp_path / "data", kspace_of(slices_of(0, 2, [0]), 2), field_t=1.494, model="Aera")
    write_fastmri(folder / "b.h5", kspace_of(slices_of(1, 2, [0]), 2))
    write_boxes(folder, [("a", 0, "No", "Tear"), ("b", 0, "No", "Tear")])
    read = opened(folder, domain=domain)
    assert read.table["vendor"].tolist() == [names[0]] * 2 + [names[1]] * 2
    assert (read.table["manufacturer"] == "SIEMENS").all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"negatives": "position_matched"}, "negatives position_matched"), ({"domain": "centre"}, "--domain must be")],
)
def test_a_setting_that_raw_k_space_does_not_have_is_refused(root, settings, message):
    with pytest.raises(InputError, match=message):
        opened(root, **settings)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,zero,No,1,2,3,4,Tear", "slice of a box must be a number"),
        ("a,0,No,1,2,0,4,Tear", "width of a box must be a number"),
        ("a,7,No,1,2,3,4,Tear", "a box in a slice beyond them"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path, row, message):
    folder = one_volume(tmp_path / "data", kspace_of(slices_of(0, 1, [0]), 2))
    with (folder / "knee.csv").open("a") as file:
        file.write(row + "\n")
    with pytest.raises(InputError, match=message):
        opened(folder)


def test_a_finding_is_of_raw_k_space_alone(tmp_path):
    (tmp_path / "labels.csv").write_text("path,patient_id,label\n")
    with pytest.raises(InputError, match="--finding is for folders of raw k-space"):
        opened(tmp_path, finding="Tear")


def test_without_the_package_the_message_names_the_extra(root, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(InputError, match=r"pip install 'tune_ks\[kspace\]'"):
        survey_cohort(detect(root, labels_required=True), CohortSettings(), 64)


def test_the_raw_head_is_reconstructed_as_its_notice_says(tmp_path):
    if not SHARED.exists():
        pytest.skip("../shared/data/kspace is not here")
    kspace = np.load(SHARED)
    assert kspace.shape == (8, 230, 180)
    images = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(kspace, (-2, -1))), (-2, -1))
    expected = np.sqrt((np.abs(images) ** 2).sum(0))
    size = {"rows": 230, "columns": 180, "rows_mm": 230.0, "columns_mm": 230.0, "recon": 180, "recon_mm": 180.0}
    folder = one_volume(tmp_path / "data", kspace[None], xml=header(**size), rows=[("a", 0, "No", "Tear")])
    made = open_cohort(folder, CohortSettings(), 180, tmp_path / "cache", labels_required=False)
    assert np.load(made.images).shape == (1, 4, 180, 180)
    with open_volume(folder / "a.h5") as volume:
        coil_images = np.stack([to_image(of_coil, "backward") for of_coil in volume.kspace(0)])
    assert np.allclose(root_sum_of_squares(coil_images), expected, atol=1e-3 * expected.max())
    combined = root_sum_of_squares(np.load(made.images)[0])
    # the stored rows are more than the lines: to compare, the same central rows of k-space are taken of the definition
    central = centred(kspace, 180, -2)
    same = np.sqrt(sum(np.abs(to_image(of_coil)) ** 2 for of_coil in central))
    assert np.corrcoef(combined.ravel(), same.ravel())[0, 1] > 0.995
    assert made.table["acquired_width"][0] == acquired_lines(kspace).sum()
