"""When the files that an analysis depends on last changed, which says whether it must be made again."""

from tune_ks.core.storage import StoragePath, read_each

ENDS = ("config", "record", "failure", "stopped")
WATCHED = ("search.json", *(f"trials/*/{name}.json" for name in ENDS), "external/*.csv")


def stamps(run: StoragePath) -> dict[StoragePath, int]:
    """Every file that the page depends on -> when it last changed; one that vanishes meanwhile is left out."""
    paths = [path for pattern in WATCHED for path in run.glob(pattern)]
    changed = dict(zip(paths, read_each(run, _stamp, paths)))
    return {path: time_ns for path, time_ns in changed.items() if time_ns is not None}


def _stamp(path: StoragePath) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
