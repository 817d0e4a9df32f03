"""The metric against the number of training patients, where a run was trained on several shares of them."""

from collections.abc import Sequence

import pandas as pd

from analysis.plots.common import to_json
from analysis.plots.patients import plot_patients
from analysis.report.parts import Figure, Panels, Paragraph, Part, slug, table
from analysis.report.sections.base import Section, known_columns, labels_seen
from analysis.results.compute import Analysis
from analysis.results.learning_curve import largest_share, patients_info

HEIGHT = 420  # pixels
WORDS = (
    "A larger share holds the patients of a smaller one; validation and test patients are the same for all. Mean over "
    "seeds; low and high end patient-clustered 90 % intervals of the test patients: they do not say how other training "
    "patients would do. A curve that still rises at its end says that more patients would raise the metric. Rates are "
    "chosen among the largest share only"
)


def parts(analysis: Analysis) -> Sequence[Part]:
    """A figure a vendor, and its numbers; nothing where all was trained on the same share."""
    panels: list[list[Part]] = []
    frames = []
    shares = []
    for vendor, computed in analysis.vendors.items():
        info = patients_info(analysis, vendor)
        if info is None:
            continue
        alt = (
            f"Test {analysis.measure.title} by number of training patients of {vendor}: blue "
            "in-domain, orange "
            "cross-domain, a line a mask and rate, dotted lines with crosses the best yardstick."
        )
        drawn = to_json(plot_patients(info))
        panels.append([Figure(f"patients-{slug(vendor)}", drawn, alt, HEIGHT, f"Trained on {vendor}")])
        shares.append(f"{vendor} {largest_share(computed.configurations):g}")
        frames += [curve.configurations.assign(curve=curve.name) for curve in info.curves]
    if not panels:
        return []
    names = ["vendor", "curve", "train_share", "patients", "epochs", "seeds"]
    for domain in ("in_domain", "cross_domain"):
        names += [f"test_{domain}{end}" for end in ("", "_sd", "_low", "_high")]
    frame = known_columns(pd.concat(frames, ignore_index=True), names, analysis.measure)
    words = f"{analysis.measure.words(WORDS)} ({', '.join(shares)})."
    return [Panels(panels), table(frame, "patients"), Paragraph(words, "small"), labels_seen(analysis)]


SECTION = Section("Learning curve in patients", parts)
