"""Segmentation: the Dice of cases by hand, the adversary against its twin, bits after a resume, and the front door."""

import itertools
import json
import math

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional

import run_search
from benchmarks.alone import finish, run_config, train
from dicom_files import save_labels, write_dicom
from front_door import inside
from local_ray import start_local_ray
from tiny import write_tiny
from tune_ks.core.config import TrialConfig
from tune_ks.core.record import ONE_FIXED_MASK
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.dataset import Batch, open_splits
from tune_ks.model.classifiers import CLASSIFIERS, DETECTORS, SEGMENTERS, unet
from tune_ks.model.pipeline import build_pipeline, resized
from tune_ks.planning.space import SEARCH_DEFAULTS, Space
from tune_ks.training.tasks import TASKS, build_task
from tune_ks.training.tasks.adversary import Adversary, reversed_gradient
from tune_ks.training.tasks.segmentation import Segmentation
from tune_ks.worker.checkpoints import load_checkpoint, save_checkpoint

FIELDS = {"task": "segmentation", "classifier": "unet", "width": 0.1, "image_size": 32, "dropout": 0.0}
FIELDS |= {"epochs": 3, "batch_size": 8, "lr": 3e-3, "augment": "flips", "settle": 0.4}
CONFIG = TrialConfig("GE", 0.25, temperature=1.0, **FIELDS)


def batch_of(*targets):
    target = torch.tensor(np.array(targets), dtype=torch.float32)[:, None]
    facts = torch.zeros(len(target)), torch.zeros(len(target), 7), torch.zeros(len(target))
    return Batch(torch.rand(target.shape, generator=torch.Generator().manual_seed(0)), *facts, target)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("tiny"), side=48)


@pytest.fixture(scope="module")
def splits(tiny):
    return open_splits(*tiny, "GE", tiny[1].with_name("masks.npy"))


def test_dice_by_hand():
    drawn = [[1, 1], [0, 0]]
    predicted = [[[1, 1], [0, 0]], [[1, 0], [1, 0]], [[0, 0], [1, 1]], [[1, 1], [1, 1]], [[0, 0], [0, 0]]]
    logit = 8 * torch.tensor(predicted, dtype=torch.float32)[:, None] - 4
    score = Segmentation.score(logit, batch_of(*[drawn] * 5))
    np.testing.assert_allclose(score, [1, 1 / 2, 0, 2 / 3, 0])
    assert Segmentation.score(logit, batch_of(*[[[0, 0], [0, 0]]] * 5)).isnan().all()  # nothing there to be found


def test_the_loss_by_hand():
    task = Segmentation()
    logit = torch.tensor([[[[0.0, math.log(3)], [-math.log(3), 0.0]]]])  # p = 1/2, 3/4, 1/4, 1/2
    batch = batch_of([[1, 1], [0, 0]])
    entropy = -(math.log(1 / 2) + math.log(3 / 4) + math.log(3 / 4) + math.log(1 / 2)) / 4
    assert task.loss(logit, batch).item() == pytest.approx(entropy + 1 - (2 * 1.25 + 1) / (2 + 2 + 1))
    nothing = batch_of([[0, 0], [0, 0]])
    assert task.loss(logit - 9, nothing) < task.loss(logit, nothing)
    assert not list(task.parameters())  # no adversary


def test_a_reversed_gradient_equals_two_separate_passes():
    """D goes down its own loss; the segmenter down L - w L_D: each by its own pass, with no reversal in it."""
    torch.manual_seed(0)
    batch, weight = batch_of(*(np.random.default_rng(0).random((3, 16, 16)) < 0.4)), 0.3
    task = Segmentation(adversarial_weight=weight)
    logit = torch.randn(3, 1, 16, 16, requires_grad=True)
    task.loss(logit, batch).backward()
    adversary, twin = task.adversary, logit.detach().clone().requires_grad_()
    drawn, predicted = adversary(batch.target, batch.image), adversary(twin.sigmoid(), batch.image)
    ones = torch.ones(3)
    deceived = (
        functional.binary_cross_entropy_with_logits(drawn, ones)
        + functional.binary_cross_entropy_with_logits(predicted, 0 * ones)
    ) / 2
    of_adversary = torch.autograd.grad(deceived, list(adversary.parameters()), retain_graph=True)
    for parameter, expected in zip(adversary.parameters(), of_adversary, strict=True):
        torch.testing.assert_close(parameter.grad, expected)
    honest = Segmentation().loss(twin, batch)
    torch.testing.assert_close(logit.grad, torch.autograd.grad(honest - weight * deceived, twin)[0])
    assert torch.equal(reversed_gradient(logit, 2.0), logit)


