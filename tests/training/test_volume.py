"""Volumes: the cascade against plain loops over slices, the vote, the score of planted volumes, and a training."""

import dataclasses
import itertools
import math

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import ndimage

from benchmarks.alone import run_config, train
from tiny_volumes import SIDE, open_volumes, write_volumes
from tune_ks.core.config import TrialConfig
from tune_ks.core.record import ONE_FIXED_MASK
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.seeding import generator
from tune_ks.data.cohort.table import read_table
from tune_ks.data.dataset import ACQUISITION, Batch, open_splits
from tune_ks.evaluation.answers import answers_of
from tune_ks.evaluation.exported_model import ExportedModel, write_program
from tune_ks.evaluation.other_cohort import evaluate
from tune_ks.evaluation.volumes import volume_measures
from tune_ks.model.classifiers import CLASSIFIERS, SEGMENTERS, VOLUME_SEGMENTERS, cascade
from tune_ks.model.pipeline import build_pipeline
from tune_ks.training.augmentations import AUGMENTATIONS, build_augmentation
from tune_ks.training.draws import draw_epoch
from tune_ks.training.pack import Network, pack_key, pass_together
from tune_ks.training.tasks import TASKS, build_task, slices_of
from tune_ks.training.tasks.volume import Volume, by_volume, voted, voted_lesion
from tune_ks.training.train import step
from tune_ks.training.training import Training
from tune_ks.worker.checkpoints import load_checkpoint, save_checkpoint

FIELDS = {"task": "volume", "classifier": "cascade", "width": 0.05, "image_size": SIDE, "dropout": 0.0}
FIELDS |= {"epochs": 2, "batch_size": 2, "lr": 1e-2, "augment": "flips", "settle": 0.5, "views": 1}
CONFIG = TrialConfig("GE", 0.25, temperature=1.0, **FIELDS)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return write_volumes(tmp_path_factory.mktemp("volumes"))


@pytest.fixture(scope="module")
def splits(place):
    return open_volumes(place)


def batch_of(organ, lesion):
    """A Batch of volumes (V, S, S, S) of 0 and 1."""
    target = torch.stack([torch.as_tensor(organ), torch.as_tensor(lesion)], dim=2).float().flatten(0, 1)
    count = len(target)
    acquisition = torch.full((count, len(ACQUISITION)), math.nan)
    acquisition[:, ACQUISITION.index("spacing_mm")] = 2.0
    acquisition[:, ACQUISITION.index("thickness_mm")] = 3.0
    return Batch(torch.zeros(count, 1, *target.shape[-2:]), torch.zeros(count), acquisition, torch.zeros(count), target)


def test_folding_equals_a_plain_loop_over_the_slices_of_each_axis():
    torch.manual_seed(0)
    network = torch.nn.Conv2d(1, 1, 3, padding=1)
    volume = torch.rand(2, SIDE, SIDE, SIDE)
    with torch.no_grad():
        for axis in range(3):
            by_loop = torch.zeros_like(volume)
            for number, at in itertools.product(range(2), range(SIDE)):
                place = [number, slice(None), slice(None), slice(None)]
                place[1 + axis] = at
                by_loop[tuple(place)] = network(volume[tuple(place)][None, None])[0, 0]
            torch.testing.assert_close(
                cascade.seen_along(axis, network, volume[:, None]), by_loop, rtol=1e-4, atol=1e-4
            )
    image = volume.reshape(2 * SIDE, 1, SIDE, SIDE)
    assert torch.equal(cascade.unfolded(image), volume)
    assert torch.equal(by_volume(image)[:, 0], volume.flatten(1))
    with pytest.raises(ValueError, match="a multiple of 32 images; got 63"):
        cascade.unfolded(image[:-1])


@pytest.mark.parametrize(("views", "stages"), [(1, 1), (3, 1), (1, 2), (3, 2)])
def test_the_cascade_has_its_parts_and_the_second_stage_sees_the_first(views, stages):
    network = cascade.build(0.05, 0.0, views=views, stages=stages).eval()
    image = torch.rand(SIDE, 1, SIDE, SIDE)
    with torch.no_grad():
        logit = network(image, None, None)
    assert logit.shape == (SIDE, views * stages, SIDE, SIDE)
    assert cascade.stages_of(views * stages) == stages
    if stages == 2:
        beside = logit[:, :views].sigmoid().mean(1, keepdim=True)
        with torch.no_grad():
            by_hand = network.stages[1][0](torch.cat([image, beside], dim=1))
        torch.testing.assert_close(logit[:, views], by_hand[:, 0], rtol=1e-4, atol=1e-4)
    with torch.device("meta"):
        count = sum(value.numel() for value in cascade.build(views=views, stages=stages).parameters())
    assert count == views * (stages * 1_978_433 + (stages - 1) * 9 * 32)  # a second channel enters the second stage
    assert views * stages != 6 or f"{count:,} parameters" in cascade.build.__doc__


