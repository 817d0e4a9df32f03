"""Training: it learns, repeats itself, resumes to the same bits, fails by name; a record holds what was scored."""

import copy
import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest
import torch

from analysis.read.class_patients import class_patients
from benchmarks.alone import finish, run_config, train
from tiny import write_tiny
from tune_ks.core.config import TrialConfig
from tune_ks.core.metrics import auc
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.dataset import open_splits
from tune_ks.model.masks import MASKS
from tune_ks.training import train as training
from tune_ks.training import training as member
from tune_ks.training.scoring import score
from tune_ks.training.train import TrainingFailed
from tune_ks.training.training import Training
from tune_ks.worker.checkpoints import load_checkpoint, save_checkpoint

FIELDS = {"width": 0.05, "image_size": 64, "epochs": 4, "batch_size": 8, "lr": 1e-3, "augment": "flips", "settle": 0.5}
LEARNED = TrialConfig("GE", 0.25, temperature=1.0, **FIELDS)
FIXED = {name for name, family in MASKS.items() if not family.learned}
ONE_OF_EACH = [
    LEARNED,
    TrialConfig("GE", 0.25, mask="lowpass", **FIELDS | {"augment": "flips_shifts"}),
    TrialConfig("GE", 1.0, mask="lowpass", **FIELDS),
    dataclasses.replace(
        LEARNED,
        reconstruction="hqs_net",
        reconstruction_channels=2,
        reconstruction_weight=1.0,
        reconstruction_epochs=2,
    ),
    dataclasses.replace(
        LEARNED,
        schedule="cosine",
        warmup=0.3,
        mask_schedule="constant",
        clip_norm=0.5,
        average=0.9,
        mixup=0.3,
        label_smoothing=0.1,
        augment="warp",
        elastic=0.05,
        gamma=0.2,
        test_time="flips",
    ),
    TrialConfig(
        "GE",
        1.0,
        mask="lowpass",
        classifier="resnet18",
        schedule="one_cycle",
        average=0.7,
        **FIELDS | {"augment": "none"},
    ),
]


def last(config, splits, state=None):
    *_, epoch = train(config, splits, state)
    return epoch


def same(first, second):
    """Nested states, equal to the bit."""
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[name], second[name]) for name in first)
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(same(a, b) for a, b in zip(first, second))
    return torch.equal(first, second) if isinstance(first, torch.Tensor) else first == second


@pytest.mark.parametrize(
    "config", ONE_OF_EACH, ids=lambda c: f"{c.mask}-{c.sampling_rate}-{c.reconstruction}-{c.schedule}"
)
def test_resumed_from_any_epoch_is_the_same_to_the_bit(config, splits, tmp_path):
    straight = last(config, splits)
    for stop in (1, 2, 3):
        for epoch in itertools.islice(train(config, splits), stop):
            save_checkpoint(tmp_path / "checkpoint.pt", {"state": epoch.state})
        resumed = last(config, splits, load_checkpoint(tmp_path / "checkpoint.pt")["state"])
        assert resumed.number == straight.number == 4
        assert same(resumed.state, straight.state)
        masks = straight.state.get("mask_history", [])
        assert len(masks) == (4 if MASKS[config.mask].learned and config.sampling_rate < 1 else 0)


def test_moments_of_another_layout_are_those_of_the_same_weights(splits):
    """A checkpoint of the time when weights lay in rows."""
    first = copy.deepcopy(next(train(LEARNED, splits)))
    rows = copy.deepcopy(first.state)
    for moments in rows["optimizer"]["state"].values():
        moments |= {name: value.contiguous() for name, value in moments.items()}
    straight, resumed = (last(LEARNED, splits, copy.deepcopy(state)) for state in (first.state, rows))
    assert same(straight.state["history"], resumed.state["history"])


@pytest.mark.parametrize("mask", sorted(FIXED))
@pytest.mark.parametrize("transform", [{"augment": "flips_shifts"}, {"transform": "hadamard", "augment": "none"}])
def test_a_fixed_mask_applied_beforehand_is_one_applied_at_every_step(splits, monkeypatch, mask, transform):
    config = TrialConfig("GE", 0.25, mask=mask, **FIELDS | {"epochs": 2} | transform)
    once = [epoch.loss for epoch in train(config, splits)]
    assert Training(config, splits).trained.nothing_to_sample
    monkeypatch.setattr(member, "SAMPLED_BYTES", 0)
    assert not Training(config, splits).trained.nothing_to_sample
    assert [epoch.loss for epoch in train(config, splits)] == pytest.approx(once, rel=1e-4)


