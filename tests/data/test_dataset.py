"""Table to tensors: who is in which split, and that every tensor is of the row it claims to be."""

import numpy as np
import pytest
import torch

from dicom_files import write_table_cohort
from tune_ks.data.cohort.cohort import open_cohort
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.cohort.table import split_patients, write_table
from tune_ks.data.dataset import ACQUISITION, all_images, open_splits


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A cohort of three vendors with its split written: (table, cohort.csv, images.npy)."""
    folder = tmp_path_factory.mktemp("dataset")
    write_table_cohort(folder / "data", patients=5, vendors=("GE", "SIEMENS", "PHILIPS"))
    cohort = open_cohort(folder / "data", CohortSettings(), 8, folder / "cache")
    table = cohort.table.assign(split=split_patients(cohort.table, 0))
    write_table(folder / "cohort.csv", table)
    return table, folder / "cohort.csv", cohort.images


@pytest.fixture
def run(files):
    """The same, with a table that the test may change."""
    table, csv, npy = files
    return table.copy(), csv, npy


def test_roles_of_the_vendors(run):
    table, csv, npy = run
    test_rows = {}
    for vendor in ("GE", "SIEMENS", "PHILIPS"):
        splits = open_splits(csv, npy, vendor)
        assert set(splits.val) == set(splits.test) == {"GE", "SIEMENS", "PHILIPS"}
        groups = {name: set(table["row"][table["vendor"] == name]) for name in splits.val}
        assert set(splits.train.rows.tolist()) == groups[vendor] & set(table["row"][table["split"] == "train"])
        for name in splits.val:
            wanted = {"val"} if name == vendor else {"train", "val"}
            assert set(splits.val[name].rows.tolist()) == groups[name] & set(table["row"][table["split"].isin(wanted)])
            test_rows.setdefault(name, splits.test[name].rows.tolist())
            assert splits.test[name].rows.tolist() == test_rows[name]  # whichever vendor is the source
        used = [splits.train, *splits.val.values(), *splits.test.values()]
        assert sum(len(images) for images in used) == len(table)
        owners = [set(images.patient.tolist()) for images in used]
        assert sum(map(len, owners)) == len(set.union(*owners)) == 15  # no patient in two roles


def test_a_batch_is_of_the_rows_it_claims(run):
    table, csv, npy = run
    pixels = np.load(npy)
    images = open_splits(csv, npy, "SIEMENS").val["GE"]
    index = torch.tensor([3, 0, 3])
    batch = images.gather(index, "cpu")
    rows = images.rows[index]
    assert batch.image.shape == (3, 1, images.side, images.side)
    assert np.array_equal(batch.image[:, 0], pixels[rows])
    assert batch.label.tolist() == table["label"][rows.numpy()].tolist()
    assert batch.acquisition.shape == (3, len(ACQUISITION))
    assert [values.dtype for values in batch] == [torch.float32] * 3 + [torch.int64, torch.float32]
    assert batch.target.shape == (3, 0, images.side, images.side)
    ids = sorted(table["patient_id"].unique())
    assert [ids[number] for number in batch.patient] == table["patient_id"][rows.numpy()].tolist()


def test_acquisition_in_its_order_and_missing_is_nan(run):
    table, _, npy = run
    table.loc[0, ["tr_ms", "acquired_width"]] = np.nan
    facts = all_images(table, npy).acquisition
    assert facts[1].tolist() == [1.5, 5.0, 2.0, 10.0, 0.75, 1.0, 2.0]
    assert torch.isnan(facts[0]).tolist() == [False, True, False, False, True, False, False]


def test_pixels_are_shared_not_copied(run):
    _, csv, npy = run
    splits = open_splits(csv, npy, "GE")
    stores = {id(images._pixels) for images in (splits.train, *splits.val.values())}
    assert len(stores) == 1
    assert isinstance(splits.train._pixels, np.memmap)
    assert open_splits(csv, npy, "SIEMENS").train._pixels is splits.train._pixels
    splits.train.gather(torch.tensor([0])).image.zero_()  # a batch is the caller's own
    assert np.load(npy)[splits.train.rows[0]].any()


def test_all_images_in_the_table_s_order(run):
    table, _, npy = run
    images = all_images(table, npy)
    assert images.rows.tolist() == table["row"].tolist()
    some = all_images(table.iloc[5:9], npy)
    assert np.array_equal(some.gather(torch.arange(4)).image[:, 0], np.load(npy)[5:9])


def test_masks_come_with_their_images(run, tmp_path):
    table, csv, npy = run
    masks = np.random.default_rng(0).integers(0, 2, np.load(npy).shape).astype(np.uint8)
    np.save(tmp_path / "masks.npy", masks)
    images = open_splits(csv, npy, "SIEMENS", tmp_path / "masks.npy").val["GE"]
    index = torch.tensor([3, 0, 3])
    target = images.gather(index).target
    assert target.dtype == torch.float32
    assert np.array_equal(target[:, 0], masks[images.rows[index]])
    some = all_images(table.iloc[5:9], npy, tmp_path / "masks.npy")
    assert np.array_equal(some.gather(torch.arange(4)).target[:, 0], masks[5:9])
    with pytest.raises(ValueError, match="must hold uint8"):
        open_splits(csv, npy, "GE", npy)


def test_what_is_refused(run, tmp_path):
    table, csv, npy = run
    with pytest.raises(ValueError, match="no vendor 'CANON'; it has GE, PHILIPS, SIEMENS"):
        open_splits(csv, npy, "CANON")
    write_table(tmp_path / "unsplit.csv", table.assign(split=""))
    with pytest.raises(ValueError, match="split must be one of train, val, test; it also holds ''"):
        open_splits(tmp_path / "unsplit.csv", npy, "GE")
    np.save(tmp_path / "short.npy", np.load(npy)[:-1])
    with pytest.raises(ValueError, match="holds 59 images, the table names image 59"):
        open_splits(csv, tmp_path / "short.npy", "GE")
    np.save(tmp_path / "odd.npy", np.zeros((60, 4, 5), np.float32))
    with pytest.raises(ValueError, match="must hold float32"):
        all_images(table, tmp_path / "odd.npy")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_the_same_batch(run):
    _, csv, npy = run
    images = open_splits(csv, npy, "GE").train
    index = torch.tensor([2, 0, 1])
    for here, there in zip(images.gather(index), images.gather(index.cuda(), "cuda")):
        assert there.device.type == "cuda"
        assert torch.equal(here, there.cpu())
    held = [values.data_ptr() for values in images._resident[torch.device("cuda")]]
    images.gather(index, "cuda")
    assert held == [values.data_ptr() for values in images._resident[torch.device("cuda")]]


def test_a_share_of_the_training_patients_is_nested_and_keeps_every_kind_of_patient(tmp_path):
    write_table_cohort(tmp_path / "data", patients=40, vendors=("GE", "SIEMENS"))
    cohort = open_cohort(tmp_path / "data", CohortSettings(), 8, tmp_path / "cache")
    table = cohort.table.assign(split=split_patients(cohort.table, 0))
    labels = table["label"].mask(table["patient_id"].str[-1].isin(["1", "2", "3"]), 0)  # patients without a tumour
    table["label"] = labels
    write_table(tmp_path / "cohort.csv", table)
    whole = open_splits(tmp_path / "cohort.csv", cohort.images, "GE")
    kinds = table[table["row"].isin(whole.train.rows.tolist())].groupby("patient_id")["label"].max()
    assert sorted(kinds.unique()) == [0, 1]
    before = set()
    for share in (0.01, 0.1, 0.2, 0.5, 0.8, 1.0):
        splits = open_splits(tmp_path / "cohort.csv", cohort.images, "GE", train_share=share)
        rows = splits.train.rows.tolist()
        patients = set(table["patient_id"][rows])
        assert set(rows) == set(table["row"][table["patient_id"].isin(patients)])  # all images of a patient
        assert before <= patients
        for kind, of_kind in kinds.groupby(kinds):
            assert len(patients & set(of_kind.index)) == max(1, round(share * len(of_kind))), (share, kind)
        before = patients
        for name in ("GE", "SIEMENS"):
            assert splits.val[name].rows.tolist() == whole.val[name].rows.tolist()
            assert splits.test[name].rows.tolist() == whole.test[name].rows.tolist()
    assert before == set(kinds.index)
    other_source = open_splits(tmp_path / "cohort.csv", cohort.images, "SIEMENS", train_share=0.1)
    assert len(other_source.val["GE"]) == len(whole.train) + len(whole.val["GE"])  # another vendor's are not cut
