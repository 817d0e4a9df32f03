"""The archives of scores: a large one of a real evaluation is read, and one that claims too much fills no memory."""

import os
import tracemalloc

import numpy as np
import pytest

from analysis.read import corrupted, explained
from analysis.read.corrupted import load_corruptions
from analysis.read.explained import load_occluded
from whole_run import corrupted_arrays, occluded_arrays

KEYS = [f"{number:012d}" for number in range(32)]
IMAGES = 2000
WRITTEN = {  # folder in a run -> (how its files are read, arrays of a small one, the module of its limit)
    "corruptions": (load_corruptions, corrupted_arrays, corrupted),
    "explained": (load_occluded, occluded_arrays, explained),
}


def large_arrays(kind, keys=KEYS):
    """Scores that do not compress: of eight corruptions, or of 48 groups of lines."""
    arrays = WRITTEN[kind][1](keys, IMAGES)
    shape = (len(keys), 8, 6, IMAGES) if kind == "corruptions" else (len(keys), 48, IMAGES)
    arrays["score"] = np.random.default_rng(0).random(shape, np.float32)
    if kind == "corruptions":
        arrays["corruptions"] = np.array([f"kind_{number}" for number in range(8)])
        arrays["versions"] = np.ones(8, np.int16)
    else:
        for name in ("first", "last", "size", "kept"):
            arrays[name] = np.ones((len(keys), 48), np.int32)
    return arrays


def write(folder, kind, arrays, name="x", save=np.savez):
    place = folder / kind
    place.mkdir(exist_ok=True)
    save(place / f"{name}.npz", **arrays)
    return place / f"{name}.npz"


@pytest.fixture
def peak():
    """A call gives the most bytes that were allocated since the test began."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


@pytest.mark.parametrize("kind", WRITTEN)
def test_a_large_file_of_a_real_evaluation_is_read(tmp_path, kind):
    arrays = large_arrays(kind)
    path = write(tmp_path, kind, arrays)
    assert path.stat().st_size > 12e6
    (read,), warnings = WRITTEN[kind][0](tmp_path)
    assert warnings == []
    assert np.array_equal(read.score, arrays["score"])
    assert read.keys == KEYS
    assert np.array_equal(read.vendor, arrays["vendor"])


@pytest.mark.parametrize("kind", WRITTEN)
def test_scores_that_are_more_than_the_models_and_images_are_not_unpacked(tmp_path, kind, peak):
    arrays = WRITTEN[kind][1](KEYS[:2], 8)
    shape = (2, 1, 6, 250_000) if kind == "corruptions" else (2, 6, 250_000)
    zeros = np.broadcast_to(np.float32(0), shape)
    path = write(tmp_path, kind, arrays | {"score": zeros}, save=np.savez_compressed)
    assert path.stat().st_size < 1e5
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    read, (warning,) = WRITTEN[kind][0](tmp_path)
    assert read == []
    assert f"{kind}/x.npz is truncated, was not written by the evaluation, or is too large (1024 MiB" in warning
    assert peak() - before < 2e6  # its scores have 12 MB


@pytest.mark.parametrize("kind", WRITTEN)
def test_a_file_beyond_all_scores_is_not_read_into_memory(tmp_path, kind, peak):
    path = write(tmp_path, kind, WRITTEN[kind][1](KEYS[:2], 8))
    os.truncate(path, 2**31)  # holds no byte of the disk
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    read, (_,) = WRITTEN[kind][0](tmp_path)
    assert read == []
    assert peak() - before < 1e6


@pytest.mark.parametrize("kind", WRITTEN)
def test_all_files_together_have_one_limit(tmp_path, kind, monkeypatch):
    """The second file would be read alone, but not beside the first."""
    arrays = WRITTEN[kind][1](KEYS, IMAGES)
    for name in ("a", "b"):
        write(tmp_path, kind, arrays, name)
    monkeypatch.setattr(WRITTEN[kind][2], "LARGEST_SCORES", int(1.5 * arrays["score"].nbytes))
    (read,), (warning,) = WRITTEN[kind][0](tmp_path)
    assert read.name == "a"
    assert f"{kind}/b.npz is" in warning
