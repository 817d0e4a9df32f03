"""What separates a choice from full sampling, in words: its interval, probability and difference."""

import math

from analysis.choice.options import Options
from analysis.choice.selection import Selection
from analysis.results.sentences import DOMAINS, difference

SURE = 0.95  # probability from which a choice counts as separated from a worse one


def how_sure(selection: Selection, options: Options) -> str:
    """The interval of the rate, and the probability that full sampling is not better by more than the tolerance."""
    found = []
    if selection.interval is not None:
        found.append("90 % interval of the rate {:.3f} to {:.3f}".format(*selection.interval))
    return "; ".join(filter(None, [*found, likely(selection, options)]))


def likely(selection: Selection, options: Options) -> str:
    """The probability that full sampling is not better by more than the tolerance; empty without curves, or at 1."""
    if not selection.not_worse or selection.rate == 1:
        return ""
    names = DOMAINS | {"both": "for both at once"}
    each = ", ".join(f"{value:.2f} {names[name]}" for name, value in selection.not_worse.items())
    by = f"{options.tolerance:g} {options.measure.title}"
    return f"probability that full sampling is not better by more than {by}: {each}"


def not_separated(selection: Selection, options: Options) -> str:
    """The warning when the data can't tell the choice from full sampling, or tell that it is worse; else empty."""
    if math.isnan(selection.rate) or selection.rate == 1:
        return ""
    if not selection.full_sampling:
        return "Full sampling has no finished trial here: what this rate costs against it is unknown."
    ends = {d: [selection.values.get(f"difference_{d}_{end}", math.nan) for end in ("low", "high")] for d in DOMAINS}
    known = {domain: pair for domain, pair in ends.items() if not any(map(math.isnan, pair))}
    each = {domain: f"{DOMAINS[domain]} {difference(selection.values, domain)}" for domain in known}
    worse = [each[domain] for domain, (_, high) in known.items() if high < 0]
    unsure = [each[domain] for domain, (low, high) in known.items() if low <= 0 <= high]
    title = options.measure.title
    said = [f"This rate is worse than full sampling: test {title} {', '.join(worse)}."] if worse else []
    if unsure:
        said.append(
            "The evidence does not separate this rate from full sampling: the 90 % interval of the paired difference "
            f"of test {title} holds 0 ({', '.join(unsure)}). It is neither shown to be as good nor shown to be worse."
        )
    elif not known and selection.not_worse and min(selection.not_worse.values()) < SURE:
        said.append(
            f"The evidence does not separate this rate from full sampling: {likely(selection, options)}; {SURE:g} "
            "would be needed."
        )
    elif len(known) < len(DOMAINS) and not selection.not_worse:
        unknown = " and ".join(word for domain, word in DOMAINS.items() if domain not in known)
        said.append(
            f"No paired interval of the {unknown} difference to full sampling could be computed: these data do not "
            "separate this rate from full sampling."
        )
    return " ".join(said)
