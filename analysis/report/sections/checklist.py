"""What reporting guidelines ask, filled where the run knows."""

from collections.abc import Sequence

import pandas as pd

from analysis.report.parts import Paragraph, Part, table
from analysis.report.sections.base import Section, labels_seen
from analysis.results.checklist import ABOUT, SOURCES, checklist
from analysis.results.compute import Analysis


def parts(analysis: Analysis) -> Sequence[Part]:
    """A row a topic; nothing without a finished trial."""
    if not analysis.vendors:
        return []
    entries = checklist(analysis)
    rows = [(entry.part, entry.topic, entry.of, entry.answer) for entry in entries]
    frame = pd.DataFrame(rows, columns=["part", "topic", "asked by", "answer"])
    filled = sum(entry.known for entry in entries)
    about = f"{ABOUT} {filled} of {len(entries)} topics are filled. --figures writes them as checklist.md."
    return [
        Paragraph(about, "small"),
        table(frame, "checklist"),
        Paragraph("; ".join(SOURCES) + ".", "small"),
        labels_seen(analysis),
    ]


SECTION = Section("Reporting checklist (CLAIM, TRIPOD+AI)", parts)