def test_the_adversary_learns_to_tell_what_it_can_tell():
    torch.manual_seed(0)
    adversary = Adversary(0.0)
    image, drawn = torch.rand(16, 1, 16, 16), (torch.rand(16, 1, 16, 16) < 0.2).float()
    optimizer = torch.optim.Adam(adversary.parameters(), 1e-2)
    losses = []
    for _ in range(40):
        loss = adversary.loss(drawn.flip(0) * 0.5, drawn, image)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(math.log(2), abs=0.1)
    assert losses[-1] < 0.1


def test_a_mask_that_ignores_the_image_scores_as_its_definition_says(tiny, splits):
    masks, table = np.load(tiny[1].with_name("masks.npy")) == 1, pd.read_csv(tiny[0])

    def mean_dice(predicted, rows):
        drawn = [masks[row] for row in rows if masks[row].any()]
        return np.mean([2 * (predicted & mask).sum() / (predicted.sum() + mask.sum()) for mask in drawn])

    train_rows = table["row"][(table["vendor"] == "GE") & (table["split"] == "train")]
    mean = masks[train_rows].mean(axis=0)
    cuts = [mean > mean.max() * level / 32 for level in range(32)]
    best = max(cuts, key=lambda cut: mean_dice(cut, train_rows))
    scores = Segmentation.trivial(splits)[ONE_FIXED_MASK]
    assert set(scores) == {"GE", "SIEMENS"}
    for vendor, value in scores.items():
        rows = table["row"][(table["vendor"] == vendor) & (table["split"] == "test")]
        assert value == pytest.approx(mean_dice(best, rows), abs=1e-6)
    assert TASKS["classification"].build.trivial(splits) == {}


def test_every_task_has_its_networks_and_a_network_of_another_task_is_refused():
    of_tasks = {"classification": CLASSIFIERS, "segmentation": SEGMENTERS, "detection": DETECTORS}
    every_network = CLASSIFIERS | SEGMENTERS | DETECTORS
    assert len(every_network) == sum(len(networks) for networks in of_tasks.values())
    met = 0
    for task, networks in of_tasks.items():
        for name in every_network:
            config = TrialConfig("GE", 1.0, mask="lowpass", task=task, classifier=name)
            if name in networks:
                build_task(config)
            else:
                with pytest.raises(ValueError, match=f"classifier must be one of .*; got '{name}'"):
                    build_task(config)
            met += 1
    assert met == len(of_tasks) * len(every_network)
    with pytest.raises(ValueError, match="'unet' needs an image_size of 32 or more, got 31"):
        build_pipeline(TrialConfig("GE", 1.0, mask="lowpass", **{**FIELDS, "image_size": 31}), 31)


def test_the_u_net_has_the_count_of_its_shape():
    """Two 3 x 3 convolutions a level with instance norm, transposed ones of 2 x 2 that halve the channels; by hand."""

    def block(before, after):  # weight, bias, and the norm's two, twice
        return sum(9 * channels * after + 3 * after for channels in (before, after))

    channels = (32, 32, 64, 128, 256)
    count = block(1, 32) + sum(block(a, b) for a, b in itertools.pairwise(channels))
    for before, beside, up in ((256, 128, 128), (128, 64, 64), (64, 32, 32), (32, 32, 32)):
        half = before // 2 if beside != before else before  # the last one keeps its channels
        count += 4 * before * half + half + block(half + beside, up)
    assert count + 32 + 1 == sum(p.numel() for p in unet.build().parameters())
    assert f"{count + 33:,} parameters" in unet.build.__doc__


@pytest.mark.parametrize(("side", "image_size"), [(32, 32), (32, 48), (48, 33)])
def test_a_map_of_logits_comes_back_at_the_image_s_own_size(side, image_size):
    network = build_pipeline(TrialConfig("GE", 0.5, mask="lowpass", **{**FIELDS, "image_size": image_size}), side)
    logit = network(torch.rand(2, 1, side, side), torch.full((2,), 0.5), torch.zeros(2, 7))
    assert logit.shape == (2, 1, side, side)
    assert resized(logit, side) is logit