def test_each_part_learns_from_its_own_loss_alone():
    """No gradient of the scar's loss reaches the first stage, none of a view another view."""
    network = cascade.build(0.05, 0.0)
    logit = network(torch.rand(SIDE, 1, SIDE, SIDE), None, None)
    logit[:, 4].sum().backward()
    reached = set()
    for stage, view in itertools.product(range(2), range(3)):
        gradients = [value.grad for value in network.stages[stage][view].parameters()]
        if any(gradient is not None and gradient.any() for gradient in gradients):
            reached.add((stage, view))
    assert reached == {(1, 1)}


def test_the_vote_is_two_of_three():
    votes = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=3)))
    expected = [float(sum(vote > 0 for vote in of_views) >= 2) for of_views in votes.tolist()]
    assert voted(votes.T[None])[0].tolist() == expected
    assert voted(torch.tensor([[[-1.0, 1.0]]]))[0].tolist() == [0, 1]  # a single view decides alone


def planted():
    """Two volumes of 8^3: predicted logits (2 * 8, 6, 8, 8), and the truth."""
    organ = np.zeros((2, 8, 8, 8), bool)
    organ[:, 1:7, 1:7, 1:7] = True
    lesion = np.zeros_like(organ)
    lesion[:, 2:4, 2:4, 2:4] = True
    says = np.zeros((6, 2, 8, 8, 8), bool)
    says[:3] = organ
    says[3, :, 2:4, 2:4, 2:6] = True
    says[4, :, 2:4, 2:4, 2:6] = True
    says[4, :, :, :, 7] = True
    says[5, :, :, :, 7] = True
    says[3, :, 0] = True  # one of three
    says[3:, 1] = False  # nothing in the second volume
    logit = torch.from_numpy(np.where(says, 2.0, -2.0)).float().permute(1, 2, 0, 3, 4).flatten(0, 1)
    return logit, batch_of(organ, lesion)


def test_planted_volumes_have_the_scores_and_measures_of_their_definitions():
    logit, batch = planted()
    predicted = voted_lesion(logit).reshape(2, 8, 8, 8)
    assert predicted[0].sum() == 16 + 64
    assert predicted[1].sum() == 0
    score = Volume.score(logit, batch).reshape(2, 8)
    assert score[:, 4].tolist() == pytest.approx([2 * 8 / (8 + 16 + 64), 0])
    assert score.isnan().sum() == 2 * 7
    one_stage = Volume.score(logit[:, 3:], batch).reshape(2, 8)[0, 4].item()
    assert one_stage == pytest.approx(2 * 8 / (8 + 16 + 64))
    healthy = batch._replace(target=batch.target * torch.tensor([1.0, 0.0])[:, None, None])
    assert Volume.score(logit, healthy).isnan().all()


class Answers(torch.nn.Module):
    def __init__(self, logit):
        super().__init__()
        self.logit = logit

    def forward(self, image, acquisition, condition):
        return self.logit


class Given:
    """As much of Images as scoring needs."""

    def __init__(self, batch):
        self.batch = batch

    def __len__(self):
        return len(self.batch.label)

    def home(self, device):
        return torch.device("cpu")

    def gather(self, index, device):
        return Batch(*(values[index] for values in self.batch))


def far_apart_mm(first, second, voxel_mm):
    """The Hausdorff distance of two masks' surfaces, pair by pair."""
    surfaces = [np.argwhere(mask & ~ndimage.binary_erosion(mask)) * np.array(voxel_mm) for mask in (first, second)]
    distances = np.sqrt(((surfaces[0][:, None] - surfaces[1][None]) ** 2).sum(-1))
    return max(distances.min(0).max(), distances.min(1).max())


