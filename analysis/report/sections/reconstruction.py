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
MAP_WORDS = (
    "Means over test images of the map against the true one, seeds averaged. An NRMSE of 1 is as far off as a map that "
    "is 0 everywhere; PSNR and SSIM are for a range of 1, which is the window of the maps."
)


def parts(analysis: Analysis) -> Sequence[Part]:
    """A table of the trials whose reconstruction learns, or whose answer is a volume or a map; else nothing."""
    quality = quality_table(analysis.run.records, analysis.run.trials)
    if quality.empty:
        return []
    names = quality.rename(columns=analysis.measure.domains.of)
    shown: list[Part] = [table(names, "reconstruction")]
    for name, words in (("psnr", WORDS), ("volume_avd_ml", VOLUME_WORDS), ("map_nrmse", MAP_WORDS)):
        if COLUMNS[name] in quality:
            shown.append(Paragraph(analysis.measure.words(words), "small"))
    return shown


SECTION = Section("Reconstruction", parts)
