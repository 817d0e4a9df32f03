"""Trials that failed, were stopped, were left out or have not finished, and files that were skipped; with reasons."""

from collections.abc import Sequence

import pandas as pd

from analysis.report.parts import Paragraph, Part, table
from analysis.report.sections.base import Section
from analysis.results.compute import Analysis

NOTHING = "Nothing: every trial that was asked for has a readable record."


def parts(analysis: Analysis) -> Sequence[Part]:
    """A table for each kind of trouble that there is."""
    run = analysis.run
    unreadable = pd.DataFrame(list(run.unreadable.items()), columns=["record left out", "why"])
    pending = pd.DataFrame({"begun, not finished": run.pending})
    skipped = run.skipped.groupby("reason").agg(files=("path", "size")).reset_index()
    tables = [
        table(_in_words(run.failures), "failures", "Failed trials"),
        table(_in_words(run.stopped), "stopped", "Trials that a scheduler stopped early"),
        table(unreadable, "left-out", "Records left out"),
        table(pending, "pending", "Trials without a record"),
        table(skipped, "skipped", "Files of the cohort that were skipped (skipped.csv names them)"),
    ]
    filled = [shown for shown in tables if shown.rows]
    return filled or [Paragraph(NOTHING, "small")]


def _in_words(trials: pd.DataFrame) -> pd.DataFrame:
    """The same with names of columns as in the table of all trials."""
    return trials.rename(columns=lambda name: name.replace("_", " "))


SECTION = Section("Failed, stopped, left out", parts)
