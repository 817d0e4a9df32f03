"""Early stopping: who is stopped when, who never, what a stop leaves behind, and that it changes no training."""

import math
from typing import NamedTuple

import pytest
import torch

from benchmarks.alone import finish, train
from tiny import write_tiny
from tune_ks.core.config import TrialConfig
from tune_ks.core.metrics import auc
from tune_ks.core.record import Stop, TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.dataset import open_splits
from tune_ks.planning.plan import plan_search
from tune_ks.planning.space import SCHEDULERS, SEARCH_DEFAULTS, Space, load_space
from tune_ks.search.events import Halt, Watcher
from tune_ks.search.resources import Resources
from tune_ks.search.schedulers import EarlyStopping, early_stopping
from tune_ks.search.search import run_search
from tune_ks.training.scoring import score

FIELDS = {"width": 0.05, "image_size": 64, "epochs": 8, "batch_size": 8, "settle": 0.5}
VENDORS = ["GE", "SIEMENS"]
STOPPING = [name for name in SCHEDULERS if name != "none"]


class Fake(NamedTuple):
    """What a scheduler reads of Ray's Trial."""

    trial_id: str
    config: dict


def space(*blocks, **search):
    return Space("tiny", "", [FIELDS | block for block in blocks], {**SEARCH_DEFAULTS, **search})


def asked(name, **search):
    return space({"sampling_rate": 0.5}, scheduler=name, grace=0.25, **{"reduction_factor": 2, **search})


def trial(number, vendor="GE"):
    config = {"vendor": vendor, "sampling_rate": 0.5, "temperature": 1.0, "epochs": 8, "lr": 1e-3 + number}
    return Fake(f"{vendor}{number}", {"jobs": [[config]]})


def at_rates(*rates):
    """Configs of one conditional training."""
    shared = {**trial(9).config["jobs"][0][0], "classifier": "alexnet_film", "rate_from": 1 / 64}
    return [{**shared, "sampling_rate": rate} for rate in rates]


def line(epoch, val, cross=math.nan):
    return {"job": 0, "epoch": epoch, "loss": 0.5, "val_in_domain": val, "val_cross_domain": cross}


def run(scheduler, ray_trial, val, cross=math.nan, epochs=range(1, 9)):
    """The epoch after which the scheduler stops the trial; None where it lets it end."""
    for epoch in epochs:
        if scheduler.on_trial_result(None, ray_trial, line(epoch, val, cross)) == "STOP":
            return epoch
    scheduler.on_trial_result(None, ray_trial, {"job": 0, "finished": True, "val_in_domain": val})
    scheduler.on_trial_complete(None, ray_trial, {})
    return None


@pytest.mark.parametrize("name", STOPPING)
def test_the_worst_is_stopped_after_the_grace_and_the_best_never(name):
    scheduler = EarlyStopping(asked(name))
    ends = [run(scheduler, trial(number), 0.6 + number / 100, 0.6 + number / 100) for number in range(5)]
    assert ends == [None] * 5  # each is the best so far
    assert run(scheduler, trial(9), 0.3, 0.3) == 2  # a quarter of 8 epochs
    (stop,) = scheduler.stops["GE9"]
    assert stop.config.key() == TrialConfig.from_dict(trial(9).config["jobs"][0][0]).key()
    assert [entry["epoch"] for entry in stop.history] == [1, 2]
    assert "after epoch 2 of 8" in stop.reason
    assert "behind the others of GE" in stop.reason
    assert run(scheduler, trial(0, "SIEMENS"), 0.3, 0.3) is None  # nobody of its own vendor to be compared with
    assert scheduler.histories == {}


@pytest.mark.parametrize("name", STOPPING)
def test_a_training_that_reached_its_last_epoch_is_not_thrown_away(name):
    scheduler = EarlyStopping(asked(name))
    for number in range(5):
        run(scheduler, trial(number), 0.9, 0.9)
    late = [*(line(epoch, 0.95, 0.95) for epoch in range(1, 8)), line(8, 0.1, 0.1)]
    assert {scheduler.on_trial_result(None, trial(9), entry) for entry in late} == {"CONTINUE"}


