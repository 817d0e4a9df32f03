"""The search on real Ray processes: every key once, failures named, suggestions rebuilt from records."""

import dataclasses
import json
import math

import pytest
import ray

from faults import stamps
from tiny import write_tiny
from tiny_space import DRAWN, FIELDS, GRID, VENDORS, WORK, space
from tune_ks.core.config import TrialConfig
from tune_ks.core.record import Stop, TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.planning.plan import plan_search, suggestions_in
from tune_ks.planning.space import known_spaces, load_space
from tune_ks.search.cluster import connected
from tune_ks.search.resources import Resources
from tune_ks.search.search import run_search
from tune_ks.search.searcher import JobSearcher
from tune_ks.worker.attempts import start_attempt


@pytest.fixture
def run(tmp_path):
    cohort_csv, images = write_tiny(tmp_path)
    return RunFolder(cohort_csv.parent), {64: images}


def search(asked, run, plan=None, **resources):
    folder, images = run
    events = []
    plan = plan or plan_search(asked, folder, VENDORS)
    run_search(asked, folder, images, VENDORS, plan, Resources(**resources), events.append)
    return events


def by_key(folder):
    """What a repeated search must find again: all of a record but what the clock says."""
    return {r.config.key(): dataclasses.replace(r, seconds=None, facts={}) for r in folder.records()}


@pytest.mark.usefixtures("local_ray")
def test_a_grid_is_run_once_and_goes_on_where_it_was(run):
    folder, _ = run
    plan = plan_search(GRID, folder, VENDORS)
    assert (plan.left, plan.finished, plan.trials) == (6, 0, 6)
    first = plan._replace(jobs=plan.jobs[:2])
    search(GRID, run, first, concurrent=1)
    assert len(by_key(folder)) == 2
    before = stamps(folder)
    again = plan_search(GRID, folder, VENDORS)
    assert (again.left, again.finished, again.trials) == (4, 2, 6)
    events = search(GRID, run, fused="2", concurrent=1)  # two of them as one: nobody else sees a difference
    ends = [event for event in events if event.kind == "finished"]
    assert len({event.configs[0].key() for event in ends}) == len({event.job for event in ends}) == len(ends) == 4
    assert sorted(record.facts.get("trained_together", 1) for record in folder.records()) == [1, 1, 1, 1, 2, 2]
    assert before.items() <= stamps(folder).items()
    assert plan_search(GRID, folder, VENDORS).left == 0
    assert folder.keys() == sorted(by_key(folder)) == sorted(c[0].key() for c in plan.jobs)
    assert not list(folder.root.rglob("*.pkl"))


@pytest.mark.usefixtures("local_ray")
def test_a_failed_trial_is_named_and_the_search_goes_on(run):
    folder, _ = run
    asked = space({"mask": "lowpass", "sampling_rate": 1.0, "lr": [1e-3, 1e30], "vendor": "GE"})
    events = search(asked, run, fused="2", concurrent=1)
    assert sorted(event.kind for event in events if event.kind in ("finished", "failed")) == ["failed", "finished"]
    (reason,) = folder.failures().values()
    assert "the loss became" in reason
    (record,) = folder.records()
    assert record.facts["trained_together"] == 2
    assert [len(event.configs) for event in events] == [1] * len(events)  # each point speaks for itself
    assert plan_search(asked, folder, VENDORS).left == 0
    assert plan_search(asked, folder, VENDORS, retry_failed=True).left == 1


@pytest.mark.usefixtures("local_ray")
def test_a_missing_mask_setting_fails_its_trial_alone(run):
    folder, _ = run
    asked = space({"mask": "gumbel", "sampling_rate": 0.5, "temperature": [None, 1.0], "vendor": "GE"})
    search(asked, run, concurrent=1)
    assert len(by_key(folder)) == 1
    assert "needs a temperature" in next(iter(folder.failures().values()))


