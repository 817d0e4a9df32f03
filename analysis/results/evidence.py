"""In words, how sure a choice is against full sampling: interval, probability and difference."""

import math

from analysis.choice.options import Options
from analysis.choice.selection import Selection
from analysis.results.sentences import DOMAINS, difference
from analysis.statistics.bootstrap import Interval

SURE = 0.95  # probability from which a choice counts as separated from a worse one


def how_sure(selection: Selection, options: Options) -> str:
    """The interval of the rate, and the probability that full sampling is not better by more than the tolerance."""
    interval = ""
    if selection.interval is not None:
        interval = "90 % interval of the rate {:.3f} to {:.3f}".format(*selection.interval)
    return "; ".join(filter(None, [interval, likely(selection, options)]))


def likely(selection: Selection, options: Options) -> str:
    """The probability that full sampling is not better by more than the tolerance; empty without curves, or at 1."""
    if not selection.not_worse or selection.rate == 1:
        return ""
    names = DOMAINS | {"both": "for both at once"}
    shares = ", ".join(f"{value:.2f} {names[name]}" for name, value in selection.not_worse.items())
    by = f"{options.tolerance:g} {options.measure.title}"
    return f"probability that full sampling is not better by more than {by}: {shares}"


def not_separated(selection: Selection, options: Options) -> str:
    """The warning when the data can't tell the choice from full sampling, or say that it is worse; else empty."""
    if math.isnan(selection.rate) or selection.rate == 1:
        return ""
    if not selection.full_sampling:
        return "Full sampling has no finished trial here: what this rate costs against it is unknown."
    ends = _known_intervals(selection)
    title = options.measure.title
    said = []
    worse = [domain for domain, interval in ends.items() if interval.high < 0]
    unsure = [domain for domain, interval in ends.items() if interval.low <= 0 <= interval.high]
    if worse:
        said.append(f"This rate is worse than full sampling: test {title} {_differences(selection, worse)}.")
    if unsure:
        said.append(
            "The evidence does not separate this rate from full sampling: the 90 % interval of the paired difference "
            f"of test {title} includes 0 ({_differences(selection, unsure)}). It is neither shown to be as good nor "
            "shown to be worse."
        )
    else:
        said.append(_without_intervals(selection, options, set(ends)))
    return " ".join(filter(None, said))


def _known_intervals(selection: Selection) -> dict[str, Interval]:
    """Domain -> the interval of the difference to full sampling, where there is one."""
    intervals = {}
    for domain in DOMAINS:
        low, high = (selection.values.get(f"difference_{domain}_{end}", math.nan) for end in ("low", "high"))
        if not math.isnan(low) and not math.isnan(high):
            intervals[domain] = Interval(low, high)
    return intervals


def _differences(selection: Selection, domains: list[str]) -> str:
    return ", ".join(f"{DOMAINS[domain]} {difference(selection.values, domain)}" for domain in domains)


def _without_intervals(selection: Selection, options: Options, known: set[str]) -> str:
    """What is said where intervals are absent; "" where they, or the curves' probabilities, say enough."""
    if not known and selection.not_worse and min(selection.not_worse.values()) < SURE:
        return (
            f"The evidence does not separate this rate from full sampling: {likely(selection, options)}; {SURE:g} "
            "would be needed."
        )
    if len(known) < len(DOMAINS) and not selection.not_worse:
        unknown = " and ".join(word for domain, word in DOMAINS.items() if domain not in known)
        return (
            f"No paired interval of the {unknown} difference to full sampling could be computed: these data do not "
            "separate this rate from full sampling."
        )
    return ""