@pytest.mark.parametrize("name", STOPPING)
def test_a_job_is_judged_by_its_first_seed_and_repeats_count_once(name):
    scheduler = EarlyStopping(asked(name))
    for number in range(5):
        run(scheduler, trial(number), 0.9, 0.9)
    second_seed = {key: value for key, value in line(2, 0.1, 0.1).items() if key != "epoch"}
    assert scheduler.on_trial_result(None, trial(8), second_seed) == "CONTINUE"
    first = [line(epoch, 0.95, 0.95) for epoch in (1, 2, 3)]
    again = [line(epoch, 0.1, 0.1) for epoch in (1, 2, 3)]  # its process died and it came again
    assert {scheduler.on_trial_result(None, trial(9), entry) for entry in first + again} == {"CONTINUE"}
    assert [{"job": 0, **entry} for entry in scheduler.histories["GE9"]] == first


@pytest.mark.parametrize("name", STOPPING)
def test_a_stop_is_of_every_rate_of_the_training_and_of_no_other_seed(name, tmp_path, monkeypatch):
    scheduler = EarlyStopping(asked(name))
    for number in range(5):
        run(scheduler, trial(number), 0.9, 0.9)
    rates = at_rates(0.25, 0.5, 1.0)
    job, folder, events = Fake("GE9", {"jobs": [[*rates, {**rates[0], "seed": 1}]]}), RunFolder(tmp_path), []
    assert run(scheduler, job, 0.1, 0.1) == 2
    Watcher(folder, "", 60, Halt(), events.append, scheduler.stops).on_trial_result(2, [], job, line(2, 0.1))
    assert [event.kind for event in events] == ["stopped"]
    asked_for = [TrialConfig.from_dict(values) for values in rates]
    assert set(folder.stops()) == {config.key() for config in asked_for}
    assert all([entry["epoch"] for entry in stop.history] == [1, 2] for stop in folder.stops().values())
    entered = []
    monkeypatch.setattr(EarlyStopping, "remember", lambda self, training, history: entered.append(training))
    early_stopping(asked(name), folder)
    assert entered == [asked_for[0].training()]  # once, as it was judged once


@pytest.mark.parametrize("name", STOPPING)
def test_the_rates_that_are_left_of_a_whole_training_are_never_stopped(name, tmp_path):
    folder = RunFolder(tmp_path)
    done, *left = at_rates(0.25, 0.5, 1.0)
    others = [trial(number).config["jobs"][0][0] for number in range(5)]
    for values, value in [(done, 0.1), *((other, 0.9) for other in others)]:
        history = [line(epoch, value, value) for epoch in range(1, 9)]
        folder.write_record(TrialRecord(TrialConfig.from_dict(values), {"GE": value}, {}, 0.5, history=history))
    resumed = early_stopping(asked(name, sampler="grid"), folder)
    assert run(resumed, Fake("left", {"jobs": [left]}), 0.1, 0.1) is None
    assert run(resumed, trial(9), 0.1, 0.1) == 2


@pytest.mark.parametrize("name", STOPPING)
def test_trials_are_compared_within_an_option_of_a_member_too(name):
    scheduler = EarlyStopping(asked(name, compare_within=["dropout"]))
    for number in range(5):
        run(scheduler, trial(number), 0.9, 0.9)
    another = trial(9)
    another.config["jobs"][0][0]["dropout"] = 0.25
    assert run(scheduler, another, 0.1, 0.1) is None  # nobody of its group to be compared with
    assert run(scheduler, trial(10), 0.1, 0.1) == 2


