"""A run folder's names are never followed as links, never wait as pipes, never end in a device; no other code opens."""

import ast
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from analysis.__main__ import main as analysis_main
from analysis.read.load import load
from analysis.read.trial_arrays import LARGEST_SIDE, mask, probability, scored_images
from synthetic_run import write_run
from tune_ks.commands.arguments import merge_parser
from tune_ks.commands.evaluate import chosen_keys
from tune_ks.commands.merge import merge_command
from tune_ks.commands.prepare_search import require_run_folder
from tune_ks.core.arrays import HEADER_BYTES, read_array, read_arrays
from tune_ks.core.lock import LockFile, driver_lock
from tune_ks.core.object_path import ObjectPath
from tune_ks.core.regular_files import NotRegular, read_regular
from tune_ks.core.run_folder import FOLDERS, RunFolder, read_json
from tune_ks.core.storage import open_whole, put_folder, read_whole, write_whole
from tune_ks.planning.merge import merge_runs, require_mergeable
from tune_ks.planning.pretrained import Pretrained
from tune_ks.worker.checkpoints import load_checkpoint

ROOT = Path(__file__).parents[2]
SOURCES = [
    ROOT / "run_search.py",
    *sorted((ROOT / "tune_ks").rglob("*.py")),
    *sorted((ROOT / "analysis").rglob("*.py")),
]

# ------------------------------------------------------------------------------------------------ no other open

OPENING = {
    *("open", "fdopen", "read_bytes", "read_text", "write_bytes", "write_text", "touch", "fromfile", "tofile"),
    *("memmap", "open_memmap", "read_csv", "read_excel", "ZipFile", "SummaryWriter", "JournalFileBackend"),
    *("load", "savez_compressed", "save", "copyfile", "copy2", "copytree", "move", "load_file", "load_workbook"),
}
WORDS = re.compile(rf"\b({'|'.join(OPENING)})\s*\(")
IN_MEMORY = ("open_whole(", "io.BytesIO(")  # beginnings of a first argument that is no path
ALLOWED = {  # (file, call) -> why it opens no file of a run folder, or opens it safely
    ("tune_ks/core/regular_files.py", "os.open"): "the one place",
    ("tune_ks/core/regular_files.py", "os.fdopen"): "of the descriptor that it opened",
    ("tune_ks/core/system.py", "STATUS.read_text"): "what Linux says of this process",
    ("tune_ks/core/storage.py", "temporary.touch"): "a new file, and so no link",
    ("tune_ks/core/storage.py", "open"): "a file that this function has just made, where none was",
    ("tune_ks/core/storage.py", "path.read_bytes"): "of an object in a store",
    ("tune_ks/core/storage.py", "path.write_bytes"): "of an object in a store",
    ("tune_ks/core/object_path.py", "self.read_bytes"): "of an object in a store",
    ("tune_ks/core/arrays.py", "zipfile.ZipFile"): "in memory",
    ("tune_ks/core/arrays.py", "np.savez_compressed"): "in memory",
    ("tune_ks/core/arrays.py", "np.save"): "in memory",
    ("tune_ks/worker/checkpoints.py", "torch.save"): "to the file that write_whole has opened",
    ("tune_ks/evaluation/other_cohort.py", "load"): "in memory: the weights that read_whole read",
    ("tune_ks/training/transfer.py", "load"): "in memory: the weights that read_whole read",
    ("tune_ks/commands/exports.py", "JournalFileBackend"): "in a temporary folder",
    ("tune_ks/commands/exports.py", "path.touch"): "in a temporary folder",
    ("tune_ks/commands/tensorboard.py", "SummaryWriter"): "a new file in a folder that require_own_folders has seen",
    ("tune_ks/commands/tuned_space.py", "path.read_text"): "the space file that the user names",
    ("tune_ks/commands/tuned_space.py", "trial.write_text"): "in a temporary folder",
    ("tune_ks/search/events.py", "Path(trial.error_file).read_text"): "Ray's file, in Ray's folder of this session",
    ("tune_ks/search/local_start.py", "open"): "the descriptor of the token's file, just made and closed to others",
    ("tune_ks/search/cluster.py", "path.read_text"): "Ray's file, which says where its cluster is",
    ("tune_ks/worker/node_files.py", "open"): "in the scratch folder, which only this user can write",
    ("tune_ks/core/file_locks.py", "open"): "a lock in the scratch folder of a node, which only this user can write",
    ("tune_ks/core/lasting_words.py", "os.open"): "os.devnull",
    ("tune_ks/worker/node_files.py", "np.fromfile"): "the cache of images",
    ("tune_ks/training/stored_fits.py", "np.load"): "the cache of images",
    ("analysis/report/parts.py", "Image.fromarray(pixels).save"): "in memory",
    ("analysis/results/settings.py", "load"): "load() of a run folder",
    ("run_search.py", "load"): "load() of a run folder",
    ("analysis/report/export.py", "(place / name).write_text"): "in a temporary folder",
    ("analysis/report/export.py", "Path(f'{panel}.svg').read_bytes"): "in a temporary folder",
    ("analysis/report/export.py", "Image.open"): "in a temporary folder",
    ("analysis/report/export.py", "image.save"): "in a temporary folder",
    ("tune_ks/api.py", "load"): "load() of a run folder",
    ("tune_ks/evaluation/bundle.py", "Path(load_exported.__file__).read_text"): "of this package",
    ("tune_ks/evaluation/exported_model.py", "program.save"): "in a new folder of this process",
    ("tune_ks/evaluation/exported_model.py", "torch.export.save"): "into memory",
    (
        "tune_ks/evaluation/load_exported.py",
        "(folder / 'configs' / 'metadata.json').read_text",
    ): "a model that was given away",
    ("tune_ks/evaluation/load_exported.py", "torch.export.load"): "a model that was given away",
    ("tune_ks/evaluation/load_exported.py", "path.read_bytes"): "the images that the user names",
    ("tune_ks/search/cluster.py", "json.load"): "of standard input",
    ("tune_ks/core/own_members.py", "path.read_text"): "the file with members that the user names",
    ("tune_ks/core/own_members.py", "entry.load"): "a member of an installed package",
    ("analysis/report/page.py", "files('analysis.report').joinpath('assets', name).read_text"): "of this package",
}
DATA = "tune_ks/data/"  # reads the user's own images and sheets, where links are followed, and its own cache


