"""The viewers that the README names read what a run exports: each through its own program."""

import json
import math
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tune_ks.commands.exports import export_run
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
            run.write_record(TrialRecord(config, scores, scores, rate, epoch=2, history=history))
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


def test_tensorboard_reads_every_trial(folder):
    keys = sorted(path.name for path in (folder.root / "tensorboard").iterdir())
    assert keys == folder.keys()
    events = EventAccumulator(str(folder.root / "tensorboard" / TrialConfig("GE", 0.25, temperature=1.0).key()))
    events.Reload()
    assert [(e.step, pytest.approx(e.value)) for e in events.Scalars("loss")] == [(1, 0.7), (2, 0.5)]
    assert {"val_in_domain", "val_auc/GE", "val_auc/SIEMENS", "test_auc/GE"} <= set(events.Tags()["scalars"])
    undefined = folder.root / "tensorboard" / TrialConfig("GE", 0.75, temperature=1.0).key()
    assert set(EventAccumulator(str(undefined)).Reload().Tags()["scalars"]) == {"loss", "test_auc/GE"}


def test_exports_are_made_anew_each_time(folder):
    key = TrialConfig("GE", 0.25, temperature=1.0).key()
    shutil.rmtree(folder.trial(key))
    export_run(folder)
    assert not (folder.root / "tensorboard" / key).exists()
    assert not [path for path in folder.root.iterdir() if path.name.startswith(".optuna")]
