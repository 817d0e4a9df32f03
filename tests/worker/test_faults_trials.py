"""Trials that go wrong in a search of a real driver: it goes on, says why, and --retry-failed runs those alone."""

import json

import pytest

from faults import FIELDS, HANG_AFTER, alone, content, drive, stamps
from tune_ks.core.run_folder import RunFolder
from tune_ks.search.events import how_it_died
from tune_ks.worker.attempts import DIED, HUNG, MEMORY, Attempt, GivenUp, parts_of_a_batch

REASONS = {  # (sampling rate, image size) -> what failure.json must say
    (0.0625, 64): "its process died 4 times; the last time: ",
    (0.125, 64): "ArithmeticError: planted",
    (0.375, 64): f"it hung: no epoch ended within {HANG_AFTER} s",
    (0.75, 64): "out of memory, with half the batch too: CUDA out of memory. Tried to allocate 20.00 GiB.",
    (1.0, 64): "the loss became",
    (1.0, 96): "images96.npy",
}
pytestmark = pytest.mark.usefixtures("warm_workers")


@pytest.fixture(scope="module")
def searched(search_with_faults):
    """The run folder of a search with every planted fault, and what its driver said."""
    folder, process = search_with_faults
    said, _ = process.communicate(timeout=500)
    assert process.returncode == 1, said
    return folder, said


def test_the_search_goes_on_and_every_reason_is_written_and_said(searched):
    folder, said = searched
    reasons = {}
    for key, reason in folder.failures().items():
        config = folder.read_config(key)
        reasons[config.sampling_rate, config.image_size] = reason
    assert reasons.keys() == REASONS.keys()
    for point, reason in REASONS.items():
        assert reason in reasons[point]
        assert reason in said
    assert sorted(record.config.sampling_rate for record in folder.records()) == [0.25, 0.5, 0.625]


def test_out_of_memory_is_tried_at_half_the_batch_and_the_record_says_so(searched):
    folder, _ = searched
    records = {record.config.sampling_rate: record for record in folder.records()}
    assert records[0.625].facts["half_batch_from_epoch"] == 1
    assert "half_batch_from_epoch" not in records[0.25].facts
    assert len(records[0.625].history) == 3


def test_a_worker_that_was_killed_goes_on_elsewhere_to_the_same_bits(searched, tmp_path):
    folder, said = searched
    assert "tried again" in said
    key = next(record.config.key() for record in folder.records() if record.config.sampling_rate == 0.5)
    attempts = json.loads(folder.trial(key, "attempts.json").read_text())["attempts"]
    assert [attempt["ended"] for attempt in attempts] == [DIED, None]
    assert alone(folder.read_config(key), folder, tmp_path / "alone") == {key: content(folder)[key]}


def test_retry_failed_runs_those_alone(searched):
    folder, _ = searched
    before = stamps(folder)
    code, said = drive(folder.root, folder.root.parent / "space.py", "--retry-failed", "--concurrent", 1, timeout=500)
    assert code == 1, said
    assert "/6 trials" in said
    assert before.items() <= stamps(folder).items()
    (left,) = folder.failures().values()
    assert "the loss became" in left


def attempt(ended=None, session="mine", node="a", **more):
    return Attempt("token", session, node, ended=ended, **more)


def test_a_death_is_charged_to_the_trial_only_on_a_node_that_lives_and_by_this_driver():
    four = [attempt(DIED, detail="SIGKILL")] * 4
    assert parts_of_a_batch(four[:3], "mine", {"a"}) == 1
    with pytest.raises(GivenUp, match="its process died 4 times; the last time: SIGKILL"):
        parts_of_a_batch(four, "mine", {"a"})
    with pytest.raises(GivenUp, match="nobody saw why"):
        parts_of_a_batch([attempt()] * 4, "mine", {"a"})
    assert parts_of_a_batch(four, "mine", {"b"}) == 1
    assert parts_of_a_batch(four, "another", {"a"}) == 1


def test_memory_halves_the_batch_of_later_drivers_too_and_a_second_time_ends_it():
    assert parts_of_a_batch([attempt(MEMORY)], "mine", {"a"}) == 2
    assert parts_of_a_batch([attempt(MEMORY)], "another", {"a"}) == 2
    twice = [attempt(MEMORY), attempt(MEMORY, accumulate=2, detail="20 GiB")]
    with pytest.raises(GivenUp, match="with half the batch too: 20 GiB"):
        parts_of_a_batch(twice, "mine", {"a"})
    assert parts_of_a_batch(twice, "another", {"a"}) == 2
    with pytest.raises(GivenUp, match="it hung: no epoch"):
        parts_of_a_batch([attempt(HUNG, detail="no epoch ended within 9 s")], "mine", {"a"})


def test_how_a_worker_died_is_read_from_rays_words_and_from_its_silence():
    memory = (
        "Failure # 1\n1 worker(s) were killed due to the node running low on memory. Memory was 3.21GB used / 23.54GB"
    )
    assert how_it_died(memory, 61, 60) == (MEMORY, "1 worker(s) were killed due to the node running low on memory")
    death = "The actor died.\nConnection error code 2. Some common causes include: (1) killed by the OOM killer due to"
    assert how_it_died(death, 1, 60) == (DIED, "Connection error code 2.")
    assert how_it_died("The actor died.", 61, 60) == (HUNG, "no epoch ended within 60 s")
    assert how_it_died("", 1, 60) == (DIED, "nobody saw why")


def test_workers_of_another_version_end_the_search_with_the_reason(tmp_path):
    """Ray would start such a trial again for ever: no attempt of it ever begins, so none is counted."""
    (tmp_path / "space.py").write_text(f'SPACE = {{"vendor": "GE", "mask": "lowpass", "sampling_rate": 0.5, {FIELDS}}}')
    faults = {"old_version": True, "escapes": 1}  # one start of a worker is enough to be seen
    code, said = drive(tmp_path / "run", tmp_path / "space.py", "--concurrent", 1, faults=faults, timeout=500)
    assert code == 2, said
    assert "a trial cannot begin in its worker: ValueError: unknown field 'colour'" in said
    assert "Does every node have this program?" in said
    assert not list(RunFolder(tmp_path / "run").records())
