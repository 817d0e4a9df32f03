"""The results in sentences: whose labels chose, the chosen rate and its metrics, gaps, cross-fits."""

import math

import pandas as pd

from analysis.choice.crossfit import CrossFit
from analysis.choice.optimism import Optimism
from analysis.choice.rules import RULES
from analysis.choice.selection import Selection
from analysis.statistics.bootstrap import Interval
from analysis.statistics.measures import Measure
from tune_ks.core.domains import sources_of
from tune_ks.core.rate_words import of_kspace, rate_tick, rate_words

DOMAINS = {"in_domain": "in-domain", "cross_domain": "cross-domain"}
SPLITS = {"val": "validation", "test": "test"}
RETROSPECTIVE = (
    "Sampling here is retrospective, of reconstructed magnitude images: a rate is a share of k-space lines, not scan "
    "time. The k-space of a magnitude image repeats itself (line k and line N - k), so a kept line gives its "
    "mirror too: the distinct rate, beside the realised one, is the share of k-space that the kept lines determine."
)
OF_COILS = (
    "The images sampled are no magnitudes but raw k-space: the mask acts on the lines that the scanner acquired, in "
    "the k-space of {coils}, and the root of the sum of their squares is taken after it. A rate is a share of these "
    "lines, those stored as zeros included; sampling is still retrospective, of a full scan, and coils are combined "
    "without parallel imaging. Line k and line N - k are different data here, so the distinct rate is the realised one."
)


def about_sampling(cohort: pd.DataFrame) -> str:
    """What was sampled, by the cohort's table: magnitude images, or raw k-space of several coils."""
    if "coils" not in cohort:
        return RETROSPECTIVE
    most = int(cohort["coils"].max())
    return OF_COILS.format(coils=f"up to {most} coils, compressed where a volume has more" if most > 1 else "one coil")


def whose_labels(selection: Selection, measure: Measure) -> str:
    """Whose labels chose the rate, and so for which patients its cross-domain metric holds (as in DomainBed)."""
    word, many = measure.domains
    if selection.oracle:
        return (
            f"Chosen on test scores (oracle): the test {measure.title} of the choice is biased upward, and holds for "
            "these patients only."
        )
    if selection.held_out:
        chosen_by = f"Chosen with validation labels of every {word} but {selection.held_out} (leave-one-{word}-out)"
        if selection.also_read:
            return (
                f"{chosen_by}; but the {selection.also_read} of this search may have read the validation scores of "
                f"{selection.held_out} too, whose the cross-domain test {measure.title} is."
            )
        return (
            f"{chosen_by}: the cross-domain test {measure.title} is {selection.held_out}'s, a {word} that the choice "
            "has not seen."
        )
    if selection.saw == "target-validation":
        return (
            f"Chosen with validation labels of the other {word}(s) too: the cross-domain test {measure.title} speaks "
            f"for new patients of those {many}, not for an unseen {word}."
        )
    if selection.also_read:
        return (
            f"The rule read validation labels of {selection.vendor} only, but the {selection.also_read} "
            f"of this search read those of every {word}: labels of other {many} played a part in which rates there are "
            "to choose from."
        )
    return (
        f"Chosen with validation labels of {selection.vendor} only: no label of another {word} played a "
        "part in choosing this rate."
    )


def split_shown(selection: Selection) -> str:
    """The split whose scores are shown for a choice: test where there are any, else val."""
    return "val" if math.isnan(selection.values.get("test_in_domain", math.nan)) else "test"


def labels(selection: Selection, measure: Measure) -> str:
    """Whose labels chose the rate, in a few words."""
    word = measure.domains.one
    seen = {"oracle": "test labels", "target-validation": f"validation labels of the other {word}(s) too"}
    alone = f"validation labels of {selection.vendor} only"
    if selection.also_read:
        alone += f"; the {selection.also_read} of this search, those of every {word}"
    return f"Saw {seen.get(selection.saw, alone)}."


def labels_briefly(selection: Selection, measure: Measure) -> str:
    """Whose labels chose the rate, without a vendor's name, so that vendors can share the words."""
    word = measure.domains.one
    seen = {
        "oracle": "test labels",
        "target-validation": f"validation of the other {word}(s) too",
        "leave-one-vendor-out": f"validation of every {word} but one",
    }
    trained_on = measure.domains.many if len(sources_of(selection.vendor)) > 1 else word
    words = seen.get(selection.saw, f"validation of the {trained_on} trained on only")
    return f"{words}, and the {selection.also_read} of the search read every {word}'s" if selection.also_read else words


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
    return f"{selection.vendor}: {of_kspace(selection.rate)} by the rule {selection.rule}; {', '.join(parts)}."


