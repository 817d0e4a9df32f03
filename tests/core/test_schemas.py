"""No value in a JSON file of a run folder, of whatever type or size, ends in a traceback at either front door."""

import copy
import json
import shutil

import pytest

import run_search
from analysis.__main__ import main as analysis_main
from analysis.read.load import load
from synthetic_run import write_run
from tune_ks.commands.exports import export_run
from tune_ks.core.json_text import DEEPEST, parse_json
from tune_ks.core.lock import LockFile
from tune_ks.core.run_folder import RunFolder, read_json
from tune_ks.core.schemas import SCHEMAS, VENDORS
from tune_ks.planning.merge import require_mergeable
from tune_ks.planning.start_run import note, other_processor
from tune_ks.worker.attempts import read_attempts

HOSTILE = {  # as they stand in a JSON text
    "integer of 401 digits": "1" + "0" * 400,
    "negative integer of 401 digits": "-1" + "0" * 400,
    "integer of 10,000 digits": "9" * 10_000,
    "number beyond floats": "1e999",
    "Infinity": "Infinity",
    "NaN": "NaN",
    "lone surrogate": '"\\ud800"',
    "escape": '"\\u001b[2J\\u202e"',
    "text": '"x"',
    "null": "null",
    "true": "true",
    "number": "1.5",
    "negative": "-1",
    "list": "[1]",
    "list of lists": "[[[]]]",
    "object": '{"x": {"y": [1]}}',
    "empty object": "{}",
    "many entries": json.dumps({f"V{i}": 0.5 for i in range(3000)}),
    "brackets": "[" * 200_000,
    "closed brackets": "[" * 200 + "]" * 200,
}
MARK = "@HERE@"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run folder with every JSON file that a search writes, small enough to be read hundreds of times."""
    run = tmp_path_factory.mktemp("made") / "run"
    folder = write_run(run, rates=(0.25, 1.0), seeds=(0,), masks=("gumbel",), patients=8, images=2)
    keys = folder.keys()
    for name in ("failure.json", "stopped.json"):
        config = folder.read_config(keys.pop())
        reason = {"config": config.non_default(), "reason": "it was too slow", "history": [{"epoch": 1, "loss": 0.5}]}
        folder.trial(config.key(), "record.json").unlink()
        folder.trial(config.key(), name).write_text(json.dumps({"format": 1, **reason}))
    attempt = {"token": "t", "session": "s", "node": "n", "accumulate": 1, "together": 1, "ended": None, "detail": ""}
    folder.trial(keys[0], "attempts.json").write_text(json.dumps({"attempts": [attempt]}))
    (run / "driver.lock").write_text(json.dumps({"host": "h", "pid": 7, "token": "t", "since": "now", "beat": 3}))
    earlier = {"space": "s", "question": "?", "space_fingerprint": "0", "search": {"seeds": 1}, "command": "python"}
    search = read_json(folder.search_json)
    search["cohort"] |= {
        "fingerprint_format": 2,
        "layout": "table",
        "counts": [{"vendor": "GE", "label": 0, "images": 1}],
    }
    more = {
        **earlier,
        "earlier": [earlier],
        "start_points": [{"sampling_rate": 1.0, "why": "full"}],
        "init_from": {"runs/one": {"0123456789ab": "0123456789ab@0123456789ab"}},
        "finalists": {"rule": "knee", "epsilon": 0.03, "from_scratch": False, "configs": []},
    }
    folder.search_json.write_text(json.dumps(search | more))
    selection = {
        "made_with": {"rule": "knee", "images": True, "patients": None, "cross_fit": 0},
        "choices": [{"keys": keys}],
    }
    (run / "selection.json").write_text(json.dumps(selection))
    return run


def places(values, path=()):
    """Every path into a JSON value: of the whole, and at every depth."""
    yield path
    items = values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    for name, item in items:
        yield from places(item, (*path, name))


def with_value(values, path, text):
    """The JSON text of ``values`` with ``text`` at the path."""
    if not path:
        return text
    changed = copy.deepcopy(values)
    inner = changed
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = MARK
    return json.dumps(changed).replace(f'"{MARK}"', text)


def said_of(path):
    """The message that reading the file ends in; "" where it is read."""
    try:
        parse_json(path.read_bytes(), path.name)
    except ValueError as error:
        return str(error)
    return ""


def use(run):
    """Everything that reads a JSON file, each up to its one message; any other exception is a fault."""
    folder = RunFolder(run)
    key = folder.keys()[0]
    actions = [
        lambda: load(run),
        lambda: require_mergeable([folder], RunFolder(run.parent / "none")),
        lambda: [*folder.records()],
        folder.failures,
        folder.stops,
        lambda: read_attempts(folder, key),
        lambda: LockFile(run).read(),
        lambda: other_processor(folder),
        lambda: note(folder, "noted", {}),
        lambda: folder.read_config(key),
        lambda: read_json(run / "selection.json"),
    ]
    refused = 0
    for action in actions:
        try:
            action()
        except (ValueError, OSError):
            refused += 1
    return refused


@pytest.mark.parametrize("name", SCHEMAS)
def test_no_value_anywhere_is_a_traceback(made, tmp_path, name):
    run = shutil.copytree(made, tmp_path / "run")
    path = next(iter(sorted(run.rglob(name))))
    whole = path.read_text()
    values = json.loads(whole)
    met = 0
    for place in places(values):
        chosen = [*HOSTILE]
        if len(place) > 1:
            chosen = chosen[met % 9 :: 9]  # there are many places so deep
        for kind in chosen:
            path.write_text(with_value(values, place, HOSTILE[kind]))
            assert len(said_of(path)) < 400, f"{kind} at {place}"
            if met % 31 == 0:  # the readers of the whole folder, which take longer
                use(run)
            met += 1
            path.write_text(whole)
    assert met > 20
    assert use(run) == 0, "the unchanged files are read"


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
    assert {path.name for path in (run / "tensorboard").iterdir()} == {*folder.finished()[1:]}
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
