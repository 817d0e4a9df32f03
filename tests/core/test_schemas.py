"""What a JSON file of a run folder may hold, and what is said of one that holds something else.

tests/core/test_schema_fuzz.py has 5,000 of them.
"""

import json
import shutil

import pytest

import run_search
from analysis.__main__ import main as analysis_main
from tune_ks.commands.exports import export_run
from tune_ks.core.json_text import parse_json
from tune_ks.core.plain_json import DEEPEST
from tune_ks.core.run_folder import RunFolder, read_json
from tune_ks.core.schemas import SCHEMAS, VENDORS
from whole_run import write_whole_run


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run folder with every JSON file that a search writes; no test may change it."""
    return write_whole_run(tmp_path_factory.mktemp("made") / "run").root


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("search.json", '{"search": []}', "search: input should be a valid dictionary"),
        ("search.json", '{"cohort": "x"}', "cohort: input should be"),
        ("search.json", '{"cohort": {"counts": {}}}', "cohort.counts: input should be a valid list"),
        ("search.json", '{"earlier": [1]}', "earlier.0: input should be"),
        ("search.json", '{"split_seed": 1.5}', "split_seed: input should be a valid integer"),
        ("record.json", '{"val": [1]}', "val: input should be a valid dictionary"),
        ("record.json", '{"test": {"GE": "x"}}', "test.GE: input should be a valid number"),
        ("record.json", '{"images": {"train GE": -1}}', "images.train GE: input should be greater than or equal to 0"),
        ("record.json", '{"epoch": true}', "epoch: input should be a valid integer"),
        ("driver.lock", '{"pid": "7"}', "pid: input should be a valid integer"),
        ("failure.json", '{"reason": 7}', "reason: input should be a valid string"),
        ("any.json", "1" + "0" * 400, "a whole number of 401 digits"),
        ("any.json", '{"x": 1e999}', "is not finite"),
        ("any.json", "[" * 200_000, "not a whole JSON object"),
        ("any.json", '{"x":' * 30 + "1" + "}" * 30, f"nested more than {DEEPEST} levels deep"),
        ("any.json", "[]", "not a JSON object but list"),
    ],
)
def test_a_message_names_the_field_and_what_came(name, text, said):
    with pytest.raises(ValueError) as caught:
        parse_json(text, name)
    assert said in str(caught.value)


def test_a_record_of_three_thousand_vendors_is_refused():
    with pytest.raises(ValueError, match=f"at most {VENDORS} items"):
        parse_json(json.dumps({"val": {f"V{i}": 0.5 for i in range(3000)}}), "record.json")


def test_texts_are_printable_and_what_is_not_a_number_is_null():
    values = parse_json(
        '{"\\u001b[2J": ["\\ud800", "two\\nlines", "M\\u00fcller"], "n": NaN, "i": -Infinity, "seed": -7}'
    )
    assert values == {"\\x1b[2J": ["\\ud800", "two\nlines", "Müller"], "n": None, "i": None, "seed": -7}


def test_every_file_that_the_program_writes_has_a_schema(made):
    assert {path.name for path in made.rglob("*.json")} | {"driver.lock"} == {*SCHEMAS}
    for path in made.rglob("*.json"):
        assert read_json(path) == json.loads(path.read_text())


def test_a_run_with_one_bad_record_is_exported_and_analysed(made, tmp_path, capsys):
    run = shutil.copytree(made, tmp_path / "run")
    folder = RunFolder(run)
    bad = folder.finished()[0]
    folder.trial(bad, "record.json").write_text('{"format": 1, "config": {}, "val": 7}')
    with pytest.raises(ValueError, match=r"record\.json: val: input should be a valid dictionary"):
        [*folder.records()]
    assert [record.config.key() for record in folder.readable_records()] == folder.finished()[1:]
    failed = next(run.rglob("failure.json"))
    failed.write_text('{"reason": 7}')
    assert "failure.json cannot be read" in folder.failures()[failed.parent.name]
    export_run(folder)
    names = [path.name for path in (run / "tensorboard").iterdir()]
    assert sorted(name.split()[-1] for name in names) == folder.finished()[1:]
    assert analysis_main([str(run), "--no-report"]) == 0
    assert bad in capsys.readouterr().out


@pytest.mark.parametrize(
    "error", [OverflowError("too large"), ZeroDivisionError("by zero"), RecursionError("too deep")]
)
def test_both_front_doors_print_one_message(monkeypatch, made, capsys, error):
    def fail(*_args, **_kwargs):
        raise error

    monkeypatch.setattr("analysis.__main__.analyse", fail)
    monkeypatch.setattr("run_search.merge_command", fail)
    assert analysis_main([str(made)]) == 2
    assert run_search.main(["merge", "a", "b", "--into", "c"]) == 2
    assert capsys.readouterr().err.splitlines() == [f"error: {error}"] * 2
