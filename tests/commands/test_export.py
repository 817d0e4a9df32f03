"""A model out of the house: run where only torch is, with the project's own scores; its mask as people read it."""

import contextlib
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import run_search
from full_disk import no_file_above
from made_run import SMALL, make_run
from tune_ks.commands.export import choice_of
from tune_ks.core.config import TrialConfig
from tune_ks.core.run_folder import RunFolder
from tune_ks.evaluation.bundle import metadata
from tune_ks.evaluation.decisions import NOTICE
from tune_ks.evaluation.exported_model import exported_model, require_onnx, write_onnx

ROOT = Path(__file__).parents[2]
KEY = TrialConfig("GE", 0.25, **SMALL).key()
ONLY_TORCH = (  # torch, and what it requires
    *("torch", "torchgen", "functorch", "sympy", "mpmath", "networkx", "jinja2", "markupsafe", "fsspec", "filelock"),
    "typing_extensions.py",
)


def run(*words):
    """(exit code, what was printed, what was printed as an error) in this process."""
    said, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(errors):
        code = run_search.main(list(map(str, words)))
    return code, said.getvalue(), errors.getvalue()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a run, and one of its models in ``out``."""
    place = tmp_path_factory.mktemp("export")
    make_run(place)
    code, said, errors = run("export", place / "run", "--key", KEY, "--into", place / "out")
    assert (code, errors) == (0, "")
    assert NOTICE in said
    assert "GE gumbel 16/64 seed 0" in said
    assert "load_exported.py SERIES.npy" in said
    return place


def test_where_only_torch_is_it_gives_the_projects_own_scores(place):
    installed = Path(torch.__file__).parents[1]
    (place / "site").mkdir()
    for name in ONLY_TORCH:
        (place / "site" / name).symlink_to(installed / name)
    words = [sys.executable, "-S", "-W", "ignore", place / "out/load_exported.py", place / "images.npy", "--scaled"]
    environment = {"PYTHONPATH": str(place / "site"), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(words, capture_output=True, text=True, cwd=place, env=environment)
    assert ended.returncode == 0, ended.stderr
    notice, table = ended.stdout.split("\n", 1)
    assert notice == f"# {NOTICE}"
    printed = pd.read_csv(io.StringIO(table))
    saved = np.load(place / f"run/trials/{KEY}/scores.npz")
    assert len(saved["row"]) > 50
    np.testing.assert_allclose(printed["logit"][saved["row"]], saved["score"], rtol=0, atol=1e-5)
    threshold = json.loads((place / "out/configs/metadata.json").read_text())["tune_ks"]["operating_point"]
    np.testing.assert_array_equal(printed["above_threshold"], printed["logit"] > threshold["threshold_logit"])


def test_nothing_is_pickled_and_no_file_names_this_machine(place):
    met = 0
    for path in (place / "out").rglob("*"):
        contents = [path.read_bytes()] if path.is_file() else []
        if path.suffix == ".pt2":
            with zipfile.ZipFile(path) as archive:
                contents += [archive.read(name) for name in archive.namelist()]
                sizes = {Path(info.filename).name: info.file_size for info in archive.infolist()}
            assert sizes["model.pt"] == 0, "the sample inputs, which torch would pickle"
            configs = [content for content in contents if b'"use_pickle"' in content]
            assert len(configs) >= 2
            assert not any(b'"use_pickle": true' in content for content in configs)
        for content in contents:
            met += 1
            for folder in (ROOT, place, Path(sys.prefix)):
                assert str(folder).encode() not in content, path
    assert met > 20


def test_the_mask_is_that_of_the_trial(place):
    trial = place / f"run/trials/{KEY}"
    table = pd.read_csv(place / "out/mask.csv")
    np.testing.assert_array_equal(table["kept"].astype(bool), np.load(trial / "mask.npy"))
    np.testing.assert_allclose(table["probability"], np.load(trial / "probability.npy"), rtol=1e-6)
    np.testing.assert_array_equal(table["index"], np.arange(64))
    np.testing.assert_array_equal(table["k"], np.arange(-32, 32))
    lines = (place / "out/mask_lines.txt").read_text().splitlines()
    header = [line for line in lines if line.startswith("#")]
    assert "k runs from -32 to 31" in "".join(header)
    rows = [list(map(int, line.split())) for line in lines if not line.startswith("#")]
    assert [row[1] for row in rows] == table["k"][table["kept"] == 1].tolist()
    assert [row[0] for row in rows] == list(range(16))
    outwards = [row[1] for row in sorted(rows, key=lambda row: row[2])]
    assert outwards == sorted(outwards, key=lambda k: (abs(k), k))
    assert outwards[0] == 0


def test_metadata_has_monais_fields_and_says_what_it_is_not(place):
    written = json.loads((place / "out/configs/metadata.json").read_text())
    required = ["version", "monai_version", "pytorch_version", "numpy_version", "task", "description", "authors",
                "copyright", "network_data_format", "intended_use", "eval_metrics"]  # fmt: skip
    assert all(written[name] for name in required)
    assert written["optional_packages_version"] == written["required_packages_version"] == {}  # mandatory too
    of_tensor = {"type", "format", "modality", "num_channels", "spatial_shape", "dtype", "value_range",
                 "is_patch_data", "channel_def"}  # fmt: skip
    formats = written["network_data_format"]
    tensors = {**formats["inputs"], **formats["outputs"]}
    assert set(tensors) == {"image", "acquisition", "pred"}
    for tensor in tensors.values():
        assert set(tensor) == of_tensor
        assert tensor["type"] in ("image", "series", "tuples", "probabilities")
        assert len(tensor["channel_def"]) == tensor["num_channels"]
    assert "no medical device" in written["notice"]
    assert written["network_data_format"]["inputs"]["image"]["spatial_shape"] == [64, 64]
    record = RunFolder(place / "run").read_record(KEY)
    assert written["eval_metrics"]["val"] == record.val
    assert written["tune_ks"]["key"] == KEY
    assert written["tune_ks"]["config"] == record.config.non_default()


def test_monai_reads_what_its_own_programs_ask_of_metadata(place):
    from monai.bundle import ConfigParser
    from monai.bundle.properties import MetaProperties
    from monai.utils import BundleProperty, BundlePropertyConfig

    parser = ConfigParser()
    parser.read_meta(str(place / "out/configs/metadata.json"))
    for asked in MetaProperties.values():
        assert parser.get(asked[BundlePropertyConfig.ID]) is not None, asked[BundleProperty.DESC]
    assert len(MetaProperties) > 5


def test_a_chosen_model_brings_the_intervals_of_its_choice(place):
    run = RunFolder(place / "run")
    choice = json.loads((run.root / "selection.json").read_text())["choices"][0]
    key = choice["keys"][0]
    assert choice_of(run, key) == choice
    record = run.read_record(key)
    of_choice = metadata(run, record, exported_model(run, record), choice)["eval_metrics"]["of_its_choice"]
    assert of_choice["intervals"] == choice["intervals"]
    assert of_choice["rule"] == "epsilon"
    assert choice_of(run, "0123456789ab") == {}


def test_what_can_not_be_exported_is_one_message_and_writes_nothing(place):
    code, _, errors = run("export", place / "run", "--into", place / "new")
    assert code == 2
    assert "several models were chosen (vendors, seeds): name one of them" in errors
    keys = RunFolder(place / "run").finished()
    chosen = [key for key in keys if f"--key {key}" in errors]
    assert len(chosen) == 2
    code, _, errors = run("export", place / "run", "--key", KEY, "--into", place / "out")
    assert code == 2
    assert "is there already: give a new folder" in errors
    broken = place / f"run/trials/{keys[0]}/model.safetensors"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:100])
    code, _, errors = run("export", place / "run", "--key", keys[0], "--into", place / "new")
    broken.write_bytes(whole)
    assert code == 2
    assert "the exported weights cannot be used" in errors
    with no_file_above(20_000):  # as on a full disk, over which torch's own writer aborts the process
        code, _, errors = run("export", place / "run", "--key", KEY, "--into", place / "new")
    assert code == 2
    assert errors.startswith(f"error: {place}/new/models/model.pt2: File too large. Make room there")
    assert not (place / "new").exists()
    assert not [path for path in place.iterdir() if path.name.startswith(".")]


def test_onnx_gives_the_same_or_says_what_it_needs(place, tmp_path):
    try:
        import onnxscript  # noqa: F401
        from onnx.reference import ReferenceEvaluator
    except ImportError:
        code, _, errors = run("export", place / "run", "--key", KEY, "--onnx", "--into", tmp_path / "onnx")
        assert code == 2
        assert "pip install 'tune_ks[onnx]'" in errors
        assert not (tmp_path / "onnx").exists()
        return
    folder = RunFolder(place / "run")
    record = folder.read_record(KEY)
    require_onnx(record.config)
    write_onnx(exported_model(folder, record), tmp_path / "model.onnx")
    session = ReferenceEvaluator(str(tmp_path / "model.onnx"))
    saved = np.load(place / f"run/trials/{KEY}/scores.npz")
    image = np.load(place / "images.npy")[saved["row"][:3], None]
    (logit,) = session.run(None, {"image": image})
    np.testing.assert_allclose(logit, saved["score"][:3], rtol=0, atol=1e-5)
