"""A trial of several configs in one worker: who is trained with whom, what goes wrong and to whom, what Ray is told."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from benchmarks.alone import run_config
from tiny import write_tiny
from tiny_space import WORK
from tune_ks.core.config import TrialConfig
from tune_ks.core.record import Stop
from tune_ks.core.run_folder import RunFolder
from tune_ks.planning.plan import Plan
from tune_ks.planning.space import SEARCH_DEFAULTS, Space
from tune_ks.search.resources import PACK, Resources
from tune_ks.search.schedulers import EarlyStopping
from tune_ks.search.searcher import JobSearcher
from tune_ks.training.train import step
from tune_ks.worker import jobs as reporting
from tune_ks.worker import trial as worker
from tune_ks.worker.attempts import DIED, HUNG, MEMORY, Attempt, GivenUp, largest_pack, parts_of_a_batch, read_attempts
from tune_ks.worker.memory import room

FIELDS = {"width": 0.05, "image_size": 64, "epochs": 2, "batch_size": 4, "settle": 0.5}
POINTS = [TrialConfig("GE", rate, temperature=1.0, lr=1e-3, **FIELDS) for rate in (0.125, 0.25, 0.5, 0.75)]
FAILING = dataclasses.replace(POINTS[0], lr=1e30)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run folder, and a function that runs one trial in this process and returns what Ray would have been told."""
    cohort_csv, images = write_tiny(tmp_path, patients=5, per_patient=2)
    folder, reports = RunFolder(cohort_csv.parent), []
    monkeypatch.setattr(worker, "on_this_node", lambda file: file)
    monkeypatch.setattr(worker, "_nodes", lambda: worker.Nodes("node", {"node"}))
    monkeypatch.setattr(worker.ray, "get_gpu_ids", list)
    monkeypatch.setattr(reporting.tune, "report", lambda line: reports.append(line))

    def go(*jobs, together=8, **more):
        reports.clear()
        work = dataclasses.replace(WORK, run=str(folder.root), files={"64": images}, session="mine", together=together)
        worker.trial({**work.with_jobs(list(jobs)).plain(), **more})
        return reports

    return folder, go


def together(folder):
    """sampling rate -> with how many its training was one."""
    return {record.config.sampling_rate: record.facts.get("trained_together", 1) for record in folder.records()}


def test_points_of_a_grid_train_as_one_and_their_records_are_those_of_lone_trainings(run, tmp_path):
    folder, go = run
    reports = go(*([config] for config in POINTS))
    assert together(folder) == dict.fromkeys([config.sampling_rate for config in POINTS], 4)
    assert [line["job"] for line in reports if "epoch" in line] == [0, 1, 2, 3] * 2
    assert [line["job"] for line in reports if line.get("finished")] == [0, 1, 2, 3]
    lone = RunFolder(tmp_path / "lone")
    lone.root.mkdir()
    lone.cohort_csv.write_bytes(folder.cohort_csv.read_bytes())
    for config in POINTS[:2]:
        alone = run_config(config, lone, folder.root / "images.npy", "cpu", lambda line: None)
        record_of_pack = folder.read_record(config.key())
        losses = [[line["loss"] for line in record.history] for record in (record_of_pack, alone)]
        np.testing.assert_allclose(*losses, rtol=1e-4)
        for name in ("val", "test", "val_over_draws", "val_within", "test_within"):
            assert getattr(record_of_pack, name) == pytest.approx(getattr(alone, name), abs=1e-3, nan_ok=True)
        for name in ("config", "metric", "realised_rate", "epoch", "images", "trivial"):
            assert getattr(record_of_pack, name) == getattr(alone, name)
        assert record_of_pack.facts.keys() == alone.facts.keys() | {"trained_together"}
        scores = (np.load(place.trial(config.key(), "scores.npz"))["score"] for place in (folder, lone))
        np.testing.assert_allclose(*scores, rtol=1e-4, atol=1e-6)  # AUCs of so few images tell little
        files = ({path.name for path in place.trial(config.key()).iterdir()} for place in (folder, lone))
        assert next(files) - {"attempts.json"} == next(files)


