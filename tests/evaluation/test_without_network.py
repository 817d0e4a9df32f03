"""Trials without a network: the best yardstick answers, no pixel of a patient is written, what cannot be is refused."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from benchmarks.alone import run_config
from tiny import write_tiny
from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord, yardstick_column
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.cohort.table import read_table, write_table
from tune_ks.data.dataset import open_splits
from tune_ks.evaluation import without_network
from tune_ks.evaluation.other_cohort import load_model
from tune_ks.evaluation.yardsticks import YARDSTICKS
from tune_ks.model.classifiers import NO_NETWORK
from tune_ks.planning.space import SEARCH_DEFAULTS, load_space, space_of
from tune_ks.training.tasks import task_of
from tune_ks.training.train import TrainingFailed

COMMON = {"mask": "lowpass", "classifier": "no_network", "image_size": 64, "epochs": 0}
FILES = {"attempts.json", "config.json", "mask.npy", "model.safetensors", "preview.npz", "record.json", "scores.npz"}


@pytest.fixture(scope="module")
def trials(tmp_path_factory):
    """A folder with one trial of each task at a quarter of k-space, and (config, record) of both."""
    cohort_csv, images_npy = write_tiny(tmp_path_factory.mktemp("tiny"), patients=8)
    folder = RunFolder(tmp_path_factory.mktemp("run"))
    write_table(folder.cohort_csv, read_table(cohort_csv))
    masks = cohort_csv.parent / "masks.npy"
    pairs = {}
    for task in ("classification", "segmentation"):
        config = TrialConfig("GE", 0.25, task=task, **COMMON)
        pairs[task] = config, run_config(config, folder, images_npy, masks_npy=masks)
    return folder, pairs, open_splits(cohort_csv, images_npy, "GE", masks)


@pytest.mark.parametrize("task", ["classification", "segmentation"])
def test_the_scores_are_those_of_the_yardstick_that_source_validation_chooses(trials, task):
    folder, pairs, _ = trials
    config, record = pairs[task]
    target = task_of(config).target
    assert set(record.yardsticks) == {name for name, yardstick in YARDSTICKS.items() if yardstick.target == target}
    highest = max(by_split["val"]["GE"] for by_split in record.yardsticks.values())
    chosen = record.yardsticks[record.scored_by]
    assert chosen["val"]["GE"] == highest == record.in_domain("val")
    assert (record.val, record.test) == (chosen["val"], chosen["test"])
    with np.load(folder.trial(config.key(), "scores.npz")) as saved:
        np.testing.assert_array_equal(saved["score"], saved[yardstick_column(record.scored_by)])
    assert (record.epoch, record.history, record.val_over_draws) == (None, [], record.val)
    assert TrialRecord.from_json(record.to_json()) == record
    assert "at_chance" not in record.facts


def test_nothing_of_what_was_fitted_is_written(trials):
    folder, pairs, _ = trials
    for config, _ in pairs.values():
        trial = folder.trial(config.key())
        assert {path.name for path in trial.iterdir()} <= FILES
        assert load_file(trial / "model.safetensors") == {}
        for name in ("scores.npz", "preview.npz", "mask.npy"):
            np.load(trial / name, allow_pickle=False)
        with np.load(trial / "scores.npz") as saved:
            shapes = {values.shape for values in saved.values()}
        assert len(shapes) == 1  # a number an image, and nothing else
        assert len(shapes.pop()) == 1


def test_there_is_no_model_to_load(trials):
    folder, pairs, _ = trials
    config, record = pairs["classification"]
    with pytest.raises(ValueError, match=f"the trial {config.key()} has no network: it was scored by the yardstick"):
        load_model(folder, record)


def test_a_finished_trial_is_read_not_computed_again(trials, monkeypatch):
    folder, pairs, _ = trials
    config, record = pairs["classification"]
    monkeypatch.setattr(without_network, "best_answer", None)
    assert run_config(config, folder, folder.cohort_csv).to_json() == record.to_json()


def test_without_a_yardstick_the_trial_fails_and_says_why(trials):
    _, pairs, splits = trials
    config, _ = pairs["classification"]
    with pytest.raises(TrainingFailed, match=r"none can be fitted: .* lack a class that the AUC needs"):
        without_network.best_answer(config, splits, {})
    scores = {}
    for split in ("val", "test"):
        scores[split] = {vendor: np.zeros(len(images)) for vendor, images in getattr(splits, split).items()}
    answer = without_network.best_answer(config, splits, {"one": scores, "two": scores})
    assert answer.yardstick == "one"  # the first of equal ones


def test_the_key_is_of_what_was_asked():
    config = TrialConfig("GE", 0.25, **COMMON)
    assert config.non_default() == {"vendor": "GE", "sampling_rate": 0.25} | COMMON
    assert len({TrialConfig("GE", 0.25, **COMMON | {"mask": mask}).key() for mask in ("lowpass", "equispaced")}) == 2


def space(**changes):
    return space_of("mine", {"SPACE": {"sampling_rate": [0.25, 1.0], **COMMON, **changes}})


def test_what_nothing_would_train_is_refused():
    assert set(NO_NETWORK) == {"no_network"}
    for bad, said in (
        ({"mask": "gumbel", "temperature": 1.0}, "the mask 'gumbel' learns, and nothing trains it .*: use lowpass, "),
        ({"reconstruction": "unet"}, "the reconstruction 'unet' learns, and nothing trains it .*: use zero_filled"),
        ({"epochs": 3}, "epochs must be 0 where the classifier is 'no_network', which nothing trains, got 3"),
        ({"classifier": "alexnet"}, "epochs must be 1 or more to train the classifier 'alexnet', got 0"),
        ({"rate_from": 0.1}, "rate_from must be None where the classifier is 'no_network'"),
        ({"augment": "flips"}, "augment must be 'none' where the classifier is 'no_network'"),
        ({"restarts": 1}, "restarts must be 0 where"),
    ):
        with pytest.raises(ValueError, match=said):
            space(**bad)
    assert space(task="segmentation").task().metric == "dice"


SPACE = {"sampling_rate": 0.25, "mask": "lowpass"}


def test_which_yardsticks_are_computed_is_in_no_key_and_no_fingerprint():
    plain = space_of("a", {"SPACE": SPACE, "SEARCH": {}})
    every = space_of("a", {"SPACE": SPACE, "SEARCH": {"yardsticks": "all"}})
    assert plain.fingerprint() == every.fingerprint()
    assert SEARCH_DEFAULTS["yardsticks"] == "quick"
    with pytest.raises(ValueError, match="yardsticks must be one of quick, all, got 'svm'"):
        space_of("a", {"SPACE": SPACE, "SEARCH": {"yardsticks": "svm"}})


def test_the_space_classical_trains_nothing():
    configs = [block.fixed for block in load_space("classical").grid(["GE", "SIEMENS"])]
    assert len(configs) == 34
    assert {(values["classifier"], values["epochs"]) for values in configs} == {("no_network", 0)}


def test_a_record_names_its_yardstick_only_where_there_is_no_network(trials):
    _, pairs, _ = trials
    for _, record in pairs.values():
        assert json.loads(record.to_json())["facts"]["scored_by"] == record.scored_by
    assert TrialRecord(TrialConfig("GE", 0.25), {}, {}, 0.25).scored_by is None
