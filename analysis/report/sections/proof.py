"""The report's account of the proof: every rate that was tested against full sampling, and where the test ended."""

import pandas as pd

from analysis.choice import noninferior_words as proof_words
from analysis.choice.noninferior import ALPHA, DOMAINS, Proof
from analysis.report.page import heading, paragraph, slug, table
from analysis.results import sentences
from analysis.results.compute import Analysis
from analysis.statistics.measures import Measure

HOW = (
    "Rates are tested from the highest down, on validation patients. A rate passes when both of its metrics are not "
    "worse than full sampling's by more than {margin:g}, each at one-sided {level:.0f} %; the first rate that does not "
    "pass ends the test, and no step is skipped. Difference: metric of the rate minus that of full sampling, on the "
    "same patients; its lower bound must not lie below -{margin:g}. Both endpoints are read, so this pick has seen "
    "validation labels of the other vendor(s) too."
)


def proofs(analysis: Analysis) -> str:
    """Of each source vendor the sequence of tests, and what these data could have proven; empty without a vendor."""
    if not analysis.vendors:
        return ""
    about = analysis.measure.words(HOW.format(margin=analysis.options.margin, level=100 * (1 - ALPHA)))
    tested = "".join(
        _of_vendor(vendor, computed.proof, analysis.measure) for vendor, computed in analysis.vendors.items()
    )
    return paragraph(about) + tested + _cross_fits(analysis)


def _cross_fits(analysis: Analysis) -> str:
    """The choice repeated on halves of the patients; empty unless it was asked for."""
    fitted = [computed.cross_fit for computed in analysis.vendors.values() if computed.cross_fit is not None]
    if not fitted:
        return ""
    title = "The choice repeated on halves of the patients"
    rows = [
        {"trained on": repeated.vendor, "rate": row.realised_rate, "share of halves that chose it": row.share}
        for repeated in fitted
        for row in repeated.rates.itertuples()
    ]
    said = "".join(paragraph(sentences.cross_fit(repeated, analysis.measure)) for repeated in fitted)
    return (table(pd.DataFrame(rows), "cross-fit", title) or heading(title)) + said


def _of_vendor(vendor: str, proof: Proof, measure: Measure) -> str:
    title = f"Trained on {vendor}"
    said = paragraph(proof_words.account(proof, measure))
    if proof.steps.empty:
        return heading(title) + said
    passed = proof.steps["passed"].astype(bool)
    return table(steps(proof), f"proof-{slug(vendor)}", title, passed) + said


def steps(proof: Proof) -> pd.DataFrame:
    """One row a rate that was looked at, highest first: differences, their bounds, and what came of it."""
    columns: dict[str, list] = {
        "rate": proof.steps["realised_rate"].tolist(),
        "seeds": proof.steps["seeds"].tolist(),
    }
    for domain in DOMAINS:
        word = domain.replace("_", "-")
        columns[f"{word} difference"] = proof.steps[f"{domain}_difference"].astype(float).tolist()
        columns[f"{word} lower bound"] = proof.steps[f"{domain}_lower"].astype(float).tolist()
    if proof.steps["curve"].astype(bool).any():  # several, each with a sequence of its own
        columns = {"curve": proof.steps["curve"].tolist(), **columns}
    columns["outcome"] = ["proven" if one.passed else one.why for one in proof.steps.itertuples()]
    return pd.DataFrame(columns)
