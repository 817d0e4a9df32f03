"""The map task: R2 by hand, what it refuses, and a search's worth of it on a small cohort of maps, to its record."""

import dataclasses

import numpy as np
import pytest
import torch

from benchmarks.alone import run_config
from cohort_run import cohort_with_targets, run_one
from tune_ks.core.config import TrialConfig
from tune_ks.core.record import ZERO_EVERYWHERE, TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.cohort.table import with_splits, write_table
from tune_ks.data.dataset import ACQUISITION, Batch, open_splits
from tune_ks.data.dipole import GEOMETRY, truncated_division
from tune_ks.data.phantom.qsm import QsmSettings, write_qsm_phantom
from tune_ks.model.classifiers import CLASSIFIERS, MAPPERS, SEGMENTERS
from tune_ks.training.tasks import TASKS, build_task
from tune_ks.training.tasks.mapping import MapTask

SMALL = QsmSettings(synthetic=15, others=6, side=32)
FIELDS = {"task": "map", "classifier": "unet_adaptive", "mask": "lowpass", "image_size": 32, "width": 0.1}
FIELDS |= {"epochs": 2, "batch_size": 4, "lr": 3e-3}
CONFIG = TrialConfig("SYNTHETIC", 0.25, **FIELDS)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("qsm")


@pytest.fixture(scope="module")
def cohort(place):
    root = write_qsm_phantom(place / "phantom", SMALL)
    return cohort_with_targets(root, place / "cache")


@pytest.fixture(scope="module")
def run(place, cohort):
    return run_one(CONFIG, cohort, place / "run")


TKD = "tkd_0.2"


def batch_of(*targets):
    target = torch.tensor(targets, dtype=torch.float32)[:, None]
    facts = torch.zeros(len(target)), torch.zeros(len(target), 13), torch.zeros(len(target))
    return Batch(torch.rand(target.shape), *facts, target)


def test_r2_by_hand():
    true = [[3.0, 0.0], [0.0, -4.0]]  # the square of its norm is 25
    answers = [true, [[0.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, -4.0]], [[-3.0, 0.0], [0.0, 4.0]]]
    batch = batch_of(*[true] * 4)
    score = MapTask.score(torch.tensor(answers)[:, None], batch)
    np.testing.assert_allclose(score, [1, 0, 1 - 9 / 25, -3], rtol=1e-6)
    assert MapTask().loss(torch.tensor(answers)[:, None], batch).item() == pytest.approx(1 - score.mean().item())
    assert MapTask.score(torch.ones(1, 1, 2, 2), batch_of([[0.0, 0.0], [0.0, 0.0]])).isnan().all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"augment": "flips"}, "augment must be 'none' for the task 'map'"),
        ({"test_time": "flips"}, "test_time must be 'none' for the task 'map'"),
        ({"standardise": "image"}, "standardise must be 'none' for the task 'map'"),
        ({"harmonise": "histogram"}, "harmonise must be 'none' for the task 'map'"),
        ({"style": "noise"}, "style must be 'none' for the task 'map'"),
    ],
)
def test_what_would_change_direction_or_scale_of_a_field_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        build_task(dataclasses.replace(CONFIG, **changes))


def test_a_network_of_another_task_is_refused():
    met = 0
    for task, networks in {"classification": CLASSIFIERS, "segmentation": SEGMENTERS, "map": MAPPERS}.items():
        for name in {**CLASSIFIERS, **SEGMENTERS, **MAPPERS}:
            config = TrialConfig("GE", 1.0, mask="lowpass", task=task, classifier=name, image_size=64)
            if name in networks:
                build_task(config)
            else:
                with pytest.raises(ValueError, match=f"classifier must be one of .*; got '{name}'"):
                    build_task(config)
            met += 1
    assert met == 3 * len({**CLASSIFIERS, **SEGMENTERS, **MAPPERS})
    assert set(TASKS) >= {"classification", "segmentation", "map"}