def plainly(selection: Selection, measure: Measure, others: str = "") -> str:
    """The choice in one sentence: the share of k-space, the metrics, and the rule with its meaning.

    ``others``: the vendors of the cross-domain mean in words, as "PHILIPS and UIH".
    """
    if math.isnan(selection.rate):
        return f"The rule {selection.rule} chooses no rate: {selection.note}."
    split = split_shown(selection)
    whose = {
        "in_domain": f"{selection.vendor} patients",
        "cross_domain": f"patients of {others or f'the other {measure.domains.one}(s)'}",
    }
    scored = []
    for domain, people in whose.items():
        value = selection.values.get(f"{split}_{domain}", math.nan)
        full = selection.full_sampling.get(f"{split}_{domain}", math.nan)
        instead = "" if math.isnan(full) or selection.rate == 1 else f" instead of {full:.3f}"
        if not math.isnan(value):
            scored.append(f"{value:.3f}{instead} on {people}")
    kept = "all of k-space" if selection.rate == 1 else f"{of_kspace(selection.rate)} instead of all of it"
    result = f" scores {measure.title} {' and '.join(scored)}" if scored else " was not scored"
    rule = measure.words(RULES[selection.rule].summary.rstrip("."))
    used = "".join(f" ({name.replace('_', ' ')} {value:.3g})" for name, value in selection.parameters.items())
    return (
        f"Keeping {kept}, the model trained on {selection.vendor}{result}; chosen by the rule "
        f"{selection.rule}{used}: {rule[:1].lower()}{rule[1:]}{read(selection)}."
    )


def read(selection: Selection) -> str:
    """What the rule read, where that is not the observed mean: the end of a sentence about a rule."""
    if not selection.read_fitted:
        return ""
    return (
        f"; it read the fitted {SPLITS['test' if selection.oracle else 'val']} mean of each rate, not the observed one"
    )


def spread(values: dict[str, float], name: str) -> str:
    """`` [0.81, 0.92]`` where an interval was computed, else nothing."""
    return ends_words(values.get(f"{name}_low", math.nan), values.get(f"{name}_high", math.nan), ".3f")


def difference(values: dict[str, float], domain: str) -> str:
    """``-0.012 [-0.031, +0.008]``: the test metric minus full sampling's, on the same patients; empty where unknown."""
    name = f"difference_{domain}"
    ends = Interval(values.get(f"{name}_low", math.nan), values.get(f"{name}_high", math.nan))
    return difference_words(values.get(name, math.nan), ends)


def difference_words(value: float, interval: Interval) -> str:
    """``-0.012 [-0.031, +0.008]``; empty where it is unknown."""
    return "" if math.isnan(value) else f"{value:+.3f}{ends_words(*interval)}"


def ends_words(low: float, high: float, form: str = "+.3f") -> str:
    """`` [-0.031, +0.008]``, to stand behind a value; empty where an end is unknown."""
    return "" if math.isnan(low) or math.isnan(high) else f" [{low:{form}}, {high:{form}}]"


def operating(rows: pd.DataFrame) -> list[str]:
    """A line a source and test vendor: sensitivity at the threshold set on the source's validation."""
    lines = []
    for (source, vendor), part in rows.groupby(["trained on", "scored on"], sort=False):
        rates = []
        for _, row in part.iterrows():
            ends = ends_words(row["low"], row["high"], ".3f")  # unknown with too few patients
            reached = f"(specificity really reached {row['specificity']:.3f})"
            rates.append(f"{row['rate']} {row['sensitivity']:.3f}{ends} {reached}")
        lines.append(f"{source} on {vendor}: sensitivity at 90 % validation specificity: {', '.join(rates)}.")
    return lines


def optimism(gap: Optimism, measure: Measure) -> str:
    """The gap between an oracle's choice and an honest one, and how much of the oracle's metric is due to chance."""
    gaps, chance = [], []
    for domain, word in DOMAINS.items():
        if not math.isnan(gap.gap[domain]):
            gaps.append(f"{word} {gap.gap[domain]:+.3f}{ends_words(*gap.gap_interval[domain])}")
        if not math.isnan(gap.luck[domain]):
            chance.append(f"{word} {gap.luck[domain]:+.3f}")
    held_out = f", {gap.held_out} held out" if gap.held_out else ""
    words = (
        f"{gap.vendor}, {gap.rule} by {measure.domains.of(gap.saw)}{held_out}: optimism gap to the "
        f"oracle, which chose {rate_words(gap.oracle_rate)}: {', '.join(gaps) or 'unknown'}"
    )
    if chance:
        words += (
            f"; part of the oracle's {measure.title} that is chance and absent in new patients: {', '.join(chance)}"
        )
    return f"{words}."


def cross_fit(fit: CrossFit, measure: Measure) -> str:
    """The rates that the rule chooses on half of the held-out patients, and their metrics on the other half."""
    if fit.refused:
        return f"{fit.vendor}: not cross-fitted: {fit.refused}."
    rates = ", ".join(f"{rate_tick(row.realised_rate)} ({100 * row.share:.0f} %)" for row in fit.rates.itertuples())
    scores = []
    for domain, word in DOMAINS.items():
        if math.isnan(fit.value[domain]):
            scores.append(f"{word} {measure.title} not measured")
            continue
        difference = fit.difference[domain]
        against = "" if math.isnan(difference) else f", {difference:+.3f} against full sampling"
        scores.append(
            f"{word} {measure.title} {fit.value[domain]:.3f} (SD over halves {fit.value_sd[domain]:.3f}{against})"
        )
    return (
        f"{fit.vendor}, cross-fitted on {fit.halves} halves of the validation and test patients: "
        f"{fit.rule} chooses {rates}; on the patients that did not choose, {', '.join(scores)}. No model was trained "
        "on any of these patients, but the epoch of its weights was chosen on validation patients, so the values are "
        "still somewhat too high."
    )
