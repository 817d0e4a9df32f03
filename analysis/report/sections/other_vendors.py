"""Which vendors the cross-domain mean is over, and the chosen rate on every one of them."""

import math
from collections.abc import Sequence

import pandas as pd

from analysis.plots.elsewhere import CHOSEN, plot_elsewhere
from analysis.read.configurations import FULL
from analysis.report.parts import Panels, Paragraph, Part, slug, table
from analysis.report.sections.base import Section, as_high_as_drawn, labels_seen
from analysis.results import other_vendors
from analysis.results.compute import Analysis
from tune_ks.core.domains import FEWEST

NOTE = (
    "The cross-domain metric is the mean over the other vendors, each with the same weight. A vendor with fewer than "
    f"{FEWEST} {{patients}} is not in it, because it would bring as much of the mean as any other and nearly "
    "all of its error. Values are test metrics of the chosen rate [90 % interval over patients and trainings]."
)

ALT = ": a row a vendor scored on, the chosen rate with its 90 % interval beside full sampling"


def parts(analysis: Analysis) -> Sequence[Part]:
    """A figure a vendor trained on and a table; nothing where every mean is of one vendor and leaves out none."""
    rows = analysis.other_vendors
    if rows.empty:
        return []
    measure = analysis.measure
    lines = other_vendors.sentences(analysis.run, rows, measure)
    means = [Paragraph(line) for line in lines if not line.startswith(" ")]
    shown = rows.dropna(axis="columns", how="all").rename(columns=measure.patient_words)
    if not measure.finding:
        shown = shown.drop(columns="patients without", errors="ignore")
    note = Paragraph(measure.words(NOTE.format(patients=measure.patient_words("patients of a class"))), "small")
    figures = [
        _figure(analysis, str(source), of_source) for source, of_source in rows.groupby("trained on", sort=False)
    ]
    return [
        *means,
        Panels(figures),
        table(shown, "other-vendors", measure.words("The other vendors, one by one")),
        labels_seen(analysis),
        note,
    ]


def _figure(analysis: Analysis, source: str, rows: pd.DataFrame) -> list[Part]:
    """The chosen rate on each other vendor, beside full sampling; empty where none has a value."""
    if rows["value"].isna().all():
        return []
    chosen = rows.assign(where="on " + rows["scored on"].astype(str), sampling=CHOSEN)
    full = chosen.assign(sampling=FULL, value=rows["full sampling"], low=math.nan, high=math.nan)
    title = f"test {analysis.measure.title}"
    alt = f"{title}, trained on {source}{analysis.measure.words(ALT)}"
    figure = plot_elsewhere(pd.concat([chosen, full]), title)
    return [as_high_as_drawn(f"elsewhere-{slug(source)}", figure, alt, f"Trained on {source}")]


SECTION = Section("Other vendors", parts)
