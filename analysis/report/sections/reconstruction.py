"""How near the restored images are to the fully sampled ones."""

from collections.abc import Sequence

from analysis.report.parts import Paragraph, Part, table
from analysis.report.sections.base import Section
from analysis.results.compute import Analysis
from analysis.results.reconstruction import COLUMNS, quality_table

WORDS = (
    "Means over test images of the magnitude against the fully sampled image, for a range of 1, seeds averaged. "
    "Zero-filled: the same mask, with nothing learned. A likeness that is better on the vendor trained on than on "
    "another belongs to that vendor's images; whether it helps the metric is in the other tables."
)
VOLUME_WORDS = (
    "Means over test volumes, seeds averaged. AVD: how far the volume of the predicted lesion is off; HD: the largest "
    "distance between the surfaces of the predicted and the true lesion, over the volumes for which one was predicted; "
    "no lesion predicted: the share of the others."
)


def parts(analysis: Analysis) -> Sequence[Part]:
    """A table of the trials whose reconstruction learns, or whose answer is a volume; nothing where there is none."""
    quality = quality_table(analysis.run.records, analysis.run.trials)
    if quality.empty:
        return []
    shown: list[Part] = [table(quality, "reconstruction")]
    if COLUMNS["psnr"] in quality:
        shown.append(Paragraph(analysis.measure.words(WORDS), "small"))
    if COLUMNS["volume_avd_ml"] in quality:
        shown.append(Paragraph(VOLUME_WORDS, "small"))
    return shown


SECTION = Section("Reconstruction", parts)