@pytest.mark.usefixtures("local_ray")
def test_optuna_suggests_all_seeds_of_a_point_and_is_rebuilt_from_the_records(run):
    folder, _ = run
    plan = plan_search(DRAWN, folder, VENDORS)
    assert (plan.jobs, plan.suggestions, plan.trials) == ([], 6, 12)
    search(DRAWN, run, plan._replace(suggestions=4))
    assert all(len(configs) == 2 for configs in suggestions_in(folder))
    known = by_key(folder)
    again = plan_search(DRAWN, folder, VENDORS)
    assert (again.suggestions, again.trials) == (6 - len(suggestions_in(folder)), 12)
    searcher = JobSearcher(again, DRAWN, folder, VENDORS, WORK)
    trials = [trial for study in searcher.studies for trial in study.study.trials]
    assert len(trials) == len(suggestions_in(folder))
    for trial in trials:
        mine = [r for r in known.values() if r.config.sampling_rate == trial.params["sampling_rate"]]
        values = [(r.in_domain("val"), r.cross_domain("val")) for r in mine]
        expected = [sum(column) / len(column) for column in zip(*values)]
        assert trial.values == pytest.approx(expected) or len(mine) > 2
    search(DRAWN, run, concurrent=1)
    assert known.items() <= by_key(folder).items()
    assert plan_search(DRAWN, folder, VENDORS).left == 0


