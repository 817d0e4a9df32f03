"""The first screen: the cohort, and for each source vendor the answer in a picture, then two plots; words on demand."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from analysis.choice.noninferior_words import account
from analysis.choice.selection import Selection
from analysis.report.parts import Details, Paragraph, Part, Picture
from analysis.report.sections import curves, masks, pareto
from analysis.report.sections.base import Section
from analysis.report.sections.choice import KINDS, Gauge, gauge, on_whom, trainings
from analysis.results import evidence, sentences, versus_lowpass_words, warnings
from analysis.results.compute import Analysis, VendorAnalysis
from analysis.results.fitness import UNDERFIT
from analysis.results.gallery import Exhibit, chosen_exhibit
from analysis.results.headline import (
    chosen_settings,
    cohort_line,
    doubts_of,
    headline,
    numbers,
    score_words,
    verdict_in_brief,
)
from analysis.results.rate_units import in_units
from tune_ks.core.domains import sources_of
from tune_ks.core.rate_words import acceleration, rate_tick, rate_words

NO_CHOICE = "What this folder does hold is below: failed and pending trials, the cohort, and where it came from."
NO_MASK = "The file of the chosen mask is absent: there is none to show."


class FrontVendor(NamedTuple):
    """One source vendor on the first screen."""

    name: str
    rate: str  # large: the share of k-space that is kept
    about_rate: str  # beside it: acceleration, mask family, settings
    how_sure: str  # below it: the interval of the rate
    verdict: str  # against full sampling
    proven: bool
    gauges: Sequence[Gauge]  # a line a domain
    about_gauges: str
    mask: Sequence[Part]
    doubts: Sequence[str]  # in a few words each
    texts: Sequence[Part]
    pareto: Sequence[Part]
    curve: Sequence[Part]


@dataclass(frozen=True)
class Front:
    """The vendors side by side where there is room, each part at the height of the other's."""

    vendors: Sequence[FrontVendor]
    template: ClassVar[str] = "front.html"


@dataclass(frozen=True)
class Kept:
    """The mask beside an image in full and as the mask leaves it."""

    pictures: Sequence[Picture]
    strip: Picture
    about: str
    template: ClassVar[str] = "kept.html"


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
    selection = computed.selection
    verdict, proven = verdict_in_brief(selection)
    is_chosen = not math.isnan(selection.rate)
    return FrontVendor(
        name=vendor,
        rate=_share(selection.rate),
        about_rate=_about_rate(analysis, computed) if is_chosen else "",
        how_sure=_how_sure(selection),
        verdict=verdict,
        proven=proven,
        gauges=[_gauge(analysis, computed, domain) for domain in KINDS] if is_chosen else [],
        about_gauges=_about_gauges(analysis, computed) if is_chosen else "",
        mask=_mask(analysis, computed),
        doubts=[doubt.brief for doubt in doubts_of(computed, analysis)],
        texts=texts(analysis, computed),
        pareto=[pareto.figure(analysis, computed, "Pareto front")],
        curve=[curves.figure(analysis, vendor, curves.split_on_front(analysis), f"{analysis.measure.title} by rate")],
    )


def _share(rate: float) -> str:
    """``1/4 of k-space``."""
    if math.isnan(rate):
        return "No rate"
    return "All of k-space" if rate == 1 else f"{rate_tick(rate)} of k-space"


def _gauge(analysis: Analysis, computed: VendorAnalysis, domain: str) -> Gauge:
    """One metric on the scale of this screen; its own interval is a bar, and in numbers where nothing is compared."""
    selection = computed.selection
    drawn = gauge(selection, domain, analysis.measure, on_whom(analysis, selection, domain), scale(analysis))
    if drawn.value is None:
        return drawn
    words = score_words(selection, domain)
    if selection.rate == 1 or not selection.full_sampling:
        words += sentences.spread(selection.values, f"{sentences.split_shown(selection)}_{domain}")
    return drawn._replace(text=words)


def scale(analysis: Analysis) -> tuple[float, float]:
    """The ends of the screen's scale in tenths: all intervals and full sampling lie within, or at its left end."""
    ends = []
    for computed in analysis.vendors.values():
        selection = computed.selection
        for domain in KINDS:
            name = f"{sentences.split_shown(selection)}_{domain}"
            ends += [selection.values.get(f"{name}{end}", math.nan) for end in ("", "_low", "_high")]
            ends.append(selection.full_sampling.get(name, math.nan))
    known = [end for end in ends if not math.isnan(end)]
    if not known:
        return analysis.measure.gauge, 1.0
    high = max(math.ceil(10 * max(known)) / 10, analysis.measure.gauge + 0.1)
    low = max(math.floor(10 * min(known)) / 10, analysis.measure.gauge)
    return min(low, high - 0.1), high  # where all are 1, from 0.9: no measure goes beyond


