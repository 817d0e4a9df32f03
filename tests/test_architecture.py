"""Who may import whom: a wing imports only wings below it, and heavy packages stay in their one place."""

import ast
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent

TUNE_KS = {  # wing -> (its floor, the packages of others that it may use); wings of one floor do not know each other
    "commands": (7, {"rich", "optuna", "tensorboardX", "mlflow"}),
    "search": (6, {"ray", "optuna", "numpy", "moocore", "psutil"}),
    "worker": (5, {"ray", "torch", "numpy"}),
    "evaluation": (4, {"torch", "numpy", "pandas", "safetensors", "monai", "scipy", "sklearn"}),
    "planning": (4, {"torch", "ray"}),
    "training": (3, {"torch", "numpy", "monai", "safetensors"}),
    "model": (2, {"torch", "numpy", "monai", "SimpleITK"}),
    "data": (2, {"torch", "numpy", "pandas", "pydicom", "nibabel", "scipy", "openpyxl", "h5py"}),
    "core": (1, {"numpy", "pandas", "pyarrow", "filelock", "rich", "pydantic"}),
}
ANALYSIS = {
    "serve": (8, set()),
    "report": (7, {"numpy", "pandas", "plotly", "jinja2", "markupsafe", "PIL"}),
    "plots": (6, {"numpy", "pandas", "plotly"}),
    "results": (5, {"numpy", "pandas", "sklearn", "rich", "optuna"}),
    "choice": (4, {"numpy", "pandas", "moocore"}),
    "statistics": (3, {"numpy", "pandas", "scipy", "sklearn", "moocore", "kneed"}),
    "read": (2, {"numpy", "pandas"}),
}
WINGS = {"tune_ks": TUNE_KS, "analysis": ANALYSIS}
TOP = {"tune_ks": 0, "analysis": 9}  # floor of the files beside the wings: __init__ here; analyse, __main__ there
OTHERS = {"search_spaces": {"ray"}}
FRONT_DOORS = {  # files that may import any wing, and the packages of others that they name
    "run_search.py": set(),
    "tune_ks/__main__.py": set(),
    "tune_ks/api.py": {"torch", "pandas"},
}
ONLY_IN = {  # package -> the places that may import it
    "pydantic": ("tune_ks/core/schemas.py",),
    "pyarrow": ("tune_ks/core/object_path.py",),
    "ray": ("tune_ks/search/", "tune_ks/worker/", "tune_ks/planning/space", "search_spaces/"),
    "optuna": ("tune_ks/search/", "tune_ks/commands/exports.py", "analysis/results/sampler_importance.py"),
    "pydicom": ("tune_ks/data/dicom/", "tune_ks/data/phantom/"),
    "nibabel": ("tune_ks/data/nifti/",),
    "h5py": ("tune_ks/data/raw/",),
    "SimpleITK": ("tune_ks/model/harmonisations/n4.py",),
    "sklearn": ("analysis/statistics/", "analysis/results/", "tune_ks/evaluation/yardsticks/"),
    "monai": (
        *("tune_ks/evaluation/", "tune_ks/model/classifiers/", "tune_ks/model/reconstructions/"),
        "tune_ks/training/corruptions/",
    ),
    "plotly": ("analysis/plots/", "analysis/report/export.py"),
    "jinja2": ("analysis/report/page.py",),
    "PIL": ("analysis/report/parts.py", "analysis/report/export.py"),
    "rich": ("tune_ks/commands/", "tune_ks/core/terminal.py", "analysis/results/terminal.py"),
}
TRAINING_SIDE = (  # what trains, checkpoints and scores a network; it starts where only these packages are installed
    *("tune_ks/training/", "tune_ks/model/", "tune_ks/data/dataset.py"),
    *("tune_ks/worker/run_pack.py", "benchmarks/gpu.py"),
)
ITS_PACKAGES = {"torch", "numpy", "pandas", "safetensors"}
LETTERS = ("transforms", "masks", "reconstructions", "classifiers")
STDLIB = sys.stdlib_module_names


def sources():
    folders = ("tune_ks", "search_spaces", "analysis")
    return [ROOT / "run_search.py", *(p for folder in folders for p in sorted((ROOT / folder).rglob("*.py")))]


@cache
def imports(path):
    """Every module that a file imports anywhere in it, as dotted names."""
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                names.append(full if file_of(full) else node.module)
    return names


@cache
def file_of(module):
    """The project's file that a dotted name means, or None."""
    path = module.replace(".", "/")
    for candidate in (f"{path}.py", f"{path}/__init__.py"):
        if (ROOT / candidate).exists():
            return candidate
    return None


def place(name):
    """(package, wing or None) of a file of the project."""
    parts = Path(name).parts
    return parts[0], parts[1] if len(parts) > 2 and parts[0] in WINGS else None


def floor(package, wing):
    return TOP[package] if wing is None else WINGS[package][wing][0]


def test_the_wings_are_the_folders():
    for package, wings in WINGS.items():
        folders = {path.parent.name for path in (ROOT / package).glob("*/__init__.py")}
        assert folders == set(wings)
        beside = {path.stem for path in (ROOT / package).glob("*.py")}
        assert beside == {"__init__", "__main__", "api" if package == "tune_ks" else "analyse"}


def test_a_file_imports_only_from_below():
    assert len(sources()) > 400
    for path in sources():
        require_only_from_below(path)


def require_only_from_below(path):
    name = path.relative_to(ROOT).as_posix()
    package, wing = place(name)
    for module in imports(path):
        target = file_of(module)
        if target is None or name in FRONT_DOORS:
            continue
        assert target not in FRONT_DOORS, f"{name} imports {target}"
        to_package, to_wing = place(target)
        if to_package == package == "search_spaces":
            continue
        if to_package != package:
            assert (package, to_package, to_wing) == ("analysis", "tune_ks", "core"), f"{name} imports {target}"
        elif wing != to_wing:
            assert floor(package, to_wing) < floor(package, wing), f"{name} imports {target}"


