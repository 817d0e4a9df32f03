"""A finished search on one screen: a row and a caveat for each vendor, its Pareto front, and what was left unsaid.

Everything longer stands in the report, in selection.json, and in what ``python -m analysis RUN`` prints.
"""

import math

from analysis.choice.selection import Selection
from analysis.choice.verdict import Kind, is_proven
from analysis.results import versus_lowpass_words
from analysis.results.compute import Analysis, VendorAnalysis
from analysis.results.fitness import NO_NETWORK, UNDERFIT
from analysis.results.headline import chosen_settings
from analysis.results.sentences import SPLITS, split_shown
from analysis.results.warnings import is_synthetic
from tune_ks.core.metrics import DOMAINS
from tune_ks.core.rate_words import acceleration, rate_tick

POINTS = 6  # of a front
SYNTHETIC = "Synthetic cohort"  # how the warning begins that the first lines repeat
AGAINST_FULL = {  # what the data say of a rate against full sampling, worst first: one word group for both endpoints
    Kind.WORSE: "worse",
    Kind.UNKNOWN: "nothing known",
    Kind.NOT_SEPARATED: "not separated",
    Kind.NOT_WORSE: "not worse",
    Kind.BETTER: "better",
}


def row(computed: VendorAnalysis) -> list[str]:
    """Vendor, rate, R, the choice's metrics in-domain and cross-domain, those at full sampling, and the verdict."""
    selection = computed.selection
    split = split_shown(selection)
    metrics = [selection.values.get(f"{split}_{domain}", math.nan) for domain in DOMAINS]
    at_full = [selection.full_sampling.get(f"{split}_{domain}", math.nan) for domain in DOMAINS]
    rate = selection.rate
    shown = ["-", "-"] if math.isnan(rate) else [rate_tick(rate), acceleration(rate)]
    return [computed.vendor, *shown, *map(_number, [*metrics, *at_full]), verdict(selection)]


def verdict(selection: Selection) -> str:
    """What is known of the chosen rate against full sampling, in a few words: the less favourable endpoint's."""
    if math.isnan(selection.rate):
        return "nothing chosen"
    if selection.rate == 1:
        return "full sampling itself"
    if not selection.full_sampling:
        return "no finished full sampling"
    proof = "proven" if is_proven(selection.verdicts) else "unproven"
    kinds = {of_endpoint.kind for of_endpoint in selection.verdicts.values()}
    worst = [words for kind, words in AGAINST_FULL.items() if kind in kinds]
    return ", ".join([proof, *worst[:1]])


def caveats(computed: VendorAnalysis) -> list[str]:
    """What a reader of the vendor's row must know at once."""
    selection = computed.selection
    said = []
    if math.isnan(selection.rate):
        said.append(f"nothing chosen: {selection.note}")
    if selection.oracle:
        said.append("chosen on TEST scores, so its metric is biased upward")
    if computed.fitness.verdict == UNDERFIT:
        said.append("the network is underfit, so the rate is a lower bound")
    if computed.fitness.verdict == NO_NETWORK:
        said.append("no network was trained: a classical method answers")
    if selection.lowest:
        said.append("no lower rate has a finished trial")
    if settings := chosen_settings(computed):
        said.append(f"the choice has {settings}, which other trials have not")
    return said


def fronts(analysis: Analysis) -> str:
    """The Pareto fronts of both metrics, by rate, of all vendors; "" where no configuration has both."""
    by_split: dict[str, list[str]] = {}
    for computed in analysis.vendors.values():
        if points := _front(computed):
            by_split.setdefault(SPLITS[computed.split], []).append(points)
    of_splits = [f"({split}) {'; '.join(points)}" for split, points in by_split.items()]
    return f"Pareto front, rate: in-domain/cross {' '.join(of_splits)}" if by_split else ""


def _front(computed: VendorAnalysis) -> str:
    points = computed.fronts["two_objectives"].points
    if points.empty:
        return ""
    shown = [
        f"{rate_tick(point['realised_rate'])}: {point[f'{computed.split}_in_domain']:.3f}/"
        f"{point[f'{computed.split}_cross_domain']:.3f}"
        for point in points.head(POINTS).to_dict("records")
    ]
    more = f" and {len(points) - POINTS} more" if len(points) > POINTS else ""
    return f"{computed.vendor} {', '.join(shown)}{more}"


def heading(analysis: Analysis) -> str:
    """What the rows are of: the rule, the metric, the split, the trials."""
    splits = sorted({split_shown(computed.selection) for computed in analysis.vendors.values()})
    words = " or ".join(SPLITS[split] for split in splits)
    return f"Chosen by the rule {analysis.rule}; {words} {analysis.measure.title} ({analysis.run.counts()})"


def rest_on(analysis: Analysis) -> str:
    """``A number is the mean of 2 seeds; test patients: GE 36, SIEMENS 15.``; what is unknown is left out."""
    selections = [computed.selection for computed in analysis.vendors.values()]
    values = [side for selection in selections for side in (selection.values, selection.full_sampling)]
    seeds = sorted({int(side["seeds"]) for side in values if not math.isnan(side.get("seeds", math.nan))})
    said = []
    if seeds:
        several = f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"{seeds[0]}"
        said.append("one seed" if seeds == [1] else f"mean of {several} seeds")
    cohort = analysis.run.cohort
    noun = "phantoms" if is_synthetic(analysis.run) else "patients"
    for split in dict.fromkeys(map(split_shown, selections)):
        if not cohort.empty:
            counted = cohort[cohort["split"] == split].groupby("vendor")["patient_id"].nunique()
            said.append(f"{SPLITS[split]} {noun}: {', '.join(f'{name} {count}' for name, count in counted.items())}")
    return f"Each number: {'; '.join(said)}." if said else ""


def warnings(analysis: Analysis) -> list[str]:
    """One line: that the cohort is made up, and how many warnings the report has besides."""
    first = [text for text in analysis.warnings if text.startswith(SYNTHETIC)]
    if not analysis.vendors:
        return analysis.warnings
    others = len(analysis.warnings) - len(first)
    if others:
        first.append(f"warnings in the report: {others}{' more' if first else ''}")
    return [" ".join(first)] if first else []


def lines(analysis: Analysis) -> list[str]:
    """What follows the rows: caveats, whether the learned mask beats low-pass, the fronts.

    What holds for several vendors is said once, with their names.
    """
    vendors_of: dict[str, list[str]] = {}
    for computed in analysis.vendors.values():
        against_lowpass = versus_lowpass_words.short(analysis.versus_lowpass, computed.vendor).rstrip(".")
        for sentence in (*caveats(computed), against_lowpass):
            vendors_of.setdefault(sentence, []).append(computed.vendor)
    said = [f"{', '.join(vendors)}: {sentence}." for sentence, vendors in vendors_of.items() if sentence]
    return [line for line in (*said, fronts(analysis)) if line]


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
