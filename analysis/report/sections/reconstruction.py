"""How near the restored images are to the fully sampled ones."""

from collections.abc import Sequence

from analysis.report.parts import Paragraph, Part, table
from analysis.report.sections.base import Section
from analysis.results.compute import Analysis
from analysis.results.reconstruction import quality_table

WORDS = (
    "Means over test images of the magnitude against the fully sampled image, for a range of 1, seeds averaged. "
    "Zero-filled: the same mask, with nothing learned. A likeness that is better on the vendor trained on than on "
    "another belongs to that vendor's images; whether it helps the metric is in the other tables."
)


def parts(analysis: Analysis) -> Sequence[Part]:
    """A table of the trials whose reconstruction learns; nothing where there is none."""
    quality = quality_table(analysis.run.records, analysis.run.trials)
    if quality.empty:
        return []
    quality = quality.rename(columns=analysis.measure.domains.of)
    return [table(quality, "reconstruction"), Paragraph(analysis.measure.words(WORDS), "small")]


SECTION = Section("Reconstruction", parts)
