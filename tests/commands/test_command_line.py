"""The words of a command line: commands by name, a suggestion for a mistyped word, a help that says what is new."""

import re
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace

import pytest

import run_search
from tune_ks.commands import search_data
from tune_ks.commands.arguments import OTHER_COMMANDS, PARSERS
from tune_ks.commands.evaluate import chosen_keys, output_name
from tune_ks.commands.export import require_new
from tune_ks.commands.prepare_search import require_effective, require_run_folder
from tune_ks.commands.search_data import require_apart
from tune_ks.core.config import TrialConfig
from tune_ks.core.did_you_mean import did_you_mean
from tune_ks.core.front import call_of
from tune_ks.core.run_folder import RunFolder, write_json
from tune_ks.data import child_process
from tune_ks.data.cohort import asking
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.planning.space import load_space
from tune_ks.planning.start_run import require_same


def refused(capsys, *words):
    """The message about words that are no command line."""
    with pytest.raises(SystemExit) as ended:
        run_search.parse(list(words))
    assert ended.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["evalute", "RUN"], "there is no command 'evalute'; .*; did you mean 'evaluate'?"),
        (["analyze", "RUN"], "there is no command 'analyze'; .*; did you mean 'analyse'?"),
        (["runs/one"], "there is no command 'runs/one'; the commands are search, check, tune, evaluate"),
        (["--epsiln", "0.1"], "unrecognized arguments: --epsiln 0.1; did you mean '--epsilon'?"),
        (["--spase=paper"], "unrecognized arguments: --spase=paper; did you mean '--space'?"),
        (["search", "--sedes", "3"], "did you mean '--seeds'?"),
        (["evaluate", "RUN", "--data", "D", "--curruptions"], "did you mean '--corruptions'?"),
        (["tune", "--minutes", "1", "--spaceout", "x.py"], "did you mean '--space-out'?"),
        (["check", "DIR"], "unrecognized arguments: DIR; did you mean '--data DIR'?"),
        (["tune", "--minutes", "1", "DIR"], "unrecognized arguments: DIR; did you mean '--data DIR'?"),
        (["tune", "DIR"], "unrecognized arguments: DIR; did you mean '--data DIR'?"),
        (["search", "DIR"], "unrecognized arguments: DIR; did you mean '--data DIR'?"),
        (["evaluate", "RUN", "DIR"], "unrecognized arguments: DIR; did you mean '--data DIR'?"),
        (["predict", "RUN", "DIR"], "unrecognized arguments: DIR; did you mean '--data DIR'?"),
        (["export", "RUN", "DIR"], "unrecognized arguments: DIR; did you mean '--into DIR'?"),
        (["check", "--data", "DIR", "--cache", "C", "more"], r"unrecognized arguments: more \(--help"),
        (
            ["evaluate", "--run", "RUN", "--data", "D"],
            "unrecognized arguments: --run; did you mean run without '--run'?",
        ),
        (
            ["predict", "RUN", "--data", "-images"],
            "one that begins with a dash is written OPTION=VALUE",
        ),
        (["merge", "A", "B"], "the following arguments are required: --into"),
        (["./images"], "there is no command './images'; .*; did you mean '--data ./images'?"),
    ],
)
def test_a_mistyped_word_is_named_with_what_it_may_mean(words, said, capsys):
    assert re.search(said.replace("?", r"\?"), refused(capsys, *words))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--workers", "-2"], "--workers: must be a whole number from 1 to 1,024, got '-2'"),
        (["--seeds", "-1"], "--seeds: must be a whole number from 1 to 10,000, got '-1'"),
        (["predict"], "the following arguments are required: run, --data"),
        (["merge"], "the following arguments are required: RUN, --into"),
        (["export", "RUN"], "the following arguments are required: --into"),
    ],
)
def test_a_value_that_does_not_fit_is_one_line(words, said, capsys):
    with pytest.raises(SystemExit, match=r"^2$"):
        run_search.parse(words)
    message = capsys.readouterr().err
    assert said in message
    assert message.count("\n") == 1
    assert message.endswith("(--help lists the options)\n")