@pytest.mark.parametrize("weight", [0.0, 0.1])
def test_resumed_from_any_epoch_is_the_same_to_the_bit(splits, tmp_path, weight):
    config = TrialConfig("GE", 0.25, temperature=1.0, **FIELDS, adversarial_weight=weight)
    *_, straight = train(config, splits)
    assert bool(straight.state["task"]) == bool(weight)
    for stop in (1, 2):
        for epoch in itertools.islice(train(config, splits), stop):
            save_checkpoint(tmp_path / "checkpoint.pt", {"state": epoch.state})
        *_, resumed = train(config, splits, load_checkpoint(tmp_path / "checkpoint.pt")["state"])
        assert resumed.state["history"] == straight.state["history"]
        for part in ("weights", "task"):
            assert all(
                torch.equal(resumed.state[part][name], straight.state[part][name]) for name in straight.state[part]
            )


def test_it_learns_where_a_bright_disc_is(tmp_path):
    cohort_csv, images_npy = write_tiny(tmp_path, patients=16, side=48)
    splits = open_splits(cohort_csv, images_npy, "GE", tmp_path / "masks.npy")
    changes = {"epochs": 6, "lr": 1e-2, "batch_size": 4, "image_size": 48}
    config = TrialConfig("GE", 1.0, mask="lowpass", **{**FIELDS, **changes})
    *_, epoch = train(config, splits)
    outcome = finish(config, splits, epoch.state)
    dice = Segmentation.measure_each(splits.test, outcome.scores["test"])
    trivial = Segmentation.trivial(splits)[ONE_FIXED_MASK]
    assert min(dice.values()) > 0.8
    assert max(trivial.values()) < 0.5


def test_a_record_holds_dice_and_the_exported_weights_no_adversary(tiny, tmp_path):
    folder = RunFolder(tmp_path)
    folder.cohort_csv.write_bytes(tiny[0].read_bytes())
    config = TrialConfig("GE", 0.25, temperature=1.0, **FIELDS, adversarial_weight=0.1)
    masks = tiny[1].with_name("masks.npy")
    record = run_config(config, folder, tiny[1], "cpu", lambda *_: None, masks_npy=masks)
    assert folder.read_record(config.key()) == record
    assert record.metric == "dice"
    assert set(record.trivial[ONE_FIXED_MASK]) == set(record.test) == set(record.val_over_draws) == {"GE", "SIEMENS"}
    saved = np.load(folder.trial(config.key(), "scores.npz"))
    label = pd.read_csv(tiny[0])["label"].to_numpy()[saved["row"]]
    assert np.array_equal(np.isnan(saved["score"]), label == 0)
    vendors = pd.read_csv(tiny[0])["vendor"].to_numpy()[saved["row"]]
    mine = saved["score"][(vendors == "SIEMENS") & (saved["split"] == 1)]
    assert record.test["SIEMENS"] == pytest.approx(np.nanmean(mine), abs=1e-6)
    weights = load_file(folder.trial(config.key(), "model.safetensors"))
    assert {name.split(".")[0] for name in weights} == {"sampling", "classifier"}


def test_a_search_has_one_task():
    def space(*blocks):
        return Space("one", "", list(blocks), SEARCH_DEFAULTS)

    assert space({"sampling_rate": [1.0]}).task() is TASKS["classification"].build
    assert space({"task": "segmentation"}).task() is Segmentation
    with pytest.raises(ValueError, match="task must be the same in all of SPACE; got classification and segmentation"):
        space({"task": "segmentation"}, {"sampling_rate": [1.0]}).task()
    with pytest.raises(ValueError, match=r"task must be one of classification, .*; got 'regression'"):
        space({"task": "regression"}).task()


def write_drawn(root, patients, vendors):
    """A folder with labels.csv and masks.npz: a bright square in the images of label 1."""
    rows, masks = [], {}
    for number, (vendor, p) in enumerate(itertools.product(vendors, range(patients))):
        patient, drawn = f"{vendor}{p}", np.zeros((2, 32, 32), bool)
        drawn[1, 8 + p : 16 + p, 6:14] = True
        masks |= {patient: drawn, f"{patient}_slices": np.array([1, 2])}
        for label in (0, 1):
            rows.append({"path": f"{patient}/{label}.dcm", "patient_id": patient, "label": label, "slice": label + 1})
            noise = np.random.default_rng(2 * number + label).integers(0, 300, (32, 32))
            write_dicom(root / rows[-1]["path"], (noise + 600 * drawn[label]).astype(np.uint16), vendor)
    save_labels(root, rows)
    np.savez(root / "masks.npz", **masks)


