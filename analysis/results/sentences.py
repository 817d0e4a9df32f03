"""What the numbers say, in plain words: whose labels chose, what was chosen, what to be wary of."""

import math

import pandas as pd

from analysis.choice.crossfit import CrossFit
from analysis.choice.optimism import Optimism
from analysis.choice.rules import RULES
from analysis.choice.selection import Selection
from analysis.statistics.measures import Measure

DOMAINS = {"in_domain": "in-domain", "cross_domain": "cross-domain"}
SPLITS = {"val": "validation", "test": "test"}
RETROSPECTIVE = (
    "Sampling here is retrospective, of reconstructed magnitude images: a rate is a share of k-space lines, not scan "
    "time. The k-space of a magnitude image repeats itself (line k and line N - k), so the distinct rate stands beside "
    "the realised one."
)


def whose_labels(selection: Selection, measure: Measure) -> str:
    """Whose labels chose the rate, hence what its cross-domain metric speaks for (DomainBed's distinction)."""
    if selection.oracle:
        return (
            f"Chosen on test scores (oracle): the test {measure.title} of the choice is biased upward, and holds for "
            "these patients only."
        )
    if selection.held_out:
        return (
            f"Chosen with validation labels of every vendor but {selection.held_out} (leave-one-vendor-out): the "
            f"cross-domain test {measure.title} is {selection.held_out}'s, a vendor that the choice has not seen."
        )
    if selection.saw == "target-validation":
        return (
            f"Chosen with validation labels of the other vendor(s) too: the cross-domain test {measure.title} speaks "
            "for new patients of those vendors, not for an unseen vendor."
        )
    return (
        f"Chosen with validation labels of {selection.vendor} only: no label of another vendor played a part in "
        "choosing this rate."
    )


def split_shown(selection: Selection) -> str:
    """The split whose scores speak for a choice: test where there are any, else val."""
    return "val" if math.isnan(selection.values.get("test_in_domain", math.nan)) else "test"


def labels(selection: Selection) -> str:
    """The same in a few words."""
    seen = {"oracle": "test labels", "target-validation": "validation labels of the other vendor(s) too"}
    return f"Saw {seen.get(selection.saw, f'validation labels of {selection.vendor} only')}."


def chosen(selection: Selection, measure: Measure) -> str:
    """One line of numbers: the rate, its metrics against full sampling."""
    if math.isnan(selection.rate):
        return f"{selection.vendor}: the rule {selection.rule} chooses no rate: {selection.note}."
    split = split_shown(selection)
    parts = []
    for domain, name in DOMAINS.items():
        value = selection.values.get(f"{split}_{domain}", math.nan)
        if math.isnan(value):
            parts.append(f"{name} {measure.title} not measured")
            continue
        full = selection.full_sampling.get(f"{split}_{domain}", math.nan)
        apart = difference(selection.values, domain) if split == "test" else ""
        against = f"{full:.3f} at full sampling{f', difference {apart}' if apart else ''}"
        against = "" if math.isnan(full) or selection.rate == 1 else f" ({against})"
        ends = spread(selection.values, f"{split}_{domain}")
        parts.append(f"{name} {SPLITS[split]} {measure.title} {value:.3f}{ends}{against}")
    return f"{selection.vendor}: {selection.rate:.3f} of k-space by the rule {selection.rule}; {', '.join(parts)}."


def plainly(selection: Selection, measure: Measure) -> str:
    """The choice for somebody who reads one sentence: what is kept, what it scores, by which rule and what that is."""
    if math.isnan(selection.rate):
        return f"The rule {selection.rule} chooses no rate: {selection.note}."
    split = split_shown(selection)
    whose = {"in_domain": f"{selection.vendor} patients", "cross_domain": "patients of the other vendor(s)"}
    scored = []
    for domain, people in whose.items():
        value = selection.values.get(f"{split}_{domain}", math.nan)
        full = selection.full_sampling.get(f"{split}_{domain}", math.nan)
        instead = "" if math.isnan(full) or selection.rate == 1 else f" instead of {full:.3f}"
        scored += [] if math.isnan(value) else [f"{value:.3f}{instead} on {people}"]
    kept = "all of k-space" if selection.rate == 1 else f"{selection.rate:.3f} of k-space instead of all of it"
    result = f" scores {measure.title} {' and '.join(scored)}" if scored else " was not scored"
    rule = measure.words(RULES[selection.rule].summary.rstrip("."))
    used = "".join(f" ({name.replace('_', ' ')} {value:.3g})" for name, value in selection.parameters.items())
    return (
        f"Keeping {kept}, the model trained on {selection.vendor}{result}; chosen by the rule {selection.rule}{used}: "
        f"{rule[:1].lower()}{rule[1:]}."
    )


