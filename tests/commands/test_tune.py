"""The command tune: a comparison of recipes, its space file, what it may read, how it goes on, and bad input."""

import ast
import signal

import pandas as pd
import pytest

from benchmarks.alone import run_config
from tiny import write_tiny
from tune_ks.commands.arguments import tune_parser
from tune_ks.commands.tuned_space import next_command, space_text, write_space
from tune_ks.commands.tuning_progress import TuningProgress
from tune_ks.commands.tuning_words import conclusions, table_lines
from tune_ks.core.run_folder import RunFolder
from tune_ks.planning.candidates import candidates_of
from tune_ks.planning.scoreboard import Scoreboard
from tune_ks.planning.space import load_space
from tuning import CANDIDATES, VENDORS, record, space

SPACE = '''"""Two recipes for one vendor."""
from ray import tune

SPACE = {
    "vendor": "GE", "mask": "lowpass", "sampling_rate": [1.0, 0.25], "width": 0.05, "image_size": 64, "epochs": 3,
    "lr": tune.choice([1e-3, 5e-3]),
}
START = [{"lr": 1e-3}]
SEARCH = {"sampler": "tpe"}
'''
# one at a time: a process that trains takes longer to start than to train here
WORDS = ("tune", "--data", "data", "--space", "two.py", "--minutes", "30", "--run", "runs/tuned", "--concurrent", "1")
NAMED_AS_PYTHON = "data of 'a' and \\b"  # a folder whose name a docstring must not end or change


