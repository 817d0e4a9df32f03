"""Finalists are questions that were asked: the pick, the rates beside it on its own curve, and full sampling."""

import json
import shutil

from analysis import analyse
from analysis.choice.options import Options
from analysis.results.compute import compute, finalists_of
from tune_ks.core.config import TrialConfig
from tune_ks.core.run_folder import RunFolder


def test_the_pick_stands_between_its_neighbours_and_full_sampling_joins(table_1):
    chosen = finalists_of(compute(table_1, "epsilon", Options(epsilon=0.03)))
    rates = {vendor: [config["sampling_rate"] for config in configs] for vendor, configs in chosen.items()}
    assert rates == {"GE": [0.1, 0.2, 0.3, 1.0], "SIEMENS": [0.1, 0.2, 0.3, 1.0]}


def test_finalists_keep_the_keys_of_the_trials_they_came_from(example):
    """A rate of k/256 has more digits than the figures are written with."""
    folder = RunFolder(example)
    for record in list(folder.records()):
        shutil.rmtree(folder.trial(record.config.key()))
        config = record.config.non_default() | {"sampling_rate": round(record.config.sampling_rate * 256) / 256}
        folder.write_record(type(record)(**{**vars(record), "config": TrialConfig.from_dict(config)}))
    chosen = json.loads(analyse(example, epsilon=0.03, report=False).selection_json.read_text())["finalists"]
    keys = {TrialConfig.from_dict(config).key() for configs in chosen.values() for config in configs}
    assert len(keys) == 8
    assert keys <= set(folder.keys())