def check_predictions(external, key, predicted, scores):
    """The masks, and the numbers of table and JSON, are those that ``evaluate`` scored."""
    table = pd.read_csv(external / f"elsewhere_{key}_predictions.csv")
    with np.load(external / f"elsewhere_{key}_predictions.npz") as archive:
        masks = archive["mask"]
        assert archive["row"].tolist() == table["row"].tolist()
    assert masks.dtype == bool
    assert table["tumour_pixels"].tolist() == masks.sum((1, 2)).tolist()
    lines = [line for line in predicted["images"] if line["key"] == key]
    assert [line["tumour_pixels"] for line in lines] == table["tumour_pixels"].tolist()
    dice = scores[scores["key"] == key].set_index("row")["score"]
    for row, mask in zip(table["row"], masks):
        drawn = np.zeros((32, 32), bool)
        patient = int(table["patient_id"][table["row"] == row].iloc[0][-1])
        drawn[8 + patient : 16 + patient, 6:14] = True
        if not np.isnan(dice[row]):
            assert dice[row] == pytest.approx(2 * (mask & drawn).sum() / (mask.sum() + drawn.sum()), abs=1e-6)


def refused(capsys, *words):
    """In this process: no bad input may get as far as Ray."""
    assert run_search.main([str(word) for word in words]) == 2
    said = capsys.readouterr().err
    assert said.count("error: ") == 1
    return said


def test_from_dicom_to_dice_through_the_front_door(tmp_path, capsys, monkeypatch):
    start_local_ray()
    monkeypatch.chdir(tmp_path)
    for name, vendors in (("data", ("GE", "SIEMENS")), ("elsewhere", ("PHILIPS",)), ("silent", ("GE", "SIEMENS"))):
        write_drawn(tmp_path / name, 5, vendors)
    (tmp_path / "silent/masks.npz").unlink()
    block = {**FIELDS, "epochs": 2, "vendor": "GE", "mask": "lowpass", "sampling_rate": [0.25, 1.0]}
    (tmp_path / "space.py").write_text(f"SPACE = {block}")
    search = ["--space", "space.py", "--run", "run", "--concurrent", 1]
    said = refused(capsys, "--data", "silent", *search)
    assert "silent does not say where its tumours lie" in said
    ended = inside("--data", "data", *search, cwd=tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    run = RunFolder(tmp_path / "run")
    records = list(run.records())
    assert [record.metric for record in records] == ["dice"] * 2
    assert all(0 <= record.test[vendor] <= 1 for record in records for vendor in ("GE", "SIEMENS"))
    assert run_search.main(["evaluate", "run", "--data", "elsewhere", "--all"]) == 0
    outside = pd.read_csv(tmp_path / "run/external/elsewhere.csv")
    assert outside["vendor"].tolist() == ["PHILIPS"] * 2
    scores = pd.read_csv(tmp_path / "run/external/elsewhere_scores.csv")
    for line in outside.itertuples():
        assert line.dice == pytest.approx(scores["score"][scores["key"] == line.key].mean(), abs=1e-6)
    capsys.readouterr()
    assert run_search.main(["predict", "run", "--data", "elsewhere", "--all", "--json"]) == 0
    said = capsys.readouterr().out
    assert "no medical device" in said
    predicted = json.loads((tmp_path / "run/external/elsewhere_predictions.json").read_text())
    for record in records:
        check_predictions(tmp_path / "run/external", record.config.key(), predicted, scores)
    assert run_search.main(["evaluate", "run", "--data", "elsewhere", "--all", "--corruptions"]) == 0
    corrupted = pd.read_csv(tmp_path / "run/corruptions/elsewhere.csv")
    assert set(corrupted["key"]) == {record.config.key() for record in records}
    clean = corrupted[corrupted["severity"] == 0].groupby("key")["dice"].first()
    assert clean.to_dict() == pytest.approx(outside.set_index("key")["dice"].to_dict(), abs=1e-6)
    other = {"vendor": "GE", "mask": "lowpass", "sampling_rate": 1.0, "image_size": 64}
    (tmp_path / "other.py").write_text(f"SPACE = {other}")
    again = ("--data", "data", "--space", "other.py", "--run", "run", "--extend")
    assert "belongs to another cohort (other images, labels, tumour masks or settings)" in refused(capsys, *again)
