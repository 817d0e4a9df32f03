"""Where run_search.py, analysis/ and search_spaces/ lie: beside this package, or in an installed package inside it.

In the repository they stand at the top. A wheel must not put such plain names into site-packages, where a folder of the
user's with the same name would be taken in their place. So setup.py puts them into tune_ks/_front/, and whoever needs
them (tune_ks/__main__.py, tune_ks/api.py) calls ``put_front_first``.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
NAMES = ("run_search", "analysis", "search_spaces")


def is_installed() -> bool:
    """Whether this package came from a wheel; False in the repository and after ``pip install -e``."""
    return (PACKAGE / "_front").is_dir()


def front_folder() -> Path:
    """The folder that holds run_search.py, analysis/ and search_spaces/ of this version."""
    return PACKAGE / "_front" if is_installed() else PACKAGE.parent


def put_front_first() -> None:
    """Let Python find them before anything of the same name. ImportError where another one is imported already."""
    folder = front_folder()
    if str(folder) != sys.path[0]:
        sys.path.insert(0, str(folder))
    for name in NAMES:
        spec = find_spec(name) if name in sys.modules else None
        place = Path(spec.origin or "").resolve() if spec else None
        if place is not None and not place.is_relative_to(folder.resolve()):
            raise ImportError(
                f"this program has imported another {name!r} ({place}), a name that tune_ks needs for its own {name}: "
                "rename yours, or use tune_ks in a program of its own"
            )


def call_of(name: str = "search") -> str:
    """The words that start a command of this program, as the user has started it: to be printed."""
    if is_installed() or _is_tune_ks(Path(sys.argv[0])):
        return "tune-ks" if name == "search" else f"tune-ks {name}"
    if name == "analyse":
        return "python -m analysis"
    return "python run_search.py" if name == "search" else f"python run_search.py {name}"


def _is_tune_ks(started: Path) -> bool:
    return started.stem == "tune-ks" or started == PACKAGE / "__main__.py"
