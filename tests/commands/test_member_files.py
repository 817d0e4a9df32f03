"""A member in a user's own file: searched by Ray's workers, named with the file's hash, asked for again, never loaded
from a run folder; and members of installed packages.
"""

import importlib
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import run_search
from analysis.__main__ import _parser as parser_of_the_analysis
from analysis.__main__ import main as analyse_main
from analysis.choice.options import declared
from analysis.choice.own_rules import add_own_rules, rule_registry
from analysis.choice.rules.base import RESERVED
from analysis.read.configurations import average_over_seeds, families
from benchmarks.alone import run_config
from synthetic_run import write_run
from tiny import write_tiny
from tiny_space import WORK
from tune_ks.api import choose, load_model, load_run
from tune_ks.core import own_members
from tune_ks.core.config import TrialConfig
from tune_ks.core.own_members import MemberFile, add_member_files, add_members, full_name, installed_members
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.cohort.table import read_table, write_table
from tune_ks.evaluation.corrupted_images import robustness
from tune_ks.evaluation.registries import open_registries
from tune_ks.model.masks import MASKS
from tune_ks.planning.space import load_space
from tune_ks.training.corruptions import CORRUPTIONS
from tune_ks.training.members import registries, require_own_options
from tune_ks.worker import jobs
from tune_ks.worker.trial import trial

