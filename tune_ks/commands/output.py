"""How every command speaks and ends."""

from pathlib import Path

from rich.console import Console

from tune_ks.core.storage import storage_path

OK, FAILED_TRIALS, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130  # exit codes
RUNS = Path("runs")
console = Console(highlight=False)


def say(text: str, style: str | None = None) -> None:
    """One line, never folded: a command or a path must be whole to be copied."""
    console.print(text, style=style, soft_wrap=True, markup=False)


def cache_beside(run: str | None) -> Path:
    """Where decoded images are kept: beside the run folder; in ``runs`` where that is none of a file system."""
    root = storage_path(run) if run else None
    return (root.parent if isinstance(root, Path) else RUNS) / "cache"
