"""A run folder, a manifest and a selection may come from anywhere: nothing in them runs, or leads out of its folder."""

import ast
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

import run_search
from dicom_files import MAPPING, save_labels, save_sheet, write_dicom, write_duke, write_table_cohort
from made_run import make_run
from tune_ks.commands.evaluate import chosen_keys
from tune_ks.core import arrays
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.cohort.cohort import open_cohort
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.layouts.sheets import InputError

ROOT = Path(__file__).parents[2]
FOLDERS = ("tune_ks", "analysis", "search_spaces", "benchmarks", "docs")
SOURCES = [ROOT / "run_search.py", *(path for name in FOLDERS for path in sorted((ROOT / name).rglob("*.py")))]


# ------------------------------------------------------------------------------------------------ no code from data

# call -> the keywords that make it harmless; None: never. Ends of dotted names.
DANGEROUS = {
    "eval": None,
    "exec": None,
    "compile": None,
    "__import__": None,
    "pickle.load": None,
    "pickle.loads": None,
    "cloudpickle.load": None,
    "cloudpickle.loads": None,
    "dill.load": None,
    "joblib.load": None,
    "pandas.read_pickle": None,
    "pd.read_pickle": None,
    "yaml.load": None,
    "marshal.load": None,
    "shelve.open": None,
    "os.system": None,
    "torch.jit.load": None,
    "exec_module": None,
    "runpy.run_path": None,
    "runpy.run_module": None,
    "import_module": None,
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
}
ALLOWED = {  # the places that have a reason
    ("tune_ks/planning/space.py", "runpy.run_path"),  # a search space is code, and the user names it
    ("tune_ks/core/own_members.py", "exec"),  # a file with members is code, and the user names it
    ("tune_ks/core/own_members.py", "compile"),  # of the same file
    ("tune_ks/data/child_process.py", "pickle.load"),  # a pipe between this program and its own child
    ("tune_ks/data/child_process.py", "import_module"),
}