def test_the_images_come_with_their_geometry_and_their_maps(cohort, run):
    splits = open_splits(run.cohort_csv, cohort.images, "SYNTHETIC", cohort.masks)
    batch = splits.train.gather(torch.arange(3))
    assert batch.acquisition.shape == (3, len(ACQUISITION) + len(GEOMETRY))
    table = cohort.table.set_index("row").loc[splits.train.rows[:3].numpy()]
    np.testing.assert_allclose(batch.acquisition[:, -6:], table[list(GEOMETRY)], rtol=1e-6)
    maps = np.load(cohort.masks)
    np.testing.assert_array_equal(batch.target[:, 0], maps[splits.train.rows[:3]])
    assert batch.target.min() < 0 < batch.target.max()


def test_a_record_holds_r2_and_what_stands_beside_it(cohort, run):
    record = run.read_record(CONFIG.key())
    assert record.metric == "r2"
    assert set(record.test) == {"SYNTHETIC", "CORONAL_ISO", "TILTED_ANISO"}
    assert record.trivial == {ZERO_EVERYWHERE: dict.fromkeys(record.test, 0.0)}
    assert all(value < 1 for value in record.test.values())
    for quality in record.quality.values():
        assert set(quality) == {"map_nrmse", "map_psnr", "map_ssim"}
        assert quality["map_nrmse"] > 0
    assert TrialRecord.from_json(record.to_json()) == record
    assert record.in_domain("test") == record.test["SYNTHETIC"]


def test_tkd_stands_beside_it_as_the_sampled_images_give_it(cohort, run):
    """Image by image: low-pass, zero-filled, divided, compared."""
    record = run.read_record(CONFIG.key())
    images, maps = np.load(cohort.images), np.load(cohort.masks)
    mask = np.load(run.trial(CONFIG.key(), "mask.npy"))
    assert mask.sum() == 8
    table = with_splits(cohort.table, 0)
    scores = np.load(run.trial(CONFIG.key(), "scores.npz"))
    kept = dict(zip(scores["row"][scores["split"] == 1].tolist(), scores[f"yardstick_{TKD}"][scores["split"] == 1]))
    for vendor, rows in table[table["split"] == "test"].groupby("vendor"):
        values = []
        for row in rows.itertuples():
            kspace = np.fft.fftshift(np.fft.fft(np.fft.ifftshift(images[row.row], axes=1), axis=1), axes=1) * mask
            sampled = np.abs(np.fft.ifft(np.fft.ifftshift(kspace, axes=1), axis=1))
            sampled = np.fft.fftshift(sampled, axes=1)
            chi = truncated_division(sampled - 0.5, (row.voxel_y_mm, row.voxel_x_mm), (row.b0_y, row.b0_x))
            values.append(1 - ((chi - maps[row.row]) ** 2).sum() / (maps[row.row] ** 2).sum())
            assert kept[row.row] == pytest.approx(values[-1], abs=1e-4)
        assert record.yardsticks[TKD]["test"][vendor] == pytest.approx(np.mean(values), abs=1e-4)


def test_a_pretrained_network_fits_another_domain_with_a_frozen_manifold(cohort, run, place):
    """Only the decoder and what is slow move; the frozen part keeps its bits."""
    from safetensors.torch import load_file

    from tune_ks.planning.pretrained import Pretrained, as_pretrained, bring_weights
    from tune_ks.planning.space import SEARCH_DEFAULTS, Space

    space = Space("s", "", [{}], {**SEARCH_DEFAULTS, "pretrained_vendor": "SYNTHETIC"})
    config = dataclasses.replace(
        CONFIG, vendor="CORONAL_ISO", epochs=1, frozen="classifier.manifold", slow="classifier.encoder"
    )
    assert as_pretrained(space, config) == dataclasses.replace(config, vendor="SYNTHETIC")
    init_from = Pretrained(str(run.root)).choose(as_pretrained(space, config))
    config = dataclasses.replace(config, init_from=init_from)
    folder = RunFolder(place / "tuned")
    write_table(folder.cohort_csv, with_splits(cohort.table, 0))
    bring_weights(folder, {init_from: run})
    run_config(config, folder, cohort.images, masks_npy=cohort.masks)
    before = load_file(run.trial(CONFIG.key(), "model.safetensors"))
    after = load_file(folder.trial(config.key(), "model.safetensors"))
    same = {name: torch.equal(value, after[name]) for name, value in before.items()}
    assert all(same[name] for name in same if name.startswith("classifier.manifold"))
    assert not any(same[name] for name in same if name.startswith("classifier.decoder") and name.endswith("weight"))
