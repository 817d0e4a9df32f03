"""What Optuna is asked and told: start points first and marked, every key once, what ended early without a value."""

import json
import warnings

import numpy as np
import pytest
from ray import tune

from tiny_space import WORK
from tune_ks.core.config import TrialConfig
from tune_ks.core.record import Stop, TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.storage import write_whole
from tune_ks.planning.plan import Plan, plan_search, suggestions_in
from tune_ks.planning.space import SAMPLERS as NAMES
from tune_ks.planning.space import SEARCH_DEFAULTS, Block, Space, load_space
from tune_ks.planning.start_run import start_points
from tune_ks.search.searcher import SAMPLERS, JobSearcher, nearest

VENDORS = ["GE", "SIEMENS"]
BLOCK = {"mask": "gumbel", "temperature": 1.0, "sampling_rate": tune.uniform(0.05, 1.0), "lr": tune.loguniform(1e-4, 1)}


def space(sampler="tpe", samples=8, block=BLOCK, **search):
    return Space("test", "", [block], {**SEARCH_DEFAULTS, "sampler": sampler, "samples": samples, **search})


def searcher_of(asked, folder, vendors=VENDORS):
    return JobSearcher(plan_search(asked, folder, vendors), asked, folder, vendors, WORK)


def begun(path, starts):
    folder = RunFolder(path)
    write_whole(folder.search_json, json.dumps({"start_points": starts}).encode())
    return folder


def objective(config):
    """Both AUCs of a made-up training: they rise with the rate and fall off around one learning rate."""
    off = abs(config.get("lr", 3e-4) - 0.01)
    return {"val_in_domain": config["sampling_rate"] - off, "val_cross_domain": 1 - config["sampling_rate"] - off}


def play(searcher, count, folder=None):
    """``count`` jobs asked for and told, and recorded in the folder; the configs in the order they were asked for."""
    played = []
    for number in range(count):
        job = searcher.suggest(str(number))
        if job == searcher.FINISHED:
            break
        played += job["jobs"][0]
        if folder:
            for values in job["jobs"][0]:
                config, scores = TrialConfig.from_dict(values), objective(values)
                other = "SIEMENS" if config.vendor == "GE" else "GE"
                val = {config.vendor: scores["val_in_domain"], other: scores["val_cross_domain"]}
                folder.write_config(config, job["start_point"])
                folder.write_record(TrialRecord(config, val, {}, config.sampling_rate))
        searcher.on_trial_complete(str(number), {"finished": True, **objective(job["jobs"][0][0])})
    return played


def test_every_sampler_of_a_space_is_here():
    assert {"grid", *SAMPLERS} == set(NAMES)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_sampler_begins_with_the_start_points_and_repeats_itself(sampler, tmp_path):
    folder = begun(tmp_path, start_points("table", synthetic=False))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what Optuna calls experimental is no news to who runs a search
        once, again = (play(searcher_of(space(sampler, 6), folder), 12) for _ in range(2))
    assert once == again
    assert len(once) == 12
    for vendor in VENDORS:
        rates = [config["sampling_rate"] for config in once if config["vendor"] == vendor]
        assert rates[:3] == [1.0, 62 / 256, 57 / 256]
        assert len(set(rates)) == len(rates) == 6


@pytest.mark.parametrize(("sampler", "count"), [("tpe", 40), ("nsga2", 150), ("nsga3", 150), ("gp", 12)])
def test_a_sampler_learns_from_what_it_is_told(sampler, count, tmp_path):
    block = {**BLOCK, "vendor": "GE", "sampling_rate": 0.5}
    configs = play(searcher_of(space(sampler, count, block), begun(tmp_path, []), ["GE"]), count)
    off = [abs(config["lr"] - 0.01) for config in configs]
    assert np.median(off[-4:]) < np.median(off[:10]) / 2


def test_on_duke_the_search_begins_with_full_sampling_alone():
    """0.242 and 0.222 were chosen on Duke's test scores."""
    assert [start["sampling_rate"] for start in start_points("duke", synthetic=False)] == [1.0]
    for elsewhere in (start_points("table", False), start_points("duke", synthetic=True)):
        assert [round(start["sampling_rate"], 3) for start in elsewhere] == [1.0, 0.242, 0.223]


def test_start_points_are_marked_in_the_config_and_not_asked_for_twice(tmp_path):
    folder = begun(tmp_path, start_points("table", synthetic=False))
    play(searcher_of(space(), folder), 5, folder)
    marks = {folder.read_config(key).sampling_rate: folder.start_point(key) for key in folder.keys()}
    assert marks[1.0] == "full sampling"
    assert "0.242" in marks[62 / 256]
    folder.write_config(TrialConfig.from_dict({"vendor": "GE", "temperature": 1.0, "sampling_rate": 0.3}))
    assert folder.start_point(TrialConfig("GE", 0.3, temperature=1.0).key()) is None
    searcher = searcher_of(space(), folder)
    assert [rate for study in searcher.studies for rate, _ in study.starts] == [57 / 256]  # SIEMENS had two of three
    play(searcher, 20, folder)
    assert [start for study in searcher_of(space(samples=20), folder).studies for start in study.starts] == []
    marks = [folder.start_point(key) for key in folder.keys()]
    assert len([mark for mark in marks if mark]) == 2 * 3
    for key in folder.keys():  # asked for again by its worker: the mark stays
        folder.write_config(folder.read_config(key))
    assert [folder.start_point(key) for key in folder.keys()] == marks


