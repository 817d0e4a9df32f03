"""A mask in a user's own file: searched by Ray's workers, named with the file's hash, asked for again, never loaded
from a run folder.
"""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import run_search
from analysis.read.configurations import average_over_seeds, families
from tiny_space import WORK
from tune_ks.api import load_model, load_run
from tune_ks.core.config import TrialConfig
from tune_ks.core.run_folder import RunFolder
from tune_ks.model.masks import MASKS
from tune_ks.planning.space import load_space
from tune_ks.training import member_files
from tune_ks.training.member_files import MemberFile, add_member_files, add_members, full_name
from tune_ks.training.members import require_own_options
from tune_ks.worker import jobs
from tune_ks.worker.trial import trial

OWN = Path(__file__).parents[1] / "own_masks.py"
HASH = MemberFile("", OWN.read_text()).hash
NAME = f"checkerboard@{HASH}"
SPACE = """
SPACE = {"vendor": "GE", "mask": "checkerboard", "period": 3, "sampling_rate": 0.25,
         "width": 0.05, "image_size": 64, "epochs": 2}
"""
WORDS = ("--data", "data", "--space", "own.py", "--run", "runs/own", "--concurrent", 1)
ASKS = f"the mask checkerboard is of a file of your own with the content {HASH}: name that file again with --members"


@pytest.fixture
def nothing_added():
    """The registries without the user's members, before and after a test."""

    def forget():
        member_files._files.clear()
        for name in [name for name in MASKS if "@" in name]:
            del MASKS[name]

    forget()
    yield forget
    forget()


@pytest.mark.usefixtures("local_ray")
def test_a_mask_of_a_users_own_file_is_searched_and_asked_for_again(cohorts, inside, nothing_added, monkeypatch):
    monkeypatch.setattr(run_search, "ANALYSIS", run_search.ANALYSIS._replace(analyse=lambda *_: None))
    (cohorts / "own.py").write_text(SPACE)
    shutil.copy(OWN, cohorts / "my_masks.py")
    ended = inside(*WORDS, "--members", "my_masks.py")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    run = RunFolder(cohorts / "runs/own")
    (record,) = run.records()
    assert (record.config.mask, record.mask_is_learned) == (NAME, False)
    assert record.options["mask"] == {"centre_fraction": 0.0, "period": 3}
    mask = np.load(run.trial(record.config.key(), "mask.npy")).ravel()
    assert np.flatnonzero(mask).tolist() == sorted({*range(0, 45, 3), 32})  # 16 lines, DC among them
    assert "--members my_masks.py" in json.loads(run.search_json.read_text())["command"]
    assert "my_masks" not in "".join(path.name for path in run.root.rglob("*"))

    nothing_added()  # as in a new process
    resumed = inside(*WORDS)
    assert resumed.returncode == 2
    assert "got 'checkerboard'; one of your own needs --members FILE" in resumed.stderr
    evaluated = inside("evaluate", "runs/own", "--data", "elsewhere", "--all")
    assert (evaluated.returncode, evaluated.stderr.count("\n")) == (2, 1)
    assert ASKS in evaluated.stderr
    with pytest.raises(ValueError, match=ASKS):
        load_model(run.root, record.config.key())
    model = load_model(run.root, record.config.key(), members=[cohorts / "my_masks.py"])
    assert np.array_equal(model.mask.numpy().ravel(), mask)
    table = average_over_seeds(load_run(run.root).trials())
    assert families(table) == [NAME]
    assert not table["learned"].any()

    (cohorts / "my_masks.py").write_text(OWN.read_text() + "# another version\n")
    changed = inside(*WORDS, "--members", "my_masks.py", "--dry-run")
    assert changed.returncode == 2
    assert "belongs to another search space" in changed.stderr