def test_a_run_folder_stays_out_of_the_data_folder(tmp_path, monkeypatch):
    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.chdir(data)
    for run in (data / "run", data, None):  # without a name it would be runs/ of the working directory
        with pytest.raises(ValueError, match=r"would lie in the data folder .*: give another --run"):
            require_apart(Namespace(data=data, run=run and str(run), cache=None))
    assert list(data.iterdir()) == []
    (data / "run").mkdir()
    (data / "run" / "search.json").write_text("{}")
    for run in (data / "run", tmp_path / "run", "s3://bucket/data/run"):  # the first was begun by an earlier version
        require_apart(Namespace(data=data, run=str(run), cache=data))
    require_apart(Namespace(data=None, run=None, cache=tmp_path / "new"))
    file = data / "run" / "search.json"
    for place in (file, file / "below" / "it"):
        with pytest.raises(ValueError, match=rf"--cache {place}: {file} is a file; give a folder"):
            require_apart(Namespace(data=None, run=None, cache=place))
        with pytest.raises(ValueError, match=rf"--run {place}: {file} is a file; give a folder"):
            require_apart(Namespace(data=None, run=str(place), cache=None))
        with pytest.raises(ValueError, match=rf"--into {place}: {file} is a file; give a folder"):
            require_new(place)


def test_an_empty_word_is_a_variable_that_was_not_set_and_a_tilde_is_the_home_folder(capsys, monkeypatch):
    for command, option in (
        ("search", "--data"),
        ("search", "--run"),
        ("evaluate", "--name"),
        ("merge", "--into"),
    ):
        message = refused(capsys, command, "RUN", option, "") if command != "search" else refused(capsys, option, "")
        assert f"argument {option}: must not be empty: was a variable of the shell not set?" in message
    assert "argument run: must not be empty" in refused(capsys, "predict", "", "--data", "D")
    monkeypatch.setenv("HOME", "/home/me")
    args, _ = run_search.parse(["--run=~/runs/one", "--data", "~/images", "--vendor-of", "~x=GE"])
    assert (args.run, args.data.as_posix()) == ("/home/me/runs/one", "/home/me/images")
    assert args.vendor_of == ["~x=GE"]


def test_a_run_folder_that_was_copied_in_part_is_not_searched_or_evaluated(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.write_config(TrialConfig("GE", 0.5))
    for present, missing in (((), "no search.json and no cohort.csv"), (("search.json",), "no cohort.csv")):
        for name in present:
            (folder.root / name).write_text("{}")
        with pytest.raises(ValueError, match=rf"run holds trials and {missing}, so that .* copied in part\?"):
            require_run_folder(folder, fresh=False)
    folder.cohort_csv.write_text("row\n")
    require_run_folder(folder, fresh=False)
    require_run_folder(RunFolder(tmp_path / "new"), fresh=False)


def test_a_folder_that_is_no_run_is_called_so(tmp_path):
    with pytest.raises(ValueError, match=r"is not a run folder \(no search.json\): give the one that a search printed"):
        chosen_keys(RunFolder(tmp_path), every=False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--fresh", "--extend"], "--extend adds to a run folder, which --fresh sets aside"),
        (["--from-scratch"], "it belongs to --finalists"),
        (["--finalist-seeds", "7"], "--finalist-seeds belongs to --finalists"),
        (["--samples", "5"], "--samples is for the suggestions of a sampler, and the space 'smoke' is a grid"),
        (["--init-from", "RUN"], "the space 'smoke' has no init_from that says it"),
    ],
)
def test_an_option_that_would_change_nothing_is_refused(words, said):
    space = load_space("smoke")
    args, _ = run_search.parse(words)
    with pytest.raises(ValueError, match=said):
        require_effective(args, space)
    fitting = {"--samples": [], "--init-from": [], "--fresh": ["--fresh"]}.get(words[0], [*words, "--finalists"])
    require_effective(run_search.parse(fitting)[0], space)


def test_a_space_file_that_ends_the_program_is_one_message(tmp_path):
    (tmp_path / "ends.py").write_text("import sys; sys.exit(3)")
    with pytest.raises(ValueError, match="cannot be read as a search space: SystemExit: 3"):
        load_space(str(tmp_path / "ends.py"))


def test_a_dry_run_compares_how_the_images_of_a_run_folder_were_read(tmp_path):
    folder = RunFolder(tmp_path)
    write_json(folder.search_json, {"format": 1, "cohort": {"settings": {"series": "post_1"}}})
    for settings, said in (
        (
            CohortSettings(series="pre"),
            r"another cohort \(another --series\): it has post_1, this command asks for pre",
        ),
        (CohortSettings(series="post_1", intensity="image"), r"another --intensity\): it has series"),
        (CohortSettings(series="post_1", vendor_of={"": "GE"}), r"another --vendor-of\)"),
        (CohortSettings(series="post_1"), "another split_seed"),  # all else is alike
    ):
        with pytest.raises(ValueError, match=said):
            require_same(folder, SimpleNamespace(settings=settings, is_decoded=False), split_seed=1)