@pytest.mark.parametrize(
    ("domain", "rates"),
    [
        (tune.quniform(1 / 64, 1.0, 1 / 64), [1.0, 15 / 64, 14 / 64]),
        (tune.uniform(0.3, 0.9), []),
        (tune.choice([0.5, 1.0]), [1.0]),
    ],
)
def test_a_start_point_is_the_nearest_that_the_space_allows(domain, rates, tmp_path):
    folder = begun(tmp_path, start_points("table", synthetic=False))
    searcher = searcher_of(space(block={**BLOCK, "sampling_rate": domain}), folder)
    for study in searcher.studies:
        assert [rate for rate, _ in study.starts] == rates
    assert nearest(None, 0.5) is None


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_no_question_is_asked_twice_until_none_is_left(sampler, tmp_path):
    folder = begun(tmp_path, [])
    block = {
        "vendor": "GE",
        "temperature": 1.0,
        "sampling_rate": tune.quniform(0.25, 1.0, 0.25),
        "lr": tune.choice([1e-3, 1e-4]),
    }
    asked = space(sampler, 100, block)
    assert plan_search(asked, folder, VENDORS).suggestions == 8
    configs = play(searcher_of(asked, folder), 5, folder)
    configs += play(searcher_of(asked, folder), 100, folder)
    assert len(configs) == len({TrialConfig.from_dict(config).key() for config in configs}) == 8
    assert plan_search(asked, folder, VENDORS).left == 0


@pytest.mark.parametrize(
    ("domain", "size"),
    [(tune.choice([1, 2, 3]), 3), (tune.quniform(1 / 64, 1, 1 / 64), 64), (tune.uniform(0, 1), float("inf")),
     (tune.randint(1, 5), 4), (tune.qrandint(2, 10, 2), 5), (tune.loguniform(1e-3, 1), float("inf"))],
)  # fmt: skip
def test_the_size_of_a_space_is_known_where_it_is_finite(domain, size):
    assert Block({}, {"a": domain, "b": tune.choice([1, 2])}).size() == 2 * size


def test_what_was_stopped_early_is_known_without_a_value(tmp_path):
    folder = begun(tmp_path, [])
    play(searcher_of(space(scheduler="asha"), folder), 4, folder)
    stopped = TrialConfig("GE", 0.5, temperature=1.0, lr=0.5)
    folder.write_config(stopped)
    folder.write_stop(Stop(stopped, "behind", [{"epoch": 1, "loss": 1.0, "val_in_domain": 0.99}]))
    asked = space(scheduler="asha")
    assert plan_search(asked, folder, VENDORS) == Plan([], 16 - 5, 4, 0, stopped=1, trials=16)
    trials = [trial for study in searcher_of(asked, folder).studies for trial in study.study.trials]
    assert sorted(trial.state.name for trial in trials) == ["COMPLETE"] * 4 + ["PRUNED"]
    (pruned,) = [trial for trial in trials if trial.state.name == "PRUNED"]
    assert pruned.params == {"sampling_rate": 0.5, "lr": 0.5}
    assert pruned.values is None


def test_an_option_of_a_member_can_be_drawn_also_where_it_is_the_default(tmp_path):
    """A config does not keep an option that has its default; Optuna must be given its value all the same."""
    block = {"vendor": "GE", "temperature": 1.0, "sampling_rate": 0.5, "dropout": tune.choice([0.25, 0.5])}
    folder = begun(tmp_path, [])
    asked = space("random", 2, block)
    configs = play(searcher_of(asked, folder), 2, folder)
    assert sorted(config.get("dropout", 0.5) for config in configs) == [0.25, 0.5]
    (study,) = searcher_of(asked, folder).studies
    assert sorted(trial.params["dropout"] for trial in study.study.trials) == [0.25, 0.5]
    assert {trial.state.name for trial in study.study.trials} == {"COMPLETE"}


def test_a_pending_suggestion_is_told_when_it_ends(tmp_path):
    folder = begun(tmp_path, start_points("table", synthetic=False))
    pending = TrialConfig("SIEMENS", 0.5, temperature=1.0, lr=0.5)
    folder.write_config(pending)
    searcher = searcher_of(space(), folder)
    assert play(searcher, 1) == [pending.non_default()]
    (trial,) = [trial for study in searcher.studies for trial in study.study.trials]
    assert trial.params == {"sampling_rate": 0.5, "lr": 0.5}
    assert trial.values == list(objective(pending.non_default()).values())
    assert len(suggestions_in(folder)) == 1


