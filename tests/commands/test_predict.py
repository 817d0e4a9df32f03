"""predict on any folder of DICOM: what is assumed, who is called what and why, and what could not be read."""

import contextlib
import io
import json
import math
import shutil

import numpy as np
import pandas as pd
import pytest

import run_search
from benchmarks.alone import run_config
from dicom_files import PHI, anatomy, write_dicom
from made_run import SMALL, make_run
from tune_ks.core.config import TrialConfig
from tune_ks.core.run_folder import RunFolder, read_json, write_json
from tune_ks.evaluation.decisions import NOTICE
from tune_ks.evaluation.operating_point import operating_point
from tune_ks.worker.attempts import start_attempt


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a run whose data named their series, and a hospital's ``data``: several series, makers, sizes."""
    place = tmp_path_factory.mktemp("hospital")
    run = make_run(place)
    search = read_json(run.search_json)
    search["cohort"]["settings"] = {"series": "post_1"}
    write_json(run.search_json, search)
    for patient, maker in enumerate(("GE", "SIEMENS", "PHILIPS")):
        for series in range(2):
            image = anatomy(64, 80, seed=2 * patient + series)
            write_dicom(place / f"data/P{patient}/series {series}/x.dcm", image, maker, phi=True)
    write_dicom(place / "data/x.dcm", anatomy(64, 64, seed=9), "GE", phi=True)
    write_dicom(place / "data/P0/small.dcm", anatomy(32, 32), "GE")
    write_dicom(place / "data/P0/acme.dcm", anatomy(64, 64), "ACME")
    (place / "data/P1/words.dcm").write_bytes(b"no image")
    return place


def predict(place, *words):
    """(exit code, what was printed, what was printed as an error) of predict in this process."""
    said, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(errors):
        given = ["--data", str(place / "data"), "--cache", str(place / "cache"), "--all", *words]
        code = run_search.main(["predict", str(place / "run"), *given])
    return code, said.getvalue(), errors.getvalue()


@pytest.fixture(scope="module")
def predicted(place):
    """(what was printed, RUN/external) after predict --json."""
    code, said, errors = predict(place, "--json")
    assert (code, errors) == (0, "")
    return said, place / "run/external"


def test_what_is_assumed_of_the_folder_is_said(predicted):
    said, external = predicted
    assumed = json.loads((external / "data_predictions.json").read_text())["assumed"]
    for sentence in assumed:
        assert sentence in said
    assert [sentence.partition(":")[0] for sentence in assumed] == ["series", *["patients"] * 3]
    assert "'post_1', which nothing here is called" in assumed[0]
    assert "one patient (3 here)" in assumed[1]
    assert "(1 here)" in assumed[2]


def test_each_image_has_the_threshold_and_call_of_each_model(place, predicted):
    _, external = predicted
    run = RunFolder(place / "run")
    table = pd.read_csv(external / "data_predictions.csv")
    assert len(table) == 7 * 4
    assert set(table["key"]) == set(run.finished())
    cohort = pd.read_csv(run.cohort_csv)
    calls = []
    for row in table.itertuples():
        config = run.read_config(row.key)
        assert (row.trained_on, row.sampling_rate) == (config.vendor, config.sampling_rate)
        saved = np.load(run.trial(row.key, "scores.npz"))
        of_validation = []  # probabilities of tumour-free images, one after another
        for at, split, score in zip(saved["row"], saved["split"], saved["score"]):
            image = cohort.loc[at]
            if split == 0 and image["vendor"] == config.vendor and image["label"] == 0:
                of_validation.append(1 / (1 + math.exp(-score)))
        assert row.threshold == pytest.approx(max(of_validation)), "of four, none may lie above"
        by_hand = "positive" if row.probability > row.threshold else "negative"
        calls.append("not decided" if row.vendor == "PHILIPS" else by_hand)
    assert list(table["call"]) == calls
    assert calls.count("not decided") == 2 * 4
    is_decided = table["call"] != "not decided"
    assert set(table.loc[~is_decided, "why"]) == {"PHILIPS was never seen: the run has no images of it"}
    assert table.loc[is_decided, "why"].isna().all()


def test_a_patient_is_called_by_the_highest_of_the_images(predicted):
    _, external = predicted
    images = pd.read_csv(external / "data_predictions.csv")
    patients = pd.read_csv(external / "data_patient_predictions.csv")
    assert len(patients) == 4 * 4
    for row in patients.itertuples():
        of_patient = images[(images["key"] == row.key) & (images["patient_id"] == row.patient_id)]
        assert row.images == len(of_patient) == (1 if row.patient_id == "unknown" else 2)
        assert row.probability == of_patient["probability"].max()
        assert row.positive_images == (of_patient["call"] == "positive").sum()
        assert (row.call == "positive") == (row.positive_images > 0)
        assert (row.call == "not decided") == (row.patient_id == "P2")


def test_files_that_can_not_be_used_are_counted_and_named(predicted):
    said, external = predicted
    skipped = pd.read_csv(external / "data_skipped_predictions.csv")
    reasons = dict(zip(skipped["path"], skipped["reason"]))
    assert reasons == {
        "P0/acme.dcm": "unknown vendor (ACME)",
        "P0/small.dcm": "smaller than the models' 64 pixels",
        "P1/words.dcm": "not a DICOM file",
    }
    assert "3 files could not be used: data_skipped_predictions.csv names them" in said


