"""Several vendors: who is in the cross-domain mean, who is named as left out, and each vendor on its own."""

import dataclasses
import io
import json
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

import synthetic_run
from analysis import analyse
from analysis.choice.crossfit import score_halves
from analysis.choice.noninferior_run import validation_patients
from analysis.read.load import load
from analysis.report.parts import Panels
from analysis.report.sections import other_vendors as section
from analysis.results.scored_domains import scored_domains
from analysis.results.terminal import print_analysis
from analysis.statistics.bootstrap import average
from analysis.statistics.resampling import domain_draws
from synthetic_run import make_cohort, write_run
from tune_ks.core.record import TrialRecord, mean_of_defined

SMALL, ONE_CLASS = "PHILIPS", "TOSHIBA"


def uneven_cohort(vendors, patients, images, seed=0):
    """Of SMALL two test patients and three others; ONE_CLASS has test images with a tumour only."""
    cohort = make_cohort(vendors, patients, images, seed)
    number = cohort["patient_id"].str[-3:].astype(int)
    gone = (cohort["vendor"] == SMALL) & ~number.isin([0, 1, 2, 3, 7])
    gone |= (cohort["vendor"] == ONE_CLASS) & (cohort["split"] == "test") & (cohort["label"] == 0)
    cohort = cohort[~gone].reset_index(drop=True)
    return cohort.assign(row=np.arange(len(cohort)))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("uneven") / "run"
    vendors = ("GE", SMALL, "SIEMENS", ONE_CLASS)
    shape = {"rates": (0.25, 0.5, 1.0), "seeds": (0, 1), "masks": ("gumbel",), "patients": 48, "images": 4}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthetic_run, "make_cohort", uneven_cohort)
        write_run(root, vendors, source=("GE",), **shape)
    return root


@pytest.fixture(scope="module")
def analysed(root):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a warning of numpy would reach the terminal
        return analyse(root, cross_fit=2)


def test_the_means_are_over_siemens_alone_and_everything_else_is_named(analysed):
    computed = analysed.vendors["GE"]
    for name in ("test_cross_domain", "val_cross_domain"):
        split = name.partition("_")[0]
        for row in computed.configurations.itertuples():
            records = [analysed.run.records[key] for key in row.keys]
            of_vendors = ["SIEMENS"] if split == "test" else ["SIEMENS", ONE_CLASS]
            by_trial = [np.mean([getattr(record, split)[vendor] for vendor in of_vendors]) for record in records]
            assert getattr(row, name) == pytest.approx(np.mean(by_trial))
    said = "\n".join(analysed.warnings)
    assert f"GE: {SMALL} is not in the cross-domain test mean: 2 patient(s) with a tumour, 2 without" in said
    assert f"GE: {SMALL} is not in the cross-domain validation mean: 3 patient(s) with a tumour, 3 without" in said
    assert f"GE: {ONE_CLASS} is not in the cross-domain test mean: 12 patient(s) with a tumour, 0 without" in said


def test_the_figure_has_every_vendor_with_a_value(analysed):
    (panels,) = [part for part in section.parts(analysed) if isinstance(part, Panels)]
    ((figure,),) = panels.panels
    drawn = json.loads(figure.plotly_json)
    chosen, full = drawn["data"]
    assert chosen["text"] == full["text"] == [f"on {SMALL}", "on SIEMENS", f"on {ONE_CLASS}"]
    table = analysed.other_vendors
    assert chosen["x"][:2] == pytest.approx(table["value"].tolist()[:2])
    assert full["x"][:2] == pytest.approx(table["full sampling"].tolist()[:2])
    assert chosen["x"][2] is None  # images of one class have no AUC


