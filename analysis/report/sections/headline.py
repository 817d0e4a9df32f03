"""The report's first screen: per vendor the rate, its metrics against full sampling, what is proven and what is not."""

import math
from html import escape

from analysis.choice import noninferior_words as proof_words
from analysis.choice.rules import DEFAULT, RULES
from analysis.choice.selection import Selection
from analysis.report.page import heading, number, panels, paragraph
from analysis.results import evidence, sentences
from analysis.results.compute import Analysis
from analysis.statistics.measures import Measure

KINDS = {"in_domain": "in", "cross_domain": "cross"}  # CSS classes
PROVEN = next(name for name, rule in RULES.items() if rule.needs_proof)
UNPROVEN = DEFAULT


def headline(analysis: Analysis) -> str:
    """A card a vendor, then what to be wary of; a run without a choice says what could not be computed."""
    if not analysis.vendors:
        missing = "No vendor has a finished trial, so there is no choice, no front, no curve and no mask to show. What "
        missing += "this folder does hold is below: failed and pending trials, the cohort, and where it came from."
        return paragraph(missing) + _warnings(analysis)
    cards = [card(analysis, vendor, computed.selection) for vendor, computed in analysis.vendors.items()]
    return panels(*cards) + _warnings(analysis)


def card(analysis: Analysis, vendor: str, selection: Selection) -> str:
    """One vendor's choice."""
    likely = evidence.likely(selection, analysis.options)
    return (
        f'<div class="vendor-card">{heading(f"Trained on {vendor}")}{_rate(selection)}'
        f"{_gauges(selection, analysis.measure)}{paragraph(sentences.plainly(selection, analysis.measure))}"
        f"{paragraph(evidence.not_separated(selection, analysis.options), 'warning')}"
        f'<div class="picks">{_proven(analysis, vendor)}{_unproven(analysis, vendor)}</div>'
        f"{paragraph(f'{likely[:1].upper()}{likely[1:]}.' if likely else '', 'small')}"
        f"{paragraph(sentences.whose_labels(selection, analysis.measure), 'seen')}</div>"
    )


def pick(analysis: Analysis, vendor: str, rule: str) -> Selection | None:
    """A rule's choice among learned masks, by validation scores wherever there are any; None where it did not run."""
    vendor_analysis = analysis.vendors[vendor]
    found = [s for s in (vendor_analysis.selection, *vendor_analysis.others) if s.rule == rule]
    found = [s for s in found if s.family == "learned" and not s.held_out]
    return min(found, key=lambda s: s.oracle, default=None)


def _rate(selection: Selection) -> str:
    if math.isnan(selection.rate):
        return '<div class="rate">no rate</div>'
    ends = selection.interval
    known = ends is not None and not any(math.isnan(end) for end in ends)
    words = f"90 % interval {ends[0]:.3f} to {ends[1]:.3f}" if known else "no interval for the rate"
    words = f"of k-space, {words}; rule {selection.rule}"
    return f'<div class="rate">{selection.rate:.3f} <small>{escape(words)}</small></div>'


def _gauges(selection: Selection, measure: Measure) -> str:
    """Both metrics with intervals as bars, full sampling as a tick, and the same in numbers."""
    split, low_end = sentences.split_shown(selection), measure.gauge
    rows = []

    def at(value: float) -> str:
        return f"{100 * min(max((value - low_end) / (1 - low_end), 0), 1):.1f}%"

    for domain, kind in KINDS.items():
        word, name = sentences.DOMAINS[domain], f"{split}_{domain}"
        value, full = selection.values.get(name, math.nan), selection.full_sampling.get(name, math.nan)
        if math.isnan(value):
            rows.append(f'<span class="{kind}">{word}</span><span>{measure.title} not measured</span>')
            continue
        low, high = (selection.values.get(f"{name}_{end}", math.nan) for end in ("low", "high"))
        marks = "" if math.isnan(full) else f'<u style="left:{at(full)}" title="full sampling"></u>'
        if not math.isnan(low):
            marks += f'<i style="left:{at(low)};width:calc({at(high)} - {at(low)})"></i>'
        marks += f'<b style="left:{at(value)}"></b>'
        text = f"{number(value)}{sentences.spread(selection.values, name)}"
        against = "no full sampling here"
        if not math.isnan(full):
            against = f"full sampling {number(full)}{sentences.spread(selection.full_sampling, name)}"
        apart = sentences.difference(selection.values, domain) if split == "test" and selection.rate < 1 else ""
        against += f"; difference {apart}" if apart else ""
        rows.append(
            f'<span class="{kind}">{word}</span><div class="gauge {kind}" aria-hidden="true">{marks}</div>'
            f'<span class="value">{escape(f"{text}; {against}")}</span>'
        )
    note = f"{measure.title} on {sentences.SPLITS[split]} patients [90 % interval]; the tick is full sampling, "
    note += f"the scale {low_end:g} to 1."
    return f'<div class="gauges">{"".join(rows)}</div>{paragraph(note, "small")}'


def _proven(analysis: Analysis, vendor: str) -> str:
    words = proof_words.account(analysis.vendors[vendor].proof, analysis.measure)
    return _pick("proven", f"Proven: {PROVEN}", pick(analysis, vendor, PROVEN), words)


def _unproven(analysis: Analysis, vendor: str) -> str:
    found = pick(analysis, vendor, UNPROVEN)
    if found is None or math.isnan(found.rate):
        words = "No choice." if found is None else f"{found.note}."
    else:
        words = f"The smallest rate within {found.parameters['epsilon']:g} of the best in-domain validation "
        words += f"{analysis.measure.title}: a point estimate, not a proof."
    return _pick("unproven", f"Unproven: {UNPROVEN}", found, words)


def _pick(kind: str, title: str, found: Selection | None, words: str) -> str:
    """One of the two picks that always stand side by side."""
    rate = math.nan if found is None else found.rate
    scored = labels = ""
    if found is not None and not math.isnan(rate):
        split = sentences.split_shown(found)
        scored = "; ".join(
            f"{word} {number(found.values[f'{split}_{d}'])}{sentences.spread(found.values, f'{split}_{d}')}"
            for d, word in sentences.DOMAINS.items()
        )
        labels = sentences.labels(found)
    return (
        f'<div class="pick {kind}"><h4>{escape(title)}</h4><div class="rate">{number(rate)}</div>'
        f"{paragraph(scored)}{paragraph(words)}{paragraph(labels, 'small')}</div>"
    )


def _warnings(analysis: Analysis) -> str:
    return "".join(paragraph(text, "warning") for text in analysis.warnings)