def opening_calls(tree):
    """The calls, as they are written, that may open a file."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        first = ast.unparse(node.args[0]) if node.args else ""
        if called == "read_csv":  # of tune_ks.core.tables, which reads by read_whole
            continue
        if called.split(".")[-1] in OPENING and not first.startswith(IN_MEMORY):
            yield called


def test_no_other_place_opens_a_file():
    met = set()
    for path in SOURCES:
        name = path.relative_to(ROOT).as_posix()
        text = path.read_text()
        if not name.startswith(DATA) and WORDS.search(text):  # parsing all the others would take seconds
            met |= {(name, called) for called in opening_calls(ast.parse(text))}
    assert met == {*ALLOWED}


@pytest.mark.parametrize(
    ("code", "opens"),
    [
        ("open(path)", True),
        ("path.open()", True),
        ("path.read_bytes()", True),
        ("np.load(path, allow_pickle=False)", True),
        ("np.load(io.BytesIO(content), allow_pickle=False)", False),
        ("pd.read_csv(path)", True),
        ("pd.read_csv(open_whole(path))", False),
        ("read_whole(path)", False),
    ],
)
def test_the_syntax_tree_test_sees(code, opens):
    assert bool([*opening_calls(ast.parse(code))]) is opens


# ------------------------------------------------------------------------------------------------ one file


def as_link(path):
    target = path.with_name("elsewhere")
    target.write_text("{}")
    path.symlink_to(target)


def as_endless_link(path):
    path.symlink_to("/dev/zero")


def as_loop(path):
    path.symlink_to(path.name)


def as_pipe(path):
    os.mkfifo(path)


def as_folder(path):
    path.mkdir()


def as_huge(path):
    path.touch()
    os.truncate(path, 2**40)  # holds no byte of the disk


KINDS = [as_link, as_endless_link, as_loop, as_pipe, as_folder, as_huge]
READERS = [read_whole, open_whole, read_json, read_array, lambda path: read_arrays(path, ("row",))]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_what_is_no_regular_file_is_refused_by_every_reader(tmp_path, kind):
    path = tmp_path / "file"
    kind(path)
    for read in READERS:
        with pytest.raises(ValueError, match=r"file is (a |too large)"):
            read(path)
    assert load_checkpoint(path) == {}


def test_a_limit_counts_bytes(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"1234")
    assert read_regular(path, limit=4) == b"1234"
    with pytest.raises(NotRegular, match="4 bytes, at most 3"):
        read_regular(path, limit=3)


def test_a_write_replaces_a_link_and_leaves_its_target(tmp_path):
    target = tmp_path / "mine.txt"
    target.write_text("mine")
    link = tmp_path / "record.json"
    link.symlink_to(target)
    write_whole(link, b"{}")
    assert (target.read_text(), link.read_text(), link.is_symlink()) == ("mine", "{}", False)


@pytest.mark.parametrize("kind", [as_link, as_endless_link, as_pipe, as_folder], ids=lambda kind: kind.__name__)
def test_a_lock_writes_into_a_regular_file_only(tmp_path, kind):
    kind(tmp_path / "driver.lock")
    with pytest.raises(NotRegular, match=r"driver\.lock is a"), driver_lock(tmp_path, print, print):
        pass
    if kind is as_link:
        assert (tmp_path / "elsewhere").read_text() == "{}"


def test_a_lock_that_became_a_link_is_lost(tmp_path):
    lock = LockFile(tmp_path)
    lock.take()
    assert lock.is_mine()
    lock.path.rename(tmp_path / "moved")
    lock.path.symlink_to("moved")
    assert not lock.is_mine()
    lock.release()


# ------------------------------------------------------------------------------------------------ a run folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    run = tmp_path_factory.mktemp("made") / "run"
    write_run(run, rates=(0.25, 1.0), seeds=(0,), masks=("gumbel",), patients=8, images=2)
    return run


@pytest.fixture
def run(made, tmp_path):
    return shutil.copytree(made, tmp_path / "run")


@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.parametrize("inside", [False, True], ids=["itself", "entry"])
def test_a_linked_folder_is_refused_at_every_door(run, tmp_path, capsys, name, inside):
    outside = tmp_path / "outside"
    outside.mkdir()
    link = run / name / "entry" if inside else run / name
    if link.is_dir():
        shutil.move(link, outside / "kept")
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(outside)
    before = sorted(outside.rglob("*"))
    said = f"{link} is a link"
    with pytest.raises(ValueError, match="is a link"):
        require_run_folder(RunFolder(run), fresh=False)
    with pytest.raises(ValueError, match="is a link"):
        Pretrained(str(run))
    with pytest.raises(ValueError, match="is a link"):
        merge_command(merge_parser().parse_args([str(run), str(run), "--into", str(tmp_path / "new")]))
    assert analysis_main([str(run)]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
    assert sorted(outside.rglob("*")) == before


def test_a_run_folder_that_is_a_link_itself_is_read_and_written(run, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(run, target_is_directory=True)
    require_run_folder(RunFolder(link), fresh=False)
    with driver_lock(link, print, print):
        assert json.loads((run / "driver.lock").read_text())["pid"] == os.getpid()
    assert analysis_main([str(link), "--no-report"]) == 0
    assert len(chosen_keys(RunFolder(link), every=True)) == 4
    assert (run / "selection.json").is_file()


@pytest.mark.parametrize("kind", [as_link, as_pipe, as_folder], ids=lambda kind: kind.__name__)
def test_a_merge_copies_files_only_and_is_whole_or_not_begun(run, tmp_path, kind):
    key = RunFolder(run).keys()[-1]
    kind(run / "trials" / key / "extra")
    target = RunFolder(tmp_path / "target")
    with pytest.raises(NotRegular, match="extra is a"):
        require_mergeable([RunFolder(run)], target)
    assert not target.root.exists()


def test_a_merge_of_plain_folders_is_as_before(run, tmp_path):
    (run / "search.json").write_text(json.dumps({**read_json(run / "search.json"), "space_fingerprint": "0"}))
    (run / "trials" / RunFolder(run).keys()[0] / ".ipynb_checkpoints").mkdir()  # hidden names are left out
    target = RunFolder(tmp_path / "target")
    require_mergeable([RunFolder(run)], target)
    assert merge_runs([RunFolder(run)], target).finished == 4
    for path in (run / "trials").glob("*/[!.]*"):
        assert read_whole(target.root / path.relative_to(run)) == path.read_bytes()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("name", ["record.json", "scores.npz", "search.json", "cohort.csv"])
def test_the_analysis_names_what_it_cannot_open_and_goes_on(run, name, kind):
    folder = RunFolder(run)
    top = name in ("search.json", "cohort.csv")
    path = run / name if top else folder.trial(folder.keys()[0], name)
    path.unlink()
    kind(path)
    read = load(run)
    assert len(read.trials) == 4 - (name == "record.json")
    if name == "scores.npz":
        assert scored_images(run, path.parent.name, read.cohort, {}) is None
    else:
        assert re.search("is a |too large|is absent", " ".join(read.warnings))  # a loop of links leads to nothing


def test_arrays_are_bounded_by_the_cohort_and_the_largest_side(run):
    """In numbers of the attack: zeros, of which a few kilobytes unpack to hundreds of megabytes."""
    cohort = load(run).cohort
    key = RunFolder(run).keys()[0]
    folder = run / "trials" / key
    assert scored_images(run, key, cohort, {}) is not None
    zeros = np.zeros(len(cohort) + HEADER_BYTES, np.int64)
    np.savez_compressed(folder / "scores.npz", row=zeros, split=zeros, score=zeros)
    assert scored_images(run, key, cohort, {}) is None
    for side, kept in ((LARGEST_SIDE, True), (LARGEST_SIDE + 1, False)):
        np.save(folder / "mask.npy", np.zeros((1, side), bool))
        np.save(folder / "probability.npy", np.zeros(side, np.float32))
        assert (mask(run, key) is not None) is kept
        assert (probability(run, key) is not None) is kept


def test_a_folder_is_not_put_where_a_link_leads(tmp_path):
    for name in ("new", "outside"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    (tmp_path / "figures").symlink_to(tmp_path / "outside")
    with pytest.raises(NotRegular, match="figures is a link"):
        put_folder(tmp_path / "new", tmp_path / "figures")
    assert (tmp_path / "outside" / "file").read_text() == "outside"


# ------------------------------------------------------------------------------------------------ --fresh


@pytest.mark.parametrize(
    ("names", "refused"),
    [
        (["thesis.tex"], True),
        (["thesis.tex", "driver.lock"], True),
        (["trials"], True),
        ([".ssh"], True),
        ([], False),
        (["driver.lock", "cohort.csv", "skipped.csv", ".cohort.csv.x1", ".search.json.x2"], False),
        (["search.json", "thesis.tex"], False),
    ],
)
def test_fresh_sets_a_run_folder_aside_and_no_other(tmp_path, names, refused):
    for name in names:
        (tmp_path / name).touch()
    if refused:
        with pytest.raises(ValueError, match="is no run folder"):
            require_run_folder(RunFolder(tmp_path), fresh=True)
    else:
        require_run_folder(RunFolder(tmp_path), fresh=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_an_object_store_has_no_links():
    RunFolder(ObjectPath.parse("s3://bucket/run")).require_own_folders()
