"""A wheel, unpacked as pip unpacks it: one name in site-packages, and folders of a user's do not hide what is in it."""

import configparser
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tune_ks.core import front
from tune_ks.core.front import call_of, front_folder, put_front_first

ROOT = Path(__file__).parents[2]
FOLDERS = ("tune_ks", "analysis", "search_spaces")
SOURCES = (*FOLDERS, "run_search.py", "setup.py", "pyproject.toml", "README.md", "LICENSE")
BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
ANALYSED = """
import contextlib, sys
from tune_ks.__main__ import main
sys.argv[:] = ["tune-ks", "analyse", "run", "--no-report"]
with contextlib.suppress(SystemExit):
    main()
from tune_ks.api import choose, load_run
print(sorted(choose(load_run("run"), epsilon=0.03)), {"torch", "ray"} & set(sys.modules))
import analysis, search_spaces
print(analysis.__file__, search_spaces.__file__)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with what pip would put into site-packages."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source)
    words = [sys.executable, "-c", BUILD, str(folder)]
    built = subprocess.run(words, cwd=source, capture_output=True, text=True, timeout=100)
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def files_below(folder: Path, above: Path) -> set[str]:
    """The files in a folder, by their paths below ``above``."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    return {path.relative_to(above).as_posix() for path in files}


def test_a_wheel_holds_one_package_with_every_file_of_the_program(site):
    assert [path.name for path in site.iterdir() if not path.name.endswith(".dist-info")] == ["tune_ks"]
    expected = {"_front/run_search.py"}
    for name in FOLDERS:
        above = ROOT / "tune_ks" if name == "tune_ks" else ROOT
        prefix = "" if name == "tune_ks" else "_front/"
        expected |= {prefix + path for path in files_below(ROOT / name, above)}
    assert files_below(site / "tune_ks", site / "tune_ks") == expected
    assert len(expected) > 300
    (entry_points,) = site.glob("*.dist-info/entry_points.txt")
    entries = configparser.ConfigParser()
    entries.read(entry_points)
    assert dict(entries["console_scripts"]) == {"tune-ks": "tune_ks.__main__:main"}


def test_it_runs_in_a_folder_that_holds_others_of_the_same_names(site, tmp_path):
    """The analysis by its command, then from Python; neither needs torch or Ray."""
    shutil.copytree(ROOT / "examples/lu_table1", tmp_path / "run")
    for name in ("analysis", "search_spaces", "run_search"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('the folder of a user')")
    env = os.environ | {"PYTHONPATH": str(site)}
    words = [sys.executable, "-c", ANALYSED]
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert "run/selection.json" in done.stdout
    front_of_site = site / "tune_ks/_front"
    places = [front_of_site / name / "__init__.py" for name in ("analysis", "search_spaces")]
    assert done.stdout.splitlines()[-2] == "['GE', 'SIEMENS'] set()"
    assert done.stdout.splitlines()[-1].split() == [str(place) for place in places]


def test_in_the_repository_the_front_is_its_top(monkeypatch):
    assert front_folder() == ROOT
    assert call_of("analyse") == "python -m analysis"
    assert call_of("evaluate") == "python run_search.py evaluate"
    monkeypatch.setattr(sys, "argv", ["/usr/bin/tune-ks"])
    assert (call_of(), call_of("analyse")) == ("tune-ks", "tune-ks analyse")


def test_another_module_of_the_same_name_is_refused(monkeypatch, tmp_path):
    """Where the program has imported a user's ``analysis``, there is no way to have both."""
    monkeypatch.setattr(front, "front_folder", lambda: tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(ImportError, match=r"has imported another 'run_search' .*run_search\.py.*rename yours"):
        put_front_first()