def test_every_output_says_that_it_is_no_medical_device_and_none_names_a_patient(predicted):
    said, external = predicted
    tables = sorted(external.glob("*.csv"))
    assert len(tables) == 3
    for path in tables:
        assert (pd.read_csv(path)["notice"] == NOTICE).all()
    whole = json.loads((external / "data_predictions.json").read_text())
    assert "no medical device" in whole["notice"]
    assert said.count(NOTICE) == 1
    for text in [said, *(path.read_text() for path in external.iterdir())]:
        assert not any(word in text for word in PHI)


def test_the_json_holds_the_tables(place, predicted):
    _, external = predicted
    whole = json.loads((external / "data_predictions.json").read_text())
    for name, file in (("images", "data_predictions.csv"), ("patients", "data_patient_predictions.csv")):
        table = pd.read_csv(external / file, keep_default_na=False).drop(columns="notice")
        pd.testing.assert_frame_equal(pd.DataFrame(whole[name]), table)
    assert {line["path"] for line in whole["skipped"]} == {"P0/acme.dcm", "P0/small.dcm", "P1/words.dcm"}
    run = RunFolder(place / "run")
    for key, model in whole["models"].items():
        point = model["operating_point"]
        assert (point["images"], point["patients"], point["patients_without"]) == (4, 2, 0)
        assert point["specificity"] == 1
        assert point["vendors"] == ["GE", "SIEMENS"]
        assert model["val"] == run.read_record(key).val
    names = {model["name"] for model in whole["models"].values()}
    assert {"GE gumbel 16/64 seed 0", "SIEMENS full 64/64 seed 0"} <= names


def test_a_named_series_stays_and_a_named_trial_is_used_alone(place, predicted, capsys):
    code, said, errors = predict(place, "--series", "post_9")
    assert code == 2
    assert "no folder of a patient holds a folder 'post_9'" in errors
    assert "wrote" not in said
    code, said, errors = predict(place, "--key", "0123456789ab")
    assert code == 2
    assert "has no finished trial 0123456789ab" in errors
    with pytest.raises(SystemExit):
        run_search.main(["predict", "run", "--data", "data", "--key", "../x"])
    assert "12 hexadecimal digits" in capsys.readouterr().err
    key = RunFolder(place / "run").finished()[0]
    code, said, errors = predict(place, "--key", key, "--series", "series 1", "--name", "one")
    assert (code, errors) == (0, "")
    table = pd.read_csv(place / "run/external/one_predictions.csv")
    assert set(table["key"]) == {key}
    assert sorted(table["path"]) == [f"P{patient}/series 1/x.dcm" for patient in range(3)]
    assert not (place / "run/external/one_predictions.json").exists()


def test_trainings_that_differ_in_their_seed_also_answer_together(tmp_path, place):
    shutil.copytree(place / "run", tmp_path / "run")
    shutil.copytree(place / "data", tmp_path / "data")
    run = RunFolder(tmp_path / "run")
    first = TrialConfig("GE", 1.0, **SMALL)
    second = TrialConfig("GE", 1.0, seed=1, **SMALL)
    start_attempt(run, second.key(), "session", "node", ["node"])
    run_config(second, run, place / "images.npy", "cpu", lambda *_: None)
    code, said, errors = predict(tmp_path, "--json")
    assert (code, errors) == (0, "")
    table = pd.read_csv(tmp_path / "run/external/data_predictions.csv")
    logit = np.log(table["probability"] / (1 - table["probability"])).groupby(table["key"]).apply(np.array)
    (name,) = set(table["key"]) - set(run.finished())
    np.testing.assert_allclose(logit[name], (logit[first.key()] + logit[second.key()]) / 2, atol=1e-5)
    assert dict(zip(table["key"], table["trainings"])) == dict.fromkeys(run.finished(), 1) | {name: 2}
    patients = pd.read_csv(tmp_path / "run/external/data_patient_predictions.csv")
    assert (patients["key"] == name).sum() == 4
    assert f"{name} (GE full 64/64, mean of 2 trainings): " in said
    model = read_json(tmp_path / "run/external/data_predictions.json")["models"][name]
    assert set(model["members"]) == {first.key(), second.key()}
    assert model["operating_point"]["threshold"] == pytest.approx(table.loc[table["key"] == name, "threshold"].iloc[0])


def test_a_model_without_its_scores_calls_nothing(tmp_path, place):
    """A record and its weights were passed on alone."""
    run = RunFolder(place / "run")
    record = run.read_record(run.finished()[0])
    alone = operating_point(RunFolder(tmp_path), record)
    assert math.isnan(alone.threshold)
    assert alone.call(9.0, "GE") == "not decided"
    assert alone.why_undecided("GE").startswith("no threshold: ")
    whole = operating_point(run, record)
    assert whole.call(9.0, "GE") == "positive"
    assert whole.call(whole.threshold, "GE") == "negative", "an image at the threshold is not above it"