def _about_rate(analysis: Analysis, computed: VendorAnalysis) -> str:
    """``R = 4, gumbel``: acceleration, mask family below full sampling, and what else the choice has set."""
    selection = computed.selection
    exhibit = chosen_exhibit(analysis, computed.vendor, False)
    family = [] if exhibit is None or selection.rate == 1 else [exhibit.family]
    settings = chosen_settings(computed)
    return ", ".join(filter(None, [f"R = {acceleration(selection.rate)}", *family, settings]))


def _how_sure(selection: Selection) -> str:
    """``90 % interval of the rate 1/16 to 1``; empty where nothing was chosen."""
    sure = evidence.about_rate(selection)
    return f"{sure[:1].upper()}{sure[1:]}"


def _about_gauges(analysis: Analysis, computed: VendorAnalysis) -> str:
    """How to read the two lines: trainings behind each dot, and what the bar holds."""
    selection = computed.selection
    split = sentences.SPLITS[sentences.split_shown(selection)]
    of_choice = trainings(selection.values)
    of_full = trainings(selection.full_sampling)
    tick = f"; tick: full sampling ({of_full})" if selection.full_sampling and selection.rate < 1 else ""
    low, high = scale(analysis)
    return f"Dot: {split} {analysis.measure.title}, {of_choice}; bar: 90 % interval{tick}; scale {low:g} to {high:g}."


def texts(analysis: Analysis, computed: VendorAnalysis) -> list[Part]:
    """Below the picture: learned mask or low-pass, whose labels chose, and on demand the sentence and its reasons."""
    selection = computed.selection
    measure = analysis.measure
    whose_labels = sentences.whose_labels(selection, measure)
    about = warnings.of_vendor(analysis.warnings, computed.vendor)
    fit = Paragraph(computed.fitness.sentence, "warning" if computed.fitness.verdict == UNDERFIT else "small")
    reasons = [
        Paragraph(headline(analysis, computed.vendor), "says"),
        Paragraph(numbers(analysis, computed.vendor), "numbers"),
        *(Paragraph(text, "warning") for text in about),
        fit,
        *(Paragraph(text, "warning" if doubt else "small") for text, doubt in _against_full(analysis, computed)),
        Paragraph(f"Proof: {account(computed.proof, measure)}", "small"),
        Paragraph(versus_lowpass_words.headline(analysis.versus_lowpass, computed.vendor, measure.title), "small"),
        Paragraph(whose_labels, "seen"),
    ]
    warned = f" ({len(about)} warning{'s' if len(about) > 1 else ''})" if about else ""
    return [
        Paragraph(versus_lowpass_words.short(analysis.versus_lowpass, computed.vendor), "small"),
        Paragraph(f"Rule {selection.rule}. {sentences.labels(selection, measure)}", "seen", whose_labels),
        Details(f"In words: reasons, and how sure{warned}", reasons, "doubt" if about else ""),
    ]


def _against_full(analysis: Analysis, computed: VendorAnalysis) -> list[tuple[str, bool]]:
    """How likely the rate is no worse, the rate in other units, and the verdicts; (text, whether it is a doubt)."""
    selection = computed.selection
    likely = evidence.likely(selection, analysis.options)
    texts = [(f"{likely[0].upper()}{likely[1:]}." if likely else "", False)]
    texts.append((in_units(analysis.run, computed.vendor, selection.rate), False))
    return texts + evidence.against_full(selection, analysis.options)


def _mask(analysis: Analysis, computed: VendorAnalysis) -> list[Part]:
    """The chosen mask, and an image in full and as the mask leaves it; nothing where all of k-space is kept."""
    exhibit = chosen_exhibit(analysis, computed.vendor, analysis.images)
    if exhibit is None or computed.selection.rate == 1:
        return []
    if exhibit.mask is None:
        return [Paragraph(NO_MASK, "small")]
    words = f"{masks.counted(exhibit.mask)} kept (white), DC in the middle"
    kind = "strip points" if exhibit.mask.ndim == 2 else "strip"
    strip = Picture(masks.grey(exhibit.mask), f"Chosen mask, {exhibit.family}: {words}", kind=kind)
    pictures, about = _before_after(analysis, computed.vendor, exhibit)
    return [Kept(pictures, strip, f"{words}{about}")]


def _before_after(analysis: Analysis, vendor: str, exhibit: Exhibit) -> tuple[list[Picture], str]:
    """A tumour image of the vendor where the preview has one, else its first image; in full, sampled, and in words."""
    preview = exhibit.preview
    if preview is None or not len(preview.row):
        return [], ""
    about = [masks.about_image(analysis.run.cohort, int(row), analysis.measure) for row in preview.row]
    wanted = {f"{name}, {analysis.measure.class_words(1)}" for name in sources_of(vendor)}
    place = next((number for number, words in enumerate(about) if words in wanted), 0)
    full = Picture(preview.full[place], f"{about[place]}, full image")
    sampled = Picture(preview.sampled[place], f"{about[place]}, rate {rate_words(exhibit.rate)}")
    return [full, sampled], f". {about[place]}: full, and as the mask leaves it"


SECTION = Section("The choice", parts)
