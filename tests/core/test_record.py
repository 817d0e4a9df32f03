"""The contract: keys, refusals, records that come back as they were, files that are whole or absent."""

import dataclasses
import json
import math

import pytest

from tune_ks.core import record as contract
from tune_ks.core.config import OWN_FIELDS, TrialConfig
from tune_ks.core.record import FORMAT, TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.storage import write_whole


def test_a_key_hashes_only_what_differs_from_the_defaults():
    config = TrialConfig("GE", 0.25, temperature=1.0)
    assert config.key() == TrialConfig("GE", 0.25, temperature=1.0, epochs=30, seed=0).key()
    assert config.key() == "767a12bc7ae5"  # frozen: a changed default or hash would orphan every run folder
    assert config.key() != dataclasses.replace(config, seed=1).key()
    assert config.key("seed") == dataclasses.replace(config, seed=1).key("seed")
    assert TrialConfig("GE", 1).key() == TrialConfig("GE", 1.0).key()


def test_every_own_field_moves_the_key():
    base = {"vendor": "GE", "sampling_rate": 0.25}
    other = {
        "vendor": "SIEMENS", "sampling_rate": 0.5, "mask": "lowpass", "pattern": "points", "settle": 0.5,
        "rate_start": 1.0, "rate_from": 0.1, "rate_to": 0.5, "temperature_from": 0.5, "temperature_to": 2.0,
        "transform": "x", "reconstruction": "x", "task": "x", "standardise": "image", "classifier": "x",
        "image_size": 64, "augment": "flips", "epochs": 3, "batch_size": 8, "lr": 0.1, "mask_lr_multiplier": 1.0,
        "weight_decay": 0.0, "seed": 7, "init_from": "0123456789ab@0123456789ab", "frozen": "x", "slow": "x",
        "slow_lr_multiplier": 0.1, "train_share": 0.5, "schedule": "x", "clip_norm": 1.0, "average": 0.9,
        "test_time": "flips", "rate_hold": 0.5, "mask_moment": "shared", "restarts": 1,
        "harmonise": "x", "style": "x", "mask_jitter": 0.1, "invariance": "x",
    }  # fmt: skip
    assert set(other) == set(OWN_FIELDS)
    conditional = {"rate_from": 0.25, "temperature_from": 0.1, "temperature_to": 4.0}  # some need it beside them
    needs = {"rate_to": conditional, "temperature_from": conditional, "temperature_to": conditional}
    needs["rate_hold"] = {"rate_start": 0.9}
    bases = [{**base, **needs.get(name, {})} for name in other]
    keys = {TrialConfig(**{**fields, name: other[name]}).key() for fields, name in zip(bases, other)}
    assert len(keys | {TrialConfig(**fields).key() for fields in bases}) == len(other) + 3


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"sampling_rate": 0}, "sampling_rate must be in (0, 1], got 0"),
        ({"sampling_rate": 1.2}, "sampling_rate must be in (0, 1], got 1.2"),
        ({"sampling_rate": "half"}, "sampling_rate must be a number, got 'half'"),
        ({"sampling_rate": math.nan}, "sampling_rate must be a finite number"),
        ({"standardise": "batch"}, "standardise must be 'none' or 'image', got 'batch'"),
        ({"epochs": 1.5}, "epochs must be a whole number"),
        ({"rate_from": 0.6}, "sampling_rate must be from rate_from to rate_to, where it was trained, got 0.5"),
        ({"rate_start": 2}, "rate_start must be in (0, 1], or None, got 2"),
        ({"rate_from": 0.2, "temperature_from": 1}, "temperature_to must be given exactly where temperature_from is"),
        ({"temperature_from": 1}, "temperature_from must be None where rate_from is"),
        ({"init_from": "runs/one"}, "init_from must be KEY@HASH, 12 hexadecimal digits each, or None, got 'runs/one'"),
        ({"init_from": 1}, "init_from must be a text, got 1"),
        (
            {"init_from": "0123456789ab@0123456789ab", "restarts": 1},
            "restarts must be 0 where init_from is given, got 1",
        ),
        ({"slow_lr_multiplier": 0}, "slow_lr_multiplier must be above 0, got 0"),
        ({"width": math.inf}, "width must be a finite number or a text, got inf"),
        ({"width": [1]}, "width must be a finite number or a text, got [1]"),
        ({"width": 10**400}, "width must be a finite number or a text"),
        ({"A b": 1}, "an option's name must be a short word, got 'A b'"),
    ],
)
def test_a_wrong_value_is_named_with_what_would_do(values, said):
    with pytest.raises(ValueError) as error:
        TrialConfig.from_dict({"vendor": "GE", "sampling_rate": 0.5, **values})
    assert said in str(error.value)


def test_a_missing_field_is_named():
    with pytest.raises(ValueError, match="'sampling_rate' is missing"):
        TrialConfig.from_dict({"vendor": "GE"})


