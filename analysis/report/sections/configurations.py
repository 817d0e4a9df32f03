"""Every configuration, its seeds averaged."""

from collections.abc import Sequence
from itertools import product

from analysis.read.configurations import varied_fields
from analysis.report.parts import Paragraph, Part, Table, table
from analysis.report.sections.base import Section, known_columns, labels_seen
from analysis.results.compute import Analysis
from analysis.results.rate_units import with_rate_units
from analysis.statistics.pareto import TWO

DIFFERENCE = (
    "difference: test metric minus that of full sampling on the same patients, seeds averaged inside each draw of "
    "patients; low and high are the ends of patient-clustered 90 % intervals. k max per mm: in 1/mm, of a low-pass "
    "with as many lines or points; share of band: the rate divided by the share of stored k-space that holds 99 % of "
    "the energy beyond DC; both of the vendor trained on, empty where the pixel spacing or the band is unknown."
)


def parts(analysis: Analysis) -> Sequence[Part]:
    """A row a configuration: its metrics and their intervals, then its differences to full sampling.

    In two tables, as a page of paper has not the width for one.
    """
    if analysis.configurations.empty:
        return []
    frame = with_rate_units(analysis.run, analysis.configurations)
    varied = [name for name in varied_fields(frame) if name != "mask"]
    which = ["vendor", "family", *varied, "sampling_rate"]
    scores = ["realised_rate", "seeds", *(f"val_{domain}" for domain in TWO)]
    scores += [f"test_{domain}{end}" for domain, end in product(TWO, ("", "_sd", "_low", "_high"))]
    beside = [f"difference_{domain}{end}" for domain, end in product(TWO, ("", "_low", "_high"))]
    beside += ["above_baseline_in_domain_low", "test_within_in_domain", "test_within_cross_domain", "export_gap"]
    beside += ["k_max_per_mm", "share_of_band", "distinct_rate"]
    filtered = frame[["vendor", "family", "temperature"]]

    def of(names: list[str], name: str, title: str) -> Table:
        return table(known_columns(frame, [*which, *names], analysis.measure), name, title, filtered=filtered)

    return [
        labels_seen(analysis),
        of(scores, "configurations", "Mean over seeds"),
        of(beside, "differences", "Minus full sampling, and other units of the rate"),
        Paragraph(analysis.measure.words(DIFFERENCE), "small"),
    ]


SECTION = Section("Configurations", parts)
