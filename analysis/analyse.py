"""A run folder in, selection.json and report.html out: once, or again whenever a record arrives."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from analysis.choice.options import Options, declared
from analysis.choice.rules import DEFAULT, RULES
from analysis.read.load import RunError, load
from analysis.results.compute import Analysis, compute, require_settings, with_cross_fits
from analysis.results.selection_json import selection_text
from analysis.statistics.hanley_mcneil import Counts
from tune_ks.core.collector import collected_rarely
from tune_ks.core.metrics import METRICS
from tune_ks.core.run_folder import read_json
from tune_ks.core.storage import StoragePath, read_each, storage_path, write_whole

SECONDS = 10
ENDS = ("config", "record", "failure", "stopped")
WATCHED = ("search.json", *(f"trials/*/{name}.json" for name in ENDS), "external/*.csv")


@collected_rarely()  # it makes millions of objects and hardly any circles: looking for them takes a tenth of its time
def analyse(
    run: str | StoragePath,
    rule: str = DEFAULT,
    images: bool = True,
    report: bool = True,
    patients: dict[str, Counts] | None = None,
    cross_fit: int = 0,
    metric: str | None = None,
    prevalence: float | None = None,
    **options: float,
) -> Analysis:
    """Analyse a run folder; write RUN/selection.json and, unless ``report`` is False, RUN/report.html.

    ``rule`` is a key of RULES; ``options`` are those that the rules declare (``epsilon=0.03``); ``images=False`` keeps
    the previews out of the report; ``patients`` are the test patients by vendor ("" for all) of results that came
    without per-image scores; ``cross_fit`` repeats the choice on that many halvings of the held-out patients;
    ``metric`` says which records, where a folder holds those of several; ``prevalence`` is a share of images with a
    tumour for which PPV and NPV are given beside that of the test images. RunError when the folder or an argument can't
    serve; whatever is wrong inside the folder becomes a warning.
    """
    values = Options(**options)
    require_settings(rule, values)
    if cross_fit < 0:
        raise RunError(f"cross_fit is a number of repeats and must be 0 or more, got {cross_fit}")
    if prevalence is not None and not 0 < prevalence < 1:
        raise RunError(f"prevalence is a share between 0 and 1, got {prevalence:g}; for one in a hundred give 0.01")
    analysis = compute(load(run, metric), rule, values, patients, prevalence)
    if cross_fit:
        analysis = with_cross_fits(analysis, cross_fit)
    made_with = {
        "rule": rule,
        "images": images,
        "patients": patients,
        "cross_fit": cross_fit,
        **values.values,
    }
    if metric is not None:
        made_with["metric"] = metric
    if prevalence is not None:
        made_with["prevalence"] = prevalence
    write_whole(analysis.selection_json, selection_text(analysis, made_with).encode())
    if not report:
        return analysis
    from analysis.report.report import write_report  # plotly is a second to load: not for those who want no page

    return replace(analysis, report=write_report(analysis, images=images))


def analyse_again(run: str | StoragePath) -> Analysis:
    """Analyse a run folder with the settings of its last analysis, which its selection.json holds.

    Where it holds none (an earlier version wrote it, or no analysis yet) the settings are the defaults, and images of
    patients are left out of the report, as they may have been before.
    """
    return analyse(run, **last_settings(storage_path(run)))


def last_settings(run: StoragePath) -> dict[str, Any]:
    """The arguments of analyse() that selection.json holds; without images where it does not hold them whole."""
    try:
        made_with = read_json(run / "selection.json")["made_with"]
        counts = made_with["patients"] or {}
        if made_with["rule"] not in RULES or made_with.get("metric") not in (None, *METRICS):
            raise ValueError("an unknown rule or metric")
        return {
            "rule": made_with["rule"],
            "images": made_with["images"] is True,
            "patients": {vendor: Counts(*map(int, pair)) for vendor, pair in counts.items()} or None,
            "cross_fit": int(made_with["cross_fit"]),
            "metric": made_with.get("metric"),
            "prevalence": _prevalence(made_with.get("prevalence")),
            **{name: float(made_with[name]) for name in declared()},
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {"images": False}


def _prevalence(value: Any) -> float | None:
    """What selection.json holds; ValueError for what is no share."""
    if value is None:
        return None
    if not 0 < float(value) < 1:
        raise ValueError("a prevalence is a share between 0 and 1")
    return float(value)


def watch(
    run: str | StoragePath,
    settings: Mapping[str, Any],
    images: bool = True,
    seconds: int = SECONDS,
    tell: Callable[[Analysis], None] = lambda analysis: None,
) -> Analysis:
    """Analyse ``run`` again each time it changes, until Ctrl-C; then write the page a last time, without the reload.

    ``settings`` are those of analyse(); ``tell`` is called after every page.
    """
    from analysis.report.report import write_report

    analysis: Analysis | None = None
    try:
        for changed in _changes(run, settings, images, seconds):
            analysis = replace(changed, report=write_report(changed, images, live=seconds))
            tell(analysis)
    except KeyboardInterrupt:
        pass
    if analysis is None:  # interrupted before the first page
        analysis = analyse(run, **settings, images=images, report=False)
    return replace(analysis, report=write_report(analysis, images))


def _changes(run: str | StoragePath, settings: Mapping[str, Any], images: bool, seconds: int) -> Iterator[Analysis]:
    """The run as it is now, then again each time a file of it has changed; looks every so many seconds, for ever."""
    known: dict[StoragePath, int] | None = None
    while True:
        now = stamps(storage_path(run))
        if now != known:
            known = now
            yield analyse(run, **settings, images=images, report=False)
        time.sleep(seconds)


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