def test_a_seed_that_is_missing_of_a_suggestion_is_run_first(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write_config(TrialConfig("GE", 0.25, temperature=1.0, **FIELDS))
    plan = plan_search(DRAWN, folder, VENDORS)
    assert [[config.seed for config in job] for job in plan.jobs] == [[0, 1]]
    assert plan.suggestions == 5


def test_what_was_begun_comes_first(tmp_path):
    folder = RunFolder(tmp_path)
    jobs = plan_search(GRID, folder, VENDORS).jobs
    folder.write_config(jobs[-1][0])
    assert plan_search(GRID, folder, VENDORS).jobs[0] == jobs[-1]


@pytest.mark.parametrize("sampler", ["random", "tpe", "nsga2", "nsga3", "qmc", "gp"])
def test_every_sampler_takes_two_objectives_nan_and_failures(sampler, tmp_path):
    asked = DRAWN._replace(search=DRAWN.search | {"sampler": sampler})
    folder = RunFolder(tmp_path)
    searcher = JobSearcher(plan_search(asked, folder, VENDORS), asked, folder, VENDORS, WORK)
    good = {"finished": True, "val_in_domain": 0.8, "val_cross_domain": 0.7}
    stopped = {"epoch": 1, "val_in_domain": 0.8, "val_cross_domain": 0.7}  # half a training: no value is told
    failed = [{"finished": True, "val_in_domain": float("nan")}, {"finished": True, "failed": "x"}, None]
    for number, result in enumerate([good, stopped, *failed, good]):
        job = searcher.suggest(str(number))
        assert [values.get("seed", 0) for values in job["jobs"][0]] == [0, 1]
        searcher.on_trial_complete(str(number), result, error=result is None)
    states = [trial.state.name for study in searcher.studies for trial in study.study.trials]
    assert sorted(states) == ["COMPLETE", "COMPLETE", "FAIL", "FAIL", "FAIL", "PRUNED"]


def test_the_same_history_gives_the_same_suggestion_and_longer_history_another(tmp_path):
    def first(folder):
        searcher = JobSearcher(plan_search(DRAWN, folder, VENDORS), DRAWN, folder, VENDORS, WORK)
        searcher.queue = []
        return searcher.suggest("a")["jobs"][0][0]["sampling_rate"]

    folder = RunFolder(tmp_path)
    rates = {first(folder), first(folder)}
    assert len(rates) == 1
    for vendor in VENDORS:
        folder.write_config(TrialConfig(vendor, 0.25, temperature=1.0, **FIELDS))
    assert first(folder) not in rates


@pytest.mark.usefixtures("local_ray")
def test_too_few_resources_are_said_before_anything_starts(run):
    folder, images = run
    with pytest.raises(ValueError, match="a trial asks for 64 CPUs"):
        run_search(GRID, folder, images, VENDORS, plan_search(GRID, folder, VENDORS), Resources(cpus=64), print)


@pytest.mark.usefixtures("local_ray")
def test_connected_leaves_a_cluster_that_it_found():
    with connected(None):
        assert ray.is_initialized()
    assert ray.is_initialized()


@pytest.mark.parametrize("name", known_spaces())
def test_every_shipped_space_loads_and_says_question_and_command(name):
    loaded = load_space(name)
    assert "run_search.py" in loaded.question
    assert loaded.question.splitlines()[0].endswith(("?", "."))
    assert loaded.grid(VENDORS)
    assert len(loaded.fingerprint()) == 12


def test_the_shipped_spaces_are_the_ones_promised():
    assert set(known_spaces()) >= {"smoke", "quick", "paper", "rate_temperature", "real_patches"}
    paper = load_space("paper")
    rates = sorted({point.fixed["sampling_rate"] for point in paper.grid(VENDORS)})
    assert [round(rate, 1) for rate in rates] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    assert all((rate * 256).is_integer() for rate in rates)
    assert {point.fixed["budget"] for point in paper.grid(VENDORS)} == {"drift"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SPACE = {'mask': 'lowpass', 'sampling_rate': [0.5, 1.5]}", "sampling_rate must be in (0, 1], got 1.5"),
        ("SPACE = {'sampling_rate': 0.5, 'rate': 1}", "unknown field 'rate'; the fields are"),
        ("SPACE = {'temperature': 1}", "the field 'sampling_rate' is missing"),
        ("SPACE = []", "SPACE must be a dict"),
        ("1/0", "ZeroDivisionError"),
        ("SPACE = {'sampling_rate': 1.0}\nSEARCH = {'seed': 3}", "did you mean 'seeds'?"),
        ("SPACE = {'sampling_rate': 1.0}\nSEARCH = {'sampler': 'tpe'}", "needs a field with a domain of ray.tune"),
        ("SPACE = {'sampling_rate': 1.0}\nSEARCH = {'sampler': 'cmaes'}", "sampler must be one of grid, random"),
        ("from ray import tune\nSPACE = {'mask': 'lowpass', 'sampling_rate': tune.uniform(0.1, 2)}\n"
         "SEARCH = {'sampler': 'tpe'}", "sampling_rate must be in (0, 1], got 2"),
        ("SPACE = {'sampling_rate': 1.0}\nSEARCH = {'objectives': ['accuracy']}", "objectives must be among"),
    ],
)  # fmt: skip
def test_a_wrong_space_is_one_message_that_names_the_file(tmp_path, text, said):
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(ValueError) as error:
        load_space(str(path))
    assert said in str(error.value)
    assert str(path) in str(error.value)


def test_json_files_are_strict(tmp_path):
    """NaN and Infinity, which Python reads and other programs do not, stand in none of them."""
    folder = RunFolder(tmp_path)
    undefined = [{"epoch": 1, "loss": math.inf, "val_in_domain": math.nan}]
    finished, stopped, failed = (TrialConfig("GE", rate, temperature=1.0) for rate in (0.25, 0.5, 0.75))
    for config in (finished, stopped, failed):
        folder.write_config(config, start_point="full sampling")
        start_attempt(folder, config.key(), "session", "node", ["node"])
    record = TrialRecord(finished, {"GE": math.nan}, {"GE": math.nan}, 0.25, val_within={"GE": math.nan})
    folder.write_record(dataclasses.replace(record, history=undefined, quality={"GE": {"psnr": math.nan}}))
    folder.write_stop(Stop(stopped, "behind", undefined))
    folder.write_failure(failed, "the loss became nan")

    def refuse(name):
        raise ValueError(f"{name} is not JSON")

    paths = list(folder.root.rglob("*.json"))
    assert {path.name for path in paths} == {
        "config.json",
        "attempts.json",
        "record.json",
        "stopped.json",
        "failure.json",
    }
    for path in paths:
        json.loads(path.read_text(), parse_constant=refuse)
