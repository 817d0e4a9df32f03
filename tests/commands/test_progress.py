"""What a search shows while it runs: the table within 80 columns, a quiet log, MLflow and TensorBoard fed by Events."""

import io
import math
import re
import time
from itertools import pairwise

import pytest
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tune_ks.commands.live_viewers import MlflowLogger, TensorBoardLogger, fan_out
from tune_ks.commands.progress import SHOWN, SPOKEN, TrialTable
from tune_ks.commands.stages import Stages
from tune_ks.commands.ticker import Ticker
from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord
from tune_ks.planning.plan import Plan
from tune_ks.search.event import Event

SEEDS = [TrialConfig("GE", 0.5, temperature=1.0, seed=seed) for seed in (0, 1)]
OTHERS = [[TrialConfig("GE", rate, temperature=1.0)] for rate in (0.25, 0.75)]


def config(rate, vendor="SIEMENS"):
    return TrialConfig(vendor, rate, mask="variable_density")


def ended(rate, in_domain=math.nan, cross=math.nan, kind="finished", vendor="SIEMENS", **more):
    result = {"val_in_domain": in_domain, "val_cross_domain": cross, **more}
    return Event(f"{vendor}{rate}", kind, [config(rate, vendor)], result)


def table_of(*events, terminal=False, jobs=40, known=()):
    console = Console(file=io.StringIO(), width=80, force_terminal=terminal, legacy_windows=False)
    table = TrialTable(console, Plan([[config] for config in SEEDS] * (jobs // 2), 0, 0, 0), known)
    for event in events:
        table.show(event)
    return table, console


EVENTS = [
    ended(0.25, 0.80, 0.70),
    ended(0.5, 0.85, 0.60),
    ended(0.75, 0.79, 0.69),  # dominated
    ended(1.0, 0.85, 0.65),  # dominates 0.5
    ended(0.1, 0.99, kind="stopped", stopped="stopped by asha after epoch 5 of 20: in-domain validation AUC 0.990"),
    ended(
        0.2, failed="the loss became nan in epoch 3: try a lower lr (now 0.1) or a higher temperature", kind="failed"
    ),
    ended(0.3, 0.7, 0.6, vendor="GE"),
]


def test_best_and_front_so_far_are_those_of_finished_trials():
    table, _ = table_of(*EVENTS)
    assert table.standing() == [
        "GE best val AUC 0.700 at rate 3/10 (R = 3.3); front (rate: in-domain/cross): 3/10: 0.700/0.600",
        "SIEMENS best val AUC 0.850 at rate 1/2 (R = 2); front (rate: in-domain/cross): 1: 0.850/0.650, "
        "1/4: 0.800/0.700",
    ]
    assert re.fullmatch(r"7/40 trials, 1 stopped early, 1 failed, 0 running, .*, ETA .*", table.headline())


def test_fits_before_the_first_epoch_are_shown_with_the_time_that_they_take(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("tune_ks.commands.progress.time.monotonic", lambda: now[0])
    started = [Event(job, "started", [config(0.5)], {}) for job in ("one", "two")]
    table, console = table_of(*started)
    assert "harmonisation" not in table.headline()

    def fit(job, done):
        table.show(Event(job, "epoch", [config(0.5)], {"fitted": done, "to_fit": 2000, "epoch_share": 0.0}))

    fit("one", 100)
    assert "2 running, harmonisation fitted to 100 of 2,000 images, 0 s, ETA after the first epoch" in table.headline()
    now[0] += 60
    fit("two", 40)
    fit("one", 500)
    assert "fitted to 500 of 2,000 images, 3 min 45 s left, 1 min 00 s, ETA after" in table.headline()
    console.print(table)
    assert re.search(r"SIEMENS +variable_density +1/2 +fits 25% +- ", console.file.getvalue())
    table.show(Event("one", "epoch", [config(0.5)], {"epoch": 1, "loss": 0.5, "epoch_share": 0.1}))
    table.show(Event("two", "lost", [config(0.5)], {}))
    assert "harmonisation" not in table.headline()


def test_a_resumed_search_begins_with_what_it_knows():
    record = TrialRecord(config(0.9), {"SIEMENS": 0.9, "GE": 0.9}, {}, 0.9)
    table, _ = table_of(*EVENTS, known=[record])
    assert table.standing()[1].startswith(
        "SIEMENS best val AUC 0.900 at rate 9/10 (R = 1.1); front (rate: in-domain/cross): 9/10: 0.9"
    )
    assert table.headline().startswith("7/40")


@pytest.mark.parametrize(
    ("before", "epoch"), [({}, "-"), ({"epoch": 2, "epoch_share": 0.1}, "2/30")], ids=["first epoch", "third epoch"]
)
def test_of_a_trial_that_failed_no_epoch_counts_as_done_that_was_not(before, epoch):
    _, console = table_of(ended(0.5, kind="failed", failed="the loss became nan", **{"epoch_share": 1.0} | before))
    cells = next(line.split() for line in console.file.getvalue().splitlines() if line.startswith("SIEMENS"))
    assert cells[3] == epoch


def test_the_table_fits_80_columns_and_a_screen():
    events = [ended(k / 100, 0.5 + k / 300, 0.9 - k / 300) for k in range(1, 30)]
    report = {"epoch_share": 0.5, "epoch": 10, "loss": 0.51234}
    running = [Event(f"r{k}", "epoch", [config(0.123456)], report) for k in range(200)]
    table, console = table_of(*EVENTS, *events, *running, EVENTS[5])
    console.print(table)
    lines = console.file.getvalue().splitlines()[-(2 * SHOWN + 7) :]
    assert any(f"+{200 - SHOWN} more" in line for line in lines)
    best, front = next((line, below) for line, below in pairwise(lines) if line.startswith("SIEMENS best"))
    assert re.search(r"front \(rate: in-domain/cross\): .*(\d.\d{3}/\d.\d{3}.*){3} and \d+ more", f"{best} {front}")
    assert any("the loss became" in line for line in lines)
    assert any(re.search(r"SIEMENS +variable_density +0.123 +10/30 +0.512 +- +- +running", line) for line in lines)
    names = next(line.split() for line in lines if line.startswith("trained on"))
    assert names == ["trained", "on", "mask", "rate", "epoch", "loss", "in-domain", "cross"]
    assert max(map(len, lines)) <= 80
    with table_of(terminal=True)[0] as live:
        live.show(EVENTS[0])


def test_a_log_file_is_quiet_but_for_failures(monkeypatch):
    many = [ended(k / 1000, 0.5, 0.5) for k in range(1, 201)]
    table, console = table_of(*many, EVENTS[5], jobs=400)
    lines = console.file.getvalue().splitlines()
    assert len(lines) == SPOKEN + 3  # a pause lasts longer than this test; the reason of the failure takes two lines
    assert lines[0].split() == ["SIEMENS", "variable_density", "0.001", "0/30", "-", "0.500", "0.500", "1/400"]
    assert lines[-3].split() == ["SIEMENS", "variable_density", "1/5", "0/30", "-", "-", "-", "201/400"]
    assert lines[-2].startswith("  failed: the loss became nan in epoch 3")
    monkeypatch.setattr("tune_ks.commands.ticker.PAUSE", 0.0)
    table.show(EVENTS[0])
    said = console.file.getvalue()
    assert (
        "SIEMENS best val AUC 0.800 at rate 1/4 (R = 4); front (rate: in-domain/cross): 1/4: 0.800/0.700"
        in " ".join(said.split())
    )
    assert "\x1b" not in said
    assert max(map(len, said.splitlines())) <= 80


def test_a_log_file_has_the_columns_from_the_first_second_and_how_far_the_running_trials_are(monkeypatch):
    table, console = table_of()
    monkeypatch.setattr("tune_ks.commands.ticker.PAUSE", 0.01)
    said = console.file.getvalue
    with table:
        assert said().startswith("0/40 trials, Ray starts, 0 s, ETA after the first epoch\ntrained on mask ")
        table.has_slots(2)
        table.show(Event("a", "started", [SEEDS[0]], {}))
        table.show(Event("b", "started", [SEEDS[1]], {}))
        assert "0/40 trials, 1 running in 2 slots, 0 s, ETA after the first epoch\n" in said()
        # nobody reports: the ticker alone prints
        wait_for(lambda: re.search(rf"^GE +gumbel +1/2 +0/{SEEDS[0].epochs} +- +- +- running$", said(), re.MULTILINE))
        table.show(Event("a", "epoch", [SEEDS[0]], {"epoch_share": 0.15, "epoch": 3, "loss": 0.5}))
        wait_for(lambda: f" 3/{SEEDS[0].epochs}  0.500" in said())
    state = next(line for line in reversed(said().splitlines()) if "trials" in line)
    assert re.match(r"0/40 trials, 2 running in 2 slots, \d+ s, ETA [\d smin]+$", state)
    assert max(map(len, said().splitlines())) <= 80
    assert not table.ticker.thread.is_alive()


def test_an_ended_trial_keeps_its_last_epoch_and_loss():
    report = {"epoch_share": 1.0, "epoch": 30, "loss": 0.25, "val_in_domain": 0.1}
    done = {"finished": True, "epoch_share": 1.0, "val_in_domain": 0.8, "val_cross_domain": 0.7}
    shared = Event("b", "finished", SEEDS, done)
    _, console = table_of(Event("a", "epoch", SEEDS, report), Event("a", "finished", SEEDS, done), shared)
    lines = console.file.getvalue().splitlines()
    assert lines[0].split() == ["GE", "gumbel", "1/2", "30/30", "0.250", "0.800", "0.700", "1/40"]
    assert lines[1].split()[3:5] == ["100%", "-"]


def test_a_log_file_says_how_far_a_stage_is(monkeypatch):
    monkeypatch.setattr("tune_ks.commands.ticker.PAUSE", 0.01)
    console = Console(file=io.StringIO(), width=80)
    stages = Stages(console)
    with stages.stage("reading DICOM") as progress:
        wait_for(lambda: re.search(r"^reading DICOM, \d+ s$", console.file.getvalue(), re.MULTILINE))
        progress("headers", 64, 1000)
        wait_for(
            lambda: re.search(r"^reading DICOM: headers 64 of 1000, \d+ s$", console.file.getvalue(), re.MULTILINE)
        )
        progress("headers", 999, 1000)
        last = r"^reading DICOM: headers 999 of 1000, \d+ s, ETA \d+ s$"
        wait_for(lambda: re.search(last, console.file.getvalue(), re.MULTILINE))
    assert stages.budget().startswith("time: reading DICOM ")
    said = console.file.getvalue()
    time.sleep(0.05)
    assert console.file.getvalue() == said, "its end ends the lines"


def wait_for(happened):
    for _ in range(6000):
        if happened():
            return
        time.sleep(0.01)
    pytest.fail("it did not happen within a minute")


def test_a_log_file_that_is_gone_ends_the_ticker_and_not_the_search(monkeypatch):
    monkeypatch.setattr("tune_ks.commands.ticker.PAUSE", 0.001)
    calls = []

    def tell():
        calls.append(len(calls))
        raise {0: RuntimeError, 1: OSError}[calls[-1]]

    ticker = Ticker(tell)
    ticker.start()
    ticker.thread.join(60)
    assert calls == [0, 1], "a dict that changes while it is read is read again"
    ticker.stop()


def lines_of(job, configs, epochs=(1, 2, 3)):
    yield Event(job, "started", configs, {})
    for epoch in epochs:
        line = {"epoch": epoch, "loss": 1 / epoch, "val_in_domain": 0.5 + epoch / 10, "val_cross_domain": math.nan}
        yield Event(job, "epoch", configs, line)


@pytest.fixture
def mlflow_uri(tmp_path, monkeypatch):
    pytest.importorskip("mlflow", reason="mlflow-skinny is not installed")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    return (tmp_path / "mlruns").as_uri()


def test_mlflow_has_one_run_a_job_also_after_a_resume(mlflow_uri):
    from mlflow.tracking import MlflowClient

    end = {"finished": True, "val_in_domain": 0.8, "val_cross_domain": 0.7, "realised_rate": 0.5}
    lost = {"failed": "/home/someone/secret.dcm is missing"}
    first = MlflowLogger(mlflow_uri, "quick-1234")
    for event in [*lines_of("a", SEEDS), *lines_of("b", OTHERS[0], [1]), *lines_of("c", OTHERS[1], [1])]:
        first(event)
    last = {"stopped": "behind", "epoch": 2, "loss": 0.6, "val_in_domain": 0.4}
    for event in (Event("b", "failed", OTHERS[0], lost), Event("c", "stopped", OTHERS[1], last)):
        first(event)
    second = MlflowLogger(mlflow_uri, "quick-1234")  # the driver was killed; the job goes on
    for event in [*lines_of("x", SEEDS, [3, 4]), Event("x", "finished", SEEDS, end)]:
        second(event)
    client = MlflowClient(mlflow_uri)
    experiment = client.get_experiment_by_name("quick-1234")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    both = SEEDS[0].key()
    statuses = {name: run.info.status for name, run in runs.items()}
    assert statuses == {both: "FINISHED", OTHERS[0][0].key(): "FAILED", OTHERS[1][0].key(): "KILLED"}
    assert runs[both].data.metrics["final_val_cross_domain"] == 0.7
    assert [metric.step for metric in client.get_metric_history(runs[both].info.run_id, "loss")] == [1, 2, 3, 3, 4]
    stopped = runs[OTHERS[1][0].key()].data.metrics
    assert stopped == {"loss": 0.6, "val_in_domain": 0.4}  # of its last epoch: nothing of it is final
    assert "val_cross_domain" not in runs[both].data.metrics  # not defined: nothing is made up
    assert runs[both].data.params == {name: str(value) for name, value in SEEDS[0].non_default().items()}
    for run in runs.values():
        assert set(run.data.tags) <= {"mlflow.runName"}
        assert "secret" not in str(run.to_dictionary())


def test_mlflow_that_refuses_is_one_message(mlflow_uri, monkeypatch):
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE")
    with pytest.raises(ValueError, match=r"--mlflow file:.*maintenance mode"):
        MlflowLogger(mlflow_uri, "x")
    monkeypatch.setitem(__import__("sys").modules, "mlflow.tracking", None)
    with pytest.raises(ValueError, match="pip install mlflow-skinny"):
        MlflowLogger(mlflow_uri, "x")


def test_tensorboard_has_the_curves_before_the_job_ends(tmp_path):
    logger = TensorBoardLogger(tmp_path)
    for event in lines_of("a", SEEDS):
        logger(event)
    read = EventAccumulator(str(tmp_path / "tensorboard" / SEEDS[0].key()))
    for _ in range(5000):  # its writer is a thread of its own
        if "val_in_domain" in read.Reload().Tags()["scalars"] and len(read.Scalars("val_in_domain")) == 3:
            break
        time.sleep(0.1)
    assert [scalar.step for scalar in read.Scalars("loss")] == [1, 2, 3]
    assert read.Scalars("val_in_domain")[-1].value == pytest.approx(0.8)
    logger(Event("a", "finished", SEEDS, {"finished": True}))
    assert logger.writers == {}
    with pytest.raises(ValueError, match="a local run folder only"):
        TensorBoardLogger("s3://bucket/run")


def test_a_viewer_that_fails_is_told_of_once_and_the_others_go_on():
    heard, messages = [], []

    def broken(event):
        raise ConnectionError("no route to the server")

    show = fan_out([broken, heard.append], messages.append)
    for event in EVENTS:
        show(event)
    assert heard == EVENTS
    assert len(messages) == 1
    assert "no route to the server" in messages[0]
