"""AUC of patients, and of breasts, beside that of images."""

from collections.abc import Sequence

from analysis.report.parts import Paragraph, Part, table
from analysis.report.sections.base import Section, labels_seen, of_classes
from analysis.results.compute import Analysis
from analysis.results.patient_level import PatientLevel, external_level, patient_level

NOTE = (
    "A unit (patient, breast) has the label where one of its images has it. Its score is the maximum over its images, "
    "or the noisy-or: one minus the product of (1 - probability). Both rise with the number of images. Intervals are "
    "90 % over patients, and over seeds where there are several. Rates were chosen by images, not by patients."
)


def parts(analysis: Analysis) -> Sequence[Part]:
    """A table for the run's test patients and one for each other cohort, and why some have none."""
    levels: dict[str, PatientLevel] = {"": patient_level(analysis)}
    for cohort in sorted(analysis.run.external["cohort"].unique()):
        levels[str(cohort)] = external_level(analysis, str(cohort))
    shown: list[Part] = []
    for cohort, level in levels.items():
        if not level.table.empty:
            name = f"patient-level-{cohort}" if cohort else "patient-level"
            frame = level.table.dropna(axis="columns", how="all")
            title = f"AUC by patient on {cohort}" if cohort else "AUC by patient, test patients"
            shown += [table(frame, name, title), labels_seen(analysis), Paragraph(NOTE, "small")]
        shown += [Paragraph(f"{cohort}: {note}" if cohort else note, "small") for note in level.notes]
    return shown


SECTION = Section("Patients, not images", parts, of_classes)
