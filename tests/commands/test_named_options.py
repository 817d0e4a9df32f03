"""A message names only options that the command has which says it. Reports name those of other commands too."""

import ast
import re
from pathlib import Path

import pytest

from analysis.__main__ import _parser as analysis_parser
from tune_ks.commands import arguments

ROOT = Path(__file__).parents[2]
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
PARSERS = {**arguments.PARSERS, "analyse": analysis_parser}
TRAINS = {"search", "tune"}
READS_IMAGES = {*TRAINS, "check", "evaluate", "predict"}
ALL = set(PARSERS)
SAID_BY = {  # place of the text: a file or a folder, and where a file has several speakers a function -> its commands
    "run_search.py:main": TRAINS,  # the word that is left out of the command that resumes
    "run_search.py:parse": READS_IMAGES,
    "tune_ks/api.py": {"search"},
    "tune_ks/commands/check.py": {"check"},
    "tune_ks/commands/evaluate.py": {"evaluate", "predict"},
    "tune_ks/commands/evaluated_cohort.py": {"evaluate", "predict"},
    "tune_ks/commands/export.py": {"export"},
    "tune_ks/commands/live_viewers.py": {"search"},
    "tune_ks/commands/merge.py": {"merge"},
    "tune_ks/commands/other_series.py": {"evaluate", "predict"},
    "tune_ks/commands/predictions.py": {"predict"},
    "tune_ks/commands/prepare_search.py": {"search"},
    "tune_ks/commands/prepare_search.py:require_run_folder": TRAINS,
    "tune_ks/commands/search.py": {"search"},
    "tune_ks/commands/search_data.py": TRAINS,
    "tune_ks/commands/search_data.py:given_settings": READS_IMAGES,
    "tune_ks/commands/tune.py": {"tune"},
    "tune_ks/commands/tuned_space.py": {"tune"},
    "tune_ks/commands/tuned_space.py:next_command": {"search"},
    "tune_ks/core/config.py": {"search"},  # what help says of a field
    "tune_ks/core/own_members.py": ALL - {"merge"},
    "tune_ks/core/way_out.py": {"search"},  # what began from another run's weights is searched again
    "tune_ks/data": READS_IMAGES,
    "tune_ks/data/cohort/require_splits.py": {"search", "check"},
    "tune_ks/evaluation/exported_model.py": {"export"},
    "tune_ks/evaluation/line_occlusion.py": {"evaluate"},
    "tune_ks/model/members.py": ALL - {"merge"},
    "tune_ks/planning/budget.py": {"tune"},
    "tune_ks/planning/estimate.py": TRAINS,
    "tune_ks/planning/merge.py": {"merge"},
    "tune_ks/planning/merge.py:_identity": {"search"},  # what the runs were searched with
    "tune_ks/planning/pretrained.py": {"search"},
    "tune_ks/planning/space.py": {"search"},
    "tune_ks/planning/start_run.py": TRAINS,
    "tune_ks/search": TRAINS,
    "tune_ks/worker": TRAINS,
}
DECLARES = "tune_ks/commands/arguments.py"
OTHER_PROGRAMS = {"--head", "--gcs-address", "--scaled", "--help"}  # of Ray, of an exported model's script; of argparse


def messages(path):
    """(function, text) of every string of a file that is no docstring."""
    tree = ast.parse(path.read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    documented = [node for node in ast.walk(tree) if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))]
    docstrings = {id(node.body[0].value) for node in documented if node.body and isinstance(node.body[0], ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            around = [function.name for function in functions if function.lineno <= node.lineno <= function.end_lineno]
            yield (around[-1] if around else ""), node.value


def place_of(name, function):
    """The narrowest place of SAID_BY that holds a text; None where none does."""
    folders = [str(folder) for folder in Path(name).parents]
    return next((place for place in (f"{name}:{function}", name, *folders) if place in SAID_BY), None)


@pytest.fixture(scope="module")
def named():
    """(place, option) of every option that a message names."""
    found = set()
    for path in (ROOT / "run_search.py", *ROOT.glob("tune_ks/**/*.py")):
        name = path.relative_to(ROOT).as_posix()
        if name == DECLARES:
            continue
        for function, text in messages(path):
            for option in set(OPTION.findall(text)) - OTHER_PROGRAMS:
                place = place_of(name, function)
                assert place is not None, f"{name}: which commands say {text!r}? Add it to SAID_BY"
                found.add((place, option))
    return found


def test_a_message_names_options_of_its_command(named):
    options = {command: set(make()._option_string_actions) for command, make in PARSERS.items()}
    for place, option in sorted(named):
        lacking = [command for command in sorted(SAID_BY[place]) if option not in options[command]]
        assert not lacking, f"{place} names {option}, which {' and '.join(lacking)} does not have"


def test_every_place_of_the_list_names_options(named):
    assert {place for place, _ in named} == set(SAID_BY)
    assert len(named) > 70