def test_a_promising_cross_domain_auc_outweighs_a_low_in_domain_one():
    cut, kept = EarlyStopping(asked("asha")), EarlyStopping(asked("pareto_halving"))
    for scheduler in (cut, kept):
        for number in range(6):
            run(scheduler, trial(number), 0.8 + number / 100, 0.6)
    assert run(cut, trial(9), 0.7, 0.75) == 2
    assert run(kept, trial(9), 0.7, 0.75) is None
    assert run(kept, trial(10), 0.7, 0.55) == 2
    assert run(kept, trial(11), 0.1) is None  # an AUC that is not defined cannot be compared


def test_a_low_rate_stays_where_the_rate_is_an_objective():
    objectives = ["val_in_domain", "val_cross_domain", "realised_rate"]
    ends = []
    for chosen in (objectives[:2], objectives):
        scheduler = EarlyStopping(asked("pareto_halving", objectives=chosen))
        for number in range(4):
            run(scheduler, trial(number), 0.8, 0.7)
        low = trial(9)
        low.config["jobs"][0][0]["sampling_rate"] = 0.1
        ends.append(run(scheduler, low, 0.7, 0.6))
    assert ends == [2, None]


@pytest.mark.parametrize("name", STOPPING)
def test_rungs_are_filled_again_from_the_run_folder(name, tmp_path):
    folder = RunFolder(tmp_path)
    straight = EarlyStopping(asked(name))
    values = [0.7, 0.9, 0.8, 0.6, 0.85, 0.2]
    for number, value in enumerate(values):
        end = run(straight, trial(number), value, value)
        config = TrialConfig.from_dict(trial(number).config["jobs"][0][0])
        history = [line(epoch, value, value) for epoch in range(1, (end or 8) + 1)]
        folder.write_config(config)
        if end:
            folder.write_stop(Stop(config, "worse", history))
        else:
            folder.write_record(TrialRecord(config, {"GE": value}, {}, 0.5, history=history))
    assert len(folder.stops()) >= 1
    for value in (0.1, 0.5, 0.65, 0.75, 0.95):
        resumed = early_stopping(asked(name), folder)
        again = early_stopping(asked(name), folder)
        assert run(resumed, trial(20), value, value) == run(again, trial(20), value, value)
        assert run(resumed, trial(21), 0.1, 0.1) == run(straight, trial(100 + int(value * 100)), 0.1, 0.1) == 2
    assert early_stopping(asked("none"), folder) is None


def test_a_stop_is_read_back_and_ends_with_a_record(tmp_path):
    folder = RunFolder(tmp_path)
    config = TrialConfig("GE", 0.5)
    folder.write_config(config)
    folder.trial(config.key(), "checkpoint.pt").write_bytes(b"x")
    folder.write_stop(Stop(config, "worse", [line(1, 0.5)]))
    (stop,) = folder.stops().values()
    assert (stop.config, stop.reason, stop.history[0]["val_in_domain"]) == (config, "worse", 0.5)
    assert math.isnan(stop.history[0]["val_cross_domain"])
    assert not folder.trial(config.key(), "checkpoint.pt").exists()
    assert not folder.is_finished(config.key())
    assert folder.failures() == {}
    folder.write_record(TrialRecord(config, {}, {}, 0.5))
    assert folder.stops() == {}


def test_scoring_the_other_vendors_is_right_and_moves_no_bit(tmp_path):
    cohort_csv, images = write_tiny(tmp_path)
    splits = open_splits(cohort_csv, images, "GE")
    config = TrialConfig("GE", 0.25, temperature=1.0, **{**FIELDS, "epochs": 3})
    plain, scored = list(train(config, splits)), list(train(config, splits, cross_domain_at=[2, 3]))
    assert math.isnan(scored[0].cross)
    assert ["val_cross_domain" in entry for entry in scored[-1].state["history"]] == [False, True, True]
    assert [(entry.loss, entry.val) for entry in plain] == [(entry.loss, entry.val) for entry in scored]
    first, second = (finish(config, splits, epochs[-1].state) for epochs in (plain, scored))
    for name, weights in first.pipeline.state_dict().items():
        assert (weights == second.pipeline.state_dict()[name]).all(), name
    assert first.epoch == second.epoch
    assert (first.scores["val"]["SIEMENS"] == second.scores["val"]["SIEMENS"]).all()
    second.pipeline.load_state_dict(scored[-1].state["weights"])
    others = splits.val["SIEMENS"]
    assert scored[-1].cross == auc(others.label.numpy(), score(second.pipeline, others, config))