def test_nothing_is_suggested_for_a_word_that_is_like_none():
    assert did_you_mean("xyzzy", ["gumbel", "lowpass"]) == ""
    assert did_you_mean("gumble", ["gumbel", "lowpass"]) == "; did you mean 'gumbel'?"


def test_search_may_be_named(monkeypatch):
    named, _ = run_search.parse(["search", "--space", "smoke", "--seeds", "2"])
    plain, _ = run_search.parse(["--space", "smoke", "--seeds", "2"])
    assert named == plain


def test_analyse_is_the_analysis(capsys):
    assert run_search.main(["analyse", "absent"]) == 2
    assert "absent does not exist: give the run folder" in capsys.readouterr().err


def test_every_command_is_known(capsys):
    for name in OTHER_COMMANDS:
        with pytest.raises(SystemExit, match=r"^0$"):
            run_search.main([name, "--help"])
        assert f"usage: {call_of(name)}" in capsys.readouterr().out


def test_the_version(capsys):
    with pytest.raises(SystemExit):
        run_search.parse(["--version"])
    assert re.fullmatch(r"tune_ks \d+\.\d+\.\d+\n", capsys.readouterr().out)


@pytest.mark.parametrize("parser", [make() for make in PARSERS.values()], ids=lambda parser: parser.prog)
def test_the_help_shows_defaults_that_say_something(parser):
    assert not re.search(r"\(default:\s+(None|False|==SUPPRESS==|)\)", parser.format_help())
    if parser.prog == call_of():
        assert "tolerated loss of the in-domain metric (default: 0.02)" in re.sub(r"\s+", " ", parser.format_help())


def test_the_options_used_most_come_first():
    text = PARSERS["search"]().format_help()
    places = [
        text.index(f"  {name} ") for name in ("--data", "--space", "--run", "--dry-run", "--split-seed", "--fused")
    ]
    assert places == sorted(places)


def test_what_reads_starts_early_where_there_is_work_for_it_and_no_image_is_decoded(tmp_path, monkeypatch):
    begun = []
    monkeypatch.setattr(child_process, "begin_call", lambda *modules: begun.append(modules))
    monkeypatch.setattr(child_process, "begin_pool", lambda *children: begun.append(children))
    monkeypatch.setattr(asking, "LOCAL_FILES", 2)
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "data"
    given = Namespace(data=data, cache=None, run=None, workers=7)
    absent = Namespace(data=None, cache=None, run=None, workers=1)
    workbooks = ("tune_ks.data.layouts.sheets", "openpyxl")

    def begun_by(args):
        begun.clear()
        search_data.begin_reading(args)
        return list(begun)

    assert begun_by(given) == []  # no such folder
    (data / "patient").mkdir(parents=True)
    (data / "labels.csv").touch()
    assert begun_by(given) == begun_by(absent) == []
    (data / "sheet.xlsx").touch()
    assert begun_by(given) == [workbooks]
    (data / "patient" / "1.dcm").symlink_to("x" * 300)  # a name that no system knows: it counts, reading says why
    assert begun_by(given) == [workbooks, (search_data.BEGUN, "tune_ks.data.cohort.prepare_dicom")]
    (tmp_path / "phantom").mkdir()
    data.rename(tmp_path / "phantom" / "version-2")
    assert begun_by(absent) == [workbooks, (1, "tune_ks.data.cohort.prepare_dicom")]
    (tmp_path / "runs" / "cache").mkdir(parents=True)
    assert begun_by(given) == begun_by(absent) == []


@pytest.mark.parametrize(
    "words",
    [
        ["check", "--data", "loop"],
        ["--data", "loop", "--space", "smoke"],
        ["--data", "images", "--space", "smoke", "--run", "loop/run"],
        ["--data", "images", "--space", "smoke", "--cache", "loop"],
        ["evaluate", "loop", "--data", "images"],
        ["analyse", "loop"],
    ],
)
def test_a_link_that_leads_to_itself_is_one_message(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    assert run_search.main(words) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", "loop"]


def test_a_folder_whose_name_names_no_files_asks_for_a_name():
    args = Namespace(name=None, data=Path("slices (1)"))
    with pytest.raises(ValueError, match=r"named after the folder 'slices \(1\)': give --name NAME of 1 to 100"):
        output_name(args)
