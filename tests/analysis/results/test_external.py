"""Another cohort: intervals and differences by hand, rows by rate, and the analysis made again as it was."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis import RunError, analyse, analyse_again, print_external
from analysis.analyse import last_settings
from analysis.choice.options import Options
from analysis.plots.elsewhere import plot_elsewhere
from analysis.plots.paper import numbers
from analysis.read.configurations import low_pass_of
from analysis.read.load import load
from analysis.report import page
from analysis.report.sections import external as section
from analysis.results.compute import compute
from analysis.results.external import ITSELF, beside_chosen, external_table
from analysis.statistics.bootstrap import Resampled, interval, patient_weights
from analysis.statistics.estimate import estimate
from synthetic_run import write_run
from tune_ks.core.metrics import auc
from tune_ks.core.run_folder import RunFolder

PATIENTS = 14
LEFT_OUT = b"Images were left out"


def write_external(folder, name="other", keys=None, vendors=("PHILIPS",)):
    """Made-up scores of every trial on another cohort, in the files that ``evaluate`` writes."""
    rows, lines = [], []
    label = np.arange(4 * PATIENTS) % 2
    for key in keys or folder.finished():
        rng = np.random.default_rng([int(key[:6], 16)])
        for vendor in vendors:
            patient = [f"{vendor}_{number // 4:02}" for number in range(len(label))]
            score = rng.normal(size=len(label)) + label
            rows.append(
                pd.DataFrame({"row": range(len(label)), "patient_id": patient, "vendor": vendor, "label": label})
            )
            rows[-1]["key"] = key
            rows[-1]["score"] = score
            lines.append((key, vendor, len(label), PATIENTS, auc(label, score)))
    place = folder.root / "external"
    place.mkdir(exist_ok=True)
    pd.DataFrame(lines, columns=["key", "vendor", "images", "patients", "auc"]).to_csv(place / f"{name}.csv")
    pd.concat(rows).to_csv(place / f"{name}_scores.csv", index=False)


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    """Of a run with two other cohorts."""
    root = tmp_path_factory.mktemp("external") / "run"
    folder = write_run(root, rates=(0.25, 0.5, 1.0), seeds=(0, 1), patients=12, images=4)
    write_external(folder)
    write_external(folder, "second", vendors=("HITACHI",))
    return compute(load(root), "epsilon", Options())


@pytest.fixture
def folder(analysis, tmp_path):
    """A copy of the run without them."""
    leave_out = shutil.ignore_patterns("external")
    return RunFolder(shutil.copytree(analysis.run.root, tmp_path / "run", ignore=leave_out))


def test_rows_are_by_vendor_trained_on_and_rate_with_differences_by_hand(analysis):
    table = analysis.external[analysis.external["cohort"] == "other"]
    assert len(table) == 2 * 5  # two vendors; two masks at two rates, and full sampling
    of_ge = table[table["vendor"] == "GE"]
    assert of_ge["realised_rate"].is_monotonic_increasing
    scores = pd.read_csv(analysis.run.root / "external" / "other_scores.csv", dtype={"key": str})
    weights = patient_weights(PATIENTS, 1000, "external", "other", "PHILIPS")

    def seeds_of(keys):
        """The AUC of each training on drawn patients, image by image."""
        seeds = []
        for key in keys:
            images = scores[scores["key"] == key]
            values = []
            for draw in [np.ones(PATIENTS), *weights]:
                copies = np.repeat(draw.astype(int), 4)
                label = np.repeat(images["label"].to_numpy(), copies)
                values.append(auc(label, np.repeat(images["score"].to_numpy(), copies)))
            seeds.append(Resampled(values[0], np.array(values[1:]), PATIENTS))
        return seeds

    full = seeds_of(of_ge.loc[of_ge["full"].astype(bool), "keys"].iloc[0])
    (low_pass,) = of_ge[(of_ge["mask"] == "lowpass") & (of_ge["sampling_rate"] == 0.25)].to_dict("records")
    (learned,) = of_ge[(of_ge["family"] == "gumbel") & (of_ge["sampling_rate"] == 0.25)].to_dict("records")
    seeds = seeds_of(learned["keys"])
    assert learned["value"] == pytest.approx(np.mean([seed.point for seed in seeds]))
    assert learned["seeds"] == len(seeds) == 2
    assert (learned["images"], learned["patients"]) == (56, 14)
    label, score = (scores.pivot_table(column, "row", "key")[learned["keys"]] for column in ("label", "score"))
    mean = score.mean(axis=1).to_numpy()
    copies = [np.repeat(draw.astype(int), 4) for draw in weights]
    drawn = [auc(np.repeat(label.iloc[:, 0].to_numpy(), times), np.repeat(mean, times)) for times in copies]
    assert learned["together"] == pytest.approx(auc(label.iloc[:, 0].to_numpy(), mean))
    ends = interval(Resampled(learned["together"], np.array(drawn), PATIENTS))
    assert (learned["together_low"], learned["together_high"]) == pytest.approx(ends)
    expected = {"": None, "full_sampling": full, "low_pass": seeds_of(low_pass["keys"])}
    for name, others in expected.items():
        by_hand = estimate(seeds, others)
        before = f"{name}_" if name else ""
        assert (learned[f"{before}low"], learned[f"{before}high"]) == pytest.approx(tuple(by_hand.interval())), name
        assert learned[name or "value"] == pytest.approx(by_hand.point)
    assert np.isnan(low_pass["low_pass"])
    assert np.isnan(of_ge.loc[of_ge["full"].astype(bool), "full_sampling"]).all()


def test_the_low_pass_of_a_configuration_has_its_rate_and_settings(analysis):
    table = analysis.configurations
    named = dict(zip(table["configuration"], low_pass_of(table)))
    rows = table.set_index("configuration")
    met = 0
    for name, other in named.items():
        if rows.loc[name, "full"]:
            assert other is None
            continue
        assert rows.loc[other, "mask"] == "lowpass"
        assert (
            rows.loc[other, ["vendor", "sampling_rate"]].tolist()
            == rows.loc[name, ["vendor", "sampling_rate"]].tolist()
        )
        met += 1
    assert met == 8


def test_the_figure_has_the_chosen_rate_beside_what_it_is_compared_with(analysis):
    keys = next(
        row.keys for row in analysis.configurations.itertuples() if (row.family, row.sampling_rate) == ("gumbel", 0.25)
    )
    rows = beside_chosen(analysis.external, analysis.configurations, keys)
    assert rows["reference"].value_counts().to_dict() == {ITSELF: 2, "low_pass": 2, "full_sampling": 2}  # two cohorts
    assert (rows["vendor"] == "GE").all()
    assert rows.loc[rows["reference"] == "low_pass", "sampling_rate"].tolist() == [0.25, 0.25]
    assert rows["full"].astype(bool).tolist() == (rows["reference"] == "full_sampling").tolist()
    figure = plot_elsewhere(rows.assign(where=rows["cohort"], sampling=rows["reference"].map(section.SAMPLINGS)), "AUC")
    points = numbers(figure)
    assert sorted(points["x"]) == pytest.approx(sorted(rows["value"]))
    assert sorted(points["low"]) == pytest.approx(sorted(rows["low"]))
    assert set(points["about"]) == {"other", "second"}
    assert page.render(section.parts(analysis)).count('class="plot"') == 2


def test_what_was_not_scored_is_not_compared(folder, analysis):
    run = load(folder.root)
    learned = [
        key for key, record in run.records.items() if record.config.mask == "gumbel" and not record.config.is_full
    ]
    write_external(folder, keys=learned)
    table = external_table(load(folder.root), analysis.configurations)
    assert len(table) == 4
    assert table[["full_sampling", "low_pass"]].isna().all(axis=None)
    assert table[["low", "high"]].notna().all(axis=None)


def test_without_scores_per_image_the_metric_stands_alone(folder, analysis):
    write_external(folder)
    (folder.root / "external" / "other_scores.csv").write_text("key,score\n")
    run = load(folder.root)
    external = external_table(run, analysis.configurations)
    assert external["value"].notna().all()
    assert external[["low", "full_sampling"]].isna().all(axis=None)
    html = page.render(section.parts(replace(analysis, run=run, external=external)))
    assert "AUC on other cohorts" in html
    (folder.root / "external" / "other.csv").unlink()
    assert external_table(load(folder.root), analysis.configurations).empty


def test_the_terminal_prints_one_cohort_by_rate_and_no_hash(analysis, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    print_external(analysis, "other")
    text = capsys.readouterr().out
    assert "HITACHI" not in text
    assert text.count("scored on 14 patients of PHILIPS (other)") == 2
    assert text.count(", chosen") == 2
    assert not any(key in text for key in analysis.run.records)
    lines = [line.split() for line in text.splitlines() if "[" in line and "90 %" not in line]
    assert len(lines) == 10
    assert all("…" not in cell for line in lines for cell in line)


SMALL = {"rates": (0.25, 1.0), "seeds": (0, 1), "masks": ("gumbel",), "patients": 12, "images": 4, "source": ("GE",)}


def test_an_analysis_is_made_again_with_its_settings(tmp_path):
    folder = write_run(tmp_path / "run", **SMALL)
    first = analyse(folder.root, rule="cross_domain", epsilon=0.05, images=False, cross_fit=2)
    before = [path.read_bytes() for path in (first.selection_json, first.report)]
    assert LEFT_OUT in before[1]
    again = analyse_again(folder.root)
    assert (again.rule, again.options.values["epsilon"]) == ("cross_domain", 0.05)
    assert [path.read_bytes() for path in (again.selection_json, again.report)] == before
    with_images = analyse(folder.root)
    assert LEFT_OUT not in with_images.report.read_bytes()
    assert last_settings(folder.root)["images"]


@pytest.fixture(scope="module")
def analysed(tmp_path_factory):
    """The selection.json of an analysis with all settings at their defaults."""
    folder = write_run(tmp_path_factory.mktemp("analysed") / "run", **SMALL)
    return analyse(folder.root, report=False).selection_json


def test_an_analysis_without_settings_leaves_images_out(analysed):
    values = json.loads(analysed.read_text())
    del values["made_with"]
    analysed.write_text(json.dumps(values))
    again = analyse_again(analysed.parent)
    assert again.rule == "epsilon"
    assert LEFT_OUT in again.report.read_bytes()


@pytest.mark.parametrize("damage", [None, {}, {"made_with": 3}, {"made_with": {"rule": "best", "images": True}}])
def test_settings_that_are_not_there_are_the_defaults_without_images(analysed, tmp_path, damage):
    if damage is not None:
        values = json.loads(analysed.read_text())
        values.pop("made_with", None)
        (tmp_path / "selection.json").write_text(json.dumps(values | damage))
    assert last_settings(tmp_path) == {"images": False}


def test_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(RunError, match="does not exist"):
        analyse_again(tmp_path / "nowhere")