def record(**changes):
    config = TrialConfig("GE", 0.25, temperature=1.0)
    values = {"GE": 0.9, "SIEMENS": 0.7, "PHILIPS": 0.6}
    return TrialRecord(config, dict(values), dict(values), 0.25, **changes)


def test_domains_are_derived_from_the_vendors():
    assert record().in_domain("val") == 0.9
    assert record().cross_domain("test") == pytest.approx(0.65)
    alone = TrialRecord(TrialConfig("GE", 1), {"GE": 0.9}, {}, 1.0)
    assert math.isnan(alone.cross_domain("val"))
    assert math.isnan(alone.in_domain("test"))
    with pytest.raises(ValueError, match="split must be one of"):
        alone.in_domain("train")


def test_a_record_comes_back_as_it_was_and_its_json_is_strict():
    before = record(epoch=3, history=[{"epoch": 1, "loss": 0.7, "val_in_domain": 0.5}], seconds=1.5)
    assert TrialRecord.from_json(before.to_json()) == before
    undefined = TrialRecord(before.config, {"GE": math.nan}, {}, 0.25, history=[{"loss": math.nan}])
    text = undefined.to_json()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert math.isnan(TrialRecord.from_json(text).val["GE"])


def test_the_trivial_answer_of_an_older_record_gets_its_name():
    record = TrialRecord(TrialConfig("GE", 0.5), {}, {}, 0.5, metric="dice", trivial={"one fixed mask": {"GE": 0.25}})
    text = record.to_json()
    older = json.loads(text) | {"trivial": {"GE": 0.25}}
    assert TrialRecord.from_json(json.dumps(older)) == TrialRecord.from_json(text) == record


def test_torn_newer_and_foreign_records_are_refused(tmp_path):
    text = record().to_json()
    for cut in (0, 1, len(text) // 2, len(text) - 2):
        with pytest.raises(ValueError, match="not a whole JSON"):
            TrialRecord.from_json(text[:cut])
    with pytest.raises(ValueError, match="use a newer version"):
        TrialRecord.from_json(text.replace(f'"format": {FORMAT}', f'"format": {FORMAT + 1}'))
    with pytest.raises(ValueError, match="unknown field in the record: colour"):
        TrialRecord.from_json(text.replace('"metric"', '"colour": 1, "metric"'))
    folder = RunFolder(tmp_path)
    write_whole(folder.trial("0123456789ab", "record.json"), text.encode())
    with pytest.raises(ValueError, match="belongs to the key"):
        folder.read_record("0123456789ab")


@pytest.mark.parametrize("name", ["record.json", "config.json"])
def test_half_a_file_of_a_trial_says_how_the_trial_begins_anew(name, tmp_path):
    folder = RunFolder(tmp_path)
    record = TrialRecord(TrialConfig("GE", 0.25), {"GE": 0.9}, {}, 0.25)
    key = record.config.key()
    folder.write_config(record.config)
    folder.write_record(record)
    path = folder.trial(key, name)
    path.write_bytes(path.read_bytes()[:20])
    read = folder.read_record if name == "record.json" else folder.read_config
    with pytest.raises(ValueError, match=f"without the folder {key} the trial begins anew") as refused:
        read(key)
    assert str(refused.value).count(str(path)) == 1


def test_the_folder_knows_what_is_finished_and_what_failed(tmp_path):
    folder = RunFolder(tmp_path)
    mine = record()
    key = mine.config.key()
    folder.write_config(mine.config)
    folder.write_failure(mine.config, "the loss became nan")
    assert folder.failures() == {key: "the loss became nan"}
    assert not folder.is_finished(key)
    folder.write_record(mine)
    assert folder.failures() == {}
    assert list(folder.records()) == [mine]
    assert folder.read_config(key) == mine.config


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "record.json"
    write_whole(path, b"old")
    with pytest.raises(TypeError):
        write_whole(path, "text is not bytes")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["record.json"]


def test_an_older_format_is_migrated_step_by_step_or_refused_by_number(monkeypatch):
    text = record(epoch=3).to_json()
    older = text.replace(f'"format": {FORMAT}', f'"format": {FORMAT - 1}')
    with pytest.raises(ValueError, match=f"record format {FORMAT - 1}, .* knows no way from {FORMAT - 1} to {FORMAT}"):
        TrialRecord.from_json(older)
    monkeypatch.setattr(contract, "FORMAT", FORMAT + 1)
    renamed = text.replace('"epoch": 3', '"best_epoch": 3')

    def rename(values):
        values["epoch"] = values.pop("best_epoch")
        return values

    monkeypatch.setattr(contract, "MIGRATIONS", {FORMAT: rename})
    assert TrialRecord.from_json(renamed) == record(epoch=3)
    assert f'"format": {FORMAT + 1}' in TrialRecord.from_json(renamed).to_json()
    with pytest.raises(ValueError, match=f"no way from {FORMAT - 1}"):
        TrialRecord.from_json(renamed.replace(f'"format": {FORMAT}', f'"format": {FORMAT - 1}'))