def dangerous_calls(tree):
    """(dotted name as in DANGEROUS, line) of every call that could run what it reads."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        name = next((name for name in DANGEROUS if called == name or called.endswith(f".{name}")), None)
        if name in ("eval", "compile") and called != name:  # module.eval() of torch, re.compile
            continue
        harmless = DANGEROUS.get(name)
        keywords = {word.arg: word.value.value for word in node.keywords if isinstance(word.value, ast.Constant)}
        if name and not (harmless and keywords.get(harmless[0]) is harmless[1]):
            yield name, node.lineno


def test_no_source_runs_what_it_reads():
    met = set()
    for path in SOURCES:
        name = path.relative_to(ROOT).as_posix()
        for call, line in dangerous_calls(ast.parse(path.read_text())):
            assert (name, call) in ALLOWED, f"{name}:{line} calls {call}"
            met.add((name, call))
    assert met == ALLOWED
    assert len(SOURCES) > 60


@pytest.mark.parametrize(
    ("code", "dangerous"),
    [
        ("torch.load(path)", True),
        ("torch.load(path, weights_only=False)", True),
        ("torch.load(path, map_location='cpu', weights_only=True)", False),
        ("np.load(path)", True),
        ("np.load(path, allow_pickle=True)", True),
        ("np.load(path, mmap_mode='r', allow_pickle=False)", False),
        ("pickle.loads(data)", True),
        ("eval(text)", True),
        ("model.eval()", False),
        ("re.compile(text)", False),
        ("loader.exec_module(module)", True),
        ("runpy.run_path(path)", True),
    ],
)
def test_the_syntax_tree_test_sees(code, dangerous):
    assert bool([*dangerous_calls(ast.parse(code))]) is dangerous


# ------------------------------------------------------------------------------------------------ pickles in a run


class Payload:
    """Unpickling it makes a file."""

    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return os.mkdir, (self.mark,)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("made")).root.parent


@pytest.fixture
def place(made, tmp_path):
    return shutil.copytree(made, tmp_path / "place")


def pickled_array(payload):
    stream = io.BytesIO()
    np.save(stream, np.array([payload], dtype=object), allow_pickle=True)
    return stream.getvalue()


def pickled_arrays(payload):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in ("row", "split", "score", "sampled", "full"):
            archive.writestr(f"{name}.npy", pickled_array(payload))
    return stream.getvalue()


def pickled_by_torch(payload):
    stream = io.BytesIO()
    torch.save({"state": payload, "seconds": 1.0}, stream)
    return stream.getvalue()


def test_a_pickle_anywhere_in_a_run_folder_is_not_run(place):
    """In every file that could be taken for one, and in files of Ray, Optuna and TensorBoard that are not read."""
    run, mark = place / "run", place / "ran"
    payload = Payload(mark)
    forms = [pickled_array, pickled_arrays, pickled_by_torch, pickle.dumps]
    names = (
        "mask.npy",
        "probability.npy",
        "scores.npz",
        "preview.npz",
        "mask_history.npz",
        "candidates.npz",
        "checkpoint.pt",
        "model.safetensors",
    )
    extra = ("tuner.pkl", "searcher-state.pkl", "params.pkl", "trainable.pkl", "checkpoint_000001/checkpoint.pkl")
    met = 0
    for form in forms:
        content = form(payload)
        for trial in (run / "trials").iterdir():
            for name in (*names, *extra):
                (trial / name).parent.mkdir(exist_ok=True)
                (trial / name).write_bytes(content)
                met += 1
        for name in (*extra, "optuna_journal.log", "optuna.db", "experiment_state.json"):
            (run / name).parent.mkdir(exist_ok=True)
            (run / name).write_bytes(content)
        said = read_everything(run)
        assert not mark.exists(), f"{form.__name__} was run"
        assert "the exported weights cannot be used" in said["evaluate"]
        assert said["analyse_run"] == "read"
        assert said["resume"] == "read"
    assert met > 100
    pickle.loads(forms[-1](payload))
    assert mark.exists()  # the payload does what it is meant to


def read_everything(run):
    from mutant_work import read_run

    return read_run(lambda _: None, str(run))[0]


def test_an_array_claims_no_memory_that_its_file_does_not_hold(tmp_path):
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "|u1", "fortran_order": False, "shape": (2**45,)})
    (tmp_path / "a.npy").write_bytes(head.getvalue() + b"few")
    with pytest.raises(ValueError, match=r"a\.npy: not a whole array"):
        arrays.read_array(tmp_path / "a.npy")
    with zipfile.ZipFile(tmp_path / "b.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("row.npy", head.getvalue() + b"few")
    with pytest.raises(ValueError, match=r"b\.npz: it does not hold row whole"):
        arrays.read_arrays(tmp_path / "b.npz", ("row",))


def test_a_bomb_of_an_archive_is_not_unpacked(tmp_path):
    np.savez_compressed(tmp_path / "c.npz", row=np.zeros(10**7))
    with pytest.raises(ValueError, match=r"c\.npz: it does not hold row whole"):
        arrays.read_arrays(tmp_path / "c.npz", ("row",), limit=10**6)
    np.savez_compressed(tmp_path / "d.npz", row=np.arange(10))
    assert arrays.read_arrays(tmp_path / "d.npz", ("row",))["row"].tolist() == list(range(10))


def test_weights_claim_no_memory_that_their_file_does_not_hold(place):
    """A header of safetensors that says terabytes, and a config that asks for a network of gigabytes."""
    run = place / "run"
    key = next(key for key in RunFolder(run).keys() if (run / "trials" / key / "record.json").exists())
    header = json.dumps({"weight": {"dtype": "F32", "shape": [2**20, 2**20], "data_offsets": [0, 2**42]}}).encode()
    (run / "trials" / key / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    assert "the exported weights cannot be used" in read_everything(run)["evaluate"]
    (run / "trials" / key / "model.safetensors").write_bytes((2**40).to_bytes(8, "little") + header)
    assert "the exported weights cannot be used" in read_everything(run)["evaluate"]


# ------------------------------------------------------------------------------------------------ spaces


def test_no_space_is_taken_from_a_run_folder(place, tmp_path):
    """search.json names the space, and files of that name lie in the run folder: nobody imports them."""
    run, mark = place / "run", tmp_path / "imported"
    code = f"import os; os.mkdir({str(mark)!r})\nSPACE = {{'sampling_rate': 1.0}}\n"
    for name in ("grid.py", "space.py", "quick.py", "sitecustomize.py", "__init__.py", "search_spaces/grid.py"):
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_text(code)
    search = json.loads((run / "search.json").read_text())
    (run / "search.json").write_text(json.dumps({**search, "space": str(run / "grid.py")}))
    write_dicom(place / "data" / "p" / "1.dcm", np.full((64, 64), 9) + np.eye(64).astype(int))
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    for words in (
        ["-m", "analysis", str(run), "--no-report"],
        [str(ROOT / "run_search.py"), "predict", str(run), "--data", str(place / "data"), "--all"],
    ):
        ended = subprocess.run([sys.executable, *words], cwd=run, env=environment, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr
        assert not mark.exists(), words
    with pytest.raises(ValueError, match="no search space 'grid'"):
        run_search_space("grid")
    os.environ["PWD"], before = str(run), Path.cwd()
    os.chdir(run)
    try:
        with pytest.raises(ValueError, match="no search space 'grid'"):
            run_search_space("grid")
    finally:
        os.chdir(before)
    assert not mark.exists()


def run_search_space(name):
    from tune_ks.planning.space import load_space

    return load_space(name)


@pytest.mark.parametrize("name", ["../grid", "/etc/passwd", "..", "a/b", "", "quick.py/../../x"])
def test_a_name_of_a_space_is_no_path(name):
    with pytest.raises(ValueError, match="no search space"):
        run_search_space(name)


# ------------------------------------------------------------------------------------------------ paths


def refuse(root):
    with pytest.raises(InputError) as caught:
        open_cohort(root, CohortSettings(), 16, root.parent / "cache", workers=1)
    return str(caught.value)


LINKS = ("link.dcm", "linked/0.dcm")
OUTSIDE = (
    *("../x.dcm", "/x.dcm", "a/../../x.dcm", *LINKS, "a/\0.dcm"),
    *("C:\\x.dcm", "C:x.dcm", "..\\x.dcm", "a\\..\\..\\x.dcm", "\\\\host\\x"),
)


def test_a_table_leads_nowhere_else(tmp_path):
    rows = write_table_cohort(tmp_path / "data", patients=1)
    write_dicom(tmp_path / "outside" / "0.dcm")
    write_dicom(tmp_path / "x.dcm")
    (tmp_path / "data" / "link.dcm").symlink_to(tmp_path / "x.dcm")
    (tmp_path / "data" / "linked").symlink_to(tmp_path / "outside")
    for path in OUTSIDE:
        save_labels(tmp_path / "data", [{**rows[0], "path": path}, *rows[1:]])
        said = "a link that leaves the folder" if path in LINKS else "which leaves the folder"
        assert said in refuse(tmp_path / "data"), path
    (tmp_path / "data" / "inside.dcm").symlink_to(tmp_path / "data" / rows[0]["path"])
    save_labels(tmp_path / "data", [{**rows[0], "path": "inside.dcm"}, *rows[1:]])
    cohort = open_cohort(tmp_path / "data", CohortSettings(), 16, tmp_path / "cache", 1)
    assert "inside.dcm" in set(cohort.table["path"])  # a link that stays inside is a file like others


@pytest.mark.parametrize("path", ["../../x/1-001.dcm", "/etc/passwd", "Duke-Breast-Cancer-MRI/../../x.dcm"])
def test_dukes_mapping_finds_only_what_the_folder_holds(tmp_path, path):
    """Its paths are looked up among the files on disk; they are never opened as they are."""
    write_duke(tmp_path / "data", patients=1, slices=12, box=(4, 6))
    write_dicom(tmp_path / "x.dcm")
    write_dicom(tmp_path / "x" / "1-001.dcm")
    header = ["sop_instance_UID", "original_path_and_filename", "classic_path", "descriptive_path"]
    rows = [header]
    for patient in ("Breast_MRI_001", "Breast_MRI_002"):
        rows += [["1.2", f"DICOM_Images/{patient}/pre/{patient}_pre_{n:03d}.dcm", path, path] for n in range(1, 13)]
    save_sheet(tmp_path / "data" / MAPPING, rows)
    assert "24 files (in the mapping sheet, but not on disk)" in refuse(tmp_path / "data")


def test_links_of_a_walked_folder_are_followed(tmp_path):
    """Whoever owns the folder made them: a data set often lies on another disk. No sheet can make one."""
    write_duke(tmp_path / "data", patients=3)
    shutil.move(tmp_path / "data/Duke-Breast-Cancer-MRI", tmp_path / "disk")
    (tmp_path / "data/Duke-Breast-Cancer-MRI").symlink_to(tmp_path / "disk")
    assert len(open_cohort(tmp_path / "data", CohortSettings(), 16, tmp_path / "cache", 1).table) > 10


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "a/b", "a\\b", "..", ".hidden", "a\0b", "C:x", "x" * 200])
def test_the_name_of_an_output_is_no_path(place, capsys, name):
    before = sorted(place.rglob("*"))
    words = ["predict", str(place / "run"), "--data", str(place), "--all", "--name", name]
    assert run_search.main(words) == 2
    assert "--name" in capsys.readouterr().err
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize("key", ["../../x", "/etc", "0123456789AB", "0123456789abc", "", None, ["a"], {"a": 1}, 7])
def test_a_key_in_a_selection_is_twelve_digits_or_refused(place, key):
    folder = RunFolder(place / "run")
    path = place / "run" / "selection.json"
    selection = json.loads(path.read_text())
    selection["choices"][0]["keys"].append(key)
    path.write_text(json.dumps(selection))
    with pytest.raises(ValueError, match=r"selection\.json"):
        chosen_keys(folder, every=False)


def test_a_folder_that_is_no_key_is_no_trial(place):
    folder = RunFolder(place / "run")
    keys = folder.keys()
    for name in ("not-a-key", "0123456789AB", "..x", "0123456789abc"):
        (place / "run" / "trials" / name).mkdir()
        (place / "run" / "trials" / name / "record.json").write_text("{}")
    assert folder.keys() == keys
