"""The words of a command line: commands by name, a suggestion for a mistyped word, a help that says what is new."""

import re

import pytest

import run_search
from tune_ks.commands.arguments import (
    OTHER_COMMANDS,
    check_parser,
    evaluate_parser,
    export_parser,
    merge_parser,
    search_parser,
    tune_parser,
)
from tune_ks.core.did_you_mean import did_you_mean
from tune_ks.core.front import call_of


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
    ],
)
def test_a_mistyped_word_is_named_with_what_it_may_mean(words, said, capsys):
    assert re.search(said.replace("?", r"\?"), refused(capsys, *words))


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


PARSERS = [
    search_parser(),
    check_parser(),
    tune_parser(),
    evaluate_parser("evaluate"),
    evaluate_parser("predict"),
    export_parser(),
    merge_parser(),
]


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.prog)
def test_the_help_shows_defaults_that_say_something(parser):
    assert not re.search(r"\(default:\s+(None|False|==SUPPRESS==|)\)", parser.format_help())
    if parser.prog == call_of():
        assert "tolerated loss of the in-domain metric (default: 0.02)" in re.sub(r"\s+", " ", parser.format_help())


def test_the_options_used_most_come_first():
    text = search_parser().format_help()
    places = [
        text.index(f"  {name} ") for name in ("--data", "--space", "--run", "--dry-run", "--split-seed", "--fused")
    ]
    assert places == sorted(places)