@pytest.mark.parametrize(
    "config",
    [
        LEARNED,
        TrialConfig("GE", 0.25, mask="lowpass", rate_start=1.0, **FIELDS),
        TrialConfig("GE", 0.25, mask="lowpass", pattern="points", **FIELDS),
        TrialConfig("GE", 0.25, mask="lowpass", transform="cosine", **FIELDS),
        TrialConfig("GE", 0.25, mask="lowpass", reconstruction="unet", reconstruction_channels=2, **FIELDS),
    ],
    ids=["learned", "falling rate", "mirrored points", "mirrored cosine", "reconstruction"],
)
def test_what_does_not_change_places_with_the_mask_is_sampled_at_every_step(splits, config):
    training = Training(config, splits)
    assert training.trained is training.pipeline
    assert training.images is splits.train


def test_the_seed_moves_the_training_and_nothing_else_does(splits):
    first, again = last(LEARNED, splits), last(LEARNED, splits)
    torch.manual_seed(99)
    third = last(LEARNED, splits)
    assert same(first.state, again.state)
    assert same(first.state, third.state)
    other = last(TrialConfig("GE", 0.25, temperature=1.0, seed=1, **FIELDS), splits)
    assert not same(first.state["weights"], other.state["weights"])


def test_it_learns_a_bright_disc(tmp_path):
    splits = open_splits(*write_tiny(tmp_path, patients=24), "GE")
    fields = FIELDS | {"epochs": 12, "width": 0.1}
    config = TrialConfig("GE", 1.0, mask="lowpass", **fields)
    outcome = finish(config, splits, last(config, splits).state)
    assert auc(splits.test["GE"].label, outcome.scores["test"]["GE"]) > 0.9


def test_the_mask_learns_and_rests_while_it_settles(splits):
    states = [epoch.state["weights"]["sampling.mask.mask_logits"].clone() for epoch in train(LEARNED, splits)]
    assert not torch.equal(states[0], states[1])
    assert torch.equal(states[1], states[2])  # settle 0.5 of four epochs: the last two
    assert torch.equal(states[2], states[3])


def test_the_best_epoch_is_a_settled_one_and_best_by_in_domain_validation(splits):
    assert [TrialConfig("GE", 1.0, epochs=e, settle=s).first_settled_epoch() for e, s in
            ((30, 0.2), (30, 0), (2, 0.5), (10, 0.01), (5, 1))] == [25, 1, 2, 10, 1]  # fmt: skip
    state = last(LEARNED, splits).state
    eligible = [line for line in state["history"] if line["epoch"] >= 3]
    assert state["best"]["val"] == max(line["val_in_domain"] for line in eligible)
    assert state["best"]["epoch"] == next(
        line["epoch"] for line in eligible if line["val_in_domain"] == state["best"]["val"]
    )


def test_temperature_anneals_geometrically(splits, monkeypatch):
    seen = []

    def no_steps(members, *given):
        seen.extend(member.pipeline.sampling.mask.temperature for member in members)
        return [0.0] * len(members)

    monkeypatch.setattr(training, "_one_epoch", no_steps)
    config = TrialConfig("GE", 0.25, temperature=4.0, temperature_end=0.5, **(FIELDS | {"settle": 0}))
    list(train(config, splits))
    np.testing.assert_allclose(seen, [4, 2, 1, 0.5])


def test_a_loss_that_is_not_finite_ends_the_trial_with_its_reason(splits):
    config = TrialConfig("GE", 1.0, mask="lowpass", **(FIELDS | {"lr": 1e30}))
    with pytest.raises(TrainingFailed, match=r"the loss became (nan|inf) in epoch \d: try a lower lr \(now 1e\+30\)$"):
        list(train(config, splits))


def one_epoch(config, splits):
    """(how a new network begins, the network, a call that trains its first epoch and returns its mean loss)."""
    member = Training(config, splits)
    before = {name: value.clone() for name, value in member.pipeline.state_dict().items()}
    member.begin_epoch()
    return before, member.pipeline, lambda: training._one_epoch([member], 1)[0]


