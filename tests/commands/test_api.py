"""The Python API: the same search, choice and model as the commands give; the examples of its page and its notebook."""

import contextlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

import run_search
from front_door import SPACE
from tune_ks.api import choose, load_model, load_run, search
from tune_ks.core.run_folder import RunFolder

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/lu_table1"
STANDS_FOR = {"DIR": "data", "my_space.py": "space.py", "runs/mine": "runs/one"}  # of a page -> of the fixture
NOTEBOOK = ROOT / "docs/first_search.ipynb"
SETTINGS = f"""{SPACE}
SETTINGS = {{}}
DATA = "data"
RUN = "runs/one"
"""


@pytest.fixture
def inside_place(place):
    """The folder of the finished search runs/one, as the current one; nothing in it is trained again."""
    trials = place / "runs/one/trials"
    before = {path: path.stat().st_mtime_ns for path in trials.rglob("*") if path.is_file()}
    with contextlib.chdir(place):
        yield place
    assert {path: path.stat().st_mtime_ns for path in trials.rglob("*") if path.is_file()} == before


@pytest.fixture
def no_analysis(monkeypatch):
    """A search that is done is analysed again by one test; for the others that would be a second each."""
    steps = run_search.ANALYSIS._replace(analyse=lambda *_: None)
    monkeypatch.setattr(run_search, "ANALYSIS", steps)


def test_the_trials_are_the_records():
    run = load_run(EXAMPLE)
    records = {record.config.key(): record for record in RunFolder(EXAMPLE).records()}
    table = run.trials().set_index("key")
    assert len(table) == len(records) > 10
    for key, record in records.items():
        assert table.loc[key, "test_in_domain"] == record.in_domain("test")
        assert table.loc[key, "sampling_rate"] == record.config.sampling_rate
    table["sampling_rate"] = 0.0  # a copy: the run stays as it was
    assert (run.trials()["sampling_rate"] > 0).all()
    assert run.pending() == []
    assert run.failed().empty


@pytest.mark.usefixtures("inside_place")
def test_a_search_that_is_done_returns_its_run_and_its_choice_is_that_of_the_analysis(capsys):
    run = search("space.py", data="data", run="runs/one")
    assert "0 trials to run, 4 already done" in capsys.readouterr().out
    assert (run.path, len(run.trials()), len(run.cohort())) == ("runs/one", 4, 48)
    choices = json.loads(Path("runs/one/selection.json").read_text())["choices"]
    chosen = choose(run)
    assert list(chosen) == [choice["vendor"] for choice in choices] == ["GE", "SIEMENS"]
    for choice in choices:
        selection = chosen[choice["vendor"]]
        assert (selection.rate, list(selection.keys)) == (choice["rate"], choice["keys"])
    command = json.loads(Path("runs/one/search.json").read_text())["command"]
    assert command.startswith("python run_search.py --data data"), "that of the first search"


@pytest.mark.usefixtures("inside_place", "no_analysis")
def test_a_space_may_be_a_dict(capsys):
    namespace = {}
    exec(SPACE, namespace)
    run = search(namespace["SPACE"], data="data", run="runs/one", settings={"seeds": 1})
    assert "0 trials to run, 4 already done" in capsys.readouterr().out
    assert len(run.trials()) == 4


@pytest.mark.usefixtures("inside_place")
def test_a_model_has_the_mask_and_the_scores_of_its_record():
    run = load_run("runs/one")
    decoded = decoded_images(len(run.cohort()))
    met = 0
    for config in RunFolder("runs/one").records():
        model = load_model(run, config.config.key())
        folder = Path("runs/one/trials", model.key)
        assert np.array_equal(model.mask.numpy() > 0, np.load(folder / "mask.npy").reshape(model.mask.shape))
        assert model.mask.shape == (1, model.side)
        scores = np.load(folder / "scores.npz")
        rows = scores["row"][:4]
        images = decoded[rows].astype(np.float32)
        assert np.allclose(model.logits(torch.from_numpy(images)).numpy(), scores["score"][:4], atol=1e-4)
        met += 1
    assert met == 4


