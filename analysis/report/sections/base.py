"""What a section of the report is: a file of this folder with a SECTION, and a line in SECTIONS."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pandas as pd

from analysis.plots.common import to_json
from analysis.read.configurations import plain_name
from analysis.report.parts import Figure, Paragraph, Part
from analysis.results import sentences
from analysis.results.compute import Analysis
from analysis.statistics.measures import Measure


def any_metric(measure: Measure) -> bool:
    """For a section that makes sense whatever the scores are."""
    return True


def of_classes(measure: Measure) -> bool:
    """For a section that needs scores which tell two classes of images apart."""
    return measure.of_classes


def of_values(measure: Measure) -> bool:
    """For a section that needs a value of each image by itself."""
    return not measure.of_classes


class Section(NamedTuple):
    """A heading, and what stands below it; a section without parts is left out of the page."""

    title: str  # the word "metric" in it is replaced by the name of the run's metric
    parts: Callable[[Analysis], Sequence[Part]]
    needs: Callable[[Measure], bool] = any_metric


def labels_seen(analysis: Analysis) -> Paragraph:
    """Whose labels chose each rate, in full when a reader points at it: wherever a cross-domain number stands."""
    brief: dict[str, list[str]] = {}
    full = []
    for vendor, computed in analysis.vendors.items():
        brief.setdefault(sentences.labels_briefly(computed.selection, analysis.measure), []).append(vendor)
        full.append(f"{vendor}: {sentences.whose_labels(computed.selection, analysis.measure)}")
    words = "; ".join(f"{labels} ({', '.join(vendors)})" for labels, vendors in brief.items())
    return Paragraph(f"Labels that chose: {words}." if words else "", "seen", " ".join(full))


def as_high_as_drawn(name: str, drawn: Any, alt: str, title: str) -> Figure:
    """A figure of plotly whose plot has set its own height, as one with a row for each name does."""
    return Figure(name, to_json(drawn), alt, int(drawn.layout.height), title)


def known_columns(frame: pd.DataFrame, names: Sequence[str], measure: Measure) -> pd.DataFrame:
    """The named columns that hold anything, in words: with spaces, and a vendor called as the run calls its domains."""
    known = [name for name in names if name in frame and frame[name].notna().any()]
    return frame[known].rename(columns=lambda name: measure.domains.of(plain_name(name)))