def spread(values: dict[str, float], name: str) -> str:
    """`` [0.81, 0.92]`` where an interval was computed, else nothing."""
    low, high = values.get(f"{name}_low", math.nan), values.get(f"{name}_high", math.nan)
    return "" if math.isnan(low) or math.isnan(high) else f" [{low:.3f}, {high:.3f}]"


def difference(values: dict[str, float], domain: str) -> str:
    """``-0.012 [-0.031, +0.008]``: the test metric minus full sampling's, on the same patients; empty where unknown."""
    value, low, high = (values.get(f"difference_{domain}{end}", math.nan) for end in ("", "_low", "_high"))
    ends = "" if math.isnan(low) else f" [{low:+.3f}, {high:+.3f}]"
    return "" if math.isnan(value) else f"{value:+.3f}{ends}"


def operating(rows: pd.DataFrame) -> list[str]:
    """One line a source and test vendor: sensitivity at the threshold set on the source's validation."""
    lines = []
    for (source, vendor), part in rows.groupby(["trained on", "scored on"], sort=False):
        each = [
            f"{row['rate']} {row['sensitivity']:.3f} [{row['low']:.3f}, {row['high']:.3f}] "
            f"(specificity really reached {row['specificity']:.3f})"
            for _, row in part.iterrows()
        ]
        lines.append(f"{source} on {vendor}: sensitivity at 90 % validation specificity: {', '.join(each)}.")
    return lines


def optimism(found: Optimism, measure: Measure) -> str:
    """The gap between an oracle's choice and an honest one, and how much of the oracle's metric is luck."""
    gaps, own = [], []
    for domain, word in DOMAINS.items():
        if not math.isnan(found.gap[domain]):
            low, high = found.gap_interval[domain]
            gaps.append(f"{word} {found.gap[domain]:+.3f}{'' if math.isnan(low) else f' [{low:+.3f}, {high:+.3f}]'}")
        if not math.isnan(found.own[domain]):
            own.append(f"{word} {found.own[domain]:+.3f}")
    held = f", {found.held_out} held out" if found.held_out else ""
    luck = f"; of the oracle's own {measure.title}, luck that new patients would not repeat: {', '.join(own)}"
    return (
        f"{found.vendor}, {found.rule} by {found.saw}{held}: optimism gap to the oracle (rate {found.oracle_rate:.3f}) "
        f"{', '.join(gaps) or 'unknown'}{luck if own else ''}."
    )


def cross_fit(found: CrossFit, measure: Measure) -> str:
    """What the rule chooses on half of the held-out patients, and what that is worth on the other half."""
    if found.refused:
        return f"{found.vendor}: not cross-fitted: {found.refused}."
    rates = ", ".join(f"{row.realised_rate:.3f} ({100 * row.share:.0f} %)" for row in found.rates.itertuples())
    parts = []
    for domain, word in (("in_domain", "in-domain"), ("cross_domain", "cross-domain")):
        if math.isnan(found.value[domain]):
            parts.append(f"{word} {measure.title} not measured")
            continue
        against = found.difference[domain]
        against = "" if math.isnan(against) else f", {against:+.3f} against full sampling"
        mean, spread_of = found.value[domain], found.value_sd[domain]
        parts.append(f"{word} {measure.title} {mean:.3f} (SD over halves {spread_of:.3f}{against})")
    return (
        f"{found.vendor}, cross-fitted on {found.halves} halves of the validation and test patients: {found.rule} "
        f"chooses {rates}; on the patients that did not choose, {', '.join(parts)}. No model was trained on any of "
        "these patients, but the epoch of its weights was chosen on validation patients, an optimism that stays."
    )
