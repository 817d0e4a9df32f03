"""The smallest rate that is proven not to be worse than full sampling."""

import numpy as np

from analysis.choice.noninferior import MARGIN
from analysis.choice.noninferior_words import account
from analysis.choice.rules.base import Option, Pick, Points, Rule, smallest_rate

MARGIN_OPTION = Option(
    name="margin",
    default=MARGIN,
    about="metric by which a proven rate may be worse than full sampling",
    flag="--noninferiority-margin",
)


def choose(points: Points, margin: float) -> Pick:
    """The smallest rate that is proven to be not worse than full sampling by more than the margin, on both metrics."""
    proof = points.proof
    if proof is None:
        return Pick(None, "no per-image validation scores, so nothing can be proven")
    if proof.refused:
        return Pick(None, proof.refused)
    proven = np.asarray(points.configuration == proof.configuration)
    note = account(proof, points.measure)
    return Pick(smallest_rate(points, proven), note.removesuffix("."))  # who shows a note sets its full stop


RULE = Rule(choose, needs=("in_domain", "cross_domain", "proof"), options=(MARGIN_OPTION,))
