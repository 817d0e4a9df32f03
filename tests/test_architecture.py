"""Who may import whom: a file imports only from rows below its own, and heavy packages only where they belong."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

ROWS = {  # row -> (its files, the packages of others that it may use)
    8: (["run_search.py", "tune_ks/commands/", "tune_ks/console.py"], {"rich"}),
    7: (
        [f"tune_ks/{name}.py" for name in ("search", "searcher", "schedulers", "watch", "cluster", "plan", "space")]
        + [f"tune_ks/{name}.py" for name in ("begin", "merge", "estimate", "exports", "loggers", "pretrained")],
        {"ray", "optuna", "torch", "numpy", "moocore", "tensorboardX", "mlflow"},
    ),
    6: (
        [
            f"tune_ks/{name}.py"
            for name in ("trial", "jobs", "run_pack", "faults", "node_files", "evaluate", "robustness")
        ],
        {"torch", "ray", "numpy", "pandas", "safetensors"},
    ),
    5: (
        [f"tune_ks/{name}.py" for name in ("train", "measured", "member", "pack", "scoring", "noise", "draws")]
        + [f"tune_ks/{name}.py" for name in ("augment", "checkpoints", "outcome")]
        + [f"tune_ks/{name}.py" for name in ("rates", "optimiser", "transfer", "quality")],
        {"torch", "numpy", "safetensors", "monai"},
    ),
    4: (["tune_ks/pipeline.py", "tune_ks/tasks/"], {"torch", "numpy"}),
    3: (["tune_ks/reconstructions/"], {"torch", "monai"}),
    2: (["tune_ks/sampling.py"], {"torch"}),
    1: (
        ["tune_ks/transforms/", "tune_ks/masks/", "tune_ks/classifiers/", "tune_ks/corruptions/", "tune_ks/data/"],
        {"torch", "numpy", "pandas", "pydicom", "gdcm", "scipy", "openpyxl", "monai"},
    ),
    0: (
        [
            f"tune_ks/{name}.py"
            for name in (
                "storage",
                "config",
                "record",
                "run_folder",
                "arrays",
                "attempts",
                "lock",
                "seeding",
                "metrics",
                "__init__",
            )
        ],
        {"numpy", "pyarrow"},
    ),
}
BESIDE = {
    "search_spaces/": {"ray"},
    "analysis/": {"numpy", "pandas", "plotly", "scipy", "sklearn", "moocore", "kneed", "rich"},
}
ONLY_IN = {  # package -> the one place (files or folders) that may import it
    "pyarrow": ("tune_ks/storage.py",),
    "ray": (
        "tune_ks/trial.py",
        "tune_ks/jobs.py",
        "tune_ks/node_files.py",
        "tune_ks/cluster.py",
        "tune_ks/search.py",
        "tune_ks/searcher.py",
        "tune_ks/schedulers.py",
        "tune_ks/watch.py",
        "tune_ks/space.py",
        "search_spaces/",
    ),
    "optuna": ("tune_ks/searcher.py", "tune_ks/exports.py"),
    "pydicom": ("tune_ks/data/",),
    "monai": ("tune_ks/corruptions/", "tune_ks/classifiers/", "tune_ks/reconstructions/unet.py", "tune_ks/quality.py"),
    "plotly": ("analysis/plots",),
    "rich": ("tune_ks/commands/", "tune_ks/console.py", "analysis/"),
}
LETTERS = ("transforms", "masks", "reconstructions", "classifiers")
STDLIB = {"__future__"} | __import__("sys").stdlib_module_names


def sources():
    folders = ("tune_ks", "search_spaces", "analysis")
    return [ROOT / "run_search.py", *(p for folder in folders for p in sorted((ROOT / folder).rglob("*.py")))]


def imports(path):
    """Every module that a file imports anywhere in it, as dotted names."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def row_of(name):
    for row, (places, _) in ROWS.items():
        if any(name == place or (place.endswith("/") and name.startswith(place)) for place in places):
            return row
    return None


def file_of(module):
    """The project's file that a dotted name means, or None."""
    path = module.replace(".", "/")
    for candidate in (f"{path}.py", f"{path}/__init__.py"):
        if (ROOT / candidate).exists():
            return candidate
    return None


def test_every_file_has_its_row_and_every_row_was_met():
    met = set()
    for path in sources():
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith(tuple(BESIDE)):
            assert row_of(name) is not None, f"{name} has no row in the table"
            met.add(row_of(name))
    assert met == set(ROWS)


@pytest.mark.parametrize("path", sources(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_file_imports_only_what_its_row_allows(path):
    name = path.relative_to(ROOT).as_posix()
    beside = next((place for place in BESIDE if name.startswith(place)), None)
    allowed = BESIDE[beside] if beside else ROWS[row_of(name)][1]
    for module in imports(path):
        top = module.split(".")[0]
        if top in STDLIB:
            continue
        target = file_of(module)
        if target is None:
            if top not in ("tune_ks", "analysis", "search_spaces"):
                assert top in allowed, f"{name} imports {module}"
            continue
        if beside == "analysis/":
            of_ours = ("storage", "arrays", "config", "record", "run_folder", "metrics", "seeding", "__init__")
            lawful = {f"tune_ks/{one}.py" for one in of_ours}
            assert target in lawful or target.startswith(beside), f"{name} imports {module}"
        elif beside:
            assert target.startswith(beside), f"{name} imports {module}"
        elif target.startswith("analysis/"):
            assert row_of(name) == 8, f"{name} imports {module}"
        else:
            assert_below(name, target)


def assert_below(name, target):
    mine, theirs = row_of(name), row_of(target)
    folder, other = Path(name).parent, Path(target).parent
    if folder == other or other in folder.parents or folder in other.parents:
        assert theirs <= mine, f"{name} imports {target}"
    else:
        assert theirs < mine, f"{name} imports {target}"


def test_a_package_is_imported_in_its_one_place():
    met = set()
    for path in sources():
        name = path.relative_to(ROOT).as_posix()
        for module in imports(path):
            package = module.split(".")[0]
            if package in ONLY_IN:
                met.add(package)
                assert name.startswith(ONLY_IN[package]), f"{name} imports {package}"
    assert met == set(ONLY_IN)


def test_no_letter_imports_anothers_members():
    met = 0
    for letter in LETTERS:
        for path in (ROOT / "tune_ks" / letter).glob("*.py"):
            for module in imports(path):
                for other in set(LETTERS) - {letter}:
                    met += 1
                    inside = module.startswith(f"tune_ks.{other}")
                    assert not inside or module.startswith(f"tune_ks.{other}.base"), f"{path} imports {module}"
    assert met > 50


def names_in(name):
    """What a file of the project has at its top, by name: definitions, assignments, imports."""
    for node in ast.parse((ROOT / name).read_text()).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)
        else:
            yield from (one.id for one in ast.walk(node) if isinstance(one, ast.Name))
            yield getattr(node, "name", None)


def test_benchmarks_import_what_there_is():
    met = 0
    for path in sorted((ROOT / "benchmarks").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            target = file_of(node.module) if isinstance(node, ast.ImportFrom) else None
            for alias in node.names if target else []:
                met += 1
                there = file_of(f"{node.module}.{alias.name}") or alias.name in set(names_in(target))
                assert there, f"{path.name}: {node.module} has no {alias.name}"
    assert met > 100