def test_a_loss_that_is_not_finite_moves_nothing(splits, monkeypatch):
    before, pipeline, run = one_epoch(LEARNED, splits)
    loss = training._loss
    monkeypatch.setattr(training, "_loss", lambda *given: loss(*given) * torch.nan)
    assert np.isnan(run())
    assert same(before, pipeline.state_dict())
    monkeypatch.undo()
    assert np.isfinite(run())
    assert not same(before, pipeline.state_dict())


def test_a_finished_trial_leaves_whole_files_that_agree(tiny, tmp_path):
    cohort_csv, images_npy = tiny
    folder = RunFolder(tmp_path)
    (tmp_path / "cohort.csv").write_bytes(cohort_csv.read_bytes())
    lines = []
    record = run_config(LEARNED, folder, images_npy, "cpu", lambda *line: lines.append(line))
    key = LEARNED.key()
    assert folder.read_record(key) == record
    assert len(lines) == len(record.history) == 4
    mask = np.load(folder.trial(key, "mask.npy"), allow_pickle=False)
    assert mask.shape == (64,)
    assert mask.dtype == bool
    assert mask.sum() == 16
    assert mask[32]
    assert record.realised_rate == mask.mean() == 0.25
    assert record.mean_probability == pytest.approx(0.25, abs=1e-4)
    saved = np.load(folder.trial(key, "scores.npz"), allow_pickle=False)
    splits = open_splits(folder.cohort_csv, images_npy, "GE")
    for split, code in (("val", 0), ("test", 1)):
        for vendor, images in getattr(splits, split).items():
            chosen = (saved["split"] == code) & np.isin(saved["row"], images.rows.numpy())
            assert saved["row"][chosen].tolist() == images.rows.tolist()
            recomputed = auc(images.label, saved["score"][chosen])
            assert getattr(record, split)[vendor] == pytest.approx(recomputed, abs=1e-6)
    assert len(saved["row"]) == sum(record.images[name] for name in record.images if not name.startswith("train"))
    assert record.patients == class_patients(pd.read_csv(folder.cohort_csv, dtype={"patient_id": str}), "GE")
    assert min(record.patients["val SIEMENS"]) > 0
    assert set(record.val_over_draws) == {"GE", "SIEMENS"}
    preview = np.load(folder.trial(key, "preview.npz"), allow_pickle=False)
    assert preview["full"].shape == preview["sampled"].shape == (4, 64, 64)
    history = np.load(folder.trial(key, "mask_history.npz"), allow_pickle=False)
    assert history["probability"].shape == (4, 33)  # epochs, distances from DC
    assert history["count"].tolist() == [1, *[2] * 31, 1]
    assert history["energy"].sum() == pytest.approx(1)
    kept = (history["probability"] * history["count"]).sum(1)
    assert kept == pytest.approx(np.full(4, 16), abs=1e-3)  # the budget of every epoch
    assert not (folder.trial(key) / "checkpoint.pt").exists()
    assert run_config(LEARNED, folder, images_npy, "cpu", lambda *_: pytest.fail("it ran twice")) == record


def test_the_exported_model_scores_as_the_record_says(tiny, splits, tmp_path):
    from tune_ks.evaluation.other_cohort import load_model

    folder = RunFolder(tmp_path)
    (tmp_path / "cohort.csv").write_bytes(tiny[0].read_bytes())
    record = run_config(LEARNED, folder, tiny[1], "cpu", lambda *_: None)
    logits = score(load_model(folder, record), splits.test["SIEMENS"], LEARNED)
    assert auc(splits.test["SIEMENS"].label, logits) == record.test["SIEMENS"]
    path = folder.trial(LEARNED.key(), "model.safetensors")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match="the exported weights cannot be used"):
        load_model(folder, record)


def test_a_torn_checkpoint_starts_the_trial_anew(tmp_path, splits, capsys):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"state": last(LEARNED, splits).state})
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert load_checkpoint(path) == {}
    assert "starting the trial anew" in capsys.readouterr().out
    assert load_checkpoint(tmp_path / "absent.pt") == {}


def test_a_checkpoint_that_carries_code_is_not_run(tmp_path):
    class Harm:
        def __reduce__(self):
            return (open, (str(tmp_path / "harmed"), "w"))

    torch.save({"state": Harm()}, tmp_path / "checkpoint.pt")
    assert load_checkpoint(tmp_path / "checkpoint.pt") == {}
    assert not (tmp_path / "harmed").exists()
