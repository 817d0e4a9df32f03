"""A learning curve in patients: shares are never averaged, rates are chosen among the largest, the figure is there."""

import json
import re

import pytest

from analysis.choice.options import Options
from analysis.read.configurations import choosable
from analysis.read.load import load
from analysis.report.sections import patients
from analysis.results.compute import compute
from analysis.results.learning_curve import learning_curves
from one_section import section_of
from synthetic_run import truth, write_run
from tune_ks.core.run_folder import RunFolder

SHARES = (0.1, 0.4, 0.8)
RUN = {"rates": (0.0625, 1.0), "seeds": (0, 1), "masks": ("lowpass",), "patients": 40, "images": 4}


def write_shares(root, shares=SHARES, **more):
    """As a search writes them: a record counts its training images and patients."""
    for share in shares:
        folder = write_run(
            root,
            **RUN,
            train_share=share,
            epochs=round(4 / share),
            true_auc=lambda rate, inside, mask, share=share: truth(rate, inside) - 0.2 * (1 - share),
            **more,
        )
    for key in folder.finished():
        path = folder.trial(key, "record.json")
        values = json.loads(path.read_text())
        share = values["config"].get("train_share", 1.0)
        values["images"][f"train {values['config']['vendor']}"] = round(80 * share)
        values["facts"]["train_patients"] = round(20 * share)
        path.write_text(json.dumps(values))


def test_a_record_with_other_training_images_than_its_share_is_of_another_cohort(tmp_path):
    write_shares(tmp_path)
    folder = RunFolder(tmp_path)
    assert not load(tmp_path).unreadable
    key = folder.finished()[0]
    path = folder.trial(key, "record.json")
    values = json.loads(path.read_text())
    values["images"][f"train {values['config']['vendor']}"] += 1
    path.write_text(json.dumps(values))
    assert list(load(tmp_path).unreadable) == [key]


def test_patients_that_a_record_does_not_count_are_those_of_the_cohort(tmp_path):
    write_shares(tmp_path, shares=(0.5, 1.0), source=("GE",))
    run = load(tmp_path)
    for record in run.records.values():
        del record.facts["train_patients"]
    table = compute(run, "epsilon", Options()).configurations
    for rows in learning_curves(run, table).values():
        assert rows["patients"].tolist() == [10, 20]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    place = tmp_path_factory.mktemp("shares") / "run"
    write_shares(place)
    return place


@pytest.fixture(scope="module")
def analysis(root):
    return compute(load(root), "epsilon", Options())


def test_every_share_is_a_configuration_of_its_own(analysis):
    table = analysis.configurations
    assert len(table) == 2 * 2 * len(SHARES)
    assert (table["seeds"] == 2).all()
    for row in table.itertuples():
        assert {analysis.run.records[key].config.train_share for key in row.keys} == {row.train_share}
    differing = table[~table["full"].astype(bool)]
    assert differing["difference_in_domain"].notna().all()  # each has full sampling of its own share
    of_largest = table[(table["train_share"] == 0.8) & (table["vendor"] == "GE")].set_index("full")
    expected = of_largest.loc[False, "test_in_domain"] - of_largest.loc[True, "test_in_domain"]
    assert of_largest.loc[False, "difference_in_domain"] == pytest.approx(expected)


def test_rates_are_chosen_and_networks_judged_among_the_largest_share(analysis):
    for vendor, computed in analysis.vendors.items():
        assert set(choosable(computed.configurations)["train_share"]) == {0.8}
        chosen = [computed.selection, *computed.others]
        keys = {key for selection in chosen for key in selection.keys} | set(computed.fitness.keys)
        assert {analysis.run.records[key].config.train_share for key in keys} == {0.8}, vendor
        assert "clearly better" not in computed.fitness.sentence


def test_a_curve_has_one_mask_and_rate_and_its_patients(analysis):
    curves = learning_curves(analysis.run, analysis.vendors["GE"].configurations)
    assert list(curves) == ["full sampling", "lowpass 1/16"]
    for rows in curves.values():
        assert rows["train_share"].tolist() == list(SHARES)
        assert rows["patients"].tolist() == pytest.approx([20 * share for share in SHARES])
        assert rows["test_in_domain"].is_monotonic_increasing


def test_settings_that_differ_within_a_share_part_the_curves(tmp_path):
    for width in (0.5, 1.0):
        write_shares(tmp_path, shares=(0.4, 0.8), width=width, source=("GE",))
    run = load(tmp_path)
    table = compute(run, "epsilon", Options()).configurations
    curves = learning_curves(run, table)
    assert len(curves) == 4
    assert "full sampling, width 0.5" in curves


def test_the_report_has_the_figure_and_its_numbers(analysis):
    html = section_of(analysis, "patients")
    for vendor in ("GE", "SIEMENS"):
        assert f'id="patients-{vendor}"' in html
    rows = re.search(r'<table id="patients">(.*?)</table>', html, re.DOTALL)[1].count("<tr")
    assert rows == 1 + 2 * 2 * len(SHARES)
    assert "chosen among the largest share only (GE 0.8, SIEMENS 0.8)" in html


def test_a_run_of_one_share_has_no_such_section(of_made):
    assert patients.parts(of_made) == []
