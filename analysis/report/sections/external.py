"""The exported models on other cohorts."""

from collections.abc import Sequence

from analysis.plots.elsewhere import CHOSEN, LOW_PASS, plot_elsewhere
from analysis.read.configurations import FULL
from analysis.report.parts import Panels, Paragraph, Part, slug, table
from analysis.report.sections.base import Section, as_high_as_drawn, known_columns, labels_seen
from analysis.results.compute import Analysis, VendorAnalysis
from analysis.results.external import ITSELF, REFERENCES, TOGETHER, beside_chosen, settings_shown

MISSING = "No external cohort was evaluated (RUN/external/NAME.csv)."
WORDS = (
    "Seeds averaged; low and high end patient-clustered 90 % intervals. minus: the metric less that "
    "of full sampling, and of the low-pass at the same rate, on the same patients. together: the metric of the mean "
    "score of all seeds, as predict uses them, over patients alone."
)

SAMPLINGS = {ITSELF: CHOSEN, "low_pass": LOW_PASS, "full_sampling": FULL}


def parts(analysis: Analysis) -> Sequence[Part]:
    """A figure a vendor trained on, and a table in which the chosen rates are marked."""
    external = analysis.external
    if not analysis.vendors:
        return []
    if analysis.run.external.empty:
        return [Paragraph(MISSING, "small")]
    strangers = sorted(set(analysis.run.external["key"]) - set(analysis.run.records))
    left_out = f"Left out, because this folder has no record of these trials: {', '.join(strangers)}."
    about_strangers = Paragraph(left_out if strangers else "", "small")
    if external.empty:
        return [about_strangers]
    title = analysis.measure.title
    names = {"vendor": "trained on", "family": "mask", "realised_rate": "rate", "value": title}
    differences = [f"{name}{end}" for name in REFERENCES for end in ("", "_low", "_high")]
    names |= {name: f"minus_{name}" for name in differences}
    frame = external.drop(columns="mask").rename(columns=names)
    chosen = {key for computed in analysis.vendors.values() for key in computed.selection.keys}
    marked = external["keys"].map(lambda keys: bool(chosen.intersection(keys)))
    shown = ["cohort", "trained on", "scored_on", "mask", *settings_shown(external, analysis.configurations), "rate"]
    shown += ["seeds", "images", "patients", title, "low", "high", *TOGETHER]
    shown += [f"minus_{name}" for name in differences]
    return [
        Panels([_figure(analysis, computed) for computed in analysis.vendors.values()]),
        labels_seen(analysis),
        table(
            known_columns(frame, shown, analysis.measure),
            "external",
            f"{title} on other cohorts",
            marked,
        ),
        Paragraph(analysis.measure.words(WORDS), "small"),
        about_strangers,
    ]


def _figure(analysis: Analysis, computed: VendorAnalysis) -> list[Part]:
    """The chosen rate on every other cohort; empty where it was scored on none."""
    rows = beside_chosen(analysis.external, analysis.configurations, computed.selection.keys)
    if rows.empty:
        return []
    title = analysis.measure.title
    where = rows["cohort"].astype(str) + ", on " + rows["scored_on"].astype(str)
    drawn = plot_elsewhere(rows.assign(where=where, sampling=rows["reference"].map(SAMPLINGS)), title)
    alt = (
        f"{title} on other cohorts, trained on {computed.vendor}: a row a cohort and scanner, the chosen rate beside "
        "the low-pass at the same rate and full sampling, with 90 % intervals"
    )
    return [as_high_as_drawn(f"external-{slug(computed.vendor)}", drawn, alt, f"Trained on {computed.vendor}")]


SECTION = Section("External cohorts", parts)