@pytest.mark.usefixtures("local_ray")
def test_a_tuning_is_interrupted_goes_on_and_its_space_is_searched(cohorts, inside, monkeypatch):
    (cohorts / "two.py").write_text(SPACE)
    run = RunFolder(cohorts / "runs/tuned")
    written = cohorts / "runs/tuned.py"
    show = TuningProgress.show
    sent = []

    def show_and_interrupt(self, event):
        show(self, event)
        if self.ended == 3 and not sent:  # an epoch may be shown between the third end and the stop
            sent.append(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(TuningProgress, "show", show_and_interrupt)
        ended = inside(*WORDS)
    assert ended.returncode == 130, ended.stdout + ended.stderr
    assert "stopping: SIGINT came" in ended.stdout
    assert f"the same command goes on:\n  python run_search.py {' '.join(WORDS)}" in ended.stdout
    assert not written.exists()
    times = {key: run.trial(key, "record.json").stat().st_mtime_ns for key in run.finished()}
    assert 3 <= len(times) < 14
    ended = inside(*WORDS)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for key, before in times.items():
        assert run.trial(key, "record.json").stat().st_mtime_ns == before, "it was trained again"
    # both rates: 1 epoch to measure the time, 3 epochs of both recipes, and both with two more seeds
    assert len(run.finished()) == 2 * (1 + 2 + 2 * 2)
    for said in ("training ends within", "validation AUC of 2 recipes", "rule: the highest mean", "next:\n"):
        assert said in ended.stdout
    text = written.read_text()
    again = inside(*WORDS)
    assert again.returncode == 0
    assert "this tuning is done; more minutes would add to it" in again.stdout
    assert written.read_text() == text
    following = next(line for line in ended.stdout.splitlines() if "--space runs/tuned.py" in line)
    planned = inside(*following.split()[2:], "--dry-run")
    assert planned.returncode == 0, planned.stderr
    assert "39 trials to run" in planned.stdout  # one vendor, 13 rates and masks, three seeds
    other = inside(*WORDS, "--split-seed", "3")
    assert other.returncode == 2
    assert "another split_seed" in other.stderr


def made_comparison(better=0.02, seeds=(0, 1, 2)):
    """The default at 0.8 and a recipe that is ``better``; both move by 0.01 from seed to seed."""
    board = Scoreboard(CANDIDATES)
    for number, auc in ((0, 0.8), (1, 0.8 + better)):
        for seed in seeds:
            for config in CANDIDATES.trainings(CANDIDATES.starts[number], 9, seed):
                board.enter(record(config, auc + 0.01 * seed))
    for config in CANDIDATES.trainings(CANDIDATES.starts[2], 1):
        board.enter(record(config, 0.6))
    return board.compare([1, 9])


def test_the_space_file_is_read_back_with_the_recipe_of_the_winner(tmp_path):
    args = tune_parser().parse_args(["--data", NAMED_AS_PYTHON, "--series", "pre", "--minutes", "3"])
    path = tmp_path / "tuned.py"
    following = next_command(args, path)
    command = f'python run_search.py tune --data \'{NAMED_AS_PYTHON}\' --minutes 3 """'
    write_space(path, space_text(made_comparison(), CANDIDATES, VENDORS, command, following))
    loaded = load_space(str(path))
    winner = CANDIDATES.trainings(CANDIDATES.starts[1], 9, 2)
    points = [{**point.fixed, "seed": 2} for point in loaded.grid(VENDORS)]
    full = [point for point in points if point["sampling_rate"] == 1]
    assert len(points) == 2 * 13
    from tune_ks.training.members import config_from

    assert {config_from(point).key() for point in full} == {c.key() for c in winner if c.is_full}
    question = ast.get_docstring(ast.parse(path.read_text()))
    assert question.splitlines()[0].endswith("?")
    assert following in question
    assert command in question
    assert "0.600  0.600" in question  # the recipe that went no further than one epoch
    assert "above the default by 0.020" in question
    for line in path.read_text().splitlines():
        assert len(line) <= 120 or "run_search.py" in line


def test_it_says_whether_a_difference_is_more_than_the_scatter_of_seeds():
    larger = conclusions(made_comparison(better=0.05), CANDIDATES)
    smaller = conclusions(made_comparison(better=0.005), CANDIDATES)
    none = conclusions(made_comparison(better=-0.01), CANDIDATES)
    alone = conclusions(made_comparison(seeds=(0,)), CANDIDATES)
    assert "The best is lr 0.005 (the rest as the default), above the default by 0.050. That is more than" in larger[0]
    assert "it proves nothing" in smaller[0]
    assert none[0].startswith("No better recipe than the default was found. The next one (lr 0.005) is lower by 0.010.")
    assert "With one seed each it is unknown" in alone[0]
    assert "give more minutes" in alone[-1]
    assert "scatter by 0.010 (standard deviation)" in larger[-1]
    table = table_lines(made_comparison(), CANDIDATES)
    assert table[1].split() == ["0.830", "0.820", "0.830", "0.840", "0.820", "0.830", "0.840", "9", "lr", "0.005"]


def test_no_test_label_and_no_label_of_another_vendor_changes_the_space_file(tmp_path):
    candidates = candidates_of(space(epochs=2, vendor="GE"), VENDORS)

    def text_with(name, is_changed):
        table, images = write_tiny(tmp_path / name)
        rows = pd.read_csv(table)
        changed = is_changed(rows)
        assert changed.any() or name == "plain"
        rows.loc[changed, "label"] = 1 - rows.loc[changed, "label"]
        rows.to_csv(table, index=False)
        folder = RunFolder(table.parent)
        board = Scoreboard(candidates)
        for recipe in candidates.starts[:2]:
            for config in candidates.trainings(recipe, 2):
                board.enter(run_config(config, folder, images))
        return space_text(board.compare([2]), candidates, VENDORS, "tune", "search")

    plain = text_with("plain", lambda rows: rows["label"] > 1)
    hidden = text_with("hidden", lambda rows: (rows["split"] == "test") | (rows["vendor"] != "GE"))
    read = text_with("read", lambda rows: (rows["split"] == "val") & (rows["vendor"] == "GE") & (rows["row"] % 3 == 0))
    assert hidden == plain
    assert read != plain, "the validation labels are not read either"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--data", "nowhere", "--minutes", "5"], "nowhere"),
        (["--data", "data", "--minutes", "5", "--space", "nonesuch"], "there is no search space 'nonesuch'"),
        (["--data", "data", "--minutes", "5", "--space", "quick"], "tune cannot use the space 'quick'"),
        (["--data", "data", "--minutes", "5", "--space-out", "mine.txt"], "--space-out must be a .py file"),
        (["--data", "data", "--minutes", "5", "--space-out", "mine.py"], "mine.py exists and was not written by tune"),
    ],
)
def test_bad_input_is_one_message_and_nothing_is_written(cohorts, inside, words, said):
    (cohorts / "mine.py").write_text("SPACE = {}")
    before = {path for path in cohorts.rglob("*") if "cache" not in path.parts}
    ended = inside("tune", *words)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert ended.stderr.startswith("error: ")
    assert len(ended.stderr.splitlines()) == 1
    assert {path for path in cohorts.rglob("*") if "cache" not in path.parts} == before


def test_a_dry_run_says_what_fits_and_starts_nothing(cohorts, inside):
    (cohorts / "two.py").write_text(SPACE)
    ended = inside("tune", "--data", "data", "--space", "two.py", "--minutes", "2", "--run", "runs/dry", "--dry-run")
    assert ended.returncode == 0, ended.stderr
    assert "lr: [0.001, 0.005], the default is 0.001" in ended.stdout
    assert "recipes in 2 minutes, compared after" in ended.stdout
    assert not (cohorts / "runs/dry").exists()
