"""Which series of another cohort the models of a run are given: hospitals name series in their own ways."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple


class ReadCohort(NamedTuple):
    """A cohort, and what was assumed of its series ([] for nothing)."""

    cohort: Any
    assumed: list[str]


def read_in_series(read: Callable[[Any], Any], settings: Any, is_named: bool, labelled: bool) -> ReadCohort:
    """``read`` (CohortSettings -> Cohort) with the series of the run, or with every file where there is no such series.

    A series that the command names (``is_named``) stays. So do labels of series that have other names: InputError asks
    for --series then, because a score of another series would be taken for one of the run's.
    """
    from tune_ks.data.layouts.sheets import InputError, NoSeries, UnknownSeries

    try:
        return ReadCohort(read(settings), [])
    except UnknownSeries as error:
        if is_named:
            raise
        has_series = not isinstance(error, NoSeries)
        if labelled and has_series:
            words = f"The models were trained on {settings.series!r}; --series NAME takes another"
            raise InputError(f"{error}. {words}") from None
    if has_series:
        why = "which nothing here is called: every file is read (--series NAME takes the files in folders of that name)"
    else:
        why = (
            "and no sheet here names series: every file is read (with a column series in labels.csv, --series NAME "
            "takes the files of that name)"
        )
    cohort = read(dataclasses.replace(settings, series=None))
    return ReadCohort(cohort, [f"series: the models were trained on {settings.series!r}, {why}"])
