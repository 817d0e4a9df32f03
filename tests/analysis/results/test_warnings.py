"""Trials that stayed at chance are named in the warnings, in the table of trials and in the report."""

import dataclasses

import pandas as pd

from analysis.choice.options import Options
from analysis.read.load import load
from analysis.report.sections import trials
from analysis.results import warnings
from analysis.results.compute import compute
from tune_ks.core.rate_words import rate_tick
from tune_ks.core.run_folder import RunFolder


def test_trials_at_chance_are_named_in_warning_and_table(run):
    folder = RunFolder(run)
    key = folder.finished()[0]
    record = folder.read_record(key)
    folder.write_record(dataclasses.replace(record, facts=record.facts | {"at_chance": True, "begun_again": 1}))
    analysis = compute(load(run), "epsilon", Options())
    (line,) = [line for line in analysis.warnings if "at chance" in line]
    config = record.config
    name = f"{key} ({config.vendor}, {config.mask}, rate {rate_tick(config.sampling_rate)}, seed {config.seed})"
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


def test_without_such_trials_nothing_is_said(of_made):
    assert not any("at chance" in line for line in of_made.warnings)
    assert "at chance" not in str(trials.parts(of_made))


def with_facts(run, facts):
    """The warnings of a run whose learned trials of one vendor have these facts."""
    folder = RunFolder(run)
    for key in folder.finished():
        record = folder.read_record(key)
        if record.config.vendor == "GE":
            learned = record.config.mask == "gumbel"
            folder.write_record(dataclasses.replace(record, facts=record.facts | facts, mask_is_learned=learned))
    return [line for line in warnings.of_run(load(run), load(run).trials.assign(seeds=2), {}) if "k-space" in line]


def test_a_learned_mask_that_keeps_empty_lines_is_named(run):
    lines = with_facts(run, {"occupied_share": 0.5, "kept_outside": 13, "side": 32})
    assert lines[0].startswith("GE: 99 % of the energy beyond DC lies in the inner 50% of the stored k-space")
    learned = [key for key in RunFolder(run).finished() if _is_low_and_learned(RunFolder(run).read_record(key))]
    assert learned
    assert f"GE: {len(learned)} learned mask(s) keep empty lines" in " ".join(lines)
    assert all(line.startswith("GE") for line in lines)
    cohort = pd.read_csv(run / "cohort.csv").assign(coils=4)
    cohort.to_csv(run / "cohort.csv", index=False)
    of_coils = with_facts(run, {})
    assert of_coils[0].endswith(
        "in the inner 50% of the acquired lines of k-space, so higher rates lose next to nothing by construction."
    )
    assert "keep outer lines of k-space" in of_coils[1]


def _is_low_and_learned(record):
    return record.config.vendor == "GE" and record.mask_is_learned and record.realised_rate < 0.5


def test_a_mask_within_the_band_and_an_occupied_kspace_are_not_named(run):
    lines = with_facts(run, {"occupied_share": 0.5, "kept_outside": 0, "side": 32})
    assert len(lines) == 1
    assert with_facts(run, {"occupied_share": 0.95, "kept_outside": 13, "side": 32}) == []


def test_a_batch_that_is_larger_than_the_training_set_is_named(run):
    folder = RunFolder(run)
    keys = folder.finished()
    batch_size = folder.read_config(keys[0]).batch_size
    for key, images in zip(keys, (batch_size - 1, batch_size), strict=False):
        record = folder.read_record(key)
        trained = {f"train {record.config.vendor}": images}
        folder.write_record(dataclasses.replace(record, images=record.images | trained))
    (line,) = [
        line for line in warnings.of_run(load(run), load(run).trials.assign(seeds=2), {}) if "batch_size" in line
    ]
    vendor = folder.read_config(keys[0]).vendor
    assert line.startswith(
        f"{vendor}: batch_size {batch_size} is more than the {batch_size - 1} training images of 1 trial(s): each of"
    )


def test_of_records_that_do_not_say_how_many_images_were_trained_on_nothing_is_said(of_made):
    assert not any("batch_size" in line for line in of_made.warnings)