@pytest.mark.usefixtures("local_ray")
def test_a_stopped_trial_is_never_taken_for_a_finished_one(tmp_path):
    cohort_csv, images = write_tiny(tmp_path)
    folder = RunFolder(cohort_csv.parent)
    asked = space({"mask": "lowpass", "sampling_rate": 1.0, "vendor": "GE", "lr": [3e-3, 1e-3, 1e-6, 2e-6, 3e-6]})

    def go(scheduler):
        events = []
        wanted = asked._replace(search=asked.search | {"scheduler": scheduler, "reduction_factor": 2})
        plan = plan_search(wanted, folder, VENDORS)
        run_search(wanted, folder, {64: images}, VENDORS, plan, Resources(concurrent=1), events.append)
        return [event for event in events if event.kind not in ("started", "epoch")]

    ends = go("pareto_halving")
    stopped = {event.configs[0].key() for event in ends if event.kind == "stopped"}
    assert len(ends) == 5
    assert stopped
    for key in stopped:
        names = sorted(path.name for path in folder.trial(key).iterdir())
        assert names == ["attempts.json", "config.json", "stopped.json"]
    assert stopped == set(folder.stops())
    assert len(list(folder.records())) == 5 - len(stopped)
    kept = asked._replace(search=asked.search | {"scheduler": "pareto_halving"})
    assert kept.fingerprint() == asked.fingerprint()  # it is the same question
    again = plan_search(kept, folder, VENDORS)
    assert (again.left, again.finished, again.stopped) == (0, 5 - len(stopped), len(stopped))
    assert [event.kind for event in go("none")] == ["finished"] * len(stopped)  # without a scheduler, after all
    assert folder.stops() == {}
    record = folder.read_record(min(stopped))
    splits = open_splits(folder.cohort_csv, images, "GE")
    torch.set_num_threads(1)  # as the worker did: another count gives other bits
    *_, last = train(record.config, splits)
    assert [dict(line) for line in record.history] == last.state["history"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("'scheduler': 'hyperband'", "scheduler must be one of none, asha, median, pareto_halving"),
        ("'scheduler': 'asha', 'grace': 1.5", "grace is a share of the epochs"),
        ("'scheduler': 'asha', 'reduction_factor': 1", "reduction_factor must be a whole number from 2 to 1,000"),
        ("'scheduler': 'asha', 'compare_within': ['rate']", "compare_within takes fields of a trial"),
        ("'scheduler': 'asha', 'grace': 0.95", "there is no epoch left to stop at"),
    ],
)
def test_a_wrong_setting_is_one_message(tmp_path, text, said):
    path = tmp_path / "mine.py"
    path.write_text(f"SPACE = {{'sampling_rate': 1.0, 'epochs': 8}}\nSEARCH = {{{text}}}")
    with pytest.raises(ValueError, match=said):
        load_space(str(path))


@pytest.mark.parametrize("field", ["'epochs': [4, 8]", "'settle': tune.uniform(0.1, 0.5)"])
def test_trials_of_different_length_are_not_compared(tmp_path, field):
    path = tmp_path / "mine.py"
    search = {"scheduler": "asha", "sampler": "grid" if "[" in field else "tpe"}
    path.write_text(f"from ray import tune\nSPACE = {{'sampling_rate': 1.0, {field}}}\nSEARCH = {search}")
    with pytest.raises(ValueError, match="must be one number for the whole SPACE"):
        load_space(str(path))
