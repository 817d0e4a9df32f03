"""The choice in numbers: per vendor the rate, its metrics against full sampling, what is proven and what is not."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from analysis.choice import noninferior_words as proof_words
from analysis.choice.options import Options
from analysis.choice.rules import DEFAULT, RULES
from analysis.choice.selection import Selection
from analysis.choice.verdict import is_proven
from analysis.report.parts import Panels, Paragraph, Part, number
from analysis.report.sections.base import Section
from analysis.results import evidence, sentences
from analysis.results.compute import Analysis, VendorAnalysis
from analysis.results.headline import patients_of, whose_patients
from analysis.statistics.measures import Measure
from tune_ks.core.rate_words import rate_words

KINDS = {"in_domain": "in", "cross_domain": "cross"}  # domain -> class of report.css
# the two rules that always stand side by side
PROVEN = next(name for name, rule in RULES.items() if rule.needs_proof)
UNPROVEN = DEFAULT


class Gauge(NamedTuple):
    """One metric on a scale that ends at 1; positions are CSS lengths from its left end."""

    kind: str
    word: str
    text: str
    value: str | None = None  # None: it was not measured, and no scale is drawn
    low: str | None = None  # the interval; None where there is none
    high: str | None = None
    full: str | None = None  # full sampling; None where it is not known


class Pick(NamedTuple):
    """What one of two rules picks."""

    kind: str
    title: str
    rate: str
    texts: Sequence[Paragraph]


@dataclass(frozen=True)
class VendorCard:
    """One vendor's choice."""

    vendor: str
    rate: str
    about_rate: str
    gauges: Sequence[Gauge]
    texts: Sequence[Paragraph]
    picks: Sequence[Pick]
    small_print: Sequence[Paragraph]
    template: ClassVar[str] = "vendor_card.html"


def parts(analysis: Analysis) -> Sequence[Part]:
    """A card a vendor."""
    return [Panels([[_card(analysis, computed)] for computed in analysis.vendors.values()])]


def _card(analysis: Analysis, computed: VendorAnalysis) -> VendorCard:
    selection = computed.selection
    measure = analysis.measure
    split = sentences.SPLITS[sentences.split_shown(selection)]
    about_gauges = (
        f"{measure.title} on {split} patients, {trainings(selection.values)} [90 % interval over patients and, where "
        f"it is known how far they differ, trainings]; the tick is full sampling, the scale {measure.gauge:g} to 1."
    )
    return VendorCard(
        vendor=computed.vendor,
        rate="no rate" if math.isnan(selection.rate) else rate_words(selection.rate),
        about_rate=_about_rate(selection),
        gauges=[gauge(selection, domain, measure, on_whom(analysis, selection, domain)) for domain in KINDS],
        texts=[
            Paragraph(about_gauges, "small"),
            Paragraph(sentences.plainly(selection, measure, _others(analysis, selection))),
        ],
        picks=[_proven(computed, analysis.options), _unproven(computed, measure)],
        small_print=[_labels(selection, measure)],
    )


def _others(analysis: Analysis, selection: Selection) -> str:
    """The vendors of the cross-domain mean in words; "" where nothing is chosen."""
    return patients_of(analysis.run, selection, "cross_domain")[0] if selection.keys else ""


def on_whom(analysis: Analysis, selection: Selection, domain: str) -> str:
    """``on GE, 36 patients``; the domain's name where nobody was scored."""
    whose = whose_patients(analysis, selection, domain) if selection.keys else ""
    return f"on {whose}" if whose else sentences.DOMAINS[domain]


def trainings(values: Mapping[str, float]) -> str:
    """``mean of 3 seeds``."""
    seeds = values.get("seeds", math.nan)
    if math.isnan(seeds):
        return "seeds unknown"
    return "one seed" if seeds == 1 else f"mean of {seeds:g} seeds"


def _labels(selection: Selection, measure: Measure) -> Paragraph:
    """Whose labels chose, in full when a reader points at it."""
    return Paragraph(sentences.labels(selection, measure), "seen", sentences.whose_labels(selection, measure))


def _about_rate(selection: Selection) -> str:
    if math.isnan(selection.rate):
        return ""
    return f"of k-space; {evidence.about_rate(selection)}; rule {selection.rule}"


