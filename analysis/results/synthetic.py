"""What stands in every figure of a cohort that is made up."""

from analysis.results.compute import Analysis
from analysis.results.warnings import is_synthetic

MARK = "PHANTOM"
SENTENCE = "synthetic cohort (phantom): no evidence about patients"


def phantom_mark(analysis: Analysis) -> str:
    """MARK where the cohort is synthetic; else empty."""
    return MARK if is_synthetic(analysis.run) else ""