CONSTRAINED = {"objectives": ["val_cross_domain"], "in_domain_loss": 0.2, "block": {**BLOCK, "vendor": "GE"}}


def constraints_of(study):
    """rate -> the constraint value of every trial that the study was told of; None without one."""
    values = {}
    for trial in study.study.trials:
        if trial.state.is_finished():
            values[trial.params["sampling_rate"]] = trial.constraints.get("in-domain loss")
    return values


def told(rate):
    return {"finished": True, "val_in_domain": rate, "val_cross_domain": 1 - rate}


def test_a_constrained_trial_waits_for_full_sampling_and_then_has_its_loss(tmp_path):
    searcher = searcher_of(space(**CONSTRAINED), begun(tmp_path, start_points("table", synthetic=False)), ["GE"])
    jobs = [searcher.suggest(str(number))["jobs"][0][0] for number in range(3)]
    rates = [job["sampling_rate"] for job in jobs]
    study = searcher.studies[0]
    searcher.on_trial_complete("1", told(rates[1]))
    assert constraints_of(study) == {}
    searcher.on_trial_complete("0", told(rates[0]))
    searcher.on_trial_complete("2", told(rates[2]))
    assert rates[0] == 1.0
    for rate, value in constraints_of(study).items():
        assert value == pytest.approx(1.0 - 0.2 - rate)
    assert sorted(constraints_of(study)) == sorted(rates)
    assert [trial.value for trial in study.study.best_trials] == [0.0]  # full sampling: the only feasible one


def test_a_study_that_is_built_again_has_the_same_constraints(tmp_path):
    folder = begun(tmp_path, start_points("table", synthetic=False))
    searcher = searcher_of(space(**CONSTRAINED), folder, ["GE"])
    play(searcher, 6, folder)
    again = searcher_of(space(**CONSTRAINED), folder, ["GE"])
    assert len(constraints_of(again.studies[0])) == 6
    assert constraints_of(again.studies[0]) == pytest.approx(constraints_of(searcher.studies[0]))
    plain = searcher_of(space(block=CONSTRAINED["block"]), folder, ["GE"])
    assert set(constraints_of(plain.studies[0]).values()) == {None}


def test_the_constraint_moves_a_search_to_the_rates_that_keep_it(tmp_path):
    """The best cross-domain metric lies at the lowest rate, which the constraint forbids."""
    shares = []
    for loss in (0.2, None):
        asked = space(samples=40, **{**CONSTRAINED, "in_domain_loss": loss})
        searcher = searcher_of(asked, begun(tmp_path / str(loss), start_points("table", False)), ["GE"])
        for number in range(40):
            job = searcher.suggest(str(number))["jobs"][0][0]
            searcher.on_trial_complete(str(number), told(job["sampling_rate"]))
        asked_rates = [trial.params["sampling_rate"] for trial in searcher.studies[0].study.trials[-20:]]
        shares.append(np.mean([0.7 < rate < 0.9 for rate in asked_rates]))
    assert shares[0] > 0.5
    assert shares[1] < 0.2


@pytest.mark.parametrize(
    ("search", "rate", "message"),
    [
        ({"sampler": "tpe", "in_domain_loss": 1}, "tune.uniform(0.1, 1)", "from 0 to below 1"),
        ({"sampler": "tpe", "in_domain_loss": "small"}, "tune.uniform(0.1, 1)", "from 0 to below 1"),
        ({"sampler": "grid", "in_domain_loss": 0.02}, "[0.5, 1]", "reads no result"),
        ({"sampler": "tpe", "in_domain_loss": 0.02}, "tune.uniform(0.1, 0.5)", "the highest here is 0.5"),
        ({"sampler": "tpe", "in_domain_loss": 0.02}, "0.25", "the highest here is 0.25"),
    ],
)
def test_a_constraint_that_cannot_be_kept_is_one_message(search, rate, message, tmp_path):
    lr = "tune.loguniform(1e-4, 1e-2)" if search["sampler"] == "tpe" else "1e-3"
    text = (
        f"from ray import tune\nSPACE = {{'sampling_rate': {rate}, 'lr': {lr}, 'mask': 'lowpass'}}\nSEARCH = {search}\n"
    )
    (tmp_path / "s.py").write_text(text)
    with pytest.raises(ValueError, match=message):
        load_space(str(tmp_path / "s.py"))


def test_a_space_without_the_constraint_keeps_its_fingerprint():
    """The default run folder is named by it; 0.1.0 knew no constraint."""
    assert load_space("quick").fingerprint() == "90eff27d38e2"
    constrained = space(**CONSTRAINED)
    assert constrained.fingerprint() != space(objectives=["val_cross_domain"], block=CONSTRAINED["block"]).fingerprint()
