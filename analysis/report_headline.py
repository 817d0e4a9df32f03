"""The report's first screen: per vendor the rate, its AUCs against full sampling, what is proven and what is not."""

import math
from html import escape

from analysis import sentences
from analysis.noninferior import Proof
from analysis.page import heading, number, panels, paragraph
from analysis.selection import Selection
from analysis.study import Analysis

DOMAINS = {"in_domain": ("in-domain", "in"), "cross_domain": ("cross-domain", "cross")}
PROVEN, UNPROVEN = "noninferior", "epsilon"
LOW, HIGH = 0.4, 1.0  # of the gauges
SURE = 0.95


def headline(analysis: Analysis) -> str:
    """A card a vendor, then what to be wary of; a run without a choice says what could not be computed."""
    if not analysis.selections:
        missing = "No vendor has a finished trial, so there is no choice, no front, no curve and no mask to show. What "
        missing += "this folder does hold is below: failed and pending trials, the cohort, and where it came from."
        return paragraph(missing) + _warnings(analysis)
    cards = [card(analysis, vendor, selection) for vendor, selection in analysis.selections.items()]
    return panels(*cards) + _warnings(analysis)


def card(analysis: Analysis, vendor: str, selection: Selection) -> str:
    """One vendor's choice."""
    return (
        f'<div class="vendor-card">{heading(f"Trained on {vendor}")}{_rate(selection)}'
        f"{paragraph(f'of k-space, chosen by the rule {selection.rule}', 'small')}"
        f"{_gauges(selection)}{paragraph(sentences.chosen(selection))}"
        f'<div class="picks">{_proven(analysis, vendor)}{_unproven(analysis, vendor)}</div>'
        f"{paragraph(not_separated(selection), 'warning')}{paragraph(sentences.whose_labels(selection), 'seen')}</div>"
    )


def pick(analysis: Analysis, vendor: str, rule: str) -> Selection | None:
    """A rule's choice among learned masks, by validation scores wherever there are any; None where it did not run."""
    found = [s for s in (analysis.selections[vendor], *analysis.others) if s.vendor == vendor and s.rule == rule]
    found = [s for s in found if s.family == "learned"]
    return min(found, key=lambda s: s.oracle, default=None)


def not_separated(selection: Selection) -> str:
    """The warning when the data can't tell the choice from full sampling; empty when they can, or when it is that."""
    if math.isnan(selection.rate) or selection.rate == 1:
        return ""
    if not selection.full_sampling:
        return "Full sampling has no finished trial here: what this rate costs against it is unknown."
    unsure, unknown = [], []
    for domain, (word, _) in DOMAINS.items():
        low, high = (selection.values.get(f"difference_{domain}_{end}", math.nan) for end in ("low", "high"))
        if math.isnan(low) or math.isnan(high):
            unknown.append(word)
        elif low <= 0 <= high:
            unsure.append(f"{word} [{low:+.3f}, {high:+.3f}]")
    if unsure:
        return (
            f"The evidence does not separate this rate from full sampling: the 90 % interval of the paired difference "
            f"holds 0 ({', '.join(unsure)}). It is neither shown to be as good nor shown to be worse."
        )
    proven = ", ".join(f"{name} {p:.2f}" for name, p in selection.not_worse.items()).replace("_", "-")
    if proven:
        low = min(selection.not_worse.values())
        if low >= SURE:
            return ""
        return (
            "The evidence does not separate this rate from full sampling: the probability that full sampling is not "
            f"better by more than the tolerance is {proven}, below {SURE:g}."
        )
    if unknown:
        return (
            f"No paired interval of the difference to full sampling could be computed ({', '.join(unknown)}): these "
            "data do not separate this rate from full sampling."
        )
    return ""


def _rate(selection: Selection) -> str:
    if math.isnan(selection.rate):
        return '<div class="rate">no rate</div>'
    ends = selection.interval
    known = ends is not None and not any(math.isnan(end) for end in ends)
    words = f"90 % interval {ends[0]:.3f} to {ends[1]:.3f}" if known else "no interval for the rate"
    return f'<div class="rate">{selection.rate:.3f} <small>{words}</small></div>'


