"""The transfer loss on the same images, against differences by hand and a known truth."""

import json
import math

import numpy as np
import pytest

from analysis import analyse
from analysis.choice.options import Options
from analysis.plots.common import AMBER
from analysis.plots.paper import numbers
from analysis.plots.transfer import plot_transfer
from analysis.read.load import load
from analysis.results import transfer
from analysis.results.compute import compute
from analysis.statistics.bootstrap import average, interval
from one_section import section_of
from synthetic_run import write_run

RATES = (0.25, 0.5, 1.0)


def truth(rate, inside, mask):
    """The loss is 0.25 at full sampling and 0.05 at 0.25."""
    return 0.9 if inside else {0.25: 0.85, 0.5: 0.75, 1.0: 0.65}[rate]


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    root = tmp_path_factory.mktemp("transfer") / "run"
    write_run(root, rates=RATES, masks=("gumbel",), patients=60, true_auc=truth)
    return analyse(root, report=False)


def test_the_loss_is_paired_on_the_images_of_the_vendor_tested_on(analysis):
    losses = analysis.transfer
    assert len(losses) == 2 * len(RATES)
    table = analysis.configurations.set_index(["vendor", "sampling_rate"])["keys"]
    for row in losses.to_dict("records"):
        home, afar = (
            average([analysis.draws[key]["test", row["tested on"]] for key in table[vendor, row["rate"]]])
            for vendor in (row["tested on"], row["trained on"])
        )
        assert row["loss"] == pytest.approx(home.point - afar.point)
        patients_alone = interval(home - afar)
        assert row["low"] <= patients_alone.low < row["loss"] < patients_alone.high <= row["high"]
        assert row["about"] == "the rate"
        assert row["seeds"] == 3


def test_a_lower_rate_that_shrinks_the_loss_is_seen(analysis):
    losses = analysis.transfer.set_index(["tested on", "rate"])
    for vendor in ("GE", "SIEMENS"):
        assert losses.loc[(vendor, 1.0), "low"] > 0
        less = losses.loc[(vendor, 0.25)]
        apart = losses.loc[(vendor, 1.0), "loss"] - less["loss"]
        assert less["less than at full sampling"] == pytest.approx(apart)
        assert less["its low"] > 0
        assert math.isnan(losses.loc[(vendor, 1.0), "less than at full sampling"])
    text = " ".join(transfer.sentences(analysis.transfer, "AUC"))
    assert "Transfer loss on GE of training on SIEMENS, test AUC: at full sampling +0." in text
    assert "and larger in 0 of 2 rates, by intervals over patients and seeds" in text
    assert 'id="transfer"' in section_of(analysis, "transfer")
    written = json.loads(analysis.selection_json.read_text())["transfer"]
    assert [row["loss"] for row in written] == pytest.approx(analysis.transfer["loss"].tolist(), abs=1e-6)


def test_the_figure_draws_every_loss_at_its_rate(analysis):
    rows = analysis.transfer[analysis.transfer["tested on"] == "GE"]
    figure = plot_transfer(rows, "AUC")
    drawn = {trace.name: trace for trace in figure.data}
    assert list(drawn) == ["trained on SIEMENS, gumbel", "trained on SIEMENS, full sampling"]
    assert [trace.marker.color == AMBER for trace in figure.data] == [False, True]
    points = numbers(figure)
    assert points["x"].tolist() == rows["rate"].tolist()
    for column, name in (("y", "loss"), ("low", "low"), ("high", "high")):
        assert points[column].tolist() == pytest.approx(rows[name].tolist())
    assert section_of(analysis, "transfer").count('class="plot"') == 2
    of_settings = plot_transfer(rows.assign(settings="train share 0.4"), "AUC")
    named = [trace.name.replace("<br>", " ") for trace in of_settings.data]
    assert named == [f"{name}, train share 0.4" for name in drawn]
    mixed = rows.assign(settings=["mask lr multiplier 1", *[np.nan] * (len(rows) - 1)])
    assert len(plot_transfer(mixed, "AUC").data) == 3


def test_one_seed_speaks_of_these_trainings_and_one_vendor_of_nothing(tmp_path):
    write_run(tmp_path / "a", rates=RATES, seeds=(0,), masks=("gumbel",), patients=16, true_auc=truth)
    losses = compute(load(tmp_path / "a"), "epsilon", Options()).transfer
    assert set(losses["about"]) == {"these trainings"}
    assert "of these trainings" in transfer.sentences(losses, "AUC")[0]
    write_run(tmp_path / "b", rates=RATES, seeds=(0,), masks=("gumbel",), patients=16, true_auc=truth, source=("GE",))
    assert compute(load(tmp_path / "b"), "epsilon", Options()).transfer.empty
    assert np.array_equal(losses.columns, transfer.COLUMNS)
