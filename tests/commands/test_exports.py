"""The viewers that the README names read what a run exports: each through its own program."""

import io
import json
import math
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.storages.journal import JournalFileBackend
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from tune_ks.commands.exports import export_run
from tune_ks.core.arrays import write_npy
from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder


@pytest.fixture
def folder(tmp_path, capfd, caplog):
    """A run with an undefined validation metric, whose export prints nothing."""
    run = RunFolder(tmp_path)
    history = [{"epoch": 1, "loss": 0.7, "val_in_domain": 0.6}, {"epoch": 2, "loss": 0.5, "val_in_domain": 0.8}]
    for vendor in ("GE", "SIEMENS"):
        for rate, temperature in ((0.25, 1.0), (0.5, 1.0), (1.0, None)):
            config = TrialConfig(vendor, rate, temperature=temperature, mask="gumbel" if temperature else "lowpass")
            scores = {"GE": 0.5 + rate / 3, "SIEMENS": 0.6}
            facts = {"side": 64}
            run.write_record(
                TrialRecord(config, scores, scores, rate, epoch=2, history=history, seconds=90.0, facts=facts)
            )
            write_npy(run.trial(config.key(), "mask.npy"), np.arange(64) < 64 * rate)
    undefined = TrialConfig("GE", 0.75, temperature=1.0)
    without = [{**line, "val_in_domain": math.nan} for line in history]
    run.write_record(TrialRecord(undefined, {"GE": math.nan}, {"GE": 0.7}, 0.75, epoch=2, history=without))
    export_run(run)
    assert capfd.readouterr() == ("", "")
    assert not caplog.records, "without pytest the terminal has them"
    return run


def free_port():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


def test_optuna_dashboard_serves_the_studies(folder):
    port = free_port()
    program = Path(sys.executable).with_name("optuna-dashboard")
    words = [program, folder.root / "optuna_journal.log", "--port", str(port), "--host", "127.0.0.1"]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        studies = None
        for _ in range(2000):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/studies", timeout=5) as answer:
                    studies = json.load(answer)["study_summaries"]
                break
            except OSError:
                time.sleep(0.2)
        assert sorted(study["study_name"] for study in studies) == ["trained on GE", "trained on SIEMENS"]
        number = next(study["study_id"] for study in studies if study["study_name"] == "trained on GE")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/studies/{number}", timeout=300) as answer:
            study = json.load(answer)
        assert {"key": "metric", "value": "AUC"} in study["user_attrs"]
        trials = study["trials"]
        assert sorted(trial["state"] for trial in trials) == ["Complete"] * 3 + ["Fail"]
        assert sorted(trial["values"][0] for trial in trials if trial["state"] == "Complete") == pytest.approx(
            [0.5 + rate / 3 for rate in (0.25, 0.5, 1.0)]
        )
    finally:
        server.terminate()
        server.wait()


def test_optuna_reads_durations_names_and_the_validation_of_every_epoch(folder):
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(folder.root / "optuna_journal.log")))
    trials = optuna.load_study(study_name="trained on GE", storage=storage).get_trials()
    by_name = {trial.user_attrs["name"]: trial for trial in trials}
    assert set(by_name) == {"GE gumbel 16/64 seed 0", "GE gumbel 32/64 seed 0", "GE full 64/64 seed 0",
                            "GE gumbel 0.75 seed 0"}  # fmt: skip
    whole = by_name["GE gumbel 16/64 seed 0"]
    assert whole.duration.total_seconds() == pytest.approx(90)
    written = folder.trial(whole.user_attrs["key"], "record.json").stat().st_mtime
    assert whole.datetime_complete.timestamp() == pytest.approx(written)
    assert whole.intermediate_values == {1: 0.6, 2: 0.8}
    undefined = by_name["GE gumbel 0.75 seed 0"]
    assert undefined.intermediate_values == {}
    assert undefined.duration.total_seconds() == 0, "its record does not say how long it took"


def events_of(folder, config, name):
    return EventAccumulator(str(folder.root / "tensorboard" / f"{name} {config.key()}")).Reload()


def test_tensorboard_reads_every_trial(folder):
    names = sorted(path.name for path in (folder.root / "tensorboard").iterdir())
    assert sorted(name.split()[-1] for name in names) == folder.keys()
    config = TrialConfig("GE", 0.25, temperature=1.0)
    events = events_of(folder, config, "GE gumbel 16of64 seed 0")
    losses = events.Scalars("loss")
    assert [(e.step, pytest.approx(e.value)) for e in losses] == [(1, 0.7), (2, 0.5)]
    assert losses[1].wall_time - losses[0].wall_time == pytest.approx(45), "half of the 90 seconds"
    assert {"val_in_domain", "val_auc/GE", "val_auc/SIEMENS", "test_auc/GE"} <= set(events.Tags()["scalars"])
    undefined = events_of(folder, TrialConfig("GE", 0.75, temperature=1.0), "GE gumbel 0.75 seed 0")
    assert set(undefined.Tags()["scalars"]) == {"loss", "test_auc/GE"}


def test_tensorboard_has_the_fields_as_hparams_and_the_mask_as_an_image(folder):
    config = TrialConfig("GE", 0.25, temperature=1.0)
    events = events_of(folder, config, "GE gumbel 16of64 seed 0")
    content = events.PluginTagToContent("hparams")["_hparams_/session_start_info"]
    values = HParamsPluginData.FromString(content).session_start_info.hparams
    assert values["sampling_rate"].number_value == 0.25
    assert values["vendor"].string_value == "GE"
    assert set(values) == {"vendor", "sampling_rate", "temperature", "mask"}, "the fields that any trial sets"
    assert events.Scalars("final/val_in_domain")[0].value == pytest.approx(0.5 + 0.25 / 3)
    (mask,) = events.Images("mask")
    pixels = np.asarray(Image.open(io.BytesIO(mask.encoded_image_string)))
    assert (mask.height, mask.width) == (32, 64)
    np.testing.assert_array_equal(pixels.reshape(32, 64, -1)[0, :, 0] == 255, np.arange(64) < 16)
    assert "probability" not in events.Tags()["images"]


def test_exports_are_made_anew_each_time(folder):
    key = TrialConfig("GE", 0.25, temperature=1.0).key()
    shutil.rmtree(folder.trial(key))
    export_run(folder)
    assert not list((folder.root / "tensorboard").glob(f"*{key}"))
    assert len(list((folder.root / "tensorboard").iterdir())) == 6
    assert not [path for path in folder.root.iterdir() if path.name.startswith(".optuna")]
