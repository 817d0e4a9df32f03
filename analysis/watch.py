"""A run watched while it goes: the same page, written again whenever a record arrives, loading itself again."""

import time
from collections.abc import Callable

from analysis.study import Analysis, analyse
from tune_ks.storage import StoragePath, read_each, storage_path

SECONDS = 10
ENDS = ("config", "record", "failure", "stopped")
WATCHED = ("search.json", *(f"trials/*/{name}.json" for name in ENDS), "external/*.csv")


def watch(
    run: str | StoragePath,
    settings: dict,
    images: bool = True,
    seconds: int = SECONDS,
    tell: Callable[[Analysis], None] = lambda analysis: None,
    rounds: int | None = None,
) -> Analysis:
    """Analyse ``run`` again each time it changes, until Ctrl-C; then write the page a last time, without the reload.

    ``settings`` are those of analyse(); ``tell`` is called after every page; ``rounds`` ends it after so many looks.
    """
    from analysis.report import write_report

    seen: dict[StoragePath, int] = {}
    analysis: Analysis | None = None
    try:
        while rounds is None or rounds > 0:
            found = stamps(storage_path(run))
            if analysis is None or found != seen:
                seen, analysis = found, analyse(run, **settings, report=False)
                analysis = analysis._replace(report=write_report(analysis, images, live=seconds))
                tell(analysis)
            if rounds is not None:
                rounds -= 1
            if rounds != 0:
                time.sleep(seconds)
    except KeyboardInterrupt:
        pass
    if analysis is None:  # interrupted before the first page
        analysis = analyse(run, **settings, report=False)
    return analysis._replace(report=write_report(analysis, images))


def stamps(run: StoragePath) -> dict[StoragePath, int]:
    """Every file that the page depends on -> when it last changed; one that vanishes meanwhile is left out."""
    paths = [path for pattern in WATCHED for path in run.glob(pattern)]
    found = zip(paths, read_each(run, _stamp, paths))
    return {path: changed for path, changed in found if changed is not None}


def _stamp(path: StoragePath) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
