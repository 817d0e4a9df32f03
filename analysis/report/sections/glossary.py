"""What the words of the report mean; the page's script shows the same where a word stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from analysis.report.glossary import TERMS
from analysis.report.parts import Part, slug
from analysis.report.sections.base import Section
from analysis.results.compute import Analysis
from analysis.statistics.measures import MEASURES, Measure
from tune_ks.core.domain_words import VENDOR_WORDS


class Entry(NamedTuple):
    """One term."""

    name: str
    spellings: str  # with | between them
    meaning: str
    identity: str  # of the HTML element


@dataclass(frozen=True)
class Glossary:
    """A list of terms, which glossary.js reads."""

    entries: Sequence[Entry]
    template: ClassVar[str] = "glossary.html"


def parts(analysis: Analysis) -> Sequence[Part]:
    """The terms by name; of metrics only the run's."""
    other_metrics = {measure.title for measure in MEASURES.values()} - {analysis.measure.title}
    if "LROC" in other_metrics:
        other_metrics.add("FROC")  # of the same task
    entries = []
    for spellings, meaning in TERMS.items():
        name = spellings.partition("|")[0]
        if name not in other_metrics:
            entries.append(Entry(name, spellings, _of(analysis.measure, meaning), f"means-{slug(name)}"))
    return [Glossary(sorted(entries, key=lambda entry: entry.name.lower()))]


def _of(measure: Measure, meaning: str) -> str:
    """A meaning with the word for the run's domains; vendors are those of scanners, other domains are not."""
    if measure.domains != VENDOR_WORDS:
        meaning = meaning.replace(" of scanners", "")
    return measure.words(meaning)


SECTION = Section("Glossary", parts)
