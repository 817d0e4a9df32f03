"""The first screen: the cohort, and for each source vendor a verdict, two plots, the chosen mask and what it leaves."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from analysis.choice.noninferior_words import account
from analysis.report.parts import Details, Paragraph, Part, Picture
from analysis.report.sections import curves, masks, pareto
from analysis.report.sections.base import Section
from analysis.results import evidence, sentences, versus_lowpass, warnings
from analysis.results.compute import Analysis, VendorAnalysis
from analysis.results.fitness import UNDERFIT
from analysis.results.gallery import Exhibit, chosen_exhibit
from analysis.results.headline import cohort_line, headline, numbers
from analysis.results.rate_units import in_units
from tune_ks.core.domains import source_words, sources_of
from tune_ks.core.rate_words import rate_words

NO_CHOICE = (
    "No vendor has a finished trial, so there is no choice, no front, no curve and no mask to show. What this folder "
    "does hold is below: failed and pending trials, the cohort, and where it came from."
)
NO_MASK = "The chosen mask keeps all of k-space, or its file is absent: there is none to show."


class FrontVendor(NamedTuple):
    """One source vendor on the first screen."""

    name: str
    sentence: str
    texts: Sequence[Part]
    pareto: Sequence[Part]
    curve: Sequence[Part]
    mask: Sequence[Part]


@dataclass(frozen=True)
class Front:
    """The vendors side by side where there is room, each part at the height of the other's."""

    vendors: Sequence[FrontVendor]
    template: ClassVar[str] = "front.html"


@dataclass(frozen=True)
class BeforeAfter:
    """Two images beside each other."""

    pictures: Sequence[Picture]
    about: str
    template: ClassVar[str] = "before_after.html"


def parts(analysis: Analysis) -> Sequence[Part]:
    """The cohort with its warnings, then the vendors; a run without a choice says what could not be computed."""
    cohort = Paragraph(cohort_line(analysis), "small")
    if not analysis.vendors:
        return [
            cohort,
            *(Paragraph(text, "warning") for text in analysis.warnings),
            Paragraph(analysis.measure.words(NO_CHOICE)),
        ]
    about_run = warnings.of_the_run(analysis.warnings, analysis.vendors)
    banner = [Paragraph(text, "warning") for text in about_run if text == warnings.SYNTHETIC]
    others = [Paragraph(text, "warning") for text in about_run if text != warnings.SYNTHETIC]
    count = f"{len(others)} warning{'s' if len(others) > 1 else ''} about the run as a whole"
    shown = [Details(count, others, "doubt")] if others else []
    vendors = [_vendor(analysis, computed) for computed in analysis.vendors.values()]
    filters = Details("Filter the Pareto plots", [pareto.filters(analysis)], "on-screen")
    click = Paragraph("A click on a point opens its trial.", "small on-screen")
    return [cohort, *banner, *shown, Front(vendors), click, filters]


def _vendor(analysis: Analysis, computed: VendorAnalysis) -> FrontVendor:
    vendor = computed.vendor
    return FrontVendor(
        name=source_words(vendor),
        sentence=headline(analysis, vendor),
        texts=texts(analysis, computed),
        pareto=[pareto.figure(analysis, computed, "Pareto front")],
        curve=[curves.figure(analysis, vendor, curves.split_on_front(analysis), f"{analysis.measure.title} by rate")],
        mask=_mask(analysis, vendor),
    )


def texts(analysis: Analysis, computed: VendorAnalysis) -> list[Part]:
    """Below the sentence, in the same block: warnings, whose labels chose, and on demand the reasons."""
    selection = computed.selection
    measure = analysis.measure
    whose_labels = sentences.whose_labels(selection, measure)
    about = warnings.of_vendor(analysis.warnings, computed.vendor)
    said = warnings.yardstick_not_beaten(selection, analysis.configurations)  # the sentence says it too
    fit = Paragraph(computed.fitness.sentence, "warning" if computed.fitness.verdict == UNDERFIT else "small")
    reasons = [
        fit,
        *(Paragraph(text, "warning" if doubt else "small") for text, doubt in _against_full(analysis, computed)),
        *(Paragraph(text, "warning") for text in about if said and said in text),
        Paragraph(f"Proof: {account(computed.proof, measure)}", "small"),
        Paragraph(versus_lowpass.headline(analysis.versus_lowpass, computed.vendor, measure.title), "small"),
        Paragraph(whose_labels, "seen"),
    ]
    return [
        Paragraph(numbers(analysis, computed.vendor), "numbers"),
        Paragraph(versus_lowpass.short(analysis.versus_lowpass, computed.vendor)),
        *(Paragraph(text, "warning") for text in about if not (said and said in text)),
        Paragraph(f"Rule {selection.rule}. {sentences.labels(selection, measure)}", "seen", whose_labels),
        Details("Reasons, and how sure", reasons),
    ]


def _against_full(analysis: Analysis, computed: VendorAnalysis) -> list[tuple[str, bool]]:
    """How sure the rate is, the rate in other units, and the verdicts; (text, whether it is a doubt)."""
    selection = computed.selection
    sure = evidence.how_sure(selection, analysis.options)
    texts = [(f"{sure[0].upper()}{sure[1:]}." if sure else "", False)]
    texts.append((in_units(analysis.run, computed.vendor, selection.rate), False))
    return texts + evidence.against_full(selection, analysis.options)


def _mask(analysis: Analysis, vendor: str) -> list[Part]:
    """The chosen mask, and an image in full and as the mask leaves it."""
    exhibit = chosen_exhibit(analysis, vendor, analysis.images)
    if exhibit is None or not exhibit.undersampled:
        return [Paragraph(NO_MASK, "small")]
    words = f"Chosen mask: {exhibit.family}, {masks.counted(exhibit.mask)}, DC in the middle"
    kind = "strip points" if exhibit.mask.ndim == 2 else "strip"
    strip = Picture(masks.grey(exhibit.mask), f"{words}; white is kept", kind=kind)
    return [Paragraph(words, "small"), strip, *_before_after(analysis, vendor, exhibit)]


def _before_after(analysis: Analysis, vendor: str, exhibit: Exhibit) -> list[Part]:
    """A tumour image of the vendor where the preview has one, else its first image."""
    preview = exhibit.preview
    if preview is None or not len(preview.row):
        return []
    about = [masks.about_image(analysis.run.cohort, int(row), analysis.measure) for row in preview.row]
    wanted = {f"{name}, {analysis.measure.class_words(1)}" for name in sources_of(vendor)}
    place = next((number for number, words in enumerate(about) if words in wanted), 0)
    words = f"{about[place]}: full, and as the mask leaves it"
    full = Picture(preview.full[place], f"{about[place]}, full image")
    sampled = Picture(preview.sampled[place], f"{about[place]}, rate {rate_words(exhibit.rate)}")
    return [BeforeAfter([full, sampled], words)]


SECTION = Section("The choice", parts)
