"""A run folder in, selection.json and report.html out: once, or again whenever a record arrives."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from analysis.choice.rules import DEFAULT
from analysis.read.stamps import stamps
from analysis.results.compute import Analysis
from analysis.results.selection_json import selection_text
from analysis.results.settings import computed_with, last_settings, made_with
from analysis.statistics.hanley_mcneil import Counts
from tune_ks.core.collector import collected_rarely
from tune_ks.core.own_members import full_name
from tune_ks.core.storage import StoragePath, storage_path, write_whole

SECONDS = 10


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
    rule = full_name("rule", rule)
    settings: dict[str, Any] = {"rule": rule, "patients": patients, "cross_fit": cross_fit, "metric": metric}
    settings |= {"prevalence": prevalence, **options}
    analysis = computed_with(run, settings)
    write_whole(analysis.selection_json, selection_text(analysis, made_with(settings, images)).encode())
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
