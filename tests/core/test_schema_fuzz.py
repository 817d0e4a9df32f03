"""5,000 mutants by schema of a run folder's JSON files: each is a typed value, or one message that names the file."""

import os
import resource
import shutil
import warnings
from contextlib import nullcontext
from itertools import product

import numpy as np
import pytest
from pydantic import TypeAdapter

import run_search
import schema_mutants
from analysis import analyse
from analysis.__main__ import main as analysis_main
from analysis.read.corrupted import load_corruptions
from analysis.read.explained import load_occluded, load_pointed
from analysis.read.load import load
from analysis.read.trial_arrays import image_scores, mask, mask_history, preview, probability
from analysis.results.line_falls import line_falls
from schema_readers import READERS, Damaged, message_of, whole_readers
from synthetic_run import write_run
from tune_ks.core.json_text import CHECKED
from tune_ks.core.run_folder import read_json
from tune_ks.core.schemas import SCHEMAS
from whole_run import complete_record, corrupted_arrays, occluded_arrays, write_whole_run

SEED = 5
COUNTS = {
    "search.json": 1000,
    "record.json": 1400,
    "config.json": 500,
    "failure.json": 500,
    "stopped.json": 500,
    "attempts.json": 350,
    "driver.lock": 350,
    "selection.json": 400,
}
LOADED = 40  # every so many mutants also stand in a run folder that the analysis reads
WHOLE = 125  # and every so many in one that is resumed, extended, merged
AT_THE_DOORS = 211  # one mutant of each of these stands in a run folder that both front doors get
DOOR_FILES = ("search.json", "record.json", "stopped.json", "selection.json")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run folder with every file and every field; a test that changes it puts back what was there."""
    return write_whole_run(tmp_path_factory.mktemp("made") / "run")


def schema_of(name):
    return TypeAdapter(SCHEMAS[name]).json_schema()


def test_the_made_run_holds_every_field_of_every_schema(made):
    assert sum(COUNTS.values()) == 5000
    assert COUNTS.keys() == SCHEMAS.keys() == READERS.keys() == set(CHECKED)
    damaged = Damaged(made)
    for name in SCHEMAS:
        paths = list(schema_mutants.places(read_json(damaged.paths[name])))
        for field in schema_mutants.fields(schema_of(name)):
            assert any(schema_mutants.matches(path, field) for path in paths), f"{name} lacks {field}"
        assert COUNTS[name] > 2 * len(paths)
        assert not any(damaged.messages(name)), "the unchanged files are read"
        assert not any(damaged.whole_messages(name))


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_mutant_is_a_typed_value_or_one_message(made, tmp_path, capsys, name):
    """Any exception but ValueError and OSError would go through ``message_of`` and fail the test."""
    damaged = Damaged(made)
    before = peak_mib()
    met = read = 0
    for number, mutant in enumerate(damaged.mutants(name, COUNTS[name], SEED)):
        try:
            read += not any(damaged.messages(name))
            if number % LOADED == 0:
                message_of(lambda: load(made.root), name, made)
            if number % WHOLE == 0:
                damaged.whole_messages(name)
            if number == AT_THE_DOORS and name in DOOR_FILES:
                damaged.paths[name].write_text(mutant.text)  # a whole reader may have written it
                through_both_doors(made, tmp_path, capsys)
        except Exception as error:
            raise AssertionError(f"{mutant.words}: {type(error).__name__}: {error}") from error
        met += 1
    assert met == COUNTS[name]
    assert 0 < read <= met
    assert peak_mib() - before < 100


def peak_mib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def through_both_doors(folder, place, capsys):
    """The analysis, a merge and an evaluation: done (0), or one message and exit code 2."""
    capsys.readouterr()
    doors = [
        lambda: analysis_main([str(folder.root), "--no-report"]),
        lambda: run_search.main(["merge", str(folder.root), str(folder.root), "--into", str(place / "merged")]),
        lambda: run_search.main(["evaluate", str(folder.root), "--data", str(place)]),  # which holds no images
    ]
    for door in doors:
        code = door()
        errors = capsys.readouterr().err
        assert (code, errors.count("error: ")) in ((0, 0), (2, 1)), errors
        assert "Traceback" not in errors
    shutil.rmtree(place / "merged", ignore_errors=True)


def test_records_that_are_read_are_analysed_whatever_they_hold(tmp_path):
    """Mutants that the schema lets through: odd values of the right type. A warning of numpy would be an error."""
    source = write_run(tmp_path / "source", rates=(0.25, 1.0), seeds=(0, 1), patients=8, images=2)
    keys = source.keys()
    for key in keys:
        complete_record(source, key)
    records = {key: read_json(source.trial(key, "record.json")) for key in keys}
    for place, key in enumerate(keys[1:]):
        mutants = schema_mutants.mutants("record.json", records[key], schema_of("record.json"), 60, SEED + place)
        for mutant in mutants:  # the first one that is read
            source.trial(key, "record.json").write_text(mutant.text)
            if source.readable_record(key) is not None:
                break
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        analysis = analyse(source.root, report=False)
    changed = [key for key in keys if read_json(source.trial(key, "record.json")) != records[key]]
    assert len(changed) > len(keys) // 2
    assert len(analysis.run.trials) + len(analysis.run.unreadable) == len(keys)


# ------------------------------------------------------------------------------------------------ tables and arrays

CELLS = ("", "x", "-1", "1e999", "nan", "9" * 30, "0.5", '"\n"', "\x1b[2J", "=1+1")
TABLES = ("cohort.csv", "skipped.csv", "external/other.csv", "external/other_scores.csv")


def test_a_table_with_an_odd_cell_is_read_or_named(made):
    met = 0
    for name in TABLES:
        path = made.root / name
        whole = path.read_text()
        lines = whole.splitlines()
        columns = len(lines[0].split(","))
        for number in range(2 * columns):
            cells = lines[1].split(",")
            cells[number % columns] = CELLS[(number * 5 + met) % len(CELLS)]
            path.write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]))
            message_of(lambda: load(made.root), name, made)
            met += 1
        path.write_text(whole)
    assert met > 50


ODD = {
    "a number": lambda array: np.float64(1.0),
    "nothing": lambda array: array[:0],
    "another dimension": lambda array: array[None],
    "one less": lambda array: array[:-1],
    "texts": lambda array: array.astype(str),
    "infinite": lambda array: np.full(array.shape, np.inf),
    "not a number": lambda array: np.full(array.shape, np.nan),
    "negative": lambda array: np.full(array.shape, -1),
    "the largest": lambda array: np.full(array.shape, 2**64 - 1, np.uint64),
    "complex": lambda array: np.full(array.shape, 1j),
    "dates": lambda array: np.full(array.shape, "2020-01-01", "datetime64[D]"),
    "pairs": lambda array: np.zeros(array.shape, [("x", "i4"), ("y", "f8")]),
    "bytes": lambda array: np.full(array.shape, b"x"),
}
UNREAD = (b"", b"\x93NUMPY\x01\x00", b"PK\x05\x06" + bytes(18))


@pytest.mark.filterwarnings("error")
def test_an_array_of_another_type_or_shape_is_read_or_left_out(made):
    cohort = load(made.root).cohort
    key = made.finished()[0]
    met = 0
    for name, require in ARRAYS.items():
        path = made.root / name if "/" in name else made.trial(key, name)
        whole = path.read_bytes()
        with np.load(path) if path.suffix == ".npz" else nullcontext({"": np.load(path)}) as held:
            arrays = dict(held)
        for place, odd in product(arrays, ODD.values()):
            changed = {**arrays, place: odd(arrays[place])}
            if path.suffix == ".npz":
                np.savez(path, **changed)
            else:
                np.save(path, changed[""])
            require(made, key, cohort)
            met += 1
        for content in (*UNREAD, whole[: len(whole) // 2]):
            path.write_bytes(content)
            require(made, key, cohort)
        path.write_bytes(whole)
    assert met == len(ODD) * (18 + 12 + 11)
    assert image_scores(made.root, key, cohort) is not None
    for load_images in (load_corruptions, load_occluded, load_pointed):
        assert load_images(made.root)[1] == []


def require_scores(folder, key, cohort):
    scores = image_scores(folder.root, key, cohort)
    assert scores is None or (scores["score"].dtype == np.float64 and scores["row"].isin(cohort["row"]).all())


def require_mask(folder, key, cohort):
    kept = mask(folder.root, key)
    assert kept is None or kept.dtype == bool


def require_probability(folder, key, cohort):
    probable = probability(folder.root, key)
    assert probable is None or np.isfinite(probable).all()


def require_preview(folder, key, cohort):
    shown = preview(folder.root, key)
    assert shown is None or shown.full.dtype == np.uint8


def require_history(folder, key, cohort):
    history = mask_history(folder.root, key)
    assert history is None or np.isfinite(history.probability).all()


def require_corrupted(folder, key, cohort):
    for images in load_corruptions(folder.root)[0]:
        assert images.score.shape == (len(images.keys), len(images.corruptions), 6, len(images.label))


def require_occluded(folder, key, cohort):
    for images in load_occluded(folder.root)[0]:
        assert images.score.shape == (*images.kept.shape, len(images.label))
        line_falls(images, "GE", images.keys, 0.5)


def require_pointed(folder, key, cohort):
    for game in load_pointed(folder.root)[0]:
        assert game.hit.dtype == game.outline.dtype == bool
        assert game.image.shape[2:] == game.outline.shape[1:]


ARRAYS = {
    "scores.npz": require_scores,
    "mask.npy": require_mask,
    "probability.npy": require_probability,
    "preview.npz": require_preview,
    "mask_history.npz": require_history,
    "corruptions/other.npz": require_corrupted,
    "explained/other.npz": require_occluded,
    "explained/other_pointing.npz": require_pointed,
}


# ------------------------------------------------------------------------------------------------ sizes


def test_scores_of_corrupted_images_are_bounded_by_their_images_and_in_all(made, monkeypatch):
    """A few kilobytes of zeros unpack to gigabytes: the labels, the names and the other files say how many may be."""
    path = made.root / "corruptions/other.npz"
    whole = path.read_bytes()
    arrays = corrupted_arrays(["0123456789ab"], 8)
    np.savez_compressed(path, **{**arrays, "score": np.zeros((1, 1, 6, 500_000), np.float32)})
    assert load_corruptions(made.root)[0] == []
    np.savez_compressed(path, **{**arrays, "label": np.zeros(2**21, np.int8)})
    assert load_corruptions(made.root)[0] == []
    path.write_bytes(whole)
    explained = made.root / "explained/other.npz"
    sound = explained.read_bytes()
    occluded = occluded_arrays(["0123456789ab"], 8)
    np.savez_compressed(explained, **{**occluded, "score": np.zeros((1, 4, 500_000), np.float32)})
    assert load_occluded(made.root)[0] == []
    explained.write_bytes(sound)
    assert [images.name for images in load_occluded(made.root)[0]] == ["other"]
    second = path.with_name("second.npz")
    second.write_bytes(whole)
    (read,), none = load_corruptions(made.root)[0][:1], load_corruptions(made.root)[1]
    assert none == []
    monkeypatch.setattr("analysis.read.corrupted.LARGEST_SCORES", read.score.nbytes + 2**16)
    assert [images.name for images in load_corruptions(made.root)[0]] == ["other", "second"]
    second.unlink()


def test_no_reader_reads_a_file_of_any_size(made):
    """Holes: they take no disk, and would take gigabytes of memory."""
    damaged = Damaged(made)
    key = made.finished()[0]
    paths = [*damaged.paths.values(), *(made.trial(key, name) for name in ("scores.npz", "mask.npy", "preview.npz"))]
    paths += [made.cohort_csv, made.skipped_csv, made.root / "corruptions/other.npz", made.root / "external/other.csv"]
    for path in paths:
        whole = path.read_bytes()
        before = peak_mib()
        os.truncate(path, 3 * 2**30)
        read = load(made.root) if path.name != "driver.lock" else None
        image_scores(made.root, key, read.cohort if read else load(made.root).cohort)
        for array in (mask, preview, probability):
            array(made.root, key)
        load_corruptions(made.root)
        for reader in whole_readers(made):
            message_of(reader, path.name, made)
        assert peak_mib() - before < 50, path.name
        path.write_bytes(whole)
    assert len(paths) > 12
