"""The table over several splits: the interval by hand, and cells that are those of the runs."""

import math

import numpy as np
import pytest

from analysis.read.load import load
from docs.splits import YARDSTICK, interval_of_splits, splits, summary, together
from docs.tables.cells import SCORES
from synthetic_run import write_run
from tune_ks.core.metrics import auc
from tune_ks.core.record import yardstick_column

RATES = (0.25, 1.0)


def test_the_interval_of_three_splits_by_hand():
    """Variance 0.0001, 1/3 + 1/3 of it, and t of 0.95 at 2 degrees of freedom, 2.919986."""
    low, high = interval_of_splits([0.84, 0.85, 0.86], 1 / 3)
    reach = 2.919986 * math.sqrt(0.0001 * 2 / 3)
    assert (low, high) == (pytest.approx(0.85 - reach), pytest.approx(0.85 + reach))


def test_one_split_has_no_interval():
    assert all(map(math.isnan, interval_of_splits([0.85], 0.3)))


def test_a_difference_is_bold_where_its_interval_leaves_out_0():
    assert summary([0.02, 0.021, 0.022], 0.3, "+.3f", difference=True).endswith("]**")
    assert "**" not in summary([0.02, -0.01, 0.03], 0.3, "+.3f", difference=True)


def test_cells_are_the_means_over_seeds_of_every_run(tmp_path):
    runs = []
    for split in range(2):
        write_run(tmp_path / f"{split}", rates=RATES, seeds=(2 * split, 2 * split + 1), patients=24, images=4)
        runs.append(load(tmp_path / f"{split}"))
    scores, gains = splits(runs)
    means = [run.trials.groupby(["vendor", "sampling_rate", "mask"])[SCORES].mean() for run in runs]
    assert len(scores.rows) == len(means[0])
    names = [(row[0], row[2]) for row in gains.rows]
    assert names
    assert "64/64" not in dict(names).values()
    for row, (_, expected) in zip(scores.rows, means[0].iterrows(), strict=True):
        assert [cell.split()[0] for cell in row[3:]] == [f"{value:.3f}" for value in expected]
    for row in gains.rows:
        if row[1] == "lowpass":
            assert row[5:] == ["", ""]


def test_trainings_used_together_are_above_one_by_the_auc_of_their_mean_score(tmp_path):
    folder = write_run(tmp_path / "run", rates=RATES, masks=("lowpass",), patients=24, images=4)
    for key in folder.finished():
        path = folder.trial(key, "scores.npz")
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        np.savez(path, **arrays, **{yardstick_column(YARDSTICK): arrays["row"] % 5})
    run = load(folder.root)
    keys = [key for key, record in run.records.items() if record.config.vendor == "GE" and record.config.is_full]
    scores = [np.load(folder.trial(key, "scores.npz"), allow_pickle=False) for key in keys]
    on_siemens = (scores[0]["split"] == 1) & (run.cohort.loc[scores[0]["row"], "vendor"] == "SIEMENS").to_numpy()
    label = run.cohort.loc[scores[0]["row"], "label"].to_numpy()[on_siemens]
    of_mean = auc(label, np.mean([of_one["score"][on_siemens] for of_one in scores], axis=0))
    one = np.mean([auc(label, of_one["score"][on_siemens]) for of_one in scores])
    above_yardstick = of_mean - auc(label, scores[0]["row"][on_siemens] % 5)
    table = together([run, run])
    (row,) = (row for row in table.rows if row[:3] == ["GE", "full", "64/64"])
    cells = dict(zip(table.heads, row))
    assert cells["cross together"].startswith(f"{of_mean:.3f} {of_mean:.3f}; ")
    assert cells["cross - one"].startswith(f"{of_mean - one:+.3f} ")
    assert cells["cross - yardstick"].startswith(f"{above_yardstick:+.3f} ")
    alone = write_run(tmp_path / "alone", rates=RATES, seeds=(0,), masks=("lowpass",), patients=24, images=4)
    assert together([load(alone.root)]).rows == []