def test_measures_beside_the_dice_against_slow_twins():
    config = TrialConfig("GE", 1.0, mask="lowpass", **{**FIELDS, "image_size": SIDE})
    pipeline = build_pipeline(config, SIDE)
    lesion = np.zeros((2, SIDE, SIDE, SIDE), bool)
    lesion[:, 10:14, 12:20, 9:15] = True
    organ = np.zeros_like(lesion)
    organ[:, 8:16, 8:24, 6:18] = True
    says = np.zeros((2, 2, SIDE, SIDE, SIDE), bool)
    says[0] = organ
    says[1, 0, 11:16, 12:18, 9:17] = True  # the second volume: no lesion is predicted
    logit = torch.from_numpy(np.where(says, 1.0, -1.0)).float().permute(1, 2, 0, 3, 4).flatten(0, 1)
    pipeline.classifier = Answers(logit)
    pipeline.nothing_to_sample = True
    measured = volume_measures(Network(config, pipeline), Given(batch_of(organ, lesion)))
    off = [abs(int(says[1, number].sum()) - int(lesion[number].sum())) for number in range(2)]
    assert measured["volume_avd_ml"] == pytest.approx(np.mean(off) * 2 * 2 * 3 / 1000)
    assert measured["volume_hd_mm"] == pytest.approx(far_apart_mm(says[1, 0], lesion[0], (3, 2, 2)), rel=1e-5)
    assert measured["volume_empty"] == 0.5
    assert measured["volume_organ_dice"] == 1
    nothing = volume_measures(Network(config, pipeline), Given(batch_of(organ, np.zeros_like(lesion))))
    assert math.isnan(nothing["volume_hd_mm"])
    assert math.isnan(nothing["volume_empty"])


def test_the_loss_is_the_sum_of_the_parts():
    torch.manual_seed(0)
    logit = torch.randn(16, 6, 8, 8)
    _, batch = planted()
    by_hand = 0.0
    for part in range(6):
        for_all = 0.0
        truth = batch.target[:, 0 if part < 3 else 1]
        for number in range(2):
            p = logit[8 * number : 8 * number + 8, part].sigmoid().double()
            t = truth[8 * number : 8 * number + 8].double()
            entropy = -(t * p.log() + (1 - t) * (1 - p).log()).mean()
            for_all += entropy + 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)
        by_hand += for_all.item() / 2
    assert Volume().loss(logit, batch).item() == pytest.approx(by_hand, rel=1e-5)