def gauge(
    selection: Selection, domain: str, measure: Measure, word: str, scale: tuple[float, float] | None = None
) -> Gauge:
    """One metric, called ``word``, with its interval as a bar, full sampling as a tick, and the same in numbers.

    ``scale``: where it begins and ends; otherwise from the metric's ``gauge`` to 1.
    """
    ends = (measure.gauge, 1.0) if scale is None else scale
    full_sampling = {} if selection.rate == 1 else selection.full_sampling
    name = f"{sentences.split_shown(selection)}_{domain}"
    kind = KINDS[domain]
    value = selection.values.get(name, math.nan)
    if math.isnan(value):
        return Gauge(kind, word, f"{measure.title} not measured")
    return Gauge(
        kind,
        word,
        "; ".join(filter(None, [_scored(selection.values, name), _against_full(selection, name, domain)])),
        value=_position(value, ends),
        low=_position(selection.values.get(f"{name}_low", math.nan), ends),
        high=_position(selection.values.get(f"{name}_high", math.nan), ends),
        full=_position(full_sampling.get(name, math.nan), ends),
    )


def _against_full(selection: Selection, name: str, domain: str) -> str:
    """The same metric at full sampling, and the difference where patients are the same; "" of full sampling itself."""
    if selection.rate == 1:
        return ""
    full = selection.full_sampling.get(name, math.nan)
    words = "no full sampling here" if math.isnan(full) else f"full sampling {_scored(selection.full_sampling, name)}"
    if name.startswith("test_"):
        difference = sentences.difference(selection.values, domain)
        if difference:
            return f"{words}; difference {difference}"
    return words


def _scored(values: dict[str, float], name: str) -> str:
    """``0.850 [0.800, 0.900]``."""
    return number(values[name]) + sentences.spread(values, name)


def _position(value: float, ends: tuple[float, float]) -> str | None:
    """A value as a CSS length from the left end of a scale between two ends; None where it is not known."""
    if math.isnan(value):
        return None
    share = (value - ends[0]) / (ends[1] - ends[0])
    return f"{100 * min(max(share, 0), 1):.1f}%"


def _proven(computed: VendorAnalysis, options: Options) -> Pick:
    """Green only where something below full sampling is proven."""
    measure = options.measure
    words = proof_words.account(computed.proof, measure)
    selection = _choice_of(PROVEN, computed)
    if not computed.proof.rate < 1:
        return _pick("unproven", f"Nothing below 1 is proven: {PROVEN}", None, words, measure)
    of_endpoints = selection.verdicts if selection is not None else {}
    for domain, verdict in of_endpoints.items():
        if verdict.contradicts_proof:
            words += f" {evidence.sentence(verdict, sentences.DOMAINS[domain], measure.title)}"
    return _pick("proven", f"Proven: {PROVEN}", selection, words, measure)


def _unproven(computed: VendorAnalysis, measure: Measure) -> Pick:
    """The estimate; it says so where the same rate is proven as well."""
    selection = _choice_of(UNPROVEN, computed)
    if selection is None:
        return _pick("unproven", f"Unproven: {UNPROVEN}", selection, "No choice.", measure)
    if math.isnan(selection.rate):
        return _pick("unproven", f"Unproven: {UNPROVEN}", selection, f"{selection.note}.", measure)
    rule = measure.words(RULES[UNPROVEN].summary.rstrip("."))
    options = "".join(f" ({name.replace('_', ' ')} {value:.3g})" for name, value in selection.parameters.items())
    if is_proven(selection.verdicts):
        return _pick(
            "proven", f"Also proven: {UNPROVEN}", selection, f"{rule}{options}; this rate is proven as well.", measure
        )
    return _pick(
        "unproven", f"Unproven: {UNPROVEN}", selection, f"{rule}{options}: a point estimate, not a proof.", measure
    )


def _choice_of(rule: str, computed: VendorAnalysis) -> Selection | None:
    """A rule's choice among learned masks, by validation scores wherever there are any; None where it did not run."""
    choices = [selection for selection in (computed.selection, *computed.others) if selection.rule == rule]
    learned = [selection for selection in choices if selection.family == "learned" and not selection.held_out]
    return min(learned, key=lambda selection: selection.oracle, default=None)


def _pick(kind: str, title: str, selection: Selection | None, words: str, measure: Measure) -> Pick:
    """Its rate, scores and labels; a dash and the words where there is no rate."""
    if selection is None or math.isnan(selection.rate):
        return Pick(kind, title, number(None), [Paragraph(words)])
    split = sentences.split_shown(selection)
    scores = [f"{word} {_scored(selection.values, f'{split}_{d}')}" for d, word in sentences.DOMAINS.items()]
    texts = [Paragraph("; ".join(scores)), Paragraph(words), Paragraph(sentences.labels(selection, measure), "small")]
    return Pick(kind, title, rate_words(selection.rate), texts)


SECTION = Section("The choice in numbers", parts)
