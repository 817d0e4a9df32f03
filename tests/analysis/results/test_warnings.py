"""Trials that stayed at chance are named in the warnings, in the table of trials and in the report."""

import dataclasses

from analysis.choice.options import Options
from analysis.read.load import load
from analysis.report.sections import trials
from analysis.results import warnings
from analysis.results.compute import compute
from tune_ks.core.run_folder import RunFolder


def test_trials_at_chance_are_named_in_warning_and_table(run):
    folder = RunFolder(run)
    key = folder.finished()[0]
    record = folder.read_record(key)
    folder.write_record(dataclasses.replace(record, facts=record.facts | {"at_chance": True, "begun_again": 1}))
    analysis = compute(load(run), "epsilon", Options())
    (line,) = [line for line in analysis.warnings if "at chance" in line]
    config = record.config
    name = f"{key} ({config.vendor}, {config.mask}, rate {config.sampling_rate:g}, seed {config.seed})"
    assert line.startswith(f"1 trial(s) stayed at chance, by training loss and in-domain validation: {name}.")
    table = analysis.run.trials.set_index("key")
    assert table["at_chance"].sum() == 1
    assert table.loc[key, "begun_again"] == 1
    assert "at chance" in str(trials.parts(analysis))


def test_of_many_only_the_first_are_named_in_the_warning(made):
    run = load(made)
    run.trials["at_chance"] = True
    (line,) = warnings._about_trials_at_chance(run.trials)
    keys = run.trials["key"].tolist()
    assert len(keys) > warnings.NAMED
    assert [key in line for key in keys] == [position < warnings.NAMED for position in range(len(keys))]
    assert f"and {len(keys) - warnings.NAMED} more, marked in the table of all trials" in line


def test_without_such_trials_nothing_is_said(made):
    analysis = compute(load(made), "epsilon", Options())
    assert not any("at chance" in line for line in analysis.warnings)
    assert "at chance" not in str(trials.parts(analysis))
