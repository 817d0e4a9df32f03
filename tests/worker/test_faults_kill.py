"""Drivers killed at named points, then the same command: nothing finished is lost, and nothing runs twice."""

import pytest

from faults import DRAWN, GRID, alone, content, drive, stamps
from tune_ks.core.run_folder import RunFolder
from tune_ks.worker.checkpoints import load_checkpoint

SIGKILLED = -9
# the search begins here, and is looked at in test_faults_trials
pytestmark = pytest.mark.usefixtures("warm_workers", "search_with_faults")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kills")
    (folder / "grid.py").write_text(GRID)
    (folder / "drawn.py").write_text(DRAWN)
    return folder


def killed(run, space, point, log, workers=1):
    """One driver that dies at ``point``; what was finished before must stay as it was."""
    folder = RunFolder(run)
    before = stamps(folder)
    code, said = drive(run, space, "--concurrent", workers, faults={"kill": point}, log=log)
    assert code == SIGKILLED, said
    assert before.items() <= stamps(folder).items()
    return folder


def test_a_grid_killed_at_four_named_points_ends_with_the_bits_of_each_trial_trained_alone(place, grid_alone):
    run, space, log = place / "killed", place / "grid.py", place / "records.log"
    folder = killed(run, space, "first_record", log)
    assert not content(folder)
    killed(run, space, "mid_epoch", log)
    assert any(load_checkpoint(folder.trial(key, "checkpoint.pt")) for key in folder.keys())
    killed(run, space, "before_record", log, workers=2)
    assert any(folder.trial(key, "model.safetensors").exists() for key in folder.keys() if not folder.is_finished(key))
    killed(run, space, "checkpoint", log)
    assert list(folder.root.glob("trials/*/.checkpoint.pt.*")), "no write was cut short"
    code, said = drive(run, space, "--concurrent", 1, log=log)
    assert code == 0, said
    assert content(folder) == content(grid_alone)
    assert sorted(log.read_text().split()) == folder.keys(), "a trial was recorded twice"
    for key in folder.keys():
        assert not [path.name for path in folder.trial(key).iterdir() if path.name.startswith((".", "checkpoint"))]


def test_optuna_killed_has_every_key_once_its_history_and_keys_that_repeat_alone(place):
    run, space, log = place / "drawn", place / "drawn.py", place / "drawn.log"
    folder = killed(run, space, "before_record", log)
    asked = set(folder.keys())
    code, said = drive(run, space, "--concurrent", 1, log=log)
    assert code == 0, said
    assert asked <= set(folder.keys()), "a suggestion was forgotten"
    assert len(content(folder)) == len(folder.keys()) == 4
    assert sorted(log.read_text().split()) == folder.keys()
    vendors = [record.config.vendor for record in folder.records()]
    assert sorted(vendors) == ["GE", "GE", "SIEMENS", "SIEMENS"]
    record = next(record for record in folder.records() if record.config.key() in asked)
    key = record.config.key()
    assert alone(record.config, folder, place / "alone") == {key: content(folder)[key]}