def test_seeds_of_a_suggestion_train_as_one_and_report_as_one(run):
    folder, go = run
    seeds = [dataclasses.replace(POINTS[0], seed=seed) for seed in range(3)]
    reports = go(seeds)
    assert ["epoch" in line for line in reports] == [True, False, False] * 2 + [False]  # judged by the first
    assert reports[-1]["val_in_domain"] == pytest.approx(
        np.mean([record.in_domain("val") for record in folder.records()])
    )
    assert [line["epoch_share"] for line in reports] == sorted(line["epoch_share"] for line in reports)
    assert {record.facts["trained_together"] for record in folder.records()} == {3}


def test_what_cannot_train_with_the_others_trains_alone(run):
    folder, go = run
    other = dataclasses.replace(POINTS[1], classifier="alexnet_film")
    go([POINTS[0]], [other], [POINTS[2]])
    assert together(folder) == {0.125: 2, 0.25: 1, 0.5: 2}


def test_a_member_that_fails_is_named_alone(run):
    folder, go = run
    unbuilt = dataclasses.replace(POINTS[3], temperature=None)
    reports = go([POINTS[1]], [FAILING], [unbuilt])
    reasons = {line["job"]: line["failed"] for line in reports if line.get("finished")}
    assert "the loss became" in reasons[1]
    assert "needs a temperature" in reasons[2]
    assert reasons[0] == ""
    assert folder.failures() == {FAILING.key(): reasons[1], unbuilt.key(): reasons[2]}


def planted(monkeypatch, wrong):
    """Every step first asks ``wrong(members)`` for an exception to raise."""

    def faulty(members, *rest):
        if error := wrong(members):
            raise error
        return step(members, *rest)

    monkeypatch.setattr("tune_ks.training.train.step", faulty)


def test_out_of_memory_halves_the_pack_and_goes_on(run, monkeypatch):
    folder, go = run
    planted(monkeypatch, lambda members: torch.OutOfMemoryError("CUDA out of memory") if len(members) > 2 else None)
    go(*([config] for config in POINTS))
    assert set(together(folder).values()) == {2}
    for config in POINTS:
        attempts = read_attempts(folder, config.key())
        assert [(attempt.together, attempt.ended) for attempt in attempts] == [(4, MEMORY), (2, None)]
        assert [attempt.accumulate for attempt in attempts] == [1, 1]  # the batch stays whole


def test_an_error_of_unknown_origin_is_found_by_halves_and_costs_one(run, monkeypatch):
    folder, go = run
    planted(monkeypatch, lambda members: ArithmeticError("odd") if POINTS[2] in [m.config for m in members] else None)
    go(*([config] for config in POINTS))
    assert folder.failures() == {POINTS[2].key(): "ArithmeticError: odd"}
    assert together(folder) == {0.125: 2, 0.25: 2, 0.75: 1}


def test_a_member_that_the_scheduler_stopped_leaves_and_stays_away(run, monkeypatch):
    folder, go = run

    def driver(line):
        if line["job"] == 1 and line.get("epoch") == 1:
            folder.write_stop(Stop(POINTS[1], "worse", [line]))
        reports.append(line)

    reports = []
    monkeypatch.setattr(reporting.tune, "report", driver)
    for _ in range(2):  # the second time as after its process died
        reports.clear()
        go([POINTS[0]], [POINTS[1]], stopping=True)
        assert {line["job"] for line in reports if line.get("finished")} == {0}
    assert set(folder.stops()) == {POINTS[1].key()}
    assert not (folder.trial(POINTS[1].key()) / "checkpoint.pt").exists()
    assert folder.read_record(POINTS[0].key()).facts["trained_together"] == 2


def test_an_interrupted_pack_goes_on_in_another(run, monkeypatch):
    folder, go = run

    def killed(line):
        if line.get("epoch") == 1 and line["job"] == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(reporting.tune, "report", killed)
        with pytest.raises(KeyboardInterrupt):
            go(*([config] for config in POINTS[:3]))
    assert [(folder.trial(config.key()) / "checkpoint.pt").exists() for config in POINTS] == [True, True, True, False]
    reports = go([POINTS[0]], [POINTS[3]], [POINTS[2]], together=2)
    assert [(line["job"], line["epoch"]) for line in reports if "epoch" in line] == [
        (0, 1),
        (0, 2),
        (1, 1),
        (1, 2),
        (2, 1),
        (2, 2),
    ]
    assert len(folder.finished()) == 3