def _gauges(selection: Selection) -> str:
    """Both AUCs with intervals as bars, full sampling as a tick, and the same in numbers."""
    split = "val" if math.isnan(selection.values.get("test_in_domain", math.nan)) else "test"
    rows = []
    for domain, (word, kind) in DOMAINS.items():
        name = f"{split}_{domain}"
        value, full = selection.values.get(name, math.nan), selection.full_sampling.get(name, math.nan)
        if math.isnan(value):
            rows.append(f'<span class="{kind}">{word}</span><span>AUC not measured</span>')
            continue
        low, high = (selection.values.get(f"{name}_{end}", math.nan) for end in ("low", "high"))
        marks = "" if math.isnan(full) else f'<u style="left:{_at(full)}" title="full sampling"></u>'
        if not math.isnan(low):
            marks += f'<i style="left:{_at(low)};width:calc({_at(high)} - {_at(low)})"></i>'
        marks += f'<b style="left:{_at(value)}"></b>'
        text = f"{number(value)}{sentences.spread(selection.values, name)}"
        against = "no full sampling here" if math.isnan(full) else f"{number(full)}"
        if not math.isnan(full):
            against = f"full sampling {against}{sentences.spread(selection.full_sampling, name)}"
        apart = sentences.difference(selection.values, domain) if split == "test" else ""
        against += f"; difference {apart}" if apart else ""
        rows.append(
            f'<span class="{kind}">{word}</span><div class="gauge {kind}" aria-hidden="true">{marks}</div>'
            f'<span class="value">{escape(f"{text}; {against}")}</span>'
        )
    seen = "test patients" if split == "test" else "validation patients"
    note = f"AUC on {seen}; brackets are patient-clustered 90 % intervals where they can be computed; the tick is full "
    return f'<div class="aucs">{"".join(rows)}</div>{paragraph(note + "sampling.", "small")}'


def _at(auc: float) -> str:
    return f"{100 * min(max((auc - LOW) / (HIGH - LOW), 0), 1):.1f}%"


def _proven(analysis: Analysis, vendor: str) -> str:
    found = pick(analysis, vendor, PROVEN)
    title = f"Proven: {PROVEN}"
    proof = analysis.proofs.get(vendor)
    if proof is not None:
        return _pick("proven", title, proof.rate, _proof(proof))
    if found is None:
        return _pick("proven", title, math.nan, "No non-inferiority test was run here, so no lower rate is proven.")
    if math.isnan(found.rate):
        return _pick("proven", title, math.nan, f"Nothing is proven: {found.note}.")
    words = (
        f"{found.note}." if found.note else "not worse than full sampling by more than the margin, at one-sided 95 %."
    )
    return _pick("proven", title, found.rate, words)


def _proof(proof: Proof) -> str:
    """What was tested, where it stopped, and what these data could resolve."""
    if proof.refused:
        return f"Nothing is proven: {proof.refused}."
    words = f"Not worse than full sampling by more than {proof.margin:g}, at one-sided 95 %."
    if proof.rate == 1:
        words = f"No rate below 1 is proven to lose at most {proof.margin:g}: full sampling stays."
    if math.isfinite(proof.resolvable):
        words += f" These data can resolve a margin of {proof.resolvable:.3f}."
    for endpoint, patients in proof.patients_needed.items():
        if math.isfinite(patients):
            words += f" {proof.margin:g} {endpoint.replace('_', '-')} needs {patients:.0f} validation patients."
        elif patients == math.inf:
            words += f" {proof.margin:g} {endpoint.replace('_', '-')} needs more seeds."
    return words


def _unproven(analysis: Analysis, vendor: str) -> str:
    found = pick(analysis, vendor, UNPROVEN)
    if found is None:
        return ""
    words = (
        f"The smallest rate within {found.parameters.get('epsilon', math.nan):g} of the best in-domain AUC: a point "
    )
    words += "estimate, not a proof."
    return _pick("unproven", f"Unproven: {UNPROVEN}", found.rate, found.note + "." if math.isnan(found.rate) else words)


def _pick(kind: str, title: str, rate: float, words: str) -> str:
    return (
        f'<div class="pick {kind}"><h4>{escape(title)}</h4><div class="rate">{number(rate)}</div>'
        f"{paragraph(words)}</div>"
    )


def _warnings(analysis: Analysis) -> str:
    return "".join(paragraph(text, "warning") for text in analysis.warnings)