OWN = Path(__file__).parents[1] / "own_masks.py"
HASH = MemberFile("", OWN.read_text()).tag
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
        own_members._sources.clear()
        for registry in (open_registries() | {"rule": rule_registry()}).values():
            for name in [name for name in registry.members if "@" in name]:
                del registry.members[name]

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
    add_member_files([OWN], open_registries())
    space = tmp_path / "space.py"
    space.write_text(SPACE.replace('"checkerboard"', '["checkerboard", "lowpass"]'))
    first = load_space(str(space))
    assert first.blocks[0]["mask"] == [NAME, "lowpass"]
    other = MemberFile("other.py", OWN.read_text().replace("least=2", "least=3"))
    assert add_members(other, open_registries()) == [("mask", "checkerboard")]
    second = load_space(str(space))
    assert second.blocks[0]["mask"] == [f"checkerboard@{other.tag}", "lowpass"]
    assert first.fingerprint() != second.fingerprint()
    of_first = TrialConfig("GE", 0.25, mask=NAME)
    of_second = TrialConfig("GE", 0.25, mask=full_name("mask", "checkerboard"))
    assert of_first.key() != of_second.key()
    with pytest.raises(ValueError, match="a changed file is another member"):
        require_own_options(of_first)
    assert [file.name for file in own_members.member_files()] == ["other.py"]
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
    add_member_files([OWN], open_registries())
    space = tmp_path / "space.py"
    text = SPACE.replace('"checkerboard"', 'tune.choice(["lowpass", "checkerboard"])')
    space.write_text(f"from ray import tune\n{text}SEARCH = {{'sampler': 'random'}}\n")
    assert load_space(str(space)).blocks[0]["mask"].categories == ["lowpass", NAME]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must set MEMBERS, such as"),
        ("MEMBERS = {'metric': {}}", "for each of the kinds transform, mask, .*; got 'metric'"),
        ("MEMBERS = {'mask': {'gumbel': 1}}", "tune_ks has a mask 'gumbel' of its own: choose another name"),
        ("MEMBERS = {'mask': {'My Mask': 1}}", "a name must be a word in small letters, got 'My Mask'"),
        ("MEMBERS = {'mask': {'mine': print}}", "the mask 'mine' must be a Member, got <built-in function print>"),
        ("import neighbour", r"ModuleNotFoundError: .* \(it travels alone"),
        ("1 / 0", "own.py: ZeroDivisionError: division by zero"),
        ("def", "own.py: SyntaxError"),
        (
            "from tune_ks.core.options import Member, Option\n"
            "MEMBERS = {'mask': {'mine': Member(print, (Option('density_power', 1.0, ''),))}}",
            "the mask 'mine': its option 'density_power' is declared otherwise by another member",
        ),
        (
            "from tune_ks.core.options import Member, Option\n"
            "MEMBERS = {'mask': {'mine': Member(print, (Option('lr', 1.0, ''),))}}",
            "has the name of a config's field",
        ),
        (
            "from tune_ks.core.options import Member\n"
            "MEMBERS = {'classifier': {'mine': Member(print)}, 'segmenter': {'mine': Member(print)}}",
            "the classifier 'mine' is there twice",
        ),
        ("MEMBERS = {'segmenter': {'alexnet': 1}}", "tune_ks has a classifier 'alexnet' of its own"),
        ("MEMBERS = {'corruption': {'mine': 1}}", "the corruption 'mine' must be a Corruption, got 1"),
        (
            "from tune_ks.training.corruptions.base import Corruption\n"
            "MEMBERS = {'corruption': {'mine': Corruption(print, (1, 2))}}",
            "the corruption 'mine': it needs a function and 5 strengths",
        ),
        (
            "from tune_ks.evaluation.yardsticks.base import Yardstick\n"
            "MEMBERS = {'yardstick': {'mine': Yardstick(1, print)}}",
            "the yardstick 'mine': it needs a target of label, mask, box, volume, map and the function fit",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_one_message_and_adds_nothing(text, said, nothing_added, tmp_path):
    path = tmp_path / "own.py"
    path.write_text(text)
    before = dict(MASKS)
    with pytest.raises(ValueError, match=said):
        add_member_files([path], open_registries())
    assert before == MASKS
    assert own_members.member_files() == []


def test_a_path_that_is_no_file_and_a_name_of_two_files_are_refused(nothing_added, tmp_path):
    with pytest.raises(ValueError, match=r"--members must name a \.py file, got .*absent\.py"):
        add_member_files([tmp_path / "absent.py"], open_registries())
    (tmp_path / "b.py").write_text(OWN.read_text() + "\n")
    with pytest.raises(ValueError, match="both have the mask 'checkerboard': rename one"):
        add_member_files([OWN, tmp_path / "b.py"], open_registries())


OF_EVERY_OTHER_KIND = """
import numpy as np
from analysis.choice.rules.base import Option, Pick, Rule
from tune_ks.core.options import Member
from tune_ks.training.corruptions.base import Corruption
from tune_ks.evaluation.yardsticks.base import of_numbers
from tune_ks.model.classifiers import SEGMENTERS


def darker(image, strength, seed):
    return (1 - strength) * image


def numbers(images):
    return images.mean((1, 2))[:, None].astype(float)


def fit(train, val):
    return lambda of_images: of_images[:, 0]


def at_most(points, largest_share):
    '''The largest rate that keeps no more than a share of k-space.'''
    allowed = np.where(points.rate <= largest_share, points.rate, -np.inf)
    return Pick(int(allowed.argmax()))


SHARE = Option("largest_share", default=0.5, about="share of k-space that may be kept")
MEMBERS = {
    "segmenter": {"small_unet": Member(SEGMENTERS["unet"].build, SEGMENTERS["unet"].options)},
    "corruption": {"darker": Corruption(darker, (0.1, 0.2, 0.3, 0.4, 0.5))},
    "yardstick": {"mean": of_numbers(numbers, fit)},
    "rule": {"at_most": Rule(at_most, needs=("in_domain",), options=(SHARE,))},
}
"""


def test_every_registry_takes_members_from_outside():
    assert set(own_members.KINDS) == {*open_registries(), "rule"}
    assert {*registries()} < set(own_members.KINDS)


def test_segmenters_corruptions_yardsticks_and_rules_of_a_file(nothing_added, tmp_path, monkeypatch):
    path = tmp_path / "own.py"
    path.write_text(OF_EVERY_OTHER_KIND)
    tag = MemberFile("", OF_EVERY_OTHER_KIND).tag
    run_search.take_members([path])
    config = TrialConfig(
        "GE", 0.25, mask="lowpass", task="segmentation", classifier=full_name("classifier", "small_unet")
    )
    assert config.classifier == f"small_unet@{tag}"
    require_own_options(config)
    with pytest.raises(ValueError, match="classifier must be one of"):
        require_own_options(replace(config, task="classification"))

    table, images = write_tiny(tmp_path)
    folder = RunFolder(tmp_path / "run")
    write_table(folder.cohort_csv, read_table(table))
    config = TrialConfig("GE", 0.25, mask="lowpass", width=0.05, image_size=64, epochs=1)
    record = run_config(config, folder, images, "cpu", lambda *_: None)
    assert set(record.yardsticks) == {"linear_on_35_numbers", f"mean@{tag}"}
    for name in set(CORRUPTIONS) - {f"darker@{tag}"}:  # the others only take time
        monkeypatch.delitem(CORRUPTIONS, name)
    summary = robustness(folder, [config.key()], read_table(table).query("split == 'test'"), images).summary
    assert set(summary["corruption"]) == {f"darker@{tag}"}


def test_a_rule_of_a_file_chooses(nothing_added, tmp_path, capsys):
    path = tmp_path / "own.py"
    path.write_text(OF_EVERY_OTHER_KIND)
    run = tmp_path / "run"
    write_run(run, rates=(0.25, 0.5, 1.0), seeds=(0,), masks=("gumbel",), patients=12, source=("GE",))
    words = [str(run), "--rule", "at_most", "--no-report"]
    with pytest.raises(SystemExit):
        analyse_main(words)
    assert "invalid choice: 'at_most'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        analyse_main([*words, "--members", "absent.py"])
    assert "--members must name a .py file, got absent.py" in capsys.readouterr().err
    assert analyse_main([*words, "--largest-share", "0.3", "--members", str(path)]) == 0
    (choice,) = json.loads((run / "selection.json").read_text())["choices"]
    full = f"at_most@{MemberFile('', OF_EVERY_OTHER_KIND).tag}"
    assert (choice["rule"], choice["rate"], choice["parameters"]) == (full, 0.25, {"largest_share": 0.3})
    assert choose(run, "at_most", members=[path])["GE"].rate == 0.5
    assert own_members.member_files() == []  # no worker needs it


def test_the_names_that_an_option_of_a_rule_may_not_have_are_the_other_arguments(nothing_added, tmp_path):
    arguments = {action.dest for action in parser_of_the_analysis()._actions}
    assert arguments - {"help"} == {*RESERVED} - {"help", "version"} | {*declared()}
    path = tmp_path / "own.py"
    path.write_text(OF_EVERY_OTHER_KIND.replace("largest_share", "port"))
    with pytest.raises(ValueError, match=r"the rule 'at_most': .* has the name of an argument of the command"):
        add_own_rules([path])
    path.write_text(OF_EVERY_OTHER_KIND.replace("largest_share", "epsilon"))
    with pytest.raises(ValueError, match="its option 'epsilon' is declared otherwise by another rule"):
        add_own_rules([path])
    path.write_text(OF_EVERY_OTHER_KIND.replace('needs=("in_domain",)', 'needs=("moon",)'))
    with pytest.raises(ValueError, match="a rule is a function that reads some of in_domain"):
        add_own_rules([path])


@pytest.fixture
def installed(nothing_added, tmp_path, monkeypatch):
    """Install a package of one module, as pip would: its file and its dist-info lie in a folder of the path."""
    place = tmp_path / "site"
    monkeypatch.syspath_prepend(place)

    def install(entries, text="", name="own-masks"):
        info = place / f"{name.replace('-', '_')}-1.2.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text("\n".join(["[tune_ks.members]", *entries]))
        (place / "own_masks_of_a_package.py").write_text(text)
        monkeypatch.delitem(sys.modules, "own_masks_of_a_package", raising=False)
        importlib.invalidate_caches()

    return install


PACKAGE = OWN.read_text() + "\nCHECKERBOARD = MEMBERS['mask']['checkerboard']\n"
ENTRY = "mask.checkerboard = own_masks_of_a_package:CHECKERBOARD"


def test_a_member_of_an_installed_package_is_there_without_a_word(installed, nothing_added, tmp_path):
    installed([ENTRY], PACKAGE)
    space = tmp_path / "space.py"
    space.write_text(SPACE)
    add_own_rules([])
    assert "own_masks_of_a_package" not in sys.modules  # the analysis needs no mask
    run_search.take_members([])
    run_search.take_members([])
    (block,) = load_space(str(space)).blocks
    assert block["mask"] == "checkerboard@own-masks-1.2"
    require_own_options(config := TrialConfig("GE", 0.25, mask=block["mask"]))
    assert own_members.member_files() == []  # nothing travels: each node has the package
    nothing_added()  # as where it is not installed
    with pytest.raises(ValueError, match=r"of the installed package own-masks-1.2: install it again, in that version"):
        require_own_options(config)
    run_search.take_members([])
    with pytest.raises(ValueError, match=r"own_masks.py and .* own-masks 1.2 both have a mask 'checkerboard'"):
        run_search.take_members([OWN])


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (["mine = own_masks_of_a_package"], "own-masks 1.2: an entry point of tune_ks.members is called KIND.NAME"),
        (["mask.mine = own_masks_of_a_package:ABSENT"], "own-masks 1.2: mask.mine: AttributeError: .*ABSENT"),
        (["mask.mine = own_masks_of_a_package:PERIOD"], "the mask 'mine' must be a Member"),
        (["mask.gumbel = own_masks_of_a_package:CHECKERBOARD"], "tune_ks has a mask 'gumbel' of its own"),
        (["mask.mine = absent_module:MINE"], "mask.mine: ModuleNotFoundError: No module named 'absent_module'"),
    ],
)
def test_a_package_that_cannot_be_used_is_one_message(entries, said, installed, capsys):
    installed(entries, PACKAGE)
    with pytest.raises(ValueError, match=f"the installed package .*{said}"):
        run_search.take_members([])
    assert run_search.main(["--space", "smoke", "--dry-run"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: the installed package own-masks 1.2")
    assert error.count("\n") == 1
    assert [name for name in MASKS if "@" in name] == []


def test_a_name_of_two_packages_is_one_message(installed):
    installed([ENTRY], PACKAGE)
    installed([ENTRY], PACKAGE, name="other-masks")
    with pytest.raises(ValueError, match=r"other-masks 1.2 and .* own-masks 1.2 both have a mask 'checkerboard'"):
        run_search.take_members([])
    assert len(installed_members()) == 2
