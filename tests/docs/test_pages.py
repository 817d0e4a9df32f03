"""What the pages name exists: files, search spaces, members, and commands that their programs accept."""

import re
import shlex
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from analysis.__main__ import parse as analysis_parse
from docs.tables import TABLES
from tune_ks.commands.arguments import OTHER_COMMANDS, PARSERS
from tune_ks.model.classifiers import CLASSIFIERS, DETECTORS, MAPPERS, NO_NETWORK, SEGMENTERS, VOLUME_SEGMENTERS
from tune_ks.model.harmonisations import HARMONISATIONS
from tune_ks.model.masks import MASKS
from tune_ks.model.reconstructions import RECONSTRUCTIONS
from tune_ks.model.transforms import TRANSFORMS
from tune_ks.planning.space import SEARCH_DEFAULTS, known_spaces
from tune_ks.training.invariances import INVARIANCES
from tune_ks.training.styles import STYLES

ROOT = Path(__file__).parents[2]
SPACES = sorted((ROOT / "search_spaces").glob("*.py"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = sorted((ROOT / "examples/cluster").iterdir())
TEXTS = [*PAGES, *SPACES, *EXAMPLES, *sorted((ROOT / "benchmarks").glob("*.py"))]
FOLDERS = "tune_ks|analysis|tests|benchmarks|docs|examples|search_spaces"
PATH = re.compile(rf"(?<![\w./-])(?:(?:{FOLDERS})/[\w./-]*\w/?|[\w/-]+\.py)(?!\w)")
NOT_HERE = {  # on AWS the whole repository is the folder tune_ks; a mask that CONTRIBUTING.md adds; a user's own files
    "tune_ks/constraints.txt",
    "checkerboard.py",
    "my_masks.py",
    "my_space.py",
    "tune_ks/_front/",  # of a wheel
}
VALUES = {
    "KEY": "0123456789ab",  # what a placeholder of a page may stand for
    "$series": "pre",
    "SETTING": "equal, 15 patients",
    "NAME": "smoke",
    "my_space.py": "smoke",
}


def named_paths(text):
    """Every file or folder of the repository that a text names; those of a URL, an image or another tree are not."""
    without_urls = re.sub(r"\w+://\S+|/app/\S+|\.\./\S+", "", text)
    return set(PATH.findall(without_urls)) - NOT_HERE


def id_of(path):
    return path.relative_to(ROOT).as_posix()


def test_every_path_exists():
    for page in [*PAGES, *SPACES, *EXAMPLES]:
        for name in named_paths(page.read_text()):
            assert (ROOT / name).exists(), f"{id_of(page)} names {name}"


def test_paths_are_seen():
    text = "`tune_ks/core/lock.py` and tests/data/test_fuzz.py, analysis/read. s3://x/tests/y.py ../shared/a.py gone.py"
    assert named_paths(text) == {"tune_ks/core/lock.py", "tests/data/test_fuzz.py", "analysis/read", "gone.py"}
    assert sum(len(named_paths(page.read_text())) for page in PAGES) > 80


def commands(text, program):
    """The arguments of every call of ``program`` in a text: in code, in `code`, and over lines that end in a backslash.

    A comment, a pipe and "..." are left out; [words in brackets] may be left out by a user, and are here.
    """
    text = re.sub(r"\\\n\s*(?:#\s+)?", " ", text)
    for line in re.findall(rf"{re.escape(program)}\b([^\n`'\"&|]*)", text):
        line = re.sub(r"\s+#.*|\s{3,}\S.*|;.*|\[[^\]]*\]|\.\.\.", "", line)
        for placeholder, value in VALUES.items():
            line = line.replace(placeholder, shlex.quote(value))
        yield shlex.split(line)


@cache
def parser_of(command):
    """The parser of a command of run_search.py."""
    return PARSERS[command]()


def accept_search(words):
    """Parse the arguments of run_search.py; SystemExit where they are refused."""
    if words and words[0] == "analyse":
        return analysis_parse(words[1:])
    if words and words[0] in OTHER_COMMANDS:
        return parser_of(words[0]).parse_args(words[1:])
    return parser_of("search").parse_args(words)


def in_every_text(program):
    """(name of a text, arguments) of every call of ``program`` in every page, space, example and benchmark."""
    for page in TEXTS:
        for words in commands(page.read_text(), program):
            yield id_of(page), words


def test_run_search_accepts_every_command():
    spaces = known_spaces()
    for page, words in in_every_text("python run_search.py"):
        if words and words[0].islower() and words[0] not in OTHER_COMMANDS:
            continue  # a sentence goes on after the command
        with refusal_named(page, words):
            args = accept_search([word for word in words if word != "--help-fields"])
        space = getattr(args, "space", "quick")
        assert space in spaces, f"{page} names the space {space}"


def test_the_analysis_accepts_every_command():
    for page, words in in_every_text("python -m analysis"):
        if words:
            with refusal_named(page, words):
                assert analysis_parse(words).run


@contextmanager
def refusal_named(page, words):
    """A refusal says which page has the words."""
    try:
        yield
    except SystemExit as refusal:
        raise AssertionError(f"{page}: refused: {words}") from refusal


def test_every_module_that_is_run_has_the_options_that_are_given():
    for page in TEXTS:
        require_modules_and_options(page)


def require_modules_and_options(page):
    text = page.read_text()
    for folder, name in set(re.findall(r"python -m (benchmarks|docs)\.(\w+)", text)) - {("benchmarks", "NAME")}:
        is_folder = (ROOT / folder / name).is_dir()
        module = import_module(f"{folder}.{name}.__main__" if is_folder else f"{folder}.{name}")
        source = Path(module.__file__).read_text()
        assert callable(module.main)
        for words in commands(text, f"python -m {folder}.{name}"):
            for word in words:
                assert not word.startswith("--") or f'"{word}"' in source, f"{id_of(page)}: {name} has no {word}"
            if name == "tables":
                assert set(words[:1]) <= {*TABLES, "TABLE"}, f"{id_of(page)} names the table {words[0]}"


def test_commands_are_seen():
    text = "`python run_search.py --space smoke`\n    python run_search.py --data DIR \\\n    --space paper   # words\n"
    assert [*commands(text, "python run_search.py")] == [["--space", "smoke"], ["--data", "DIR", "--space", "paper"]]
    with pytest.raises(SystemExit):
        accept_search(["--spaces", "smoke"])
    seen = [words for page in PAGES for words in commands(page.read_text(), "python run_search.py")]
    assert len(seen) > 35


def rows(page, head):
    """The first cells of the rows of a page's table, by the head's first cells."""
    lines = page.read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith(head))
    for line in lines[at + 2 :]:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split("|")]


def test_the_page_of_spaces_lists_every_space():
    listed = [name for row in rows(ROOT / "docs/spaces.md", "| space |") for name in re.findall(r"`(\w+)`", row[0])]
    assert sorted(listed) == known_spaces()


def without_none(registry):
    return [name for name in registry if name != "none"]


def test_the_page_of_members_lists_every_member():
    networks = CLASSIFIERS | SEGMENTERS | DETECTORS | VOLUME_SEGMENTERS | MAPPERS | NO_NETWORK
    registries = {"M": MASKS, "F": TRANSFORMS, "R": RECONSTRUCTIONS, "C": networks}
    registries |= {"h": without_none(HARMONISATIONS), "S": without_none(STYLES), "I": without_none(INVARIANCES)}
    listed = {}
    for letter, member, *_ in rows(ROOT / "docs/members.md", "| letter |"):
        listed.setdefault(letter, []).append(member.strip("`"))
    assert listed == {letter: list(registry) for letter, registry in registries.items()}


def test_the_search_page_lists_every_field_of_search():
    listed = [name for row in rows(ROOT / "docs/search.md", "| field |") for name in re.findall(r"`(\w+)`", row[0])]
    assert sorted(listed) == sorted(SEARCH_DEFAULTS)
