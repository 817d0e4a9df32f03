"""What a proof says, in words: for a rule's note, the terminal and the report."""

import math

from analysis.choice.noninferior import Proof
from analysis.statistics.measures import Measure


def account(found: Proof, measure: Measure) -> str:
    """What is proven and what it would take to prove more."""
    return f"{proven(found, measure)} {needed(found)}".strip()


def proven(found: Proof, measure: Measure) -> str:
    """What was tested, where it ended, and what these data could resolve."""
    if found.refused:
        return f"Nothing was tested, so nothing is proven: {found.refused}."
    words = f"Not worse than full sampling by more than {found.margin:g} in both {measure.plural}, at one-sided 95 %."
    if found.rate == 1:
        words = f"No rate below 1 is proven to lose at most {found.margin:g} in both {measure.plural}."
    if math.isfinite(found.resolvable):
        words += f" These data could prove a margin of about {found.resolvable:.3f}."
    return words + (f" How it was tested: {found.how}." if found.how else "")


def needed(found: Proof) -> str:
    """What proving the margin would take."""
    takes = {
        domain: f"about {patients:.0f} validation patients" if math.isfinite(patients) else "more seeds, not patients"
        for domain, patients in found.patients_needed.items()
    }
    each = "; ".join(f"{domain.replace('_', '-')} {what}" for domain, what in takes.items())
    seeds = f", with {found.seeds_needed:.0f} seeds a rate" if math.isfinite(found.seeds_needed) else ""
    return f"{found.margin:g} would need: {each}{seeds}." if each else ""
