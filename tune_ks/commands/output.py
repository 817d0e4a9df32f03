"""What all commands share of their output: the console, the exit codes, the places of their files."""

from pathlib import Path

from tune_ks.core.first_answer import require_answer
from tune_ks.core.storage import storage_path
from tune_ks.core.terminal import SafeConsole

OK, FAILED_TRIALS, BAD_INPUT = 0, 1, 2  # exit codes, beside INTERRUPTED of tune_ks.core.early_signals
RUNS = Path("runs")
console = SafeConsole(highlight=False)


def say(text: str, style: str | None = None) -> None:
    """Print a line without folding it, so that a command or a path can be copied whole."""
    console.print(text, style=style, soft_wrap=True, markup=False)


def require_folder(option: str, place: str | Path) -> None:
    """ValueError where the folder that an option names is a file, or would lie below one."""
    if "://" in str(place):
        return
    for path in (Path(place), *Path(place).parents):
        if path.exists() and not path.is_dir():
            raise ValueError(f"{option} {place}: {path} is a file; give a folder, which is made where it is not there")


def require_reachable(*places: str | None) -> None:
    """OSError where one of these run folders lies in a store that does not answer; asked before anything is read."""
    for place in places:
        if place is not None:
            require_answer(storage_path(place))


def cache_beside(run: str | None) -> Path:
    """Folder of decoded images: beside a run folder of this file system; otherwise in ``runs``."""
    root = storage_path(run) if run else None
    return (root.parent if isinstance(root, Path) else RUNS) / "cache"