def test_each_vendor_is_shown_on_its_own(analysed):
    table = analysed.other_vendors.set_index("scored on")
    chosen = [analysed.run.records[key] for key in analysed.vendors["GE"].selection.keys]
    assert list(table.index) == [SMALL, "SIEMENS", ONE_CLASS]
    assert table["in the test mean"].to_dict() == {SMALL: "no", "SIEMENS": "yes", ONE_CLASS: "no"}
    assert table["in the validation mean"].to_dict() == {SMALL: "no", "SIEMENS": "yes", ONE_CLASS: "yes"}
    assert table["patients without"].to_dict() == {SMALL: 2, "SIEMENS": 12, ONE_CLASS: 0}
    for vendor in (SMALL, "SIEMENS"):
        row = table.loc[vendor]
        assert row["value"] == pytest.approx(np.mean([record.test[vendor] for record in chosen]))
        assert row["low"] < row["value"] < row["high"]
        assert row["difference"] == pytest.approx(row["value"] - row["full sampling"])
        assert row["its low"] <= row["difference"] <= row["its high"]
    assert (
        table.loc[SMALL, "high"] - table.loc[SMALL, "low"] > table.loc["SIEMENS", "high"] - table.loc["SIEMENS", "low"]
    )
    assert np.isnan(table.loc[ONE_CLASS, "value"])
    screen = io.StringIO()
    print_analysis(analysed, Console(file=screen, width=200))
    printed = screen.getvalue()
    means = (
        f"validation over SIEMENS and {ONE_CLASS}, without {SMALL}; test over SIEMENS, without {SMALL} and {ONE_CLASS}."
    )
    assert f"GE, cross-domain means: {means}" in printed
    assert f"on {SMALL} (2 test patients with a tumour, 2 without): test AUC" in printed
    assert f"on {ONE_CLASS} (12 test patients with a tumour, 0 without): no test AUC." in printed
    page = analysed.report.read_text()
    assert "Other vendors" in page
    assert means in page


def test_every_mean_over_vendors_is_the_same_one(analysed, root):
    """The table, the draws, the proof's patients, cross-fitting and the corrupted images agree on the vendors."""
    run = analysed.run
    for key, record in run.records.items():
        assert record.others("test").counted == ("SIEMENS",)
        mean = domain_draws(analysed.draws[key], "GE", "test", "cross_domain")
        assert mean.point == pytest.approx(record.cross_domain("test"))
        alone = analysed.draws[key]["test", "SIEMENS"]
        np.testing.assert_array_equal(mean.draws, average([alone]).draws)
        assert mean.patients == 12
        both = domain_draws(analysed.draws[key], "GE", "val", "cross_domain")
        assert both.point == pytest.approx((record.val["SIEMENS"] + record.val[ONE_CLASS]) / 2)
    assert validation_patients(run, "GE")["cross_domain"] == 36 + 36
    halves = score_halves(run, list(run.records), "GE", repeats=1)
    for by_key in (*halves.chooses, *halves.reports):
        for values in by_key.values():
            in_mean = {vendor for (_, vendor), value in values.items() if value.in_mean}
            assert in_mean == {"GE", "SIEMENS", ONE_CLASS}
    tested = run.cohort[run.cohort["split"] == "test"]
    patient = tested["patient_id"].factorize()[0]
    about = {"label": tested["label"].to_numpy(), "patient": patient, "vendor": tested["vendor"].to_numpy(str)}
    images = SimpleNamespace(metric="auc", **about)  # what scored_domains reads of a Corrupted
    assert scored_domains(images, "GE") == {"in_domain": ["GE"], "cross_domain": ["SIEMENS"]}


def test_numbers_of_patients_in_the_records_and_counted_in_the_cohort_give_the_same_analysis(analysed, root):
    counted = load(root)
    for record in counted.records.values():
        assert record.patients is not None
    written = {key: TrialRecord.from_json(record.to_json()) for key, record in counted.records.items()}
    assert written == counted.records
    for record in written.values():
        assert dataclasses.replace(record, patients=None).cross_domain("test") == pytest.approx(
            mean_of_defined(record.test[vendor] for vendor in (SMALL, "SIEMENS", ONE_CLASS))
        )


def test_a_training_on_ge_that_was_tested_on_siemens_only_has_all_it_had(tmp_path):
    """The other vendor has fewer patients than a mean asks for: alone it counts, without a warning."""
    write_run(
        tmp_path / "run",
        ("GE", "SIEMENS"),
        source=("GE",),
        rates=(0.25, 1.0),
        seeds=(0, 1),
        masks=("gumbel",),
        patients=16,
        images=4,
    )
    analysed = analyse(tmp_path / "run", report=False)
    row = analysed.vendors["GE"].configurations.iloc[0]
    records = [analysed.run.records[key] for key in row["keys"]]
    assert row["test_cross_domain"] == pytest.approx(np.mean([record.test["SIEMENS"] for record in records]))
    assert row["test_cross_domain_low"] < row["test_cross_domain"] < row["test_cross_domain_high"]
    assert analysed.other_vendors.empty
    assert not [line for line in analysed.warnings if "-domain test mean" in line or "cross-domain mean" in line]
