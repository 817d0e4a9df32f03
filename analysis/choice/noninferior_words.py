"""A proof in words, for a rule's note, the terminal and the report."""

import math

from analysis.choice.noninferior import Proof
from analysis.statistics.measures import Measure
from tune_ks.core.rate_words import of_kspace


def account(proof: Proof, measure: Measure) -> str:
    """What is proven; where nothing is, what it would take."""
    return f"{proven(proof, measure)} {needed(proof)}".strip()


def proven(proof: Proof, measure: Measure) -> str:
    """What was tested, and at which rate the sequence ended; where nothing is proven, which margin could have been."""
    if proof.refused:
        return f"Nothing was tested, so nothing is proven: {measure.domains.of(proof.refused)}."
    if proof.rate == 1:
        words = f"No rate below 1 is proven to lose at most {proof.margin:g} in both {measure.plural}."
        if math.isfinite(proof.resolvable):
            words += f" If the rates are equal, these data could prove a margin of about {proof.resolvable:.3f}."
    else:
        words = (
            f"{of_kspace(proof.rate)} is not worse than full sampling by more than {proof.margin:g} in both "
            f"{measure.plural}, at one-sided 95 % on validation patients."
        )
    if proof.how:
        words += f" How it was tested: {proof.how}."
    return words


def needed(proof: Proof) -> str:
    """How many patients and seeds a proof would need if the rates are equal; "" where one was found, or none tested."""
    if proof.refused or proof.rate < 1:
        return ""
    takes = []
    for domain, patients in proof.patients_needed.items():
        known = math.isfinite(patients)
        size = f"about {patients:.0f} validation patients" if known else "more seeds, not patients"
        takes.append(f"{domain.replace('_', '-')} {size}")
    if not takes:
        return ""
    seeds = f", with {proof.seeds_needed:.0f} seeds a rate" if math.isfinite(proof.seeds_needed) else ""
    return f"{proof.margin:g} would need, if the rates are equal: {'; '.join(takes)}{seeds}."