def test_a_file_uses_only_the_packages_of_its_wing():
    for path in sources():
        require_packages_of_its_wing(path)


def require_packages_of_its_wing(path):
    name = path.relative_to(ROOT).as_posix()
    package, wing = place(name)
    allowed = WINGS[package][wing][1] if wing else FRONT_DOORS.get(name, OTHERS.get(package, set()))
    for module in imports(path):
        top = module.split(".")[0]
        if top not in STDLIB and file_of(module) is None:
            assert top in allowed, f"{path} imports {module}"


def test_every_arrow_of_packages_is_needed():
    met = {package: {wing: set() for wing in wings} for package, wings in WINGS.items()}
    for path in sources():
        package, wing = place(path.relative_to(ROOT).as_posix())
        if wing:
            met[package][wing] |= {module.split(".")[0] for module in imports(path)}
    for package, wings in WINGS.items():
        for wing, (_, allowed) in wings.items():
            assert allowed <= met[package][wing], f"{package}/{wing} does not use {allowed - met[package][wing]}"


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


def imported_at_the_top(*names):
    """Every file that is imported as these files and folders are -> the packages of others that it imports."""
    waiting = []
    for name in names:
        inside = sorted((ROOT / name).rglob("*.py")) if name.endswith("/") else [ROOT / name]
        waiting += [path.relative_to(ROOT).as_posix() for path in inside]
    met = {}
    while waiting:
        name = waiting.pop()
        if name in met:
            continue
        modules = [module for node in ast.parse((ROOT / name).read_text()).body for module in imported_by(node)]
        met[name] = {module.split(".")[0] for module in modules if file_of(module) is None} - STDLIB
        waiting += [file_of(module) for module in modules if file_of(module)]
    return met


def test_the_training_side_starts_with_four_packages():
    """Whatever else a member needs, it imports when it is built."""
    met = imported_at_the_top(*TRAINING_SIDE)
    assert {name: packages - ITS_PACKAGES for name, packages in met.items() if packages - ITS_PACKAGES} == {}
    assert set().union(*met.values()) == ITS_PACKAGES
    assert {"tune_ks/core/record.py", "tune_ks/data/layouts/sheets.py", "benchmarks/layer.py"} <= met.keys()
    assert "benchmarks/on_gpu/whole.py" in met
    assert len(met) > 100


def test_a_search_begins_without_what_its_children_read_with():
    """As it starts, it imports no reader of files: children do that beside it."""
    met = imported_at_the_top("tune_ks/data/cohort/cohort.py", "tune_ks/data/phantom/phantoms.py")
    assert not {"pydicom", "openpyxl", "nibabel", "h5py", "scipy"} & set().union(*met.values())
    assert "tune_ks/data/dicom/header.py" in met


def test_figures_are_drawn_from_finished_values():
    """No file of plots reads a run or an analysis: what a figure shows is computed in results."""
    plots = sorted((ROOT / "analysis/plots").glob("*.py"))
    assert len(plots) > 8
    for path in plots:
        for module in imports(path):
            assert not f"{module}.".startswith(
                ("analysis.results.compute.", "analysis.read.load.load.", "analysis.read.trial_arrays.")
            ), f"{path.name} imports {module}"


def test_no_file_is_part_of_a_circle():
    """Within a wing too: what a file imports, at its top or in a function, never leads back to it."""
    graph = {}
    for path in sources():
        graph[path.relative_to(ROOT).as_posix()] = {file_of(name) for name in imports(path)} - {None}
    done, open_files = set(), []

    def visit(name):
        assert name not in open_files, f"a circle: {' -> '.join([*open_files, name])}"
        if name in done:
            return
        open_files.append(name)
        for target in sorted(graph[name] - {name}):
            visit(target)
        open_files.pop()
        done.add(name)

    for name in graph:
        visit(name)
    assert len(done) > 150


def imported_by(node):
    """The modules that one statement at the top of a file imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        inside = [f"{node.module}.{alias.name}" for alias in node.names]
        return [full if file_of(full) else node.module for full in inside]
    return []


def test_no_letter_imports_anothers_members():
    met = 0
    for letter in LETTERS:
        for path in (ROOT / "tune_ks/model" / letter).glob("*.py"):
            for module in imports(path):
                for other in set(LETTERS) - {letter}:
                    met += 1
                    inside = module.startswith(f"tune_ks.model.{other}")
                    assert not inside or module.startswith(f"tune_ks.model.{other}.base"), f"{path} imports {module}"
    assert met > 50


@cache
def names_in(name):
    """What a file of the project has at its top, by name: definitions, assignments, imports."""
    names = set()
    for node in ast.parse((ROOT / name).read_text()).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names.update(alias.asname or alias.name for alias in node.names)
        else:
            names.update(part.id for part in ast.walk(node) if isinstance(part, ast.Name))
            names.add(getattr(node, "name", None))
    return names


def test_benchmarks_and_docs_import_what_there_is():
    met = 0
    for path in [*sorted((ROOT / "benchmarks").rglob("*.py")), *sorted((ROOT / "docs").rglob("*.py"))]:
        for node in ast.walk(ast.parse(path.read_text())):
            target = file_of(node.module) if isinstance(node, ast.ImportFrom) else None
            for alias in node.names if target else []:
                met += 1
                there = file_of(f"{node.module}.{alias.name}") or alias.name in names_in(target)
                assert there, f"{path.name}: {node.module} has no {alias.name}"
    assert met > 100