def test_volumes_are_the_middle_slices_of_each_patient_in_order(place, splits):
    table = pd.read_csv(place / "cohort.csv")
    met = 0
    for images in (splits.train, *splits.val.values(), *splits.test.values()):
        about = table.iloc[images.rows.numpy()]
        for first in range(0, len(images), SIDE):
            volume = about.iloc[first : first + SIDE]
            assert volume["patient_id"].nunique() == 1
            assert volume["slice"].tolist() == list(range(2, SIDE + 2))
            met += 1
    assert met == 3 + (1 + 4) + 2
    masks = np.load(place / "masks.npy")[splits.train.rows]
    target = splits.train.target(torch.arange(len(splits.train)))
    assert np.array_equal(target[:, 0], masks // 2)
    assert np.array_equal(target[:, 1], masks % 2)
    plain = open_splits(place / "cohort.csv", place / "images.npy", "GE", place / "masks.npy").train
    assert np.array_equal(plain.target(torch.arange(len(plain)))[:, 0], np.load(place / "masks.npy")[plain.rows] % 2)


def test_a_cohort_without_whole_volumes_is_one_clear_error(place, tmp_path):
    with pytest.raises(ValueError, match="needs images of 36 pixels a side, and the cohort's have 32"):
        open_volumes(place, slices=36)
    for name in ("images.npy", "masks.npy"):
        (tmp_path / name).write_bytes((place / name).read_bytes())
    table = pd.read_csv(place / "cohort.csv")
    first = table["patient_id"] == "GE_0"
    table[~first | (table["slice"] != 9)].to_csv(tmp_path / "cohort.csv", index=False)
    with pytest.raises(ValueError, match=r"not a cohort table \(its rows are not numbered"):
        open_volumes(tmp_path)
    moved = table["slice"].where(~first | (table["slice"] != 9), 90)
    table.assign(slice=moved).to_csv(tmp_path / "cohort.csv", index=False)
    with pytest.raises(ValueError, match="numbers follow one another, and those of GE_0 do not: 2, 3, 4, 5, 6, 7 "):
        open_volumes(tmp_path)
    alone = table["patient_id"].where(~first | (table["slice"] > 9), "GE_1")
    table.assign(patient_id=alone).to_csv(tmp_path / "cohort.csv", index=False)
    with pytest.raises(ValueError, match="needs 32 slices of every patient, and GE_0 has 25: give whole series"):
        open_volumes(tmp_path)


def test_a_network_of_another_task_is_refused():
    met = 0
    for name in CLASSIFIERS | SEGMENTERS | VOLUME_SEGMENTERS:
        config = TrialConfig("GE", 1.0, mask="lowpass", task="volume", classifier=name)
        if name in VOLUME_SEGMENTERS:
            assert isinstance(build_task(config), Volume)
        else:
            with pytest.raises(ValueError, match=f"classifier must be one of cascade; got '{name}'"):
                build_task(config)
        met += 1
    assert met == 8
    for task in ("classification", "segmentation"):
        with pytest.raises(ValueError, match="got 'cascade'"):
            build_task(TrialConfig("GE", 1.0, mask="lowpass", task=task, classifier="cascade"))
    assert {slices_of(TrialConfig("GE", 1.0, mask="lowpass", task=task)) for task in TASKS} == {1, 256}
    assert pack_key(CONFIG) is None  # a cascade trains alone
    for wrong in ({"mask_jitter": 0.1}, {"style": "gamma"}):
        with pytest.raises(ValueError, match="for volumes, whose slices"):
            build_task(dataclasses.replace(CONFIG, **wrong))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_the_slices_of_a_volume_are_drawn_together_and_other_tasks_draw_as_before(splits, name):
    conditional = {"rate_from": 0.1, "temperature_from": 0.5, "temperature_to": 2.0, "augment": name, "batch_size": 2}
    config = TrialConfig("GE", 0.25, temperature=1.0, **{**FIELDS, **conditional})
    drawn = draw_epoch(config, build_augmentation(config), splits.train, 1, SIDE, "cpu")
    assert [len(batch.rates) for batch in drawn] == [2 * SIDE, SIDE]
    together = [batch.positions.reshape(-1, SIDE) for batch in drawn]
    first = torch.cat([volumes[:, 0] for volumes in together])
    assert sorted((first // SIDE).tolist()) == [0, 1, 2]
    volumes = [draws for batch in drawn for draws in batch.rates.split(SIDE)]
    assert all((volume == volume[0]).all() for volume in volumes)
    assert len({volume[0].item() for volume in volumes}) == 3
    for batch, of_batch in zip(drawn, together, strict=True):
        assert torch.equal(of_batch, of_batch[:, :1] + torch.arange(SIDE))
        for column in (*batch.options.values(), batch.augmentation):
            if column is not None:
                by_volumes = column.reshape(-1, SIDE, *column.shape[1:])
                assert torch.equal(by_volumes, by_volumes[:, :1].expand_as(by_volumes))
    single = TrialConfig("GE", 0.25, temperature=1.0, image_size=64, batch_size=7, augment=name)
    singly = draw_epoch(single, build_augmentation(single), splits.train, 1, 8, "cpu")
    order = torch.cat([batch.positions for batch in singly])
    assert order.tolist() == generator(0, "order", 1).permutation(len(splits.train)).tolist()


def test_all_slices_of_a_volume_have_one_mask():
    pipeline = build_pipeline(CONFIG, SIDE)
    pipeline.classifier = Answers(torch.zeros(1))
    batch = Batch(torch.rand(2 * SIDE, 1, SIDE, SIDE), *[torch.zeros(2 * SIDE)] * 4)
    (passed,) = pass_together([Network(CONFIG, pipeline)], [batch], [torch.full((2 * SIDE,), 0.25)])
    mask = passed.restored.measurement.mask[:, 0, 0].reshape(2, SIDE, SIDE)
    assert torch.equal(mask, mask[:, :1].expand_as(mask))
    assert not torch.equal(mask[0, 0], mask[1, 0])


def test_a_batch_in_pieces_keeps_its_volumes_and_its_gradient(splits):
    weights = []
    for parts in (1, 2, 5):
        training = Training(CONFIG, splits)
        training.begin_epoch()
        training.pipeline.sampling.mask.eval()
        training.pipeline.train()
        training.pipeline.sampling.mask.eval()
        step([training], [training.draws[0]], parts)
        weights.append(torch.cat([value.grad.flatten() for value in training.pipeline.classifier.parameters()]))
    torch.testing.assert_close(weights[1], weights[0], rtol=1e-3, atol=1e-5)
    assert torch.equal(weights[2], weights[1])


def test_resumed_is_the_same_to_the_bit(splits, tmp_path):
    *_, straight = train(CONFIG, splits)
    for epoch in itertools.islice(train(CONFIG, splits), 1):
        save_checkpoint(tmp_path / "checkpoint.pt", {"state": epoch.state})
    *_, resumed = train(CONFIG, splits, load_checkpoint(tmp_path / "checkpoint.pt")["state"])
    assert resumed.state["history"] == straight.state["history"]
    for name, value in straight.state["weights"].items():
        assert torch.equal(resumed.state["weights"][name], value)


def test_a_record_holds_a_score_a_volume_and_the_model_scores_another_cohort(place, tmp_path):
    folder = RunFolder(tmp_path)
    folder.cohort_csv.write_bytes((place / "cohort.csv").read_bytes())
    images = place / "images.npy"
    masks = place / "masks.npy"
    record = run_config(CONFIG, folder, images, "cpu", lambda *_: None, masks_npy=masks)
    assert folder.read_record(CONFIG.key()).test == record.test
    assert set(record.trivial[ONE_FIXED_MASK]) == set(record.test) == {"GE", "SIEMENS"}
    assert set(record.quality["GE"]) == {f"volume_{name}" for name in ("avd_ml", "hd_mm", "empty", "organ_dice")}
    saved = np.load(folder.trial(CONFIG.key(), "scores.npz"))
    table = read_table(folder.cohort_csv)
    about = table.iloc[saved["row"]]
    scored = ~np.isnan(saved["score"])
    assert scored.sum() == 1 + 4 + 2  # validation of GE and of SIEMENS, test of both
    assert set(about["slice"][scored]) == {1 + 1 + SIDE // 2}
    assert about["patient_id"][scored].is_unique
    mine = scored & (about["vendor"] == "SIEMENS").to_numpy() & (saved["split"] == 1)
    assert record.test["SIEMENS"] == pytest.approx(saved["score"][mine][0])
    external = evaluate(folder, [CONFIG.key()], table, images, masks_npy=masks)
    again = external.scores.set_index("row")["score"]
    assert again.notna().sum() == 10
    np.testing.assert_allclose(again[saved["row"]], saved["score"], rtol=1e-4)
    (said,) = answers_of(folder, [CONFIG.key()], table, images)
    assert said.arrays["mask"].shape == (10 * SIDE, SIDE, SIDE)
    assert said.table["lesion_pixels"].tolist() == said.arrays["mask"].sum((1, 2)).tolist()
    assert said.table["patient_id"].tolist() == sorted(said.table["patient_id"])


def test_one_fixed_mask_scores_as_its_definition_says(place, splits):
    table = pd.read_csv(place / "cohort.csv").sort_values(["patient_id", "slice"])
    masks = np.load(place / "masks.npy")

    def lesions(vendor, split):
        rows = table[(table["vendor"] == vendor) & (table["split"] == split)]
        return [masks[of_patient["row"]][1:-1] % 2 == 1 for _, of_patient in rows.groupby("patient_id")]

    def mean_dice(cut, volumes):
        return np.mean([2 * (cut & volume).sum() / (cut.sum() + volume.sum()) for volume in volumes])

    mean = np.mean(lesions("GE", "train"), axis=0)
    cuts = [mean > np.float32(mean.max() * level / 32) for level in range(32)]
    best = max(cuts, key=lambda cut: mean_dice(cut, lesions("GE", "train")))
    for vendor, value in Volume.trivial(splits)[ONE_FIXED_MASK].items():
        assert value == pytest.approx(mean_dice(best, lesions(vendor, "test")), abs=1e-6)


def test_an_exported_cascade_gives_the_logits_of_whole_volumes(tmp_path):
    config = TrialConfig("GE", 0.25, mask="lowpass", **FIELDS, stages=1)
    pipeline = build_pipeline(config, SIDE).eval()
    pipeline.classifier.stages[0][0] = torch.nn.Conv2d(1, 1, 3, padding=1)  # a U-Net takes seconds to export
    model = ExportedModel(pipeline, config, SIDE)
    write_program(model, tmp_path / "model.pt2")
    image = torch.rand(3 * SIDE, 1, SIDE, SIDE)
    acquisition = torch.full((3 * SIDE, len(ACQUISITION)), math.nan)
    with torch.no_grad():
        expected = model(image, acquisition)
        program = torch.export.load(tmp_path / "model.pt2").module()
        torch.testing.assert_close(program(image, acquisition), expected, rtol=1e-4, atol=1e-4)
    assert expected.shape == (3 * SIDE, 1, SIDE, SIDE)