def decoded_images(count: int) -> np.ndarray:
    """The images of the cohort with so many, from the cache beside the run, where other tests have theirs too."""
    arrays = [np.load(path) for path in Path("runs/cache").rglob("*images*.npy")]
    return next(array for array in arrays if len(array) == count)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"epsiln": 0.1}, TypeError, "has no option 'epsiln'; .*did you mean 'epsilon'"),
        ({"dry_run": True}, TypeError, "has no option 'dry_run'"),
        ({"seeds": "many"}, ValueError, "argument --seeds: must be a whole number from 1 to 10,000, got 'many'"),
        ({"rule": "best"}, ValueError, "rule must be one of .*, got 'best'"),
        ({"settings": {"seeds": 1}}, TypeError, "settings belong to a space that is given as a dict"),
        ({"space": "smok"}, ValueError, "no search space 'smok'; .*did you mean 'smoke'"),
        ({"space": {"mask": "gumble", "sampling_rate": 0.5}}, ValueError, "got 'gumble'; did you mean 'gumbel'"),
    ],
)
def test_a_wrong_argument_is_one_message(options, error, said, tmp_path):
    with contextlib.chdir(tmp_path), pytest.raises(error, match=said):
        search(**{"space": "quick", "data": "absent", **options})
    assert not list(tmp_path.iterdir())


def test_a_wrong_run_trial_rule_or_option_is_one_message(tmp_path):
    with pytest.raises(ValueError, match="does not exist: give the run folder"):
        load_run(tmp_path / "absent")
    with pytest.raises(ValueError, match=r"has no finished trial '\.\./x'"):
        load_model(EXAMPLE, "../x")
    with pytest.raises(ValueError, match=r"model\.safetensors: the exported weights cannot be used"):
        load_model(EXAMPLE, next(iter(load_run(EXAMPLE).trials()["key"])))
    with pytest.raises(ValueError, match="rule must be one of"):
        choose(EXAMPLE, "best")
    with pytest.raises(ValueError, match=r"the rules have the options epsilon, .*; got 'epsiln'"):
        choose(EXAMPLE, epsiln=0.1)


def blocks(page: str) -> list[str]:
    """The Python code of a page, with what its names stand for."""
    code = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    for name, value in STANDS_FOR.items():
        code = [text.replace(f'"{name}"', f'"{value}"') for text in code]
    return code


@pytest.mark.usefixtures("inside_place", "no_analysis")
def test_the_examples_of_the_page_run():
    """One after another in one namespace, as a reader would copy them."""
    namespace = {}
    code = blocks((ROOT / "docs/api.md").read_text())
    for text in code:
        exec(compile(text, "docs/api.md", "exec"), namespace)
    assert len(code) > 4
    assert namespace["mask"].mean() == 0.25
    assert len(namespace["table"]) == 4


@pytest.mark.usefixtures("inside_place", "no_analysis")
def test_the_notebook_runs_from_data_to_choice():
    """Its cells in one namespace. Only the cell with the settings is replaced, by those of a search that is done."""
    cells = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    of_settings = [cell for cell in cells if "settings" in cell["metadata"].get("tags", [])]
    assert len(of_settings) == 1
    namespace = {}
    for number, cell in enumerate(cells):
        text = SETTINGS if cell in of_settings else "".join(cell["source"])
        exec(compile(text, f"cell {number}", "exec"), namespace)
    assert set(namespace["choice"]) == {"GE", "SIEMENS"}
    assert namespace["model"].key in namespace["choice"]["GE"].keys
    given = {}
    exec("".join(of_settings[0]["source"]), given)
    assert {"SPACE", "SETTINGS", "DATA", "RUN"} <= given.keys()
