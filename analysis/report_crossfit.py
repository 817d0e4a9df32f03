"""The report on cross-fitting: which rates half of the patients choose, and what those are worth on the rest."""

from analysis import sentences
from analysis.crossfit import CrossFit
from analysis.page import heading, paragraph, slug, table
from analysis.study import Analysis


def cross_fits(analysis: Analysis) -> str:
    """Of each source vendor the share of halves that chose each rate; empty unless cross-fitting was asked for."""
    return "".join(_of_vendor(found) for found in analysis.cross_fits.values())


def _of_vendor(found: CrossFit) -> str:
    title, said = f"Trained on {found.vendor}", paragraph(sentences.cross_fit(found))
    if found.refused:
        return heading(title) + said
    shares = found.rates.rename(columns={"realised_rate": "rate", "share": "share of halves that chose it"})
    return table(shares, f"cross-fit-{slug(found.vendor)}", title) + said