def test_two_files_are_two_members(nothing_added, tmp_path):
    """The key of a trial says which file its member is of; a space means the file that was named last."""
    add_member_files([OWN])
    space = tmp_path / "space.py"
    space.write_text(SPACE.replace('"checkerboard"', '["checkerboard", "lowpass"]'))
    first = load_space(str(space))
    assert first.blocks[0]["mask"] == [NAME, "lowpass"]
    other = MemberFile("other.py", OWN.read_text().replace("least=2", "least=3"))
    assert add_members(other) == [("mask", "checkerboard")]
    second = load_space(str(space))
    assert second.blocks[0]["mask"] == [f"checkerboard@{other.hash}", "lowpass"]
    assert first.fingerprint() != second.fingerprint()
    of_first = TrialConfig("GE", 0.25, mask=NAME)
    of_second = TrialConfig("GE", 0.25, mask=full_name("mask", "checkerboard"))
    assert of_first.key() != of_second.key()
    with pytest.raises(ValueError, match="a changed file is another member"):
        require_own_options(of_first)
    assert [file.name for file in member_files.member_files()] == ["other.py"]
    assert full_name("mask", "lowpass") == "lowpass"


def test_a_worker_that_cannot_use_the_file_fails_the_trial_with_the_reason(nothing_added, tmp_path, monkeypatch):
    """Without a reason Ray would start it again for ever."""
    reports = []
    monkeypatch.setattr(jobs.tune, "report", reports.append)
    run = RunFolder(tmp_path / "run")
    run.root.mkdir()
    config = TrialConfig("GE", 0.25, mask=NAME)
    work = replace(WORK, run=str(run.root), members=[["my_masks.py", "import absent_here"]]).with_jobs([[config]])
    trial(work.plain())
    assert [report["finished"] for report in reports] == [True]
    assert "my_masks.py: ModuleNotFoundError: No module named 'absent_here'" in run.failures()[config.key()]


def test_a_sampler_may_draw_it(nothing_added, tmp_path):
    add_member_files([OWN])
    space = tmp_path / "space.py"
    text = SPACE.replace('"checkerboard"', 'tune.choice(["lowpass", "checkerboard"])')
    space.write_text(f"from ray import tune\n{text}SEARCH = {{'sampler': 'random'}}\n")
    assert load_space(str(space)).blocks[0]["mask"].categories == ["lowpass", NAME]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must set MEMBERS, such as"),
        ("MEMBERS = {'rule': {}}", "for each of the fields transform, mask, .*; got 'rule'"),
        ("MEMBERS = {'mask': {'gumbel': 1}}", "tune_ks has a mask 'gumbel' of its own: choose another name"),
        ("MEMBERS = {'mask': {'My Mask': 1}}", "a name must be a word in small letters, got 'My Mask'"),
        ("MEMBERS = {'mask': {'mine': print}}", "the mask 'mine' must be a Member, got <built-in function print>"),
        ("import neighbour", r"ModuleNotFoundError: .* \(it travels alone"),
        ("1 / 0", "own.py: ZeroDivisionError: division by zero"),
        ("def", "own.py: SyntaxError"),
        (
            "from tune_ks.core.options import Member, Option\n"
            "MEMBERS = {'mask': {'mine': Member(print, (Option('density_power', 1.0, ''),))}}",
            "the option 'density_power' of its mask is declared otherwise by another member",
        ),
        (
            "from tune_ks.core.options import Member, Option\n"
            "MEMBERS = {'mask': {'mine': Member(print, (Option('lr', 1.0, ''),))}}",
            "has the name of a config's field",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_one_message_and_adds_nothing(text, said, nothing_added, tmp_path):
    path = tmp_path / "own.py"
    path.write_text(text)
    before = dict(MASKS)
    with pytest.raises(ValueError, match=said):
        add_member_files([path])
    assert before == MASKS
    assert member_files.member_files() == []


def test_a_path_that_is_no_file_and_a_name_of_two_files_are_refused(nothing_added, tmp_path):
    with pytest.raises(ValueError, match=r"--members must name a \.py file, got .*absent\.py"):
        add_member_files([tmp_path / "absent.py"])
    (tmp_path / "b.py").write_text(OWN.read_text() + "\n")
    with pytest.raises(ValueError, match="both have the mask 'checkerboard': rename one"):
        add_member_files([OWN, tmp_path / "b.py"])
