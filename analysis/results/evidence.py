"""A verdict in words, and how sure a choice is: functions of choice.verdict, so that no two places can disagree."""

import math

from analysis.choice.options import Options
from analysis.choice.selection import Selection
from analysis.choice.verdict import Basis, Kind, Verdict
from analysis.results.sentences import DOMAINS, difference_words
from tune_ks.core.rate_words import rate_tick

LOWEST = "the lowest rate with a finished trial: of lower ones nothing is known"
HEARD = {  # kind -> what is said of the rate, or of the trainings, against full sampling
    Kind.BETTER: "{subject} better than full sampling",
    Kind.NOT_WORSE: "{subject} not worse than full sampling by more than {margin:g}",
    Kind.WORSE: "{subject} worse than full sampling",
    Kind.NOT_SEPARATED: "the evidence does not separate {object} from full sampling",
    Kind.UNKNOWN: "no interval of the difference to full sampling could be computed, so nothing is known of {object}",
}


def how_sure(selection: Selection, options: Options) -> str:
    """The interval of the rate, and the probability that full sampling is not better by more than the tolerance."""
    return "; ".join(filter(None, [about_rate(selection), likely(selection, options)]))


def about_rate(selection: Selection) -> str:
    """The interval of the chosen rate, and whether lower ones were tried; "" where nothing was chosen."""
    if math.isnan(selection.rate):
        return ""
    interval = "no interval of the rate"
    if selection.interval is not None:
        interval = f"90 % interval of the rate {ends_of_rate(selection.interval)}"
    return f"{interval}; {LOWEST}" if selection.lowest else interval


def ends_of_rate(interval: tuple[float, float]) -> str:
    """``1/16 to 1``: the interval of the chosen rate."""
    low, high = interval
    return f"{rate_tick(low)} to {rate_tick(high)}"


def likely(selection: Selection, options: Options) -> str:
    """The probability that full sampling is not better by more than the tolerance; empty where unknown, or at 1."""
    if not selection.not_worse or selection.rate == 1:
        return ""
    names = DOMAINS | {"both": "for both at once"}
    shares = ", ".join(f"{value:.2f} {names[name]}" for name, value in selection.not_worse.items())
    by = f"{options.tolerance:g} {options.measure.title}"
    patients = "test" if selection.oracle else "validation"
    return f"probability on {patients} patients that full sampling is not better by more than {by}: {shares}"


def against_full(selection: Selection, options: Options) -> list[tuple[str, bool]]:
    """A sentence an endpoint, and whether it is a reason to doubt the rate; empty at rate 1 and without a choice."""
    if math.isnan(selection.rate) or selection.rate == 1:
        return []
    if not selection.full_sampling:
        return [("Full sampling has no finished trial here: what this rate costs against it is unknown.", True)]
    title = options.measure.title
    return [
        (sentence(verdict, DOMAINS[domain], title), not verdict.good) for domain, verdict in selection.verdicts.items()
    ]


def sentence(verdict: Verdict, word: str, title: str) -> str:
    """The verdict, what it rests on, and the difference. ``word``: in-domain or cross-domain."""
    several = verdict.about_rate
    form = HEARD[verdict.kind]
    said = form.format(
        subject="this rate is" if several else "these trainings are",
        object="this rate" if several else "these trainings",
        margin=verdict.margin,
    )
    said = f"{word.capitalize()} {said}"
    if verdict.basis is Basis.PROOF:
        said += ", as the proof on validation patients says (one-sided 95 %)"
    numbers = difference_words(verdict.difference, verdict.interval)
    if numbers:
        said += f": difference of test {title} {numbers}"
    said += "."
    if verdict.contradicts_proof:
        said += " The proof on validation patients had excluded such a loss: the two groups of patients disagree."
    return " ".join(filter(None, [said, _of_single_trainings(verdict)]))


def _of_single_trainings(verdict: Verdict) -> str:
    """What the interval of single trainings holds."""
    if verdict.basis is not Basis.TRAININGS:
        return ""
    if verdict.with_trainings:
        return (
            "A side with one training says nothing of its rate by itself; the interval takes from the other rates how "
            "far a second training would differ."
        )
    return (
        "A side with one training says nothing of its rate: how far a second training would differ is unknown, and not "
        "in the interval."
    )


def cell(verdict: Verdict | None) -> str | None:
    """The verdict in a table; None where there is none."""
    if verdict is None:
        return None
    words = verdict.kind.value
    if verdict.kind is Kind.NOT_WORSE:
        words = f"not worse by {verdict.margin:g}"
    if verdict.basis is Basis.PROOF:
        words += " (proven)"
    return words if verdict.about_rate else f"{words} (these trainings)"
