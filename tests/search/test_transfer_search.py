"""From the front door: a screening's finalists begin from it, another space from its run, and both go on without it."""

import argparse
import shutil

import pytest

import run_search
from benchmarks.alone import run_config
from dicom_files import write_table_cohort
from tune_ks.commands.arguments import search_parser
from tune_ks.commands.prepare_search import finalists
from tune_ks.core.config import TrialConfig
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.cohort.cohort import open_cohort
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.planning.plan import plan_search
from tune_ks.planning.space import load_space
from tune_ks.planning.start_run import create_run, note
from tune_ks.training.transfer import read_weights

COMMON = {"vendor": "GE", "temperature": 1.0, "width": 0.05, "image_size": 64, "epochs": 2, "batch_size": 8}
SPACES = {
    "screen": {**COMMON, "sampling_rate": [0.25, 1.0], "rate_from": 1 / 64},
    "tune": {**COMMON, "sampling_rate": 0.25, "slow": "classifier.features", "init_from": [None, "pretrained"]},
}
SCREEN = ("--data", "data", "--concurrent", "1", "--space", "screen.py", "--run", "runs/screen")
TUNE = ("--data", "data", "--concurrent", "1", "--space", "tune.py", "--init-from")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A cohort, the two spaces, and a finished conditional training."""
    folder = tmp_path_factory.mktemp("transfer")
    write_table_cohort(folder / "data", patients=6, side=64)
    for name, values in SPACES.items():
        (folder / f"{name}.py").write_text(f"SPACE = {values}")
    cohort = open_cohort(folder / "data", CohortSettings(), 64, folder / "runs/cache")
    run, space = RunFolder(folder / "runs/screen"), load_space(str(folder / "screen.py"))
    create_run(run, space, cohort, 0, "python run_search.py", synthetic=False)
    for config in plan_search(space, run, ["GE"]).jobs[0]:
        run_config(config, run, cohort.images, "cpu", lambda _: None)
    return folder


@pytest.fixture(autouse=True)
def inside(place, monkeypatch, local_ray):
    monkeypatch.chdir(place)


def test_finalists_of_a_screening_are_trained_each_by_itself_from_its_weights(capsys):
    shutil.copytree("runs/screen", "runs/finalists")
    words = [*SCREEN[:-1], "runs/finalists", "--finalists", "--finalist-seeds", "2"]
    folder = RunFolder("runs/finalists")
    screened = {record.config.sampling_rate: record.config.key() for record in folder.records()}
    assert run_search.main(words) == 0
    assert "plan: 4 trials to run, 0 already done" in capsys.readouterr().out
    alone = [record for record in folder.records() if record.config.rate_from is None]
    assert sorted((r.config.sampling_rate, r.config.seed) for r in alone) == [(0.25, 0), (0.25, 1), (1, 0), (1, 1)]
    for record in alone:
        key = record.config.init_from.partition("@")[0]
        assert key == screened[record.config.sampling_rate]
        assert read_weights(folder, record.config.init_from).record.config.key() == key
        assert record.facts["init_from"]["loaded"] == ["classifier", "sampling"]
    assert len({record.facts["init_from"]["question"] for record in alone}) == 1
    assert run_search.main([*words, "--dry-run"]) == 0
    assert "0 trials to run, 4 already done" in capsys.readouterr().out
    for record in alone[:3]:  # as after a kill: one rate alone is finished, and the choice stands
        shutil.rmtree(folder.trial(record.config.key()))
    assert run_search.main([*words, "--dry-run"]) == 0
    assert "3 trials to run, 1 already done" in capsys.readouterr().out
    assert folder.read_search()["finalists"]["rule"] == "epsilon"


def test_finalists_from_scratch_begin_from_nothing():
    args = search_parser().parse_args(["--finalists"])
    screened, anew = (
        finalists(
            RunFolder("runs/screen"),
            argparse.Namespace(**{**vars(args), "from_scratch": scratch}),
            run_search.ANALYSIS,
        )
        for scratch in (False, True)
    )
    assert all("@" in key for config in screened["configs"] for key in config["init_from"].values())
    assert anew["configs"] == [{k: v for k, v in config.items() if k != "init_from"} for config in screened["configs"]]


def test_a_space_begins_from_a_run_and_goes_on_when_that_is_gone(place, capsys):
    shutil.copytree("runs/screen", "runs/source")
    words = [*TUNE, "runs/source"]
    assert run_search.main(words) == 0
    said = capsys.readouterr().out
    assert "plan: 2 trials to run" in said
    folder = RunFolder(next(line.split()[2] for line in said.splitlines() if line.startswith("run folder: ")))
    scratch, tuned = sorted(folder.records(), key=lambda record: record.config.init_from is not None)
    assert "init_from" not in scratch.facts
    weights = read_weights(folder, tuned.config.init_from)
    assert weights.record.config.sampling_rate == 0.25
    assert weights.record.config.rate_from == 1 / 64
    for shown in (words, [*words[:-1], f"runs/source/trials/{weights.record.config.key()}"]):
        assert run_search.main([*shown, "--dry-run"]) == 0
        assert "0 trials to run, 2 already done" in capsys.readouterr().out
    shutil.rmtree("runs/source")
    shutil.rmtree(folder.trial(tuned.config.key()))
    assert run_search.main([*words, "--dry-run"]) == 0
    assert "1 trials to run, 1 already done" in capsys.readouterr().out
    again = run_config(tuned.config, folder, images_of(place), "cpu", lambda _: None)
    assert (again.val, again.test, again.history) == (tuned.val, tuned.test, tuned.history)


def images_of(place):
    (images,) = (place / "runs/cache").rglob("*.npy")
    return images


def test_weights_that_changed_since_a_run_began_from_them_are_refused(capsys):
    shutil.copytree("runs/screen", "runs/tuned")
    (key,) = (r.config.key() for r in RunFolder("runs/screen").records() if r.config.sampling_rate == 0.25)
    scratch = TrialConfig.from_dict({name: value for name, value in SPACES["tune"].items() if name != "init_from"})
    note(RunFolder("runs/tuned"), "init_from", {"runs/screen": {scratch.key(): f"{key}@0123456789ab"}})
    assert run_search.main([*TUNE, "runs/screen", "--run", "runs/tuned", "--extend", "--dry-run"]) == 2
    said = capsys.readouterr().err
    changed = f"in runs/screen changed since runs/tuned began from them: {key}@0123456789ab, now {key}@"
    assert f"error: the weights of a trial {changed}" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (TUNE[:-1], "the space 'tune' begins from pretrained weights: give --init-from RUN"),
        ((*TUNE, "runs/none"), "there is no runs/none, and no run folder of this search that began from it"),
        ((*TUNE, "data"), "data is no run folder with finished trials, nor RUN/trials/KEY of one"),
        ((*TUNE[:5], "half.py", "--init-from", "runs/screen"), "no finished trial with vendor GE, sampling_rate 0.5, "),
        ((*TUNE[:5], "named.py"), "the weights 0123456789ab@0123456789ab are not in this run folder, and"),
        ((*TUNE[:5], "drawn.py"), "init_from must be KEY@HASH"),
    ],
)
def test_what_cannot_serve_is_one_message_and_nothing_is_written(capsys, place, words, said):
    values = SPACES["tune"]
    (place / "half.py").write_text(f"SPACE = {values | {'sampling_rate': 0.5}}")
    (place / "named.py").write_text(f"SPACE = {values | {'init_from': '0123456789ab@0123456789ab'}}")
    drawn = f"SPACE = {values | {'init_from': 'pretrained'}} | {{'lr': tune.uniform(0.1, 1)}}"
    (place / "drawn.py").write_text(f"from ray import tune\n{drawn}\nSEARCH = {{'sampler': 'random'}}")
    before = sorted((place / "runs").rglob("*"))
    assert run_search.main(list(words)) == 2
    assert said in capsys.readouterr().err
    assert sorted((place / "runs").rglob("*")) == before
