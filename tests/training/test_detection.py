"""Detection: LROC against its direct area, boxes, candidates and losses against plain loops, and what a run keeps."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
import torch

from analysis.read.trial_arrays import candidates as read_candidates
from benchmarks.alone import run_config, train
from tiny import write_tiny
from tune_ks.core.config import TrialConfig
from tune_ks.core.metrics import FALSE_POSITIVES, METRICS, MISSED, sensitivity_at
from tune_ks.core.record import BEST_POSITION, SPLIT_CODES
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.cohort.mask_source import mask_source
from tune_ks.data.dataset import Batch, open_splits
from tune_ks.data.layouts.sheets import InputError
from tune_ks.evaluation.froc import sensitivities
from tune_ks.model.classifiers import DETECTORS, centernet
from tune_ks.model.pipeline import build_pipeline
from tune_ks.training.tasks.boxes import NEIGHBOURS, candidates, inside, true_boxes
from tune_ks.training.tasks.detection import CANDIDATES, Detection
from tune_ks.worker.checkpoints import load_checkpoint, save_checkpoint

FIELDS = {"task": "detection", "classifier": "centernet", "width": 0.1, "image_size": 32, "dropout": 0.0}
FIELDS |= {"epochs": 3, "batch_size": 8, "lr": 3e-3, "augment": "flips", "settle": 0.4}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("tiny"), side=48)


@pytest.fixture(scope="module")
def splits(tiny):
    return open_splits(*tiny, "GE", tiny[1].with_name("masks.npy"))


def lroc_area(label, score, located):
    """By definition: over all thresholds, tumours called and located against healthy images called; by trapezia."""
    points = [(0.0, 0.0)]
    for threshold in sorted(set(score), reverse=True):
        called = score >= threshold
        healthy = sum(called[i] and label[i] == 0 for i in range(len(label))) / sum(label == 0)
        found = sum(called[i] and label[i] == 1 and located[i] for i in range(len(label))) / sum(label == 1)
        points.append((healthy, found))
    return sum((x1 - x0) * (y0 + y1) / 2 for (x0, y0), (x1, y1) in itertools.pairwise(points))


def test_the_auc_of_the_scores_is_the_area_under_the_lroc_curve():
    """300 cohorts, a third of them with few levels of score, so that many are tied."""
    met = {"ties": 0, "none located": 0}
    for number in range(300):
        rng = np.random.default_rng(number)
        label = rng.permutation(np.r_[0, 1, rng.integers(0, 2, rng.integers(2, 30))])
        score = rng.normal(label, 1) if number % 3 else rng.integers(-2, 3, len(label)).astype(float)
        located = rng.random(len(label)) < rng.random()
        kept = np.where((label == 1) & ~located, MISSED, score)
        assert METRICS["lroc"].overall(label, kept) == pytest.approx(lroc_area(label, score, located), abs=1e-12)
        met["ties"] += len(set(score)) < len(score)
        met["none located"] += not located[label == 1].any()
    assert min(met.values()) >= 20


def random_masks(rng, count, side):
    masks = np.zeros((count, 1, side, side), np.float32)
    for mask in masks[:-1, 0]:
        top, left = rng.integers(0, side, 2)
        bottom, right = rng.integers((top, left), side)
        mask[top : bottom + 1, left : right + 1] = rng.random((bottom + 1 - top, right + 1 - left)) < 0.6
    return masks  # the last one is empty


def slow_box(mask):
    rows = [row for row in range(len(mask)) for column in range(len(mask)) if mask[row, column]]
    columns = [column for row in range(len(mask)) for column in range(len(mask)) if mask[row, column]]
    if not rows:
        return [math.nan] * 4
    return [min(rows), min(columns), max(rows) - min(rows) + 1, max(columns) - min(columns) + 1]


def test_a_box_holds_all_of_a_mask_and_no_more():
    masks = random_masks(np.random.default_rng(0), 40, 9)
    boxes = true_boxes(torch.tensor(masks))
    for mask, box in zip(masks[:, 0], boxes.tolist(), strict=True):
        np.testing.assert_equal(box, slow_box(mask))
    row, column = (torch.tensor(of_axis).repeat(40, 1) for of_axis in np.divmod(np.arange(81), 9))
    within = inside(boxes, row, column).reshape(40, 9, 9).numpy()
    for mask, there in zip(masks[:, 0], within, strict=True):
        assert np.array_equal(slow_box(there), slow_box(mask), equal_nan=True)
        assert not mask[~there].any()


def slow_candidates(maps, count):
    """(3, S, S) -> (logit, row, column, height, width) of the local maxima, the highest first, then row by row."""
    side, reach, places = maps.shape[-1], NEIGHBOURS // 2, []
    for row, column in itertools.product(range(side), repeat=2):
        near = maps[0, max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1]
        if maps[0, row, column] == near.max():
            size = np.clip(maps[1:, row, column] * np.float32(side), 1, side)
            places.append((maps[0, row, column], row, column, *size))
    return sorted(places, key=lambda place: -place[0])[:count]


@pytest.mark.parametrize("levels", [0, 3])
def test_candidates_are_the_highest_local_maxima(levels):
    rng = np.random.default_rng(levels)
    maps = rng.normal(0.1, 0.3, (12, 3, 11, 11)).astype(np.float32)
    if levels:
        maps[:, 0] = rng.integers(0, levels, maps[:, 0].shape)  # many equal logits
    maps[0, 0] = -2.0  # all equal
    few = candidates(torch.tensor(maps), 1)
    many = candidates(torch.tensor(maps), 5)
    met = 0
    for number, of_image in enumerate(maps):
        expected = slow_candidates(of_image, 5)
        for rank, (logit, row, column, height, width) in enumerate(expected):
            mine = [values[number, rank].item() for values in (many.logit, many.row, many.column)]
            assert mine == [logit, row, column]
            assert [many.height[number, rank], many.width[number, rank]] == pytest.approx([height, width])
            met += 1
        assert many.logit[number, len(expected) :].isnan().all()
        assert [values[number, 0] for values in few] == [values[number, 0] for values in many]
    assert met > 40


def batch_of(masks, label=None):
    target = torch.as_tensor(masks, dtype=torch.float32)
    label = target.amax((1, 2, 3)) if label is None else torch.tensor(label)
    return Batch(torch.zeros_like(target), label, torch.zeros(len(target), 7), torch.zeros(len(target)), target)


def slow_loss(maps, mask, size_weight, peak_share):
    side, box, total = len(mask), slow_box(mask), 0.0
    has_box = not math.isnan(box[0])
    if has_box:
        top, left, height, width = box
        centre = (top + (height - 1) // 2, left + (width - 1) // 2)
        spread = [max(peak_share * length, 0.5) for length in (height, width)]
    for row, column in itertools.product(range(side), repeat=2):
        p = 1 / (1 + math.exp(-maps[0, row, column]))
        if has_box and (row, column) == centre:
            total -= (1 - p) ** 2 * math.log(p)
            continue
        y = 0.0
        if has_box:
            y = math.exp(-sum((a - b) ** 2 / (2 * s**2) for a, b, s in zip((row, column), centre, spread)))
        total -= (1 - y) ** 4 * p**2 * math.log(1 - p)
    if has_box:
        apart = [abs(maps[1 + axis][centre] * side - length) for axis, length in enumerate((height, width))]
        total += size_weight * sum(apart)
    return total


def test_the_loss_is_that_of_plain_loops_and_of_each_image_by_itself():
    rng = np.random.default_rng(1)
    masks = random_masks(rng, 6, 8)
    maps = rng.normal(0, 1, (6, 3, 8, 8))
    task = Detection(size_weight=0.3, peak_share=0.25)
    expected = [slow_loss(of_image, mask, 0.3, 0.25) for of_image, mask in zip(maps, masks[:, 0])]
    assert task.loss(torch.tensor(maps), batch_of(masks)).item() == pytest.approx(np.mean(expected), rel=1e-5)
    halves = [task.loss(torch.tensor(maps[part]), batch_of(masks[part])).item() for part in (slice(0, 3), slice(3, 6))]
    assert np.mean(halves) == pytest.approx(np.mean(expected), rel=1e-5)
    certain = torch.tensor(np.where(maps > 0, 400.0, -400.0), requires_grad=True)
    loss = task.loss(certain, batch_of(masks))
    loss.backward()
    assert loss.isfinite()
    assert certain.grad.isfinite().all()


def test_a_score_is_the_best_logit_unless_a_tumour_was_missed():
    mask = np.zeros((5, 1, 8, 8))
    mask[:3, 0, 2:5, 3:6] = 1  # the border counts, one pixel beside it does not
    maps = torch.full((5, 3, 8, 8), -3.0)
    for image, (row, column) in enumerate([(4, 5), (5, 5), (3, 4), (0, 0), (7, 7)]):
        maps[image, 0, row, column] = image + 1.0
    maps[2, 0] = math.nan  # a network that diverged tells nothing, wherever it looks
    batch = batch_of(mask, [1.0, 1.0, 1.0, 0.0, 1.0])  # the last tumour is too small for any pixel
    score = Detection.score(maps, batch).tolist()
    assert score[:2] == [1, MISSED]
    assert math.isnan(score[2])
    assert score[3:] == [4, MISSED]
    with pytest.raises(ValueError, match="needs the masks of the tumours"):
        Detection.score(maps, batch._replace(target=torch.empty(5, 0, 8, 8)))
    answer = Detection.answers(maps)
    assert {name: values[1].item() for name, values in answer.items()} == {
        "logit": 2, "row_centre": 5, "column_centre": 5, "height": 1, "width": 1
    }  # fmt: skip
    config = TrialConfig("GE", 1.0, mask="lowpass", **FIELDS, candidates=2)
    for masks in (batch.target, torch.empty(5, 0, 8, 8)):  # places need no masks, hits do
        kept = Detection.details(maps, batch._replace(target=masks), config)
        assert all(values.shape == (5, 2) for name, values in kept.items() if name != "true_box")
        assert kept["hit"][0, 0] == bool(len(masks[0]))
        assert kept["true_box"].isnan().all(1).tolist() == ([False] * 3 + [True] * 2 if len(masks[0]) else [True] * 5)


def test_the_best_fixed_position_scores_as_its_definition_says(tiny, splits):
    masks, table = np.load(tiny[1].with_name("masks.npy")), pd.read_csv(tiny[0])
    boxes = [slow_box(mask) for mask in masks]

    def hits(place, row):
        top, left, height, width = boxes[row]
        return top <= place[0] < top + height and left <= place[1] < left + width

    train_rows = table["row"][(table["vendor"] == "GE") & (table["split"] == "train")]
    places = itertools.product(range(48), repeat=2)
    best = max(places, key=lambda place: sum(hits(place, row) for row in train_rows))
    trivial = Detection.trivial(splits)[BEST_POSITION]
    assert set(trivial) == {"GE", "SIEMENS"}
    for vendor, value in trivial.items():
        of_vendor = table[(table["vendor"] == vendor) & (table["split"] == "test")]
        missed = [label == 1 and not hits(best, row) for label, row in zip(of_vendor["label"], of_vendor["row"])]
        score = np.where(missed, MISSED, 0.5)
        assert value == pytest.approx(METRICS["lroc"].overall(of_vendor["label"].to_numpy(), score))


def test_the_head_has_the_count_of_its_shape_and_begins_with_few_centres():
    network = centernet.build()
    assert f"{sum(p.numel() for p in network.parameters()):,} parameters" in centernet.build.__doc__
    for name in DETECTORS:
        config = TrialConfig("GE", 0.5, mask="lowpass", **FIELDS | {"classifier": name})
        maps = build_pipeline(config, 48)(torch.rand(2, 1, 48, 48), torch.full((2,), 0.5), torch.zeros(2, 7))
        assert maps.shape == (2, 3, 48, 48)
        assert maps[:, 0].sigmoid().mean().item() == pytest.approx(0.1, abs=0.05)


def test_a_conditional_training_resumed_is_the_same_to_the_bit(splits, tmp_path):
    config = TrialConfig("GE", 0.25, **FIELDS | {"epochs": 2}, test_time="flips", temperature=1.0, rate_from=0.1)
    *_, straight = train(config, splits)
    for epoch in itertools.islice(train(config, splits), 1):
        save_checkpoint(tmp_path / "checkpoint.pt", {"state": epoch.state})
    *_, resumed = train(config, splits, load_checkpoint(tmp_path / "checkpoint.pt")["state"])
    assert resumed.state["history"] == straight.state["history"]
    weights = straight.state["weights"]
    assert all(torch.equal(resumed.state["weights"][name], weights[name]) for name in weights)


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """(run folder, record) of a training on bright discs."""
    place = tmp_path_factory.mktemp("learned")
    cohort_csv, images_npy = write_tiny(place, patients=16, side=48)
    folder = RunFolder(place / "run")
    folder.root.mkdir()
    folder.cohort_csv.write_bytes(cohort_csv.read_bytes())
    changes = {"epochs": 8, "lr": 1e-2, "batch_size": 4, "image_size": 48, "candidates": 3}
    config = TrialConfig("GE", 1.0, mask="lowpass", **FIELDS | changes)
    return folder, run_config(config, folder, images_npy, masks_npy=place / "masks.npy")


def test_it_learns_where_a_bright_disc_is(learned):
    _, record = learned
    assert min(record.test.values()) > 0.8
    assert max(record.trivial[BEST_POSITION].values()) < 0.4
    assert min(record.further[sensitivity_at("1")].values()) > 0.9


def test_a_run_folder_keeps_the_candidates_that_the_scores_and_the_froc_come_from(learned):
    folder, record = learned
    key = record.config.key()
    assert folder.read_record(key) == record
    assert record.metric == "lroc"
    assert record.yardsticks == {}
    assert set(record.trivial[BEST_POSITION]) == set(record.test) == {"GE", "SIEMENS"}
    assert set(record.further) == {sensitivity_at(words) for words in FALSE_POSITIVES}
    cohort = pd.read_csv(folder.cohort_csv).set_index("row", drop=False)
    kept = read_candidates(folder.root, key, cohort)
    with np.load(folder.trial(key, "scores.npz")) as scores:
        assert np.array_equal(kept.row, scores["row"])
        assert np.array_equal(kept.split, scores["split"])
        label = cohort["label"].to_numpy()[kept.row]
        missed = (label == 1) & ~kept.hit[:, 0]
        assert np.array_equal(np.where(missed, np.float32(MISSED), kept.logit[:, 0]), scores["score"])
    assert kept.logit.shape == (len(label), 3)
    assert np.array_equal(np.isnan(kept.true_box[:, 0]), label == 0)
    masks = np.load(folder.root.parent / "masks.npy")
    assert all(np.array_equal(box, slow_box(masks[row]), equal_nan=True) for row, box in zip(kept.row, kept.true_box))
    test = kept.split == SPLIT_CODES["test"]
    for vendor in record.test:
        here = test & (cohort["vendor"].to_numpy()[kept.row] == vendor)
        expected = sensitivities(label[here], {"logit": kept.logit[here], "hit": kept.hit[here]})
        assert {name: by_vendor[vendor] for name, by_vendor in record.further.items()} == expected


def test_the_number_of_candidates_is_from_one_to_five():
    assert [CANDIDATES.checked(count) for count in (1, 5)] == [1, 5]
    for count in (0, 6):
        with pytest.raises(ValueError, match=r"candidates must be in \[1, 5\]"):
            CANDIDATES.checked(count)


def test_a_folder_without_masks_or_boxes_is_one_clear_error(tmp_path):
    write_tiny(tmp_path)
    (tmp_path / "labels.csv").write_text("path,patient_id,label\na.dcm,a,1\nb.dcm,b,0\n")
    with pytest.raises(InputError, match=r"does not say where its tumours lie, which .*detection.* need"):
        mask_source(tmp_path)