def attempt(ended=None, together=8, session="mine", node="a", **more):
    return Attempt("token", session, node, ended=ended, together=together, **more)


def test_a_bad_end_in_a_pack_halves_it_and_is_charged_to_nobody():
    packs = [attempt(DIED, 8), attempt(DIED, 4), attempt(None, 2), attempt(HUNG, 5)]
    assert [largest_pack(packs[:count], "mine", {"a"}) for count in range(5)] == [math.inf, 4, 2, 1, 1]
    assert parts_of_a_batch(packs * 4, "mine", {"a"}) == 1
    assert largest_pack(packs[:1], "mine", {"b"}) == math.inf  # its node died
    assert largest_pack(packs[:1], "another", {"a"}) == math.inf
    assert largest_pack([attempt(MEMORY)], "another", {"a"}) == 4
    assert largest_pack([attempt(MEMORY, 1)], "another", {"a"}) == 1  # half batches go alone
    with pytest.raises(GivenUp, match="its process died 4 times"):
        parts_of_a_batch([attempt(DIED, 1)] * 4, "mine", {"a"})


def test_how_many_fit_is_counted_from_a_step_of_one_and_of_two():
    assert [room(10, 14, budget) for budget in (5, 10, 13, 14, 30, 31)] == [1, 1, 1, 2, 6, 6]
    assert room(10, 10, 100) == 91  # no more than one a byte


@pytest.mark.parametrize(("points", "sizes"), [(1, [1] * 6), (2, [2, 2, 1, 1]), (8, [4, 1, 1])])
def test_the_searcher_hands_out_points_that_train_as_one(points, sizes, tmp_path):
    alone = [dataclasses.replace(POINTS[0], classifier="resnet18"), dataclasses.replace(POINTS[0], vendor="SIEMENS")]
    configs = [POINTS[0], alone[0], *POINTS[1:3], alone[1], POINTS[3]]
    asked = Space("tiny", "", [FIELDS], SEARCH_DEFAULTS)
    searcher = JobSearcher(
        Plan([[config] for config in configs], 0, 0, 0), asked, RunFolder(tmp_path), ["GE"], WORK, points
    )
    handed = []
    while searcher.left:
        handed.append([TrialConfig.from_dict(job[0]) for job in searcher.suggest("x")["jobs"]])
    assert sorted(map(len, handed), reverse=True) == sizes
    assert handed[0][0] == configs[0]  # what comes first goes first
    assert sorted(config.key() for configs in handed for config in configs) == sorted(
        config.key() for config in configs
    )


def test_alone_on_a_cpu_unless_asked():
    assert [Resources(fused=fused).pack(gpus) for fused in ("auto", "3") for gpus in (0, 0.5, 1)] == [
        1,
        PACK,
        PACK,
        3,
        3,
        3,
    ]


def test_the_scheduler_judges_each_point_of_a_trial_and_ends_none_of_the_others():
    space = Space("tiny", "", [{"sampling_rate": 0.5, "epochs": 8}], SEARCH_DEFAULTS | {"scheduler": "asha"})
    scheduler = EarlyStopping(space)
    configs = [{"vendor": "GE", "sampling_rate": 0.5, "epochs": 8, "lr": lr} for lr in (1e-3, 2e-3, 3e-3, 4e-3)]

    class Trial:
        trial_id, config = "t", {"jobs": [[config] for config in configs]}

    for epoch in range(1, 9):
        for job, val in enumerate((0.9, 0.8, 0.7, 0.1)):
            if f"t.{job}" not in scheduler.stops:
                line = {"job": job, "epoch": epoch, "loss": 0.5, "val_in_domain": val}
                assert scheduler.on_trial_result(None, Trial, line) == "CONTINUE"
    assert {name: [stop.config.lr for stop in stops] for name, stops in scheduler.stops.items()} == {
        "t.1": [2e-3], "t.2": [3e-3], "t.3": [4e-3]
    }  # fmt: skip
    scheduler.on_trial_complete(None, Trial, {})
    assert scheduler.histories == {}
