"""Every number that a person gives has limits on both sides; what lies outside is one line and exit code 2."""

import argparse
import math

import pytest

import run_search
from analysis.__main__ import _parser as analysis_parser
from tune_ks.commands import arguments
from tune_ks.core.number import Number

PARSERS = {**{command: make() for command, make in arguments.PARSERS.items()}, "analyse": analysis_parser()}
NOT_NUMBERS = ("nan", "inf", "-inf", "1e400", "9" * 5000, "many", "1,5", "0x10")
OPTIONS = [
    (command, action.option_strings[0], action.type)
    for command, parser in PARSERS.items()
    for action in parser._actions
    if isinstance(action.type, Number) or action.type is arguments.auto_or_number
]
WRONG = [
    # what 0.3.0 took: trials that never end, a plan larger than the memory, a timer that overflows in the worker
    ("tune", "--minutes", "1e12"),
    ("search", "--hang-after", "inf"),
    ("search", "--hang-after", "1e12"),
    ("search", "--samples", "10000000000"),
    ("search", "--cpus-per-trial", "1e-300"),
    ("search", "--gpus-per-trial", "1.5"),
    ("search", "--concurrent", "0"),
    ("search", "--workers", "1000000"),
    ("search", "--fused", "0"),
    ("search", "--fused", "1.5"),
    ("search", "--epsilon", "7"),
    ("analyse", "--cross-fit", "1000000000"),
    ("analyse", "--watch", "1000000000"),
    ("analyse", "--port", "70000"),
    ("analyse", "--prevalence", "1"),
]


def refused(capsys, command, option, text):
    """The message about a number, which is one line; the words before it are a whole command line."""
    with pytest.raises(SystemExit, match=r"^2$"):
        run_search.main([command, f"{option}={text}"])
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"argument {option}: must be " in said
    assert f", got '{text[:40]}'" in said
    return said


def test_no_option_takes_a_number_without_limits():
    assert len(OPTIONS) >= 30
    for parser in PARSERS.values():
        for action in parser._actions:
            assert action.type not in (int, float), action.option_strings
    for _, option, number in OPTIONS:
        if isinstance(number, Number):
            assert -math.inf < number.least < number.most < math.inf, option


@pytest.mark.parametrize(("command", "option", "number"), OPTIONS, ids=lambda part: str(part)[:20])
def test_what_is_no_number_or_beyond_the_limits_is_refused_by_every_option(capsys, command, option, number):
    texts = list(NOT_NUMBERS)
    if isinstance(number, Number):
        texts += [str(number.most + 1), str(number.least - 1)]
        texts += [str(number.least)] * number.above + [str(number.most)] * number.below
        texts += ["0.5"] * (number.kind is int)
    for text in texts:
        refused(capsys, command, option, text)


@pytest.mark.parametrize(("command", "option", "text"), WRONG)
def test_a_number_that_could_not_be_computed_with_is_refused(capsys, command, option, text):
    refused(capsys, command, option, text)


def test_the_limits_themselves_are_numbers():
    met = 0
    for _, option, number in OPTIONS:
        for limit, is_out in (
            ((number.least, number.above), (number.most, number.below)) if number != arguments.auto_or_number else ()
        ):
            if is_out:
                with pytest.raises(argparse.ArgumentTypeError):
                    number(str(limit))
            else:
                assert number(str(limit)) == limit, option
                met += 1
    assert met > 40
    assert arguments.auto_or_number("auto") == "auto"
    assert arguments.auto_or_number("3") == "3"


@pytest.mark.parametrize("value", [True, None, "3", [3], 3.0, math.nan, 10**400])
def test_a_value_of_a_space_file_has_the_same_limits(value):
    with pytest.raises(ValueError, match="seeds must be a whole number from 1 to 10, got"):
        Number(int, 1, 10).require("seeds", value)
    Number(int, 1, 10).require("seeds", 10)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (Number(int, 1, 10_000), "a whole number from 1 to 10,000"),
        (Number(float, 0, 1, above=True), "a number above 0, up to 1"),
        (Number(float, 0, 1, above=True, below=True, why=": a share"), "a number above 0, below 1: a share"),
        (Number(float, 0.01, 1, or_zero=True), "0, or a number from 0.01 to 1"),
    ],
)
def test_limits_in_words(number, words):
    assert number.allowed == words
