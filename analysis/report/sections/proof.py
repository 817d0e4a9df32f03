"""Which rates the data prove to be as good as full sampling: every test in order, and where the sequence ended."""

from collections.abc import Sequence

import pandas as pd

from analysis.choice import noninferior_words as proof_words
from analysis.choice.noninferior import ALPHA, DOMAINS, Proof
from analysis.report.parts import Heading, Paragraph, Part, slug, table
from analysis.report.sections.base import Section
from analysis.results import sentences
from analysis.results.compute import Analysis, VendorAnalysis
from analysis.statistics.measures import Measure

HOW = (
    "Rates are tested from the highest down, on validation patients. A rate passes when both of its metrics are not "
    "worse than full sampling's by more than {margin:g}, each at one-sided {level:.0f} %; the first rate that does not "
    "pass ends the test, and no step is skipped. Difference: metric of the rate minus that of full sampling, on the "
    "same patients; its lower bound must not lie below -{margin:g}. Both endpoints are read, so this pick has seen "
    "validation labels of the other vendor(s) too."
)
CROSS_FIT = "The choice repeated on halves of the patients"


def parts(analysis: Analysis) -> Sequence[Part]:
    """For each vendor trained on, the sequence of tests and what these data could have proven."""
    if not analysis.vendors:
        return []
    tested = any(not computed.proof.refused for computed in analysis.vendors.values())
    how = HOW.format(margin=analysis.options.margin, level=100 * (1 - ALPHA)) if tested else ""
    shown: list[Part] = [Paragraph(analysis.measure.words(how))]
    for computed in analysis.vendors.values():
        shown += _tested(computed, analysis.measure)
    return shown + _cross_fits(list(analysis.vendors.values()), analysis.measure)


def _tested(computed: VendorAnalysis, measure: Measure) -> list[Part]:
    title = f"Trained on {computed.vendor}"
    proof = computed.proof
    account = Paragraph(proof_words.account(proof, measure))
    if proof.steps.empty:
        return [Heading(title), account]
    passed = proof.steps["passed"].astype(bool)
    return [table(steps(proof), f"proof-{slug(computed.vendor)}", title, passed), account]


def steps(proof: Proof) -> pd.DataFrame:
    """One row a rate that was tested, highest first: differences, their lower bounds, and what came of it."""
    tested = proof.steps
    columns: dict[str, list] = {}
    if tested["curve"].astype(bool).any():  # several curves, with a sequence of tests for each
        columns["curve"] = tested["curve"].tolist()
    columns["rate"] = tested["realised_rate"].tolist()
    columns["seeds"] = tested["seeds"].tolist()
    for domain in DOMAINS:
        word = domain.replace("_", "-")
        columns[f"{word} difference"] = tested[f"{domain}_difference"].astype(float).tolist()
        columns[f"{word} lower bound"] = tested[f"{domain}_lower"].astype(float).tolist()
    columns["outcome"] = ["proven" if passed else why for passed, why in zip(tested["passed"], tested["why"])]
    return pd.DataFrame(columns)


def _cross_fits(vendors: list[VendorAnalysis], measure: Measure) -> list[Part]:
    """The choice repeated on halves of the patients; empty unless that was asked for."""
    cross_fits = [computed.cross_fit for computed in vendors if computed.cross_fit is not None]
    if not cross_fits:
        return []
    rows = []
    for cross_fit in cross_fits:
        for row in cross_fit.rates.itertuples():
            rates = {"rate": row.realised_rate, "share of halves that chose it": row.share}
            rows.append({"trained on": cross_fit.vendor, **rates})
    words = [Paragraph(sentences.cross_fit(cross_fit, measure)) for cross_fit in cross_fits]
    head = table(pd.DataFrame(rows), "cross-fit", CROSS_FIT) if rows else Heading(CROSS_FIT)
    return [head, *words]


SECTION = Section("What the data prove", parts)
