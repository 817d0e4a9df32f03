"""A run folder that version 0.1.0 wrote goes on: it is resumed, extended, analysed, and its weights score as before."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from dicom_files import write_table_cohort
from front_door import inside
from local_ray import start_local_ray
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.dataset import open_splits
from tune_ks.evaluation.other_cohort import load_model
from tune_ks.training.scoring import score

RUN = Path(__file__).parents[1] / "data/run_0.1.0.zip"


@pytest.fixture(scope="module")
def legacy(tmp_path_factory):
    """A folder with the run, its space and its cohort, and what the resumed search printed."""
    folder = tmp_path_factory.mktemp("legacy")
    with zipfile.ZipFile(RUN) as archive:
        archive.extractall(folder)
    write_table_cohort(folder / "data", patients=6, side=64)
    before = {path: path.stat().st_mtime_ns for path in folder.glob("run/trials/*/record.json")}
    start_local_ray()
    result = inside("--data", "data", "--space", "space.py", "--run", "run", cwd=folder)
    return folder, before, result


def test_the_same_command_trains_what_was_left_and_leaves_the_rest_alone(legacy):
    folder, before, result = legacy
    assert result.returncode == 0, result.stdout + result.stderr
    assert "1 trials to run, 11 already done" in result.stdout
    assert len(before) == 11
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in before.items())
    (new,) = set(folder.glob("run/trials/*/record.json")) - set(before)
    record = json.loads(new.read_text())
    assert record["config"]["density_power"] == 2.0
    assert record["options"]["mask"] == {"density_power": 2.0, "centre_fraction": 0.0, "hermitian": "none"}
    assert record["mask_is_learned"] is False


def test_it_is_analysed_with_old_and_new_records_side_by_side(legacy):
    folder, _, _ = legacy
    selection = json.loads((folder / "run/selection.json").read_text())
    assert [choice["vendor"] for choice in selection["choices"]] == ["GE", "SIEMENS"]
    assert selection["trials"] == {"finished": 12, "failed": 0, "stopped": 0, "unreadable": 0, "pending": 0}
    families = {choice["family"] for choice in selection["others"]}
    assert {"gumbel", "lowpass", "loupe", "variable_density"} <= families
    assert (folder / "run/report.html").exists()


def test_it_is_extended_by_a_rate(legacy):
    folder, _, _ = legacy
    words = ("--data", "data", "--space", "space.py", "--run", "run", "--extend", "--rates", "0.125", "--concurrent", 1)
    result = inside(*words, cwd=folder)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "2 trials to run, 12 already done" in result.stdout
    records = list(RunFolder(folder / "run").records())
    assert len(records) == 14
    assert sum(record.config.sampling_rate == 0.125 for record in records) == 2


def test_its_weights_give_the_scores_that_it_recorded(legacy):
    folder, _, _ = legacy
    run = RunFolder(folder / "run")
    (images,) = folder.glob("**/cache/*/images.npy")
    met = 0
    for key in [path.parent.name for path in sorted(run.root.glob("trials/*/model.safetensors"))]:
        record = run.read_record(key)
        if record.options is not None:
            continue  # trained by this version
        splits = open_splits(run.cohort_csv, images, record.config.vendor)
        saved = np.load(run.trial(key, "scores.npz"))
        scores = dict(zip(saved["row"].tolist(), saved["score"].tolist(), strict=True))
        for of_vendor in splits.test.values():
            expected = [scores[row] for row in of_vendor.rows.tolist()]
            # another processor adds up in another order: not to the bit
            np.testing.assert_allclose(score(load_model(run, record), of_vendor, record.config), expected, atol=1e-3)
            met += 1
    assert met == 2 * 5
