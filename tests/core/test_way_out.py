"""A damaged file of a run folder is one message: which file, what is wrong with it, and what would do."""

import pytest

from tune_ks.commands.evaluate import selected_keys
from tune_ks.core.arrays import array_names, read_array, read_arrays
from tune_ks.core.run_folder import RunFolder, read_json
from tune_ks.core.way_out import damaged, reason_of
from tune_ks.data.cohort.table import read_table
from tune_ks.training.transfer import read_weights

KEY, WEIGHTS = "0123456789ab", "0123456789ab@0123456789ab"
ANEW = f"without the folder {KEY} the trial begins anew"
WHOLE = "put the whole file back from a copy of the run folder"
AGAIN = "evaluate that folder of images again"
READERS = {  # file -> what reads it, and what its message ends with
    f"trials/{KEY}/config.json": (lambda folder, path: folder.read_config(KEY), ANEW),
    f"trials/{KEY}/record.json": (lambda folder, path: folder.read_record(KEY), ANEW),
    f"trials/{KEY}/stopped.json": (lambda folder, path: folder.stops(), ANEW),
    f"trials/{KEY}/probability.npy": (lambda folder, path: read_array(path), ANEW),
    f"trials/{KEY}/scores.npz": (lambda folder, path: read_arrays(path, ("row",)), ANEW),
    f"weights/{WEIGHTS}/model.safetensors": (lambda folder, path: read_weights(folder, WEIGHTS), "of --init-from"),
    "search.json": (lambda folder, path: folder.read_search(), WHOLE),
    "cohort.csv": (lambda folder, path: read_table(path), WHOLE),
    "selection.json": (lambda folder, path: selected_keys(folder, "--all"), "run the analysis again"),
    "external/other_cohort.json": (lambda folder, path: read_json(path), AGAIN),
    "explained/other.npz": (lambda folder, path: array_names(path), AGAIN),
}


@pytest.mark.parametrize("name", READERS)
def test_the_message_of_a_file_that_was_cut_short_says_what_would_do(name, tmp_path):
    read, way_out = READERS[name]
    path = tmp_path / name
    (tmp_path / "search.json").write_text("{}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b'{"cut')
    with pytest.raises(ValueError, match="; ") as refused:
        read(RunFolder(tmp_path), path)
    assert str(refused.value).startswith(f"{path}: ")
    assert str(refused.value).count(way_out) == 1


@pytest.mark.parametrize("name", ["trials/patient_1/a.npz", "weights/patient_1/a.npz", "external/masks.npz"])
def test_nobody_is_told_to_remove_a_file_of_his_own_images(name, tmp_path):
    assert damaged(tmp_path / name, "not whole") == f"{tmp_path / name}: not whole"


def test_an_error_of_the_system_is_a_file_and_what_is_wrong_with_it(tmp_path):
    with pytest.raises(OSError) as absent:
        (tmp_path / "absent").read_text()
    assert reason_of(absent.value) == f"{tmp_path / 'absent'}: No such file or directory"
    assert reason_of(OSError(28, "No space left on device")) == "[Errno 28] No space left on device"
    assert reason_of(ValueError("the rate is 7")) == "the rate is 7"
