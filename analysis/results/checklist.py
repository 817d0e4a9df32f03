"""A reporting checklist, filled where the run knows: topics that CLAIM and TRIPOD+AI ask about, in our own words.

Topics carry no item numbers, and the list is not complete: the published forms are what a journal asks for. What a run
cannot know is left to the authors.
"""

from collections.abc import Callable
from typing import NamedTuple

from analysis.choice.rules import RULES
from analysis.read.configurations import families
from analysis.results.compute import Analysis
from analysis.results.headline import headline
from analysis.results.patient_level import patient_level
from analysis.results.sentences import whose_labels
from analysis.results.warnings import is_synthetic
from analysis.statistics.bootstrap import DRAWS, LEVEL
from tune_ks.core.operating_point import SPECIFICITY

SOURCES = (
    "CLAIM: Checklist for Artificial Intelligence in Medical Imaging, 2024 update (Tejani et al., Radiol. Artif. "
    "Intell. 2024)",
    "TRIPOD+AI statement (Collins et al., BMJ 2024; 385: e078378)",
)
ABOUT = (
    "Topics of two reporting guidelines in our own words, without item numbers; not all topics are here. Answers come "
    "from this run and are to be checked; fill in the published forms for a journal."
)
OPEN = "to be written by the authors"
CLAIM, TRIPOD = "CLAIM", "TRIPOD+AI"
BOTH = f"{CLAIM}, {TRIPOD}"
Answer = Callable[[Analysis], str]  # "" where this run does not know


class Topic(NamedTuple):
    """What a guideline asks, and who knows the answer."""

    part: str  # of a paper
    asks: str
    of: str  # the guidelines that ask it
    answer: Answer | None = None  # None: only the authors know


class Entry(NamedTuple):
    """A topic with its answer."""

    part: str
    topic: str
    of: str
    answer: str
    known: bool  # False: left to the authors


def checklist(analysis: Analysis) -> list[Entry]:
    """Every topic, filled where the run knows."""
    entries = []
    for topic in TOPICS:
        answer = topic.answer(analysis) if topic.answer is not None else ""
        entries.append(Entry(topic.part, topic.asks, topic.of, answer or OPEN, bool(answer)))
    return entries


def checklist_file(analysis: Analysis) -> dict[str, str]:
    """checklist.md, a box a topic, ticked where it is filled; {} without a finished trial."""
    if not analysis.vendors:
        return {}
    entries = checklist(analysis)
    lines = ["# Reporting checklist", "", ABOUT, "", *(f"- {source}" for source in SOURCES)]
    part = ""
    for entry in entries:
        if entry.part != part:
            part = entry.part
            lines += ["", f"## {part}", ""]
        box = "x" if entry.known else " "
        lines.append(f"- [{box}] {entry.topic} ({entry.of}): {' '.join(entry.answer.split())}")
    filled = sum(entry.known for entry in entries)
    lines += ["", f"{filled} of these {len(entries)} topics are filled from the run; the others are for the authors."]
    return {"checklist.md": "\n".join(lines) + "\n"}


def _data(analysis: Analysis) -> str:
    about = analysis.run.search.get("cohort") or {}
    said = []
    if is_synthetic(analysis.run):
        said.append("a synthetic cohort (phantom), no patients")
    if about.get("layout"):
        said.append(f"layout {about['layout']}")
    if about.get("fingerprint"):
        said.append(f"fingerprint {about['fingerprint']}")
    return f"{'; '.join(said)}. Where it is from and who approved it: {OPEN}." if said else ""


def _preparation(analysis: Analysis) -> str:
    """The settings that were asked for; of series and orientation, what the images have: a reader may differ."""
    settings = dict((analysis.run.search.get("cohort") or {}).get("settings") or {})
    cohort = analysis.run.cohort
    for name in {"series", "orientation"} & {*settings} & {*cohort}:
        settings[name] = ", ".join(sorted(cohort[name].dropna().astype(str).unique()))
    return "; ".join(f"{name} {value}" for name, value in settings.items())


def _partitions(analysis: Analysis) -> str:
    cohort = analysis.run.cohort
    if cohort.empty:
        return ""
    splits = cohort.groupby(["split", "vendor"])["patient_id"].nunique()
    counts = ", ".join(f"{vendor} {split} {number}" for (split, vendor), number in splits.items())
    return f"Split by patient, never by image; patients: {counts}."


def _sample_size(analysis: Analysis) -> str:
    cohort = analysis.run.cohort
    if cohort.empty:
        return ""
    patients = cohort["patient_id"].nunique()
    return f"{len(cohort)} images of {patients} patients; not planned by the program. Why so many: {OPEN}."


def _missing(analysis: Analysis) -> str:
    run = analysis.run
    return f"Trials: {run.counts()}. Files that were left out are counted by reason in RUN/skipped.csv."


def _model(analysis: Analysis) -> str:
    classifiers = ", ".join(sorted(analysis.run.trials["classifier"].unique()))
    masks = ", ".join(families(analysis.configurations)) or "none below full sampling"
    return f"Mask over k-space ({masks}), then a classifier ({classifiers}); every option is in methods.md."


def _training(analysis: Analysis) -> str:
    table = analysis.configurations
    seeds = f"{table['seeds'].min()} to {table['seeds'].max()} seeds"
    return f"{len(table)} configurations with {seeds}; the best epoch by in-domain validation; options in methods.md."


def _selection(analysis: Analysis) -> str:
    said = [f"Rule {analysis.rule}: {analysis.measure.words(RULES[analysis.rule].summary)}"]
    for vendor, computed in analysis.vendors.items():
        said.append(f"{vendor}: {whose_labels(computed.selection, analysis.measure)}")
    return " ".join(said)


def _metrics(analysis: Analysis) -> str:
    said = f"{analysis.measure.title} in-domain and on each other {analysis.measure.domains.one}"
    if not analysis.clinic.operating.empty:
        said += (
            f"; sensitivity, specificity, PPV and NPV at the threshold of {100 * SPECIFICITY:.0f} % specificity on "
            "validation images; Brier score and reliability"
        )
    return f"{said}."


def _uncertainty(analysis: Analysis) -> str:
    return f"{100 * LEVEL:.0f} % intervals; patients, never images, resampled {DRAWS} times; spread of seeds added."


def _performance(analysis: Analysis) -> str:
    return " ".join(headline(analysis, vendor) for vendor in analysis.vendors)


def _counts(analysis: Analysis) -> str:
    table = analysis.clinic.confusion
    if table.empty:
        return ""
    chosen = table[(table["rate"] == "chosen") & (table["counted by"] == "image")]
    said = []
    for (source, vendor), rows in chosen.groupby(["trained on", "scored on"], sort=False):
        first = rows.iloc[0]
        counts = ", ".join(f"{name} {first[name]}" for name in ("TP", "FP", "TN", "FN"))
        said.append(f"{source} on {vendor}, seed {first['seed']}: {counts}")
    return f"{'; '.join(said)}. Every seed is in the table of counts."


def _calibration(analysis: Analysis) -> str:
    table = analysis.clinic.calibration
    rows = table[table["rate"] == "chosen"].to_dict("records")
    said = [f"{row['trained on']} on {row['scored on']} {row['Brier']:.3f}" for row in rows]
    return f"Brier score: {'; '.join(said)}; reliability curves in the report." if said else ""


def _subgroups(analysis: Analysis) -> str:
    named = analysis.clinic.subgroups["by"].unique()
    if not len(named):
        return ""
    return f"By {', '.join(named)}, in the report. Age, sex and ethnicity are not read: {OPEN}."


def _external(analysis: Analysis) -> str:
    if len(analysis.external):
        return "Scored on other cohorts, in the report."
    others = analysis.measure.words("Other vendors of the same cohort only; no external cohort was scored.")
    return "" if len(analysis.vendors) < 2 else others


def _patients(analysis: Analysis) -> str:
    return " ".join(patient_level(analysis).notes)


def _availability(analysis: Analysis) -> str:
    command = analysis.run.search.get("command")
    return (
        f"Search command: {command}. Weights, masks and scores of each trial are in the run folder." if command else ""
    )


def _software(analysis: Analysis) -> str:
    versions = analysis.run.search.get("versions") or {}
    return ", ".join(f"{name} {version}" for name, version in versions.items())


TOPICS = (
    Topic("Title and abstract", "Say that it is a machine-learning study, and of what", BOTH),
    Topic("Title and abstract", "Structured summary", BOTH),
    Topic("Introduction", "Clinical background, and the intended use", BOTH),
    Topic("Introduction", "Known inequalities between groups of patients", TRIPOD),
    Topic("Introduction", "Objectives and hypotheses", BOTH),
    Topic("Data", "Prospective or retrospective; dates and places", BOTH),
    Topic("Data", "Source of the data", BOTH, _data),
    Topic("Data", "Who was eligible", BOTH),
    Topic("Data", "Preparation of the images", BOTH, _preparation),
    Topic("Data", "What was left out or is missing", BOTH, _missing),
    Topic("Data", "De-identification", CLAIM),
    Topic("Data", "How the images were acquired", CLAIM),
    Topic("Reference standard", "Definition, and why this one", BOTH),
    Topic("Reference standard", "Who annotated, how, and how far readers agreed", BOTH),
    Topic("Partitions", "How the data were split, and at which level", BOTH, _partitions),
    Topic("Partitions", "Number of patients and images, and why so many", BOTH, _sample_size),
    Topic("Model", "Structure, inputs and outputs", BOTH, _model),
    Topic("Model", "Training, and its options", BOTH, _training),
    Topic("Model", "How the final model was selected, and on whose labels", BOTH, _selection),
    Topic("Model", "Software and versions", CLAIM, _software),
    Topic("Evaluation", "How performance is measured, and the threshold", BOTH, _metrics),
    Topic("Evaluation", "Uncertainty of the numbers", BOTH, _uncertainty),
    Topic("Evaluation", "Test on other data", BOTH, _external),
    Topic("Evaluation", "Explanations of single predictions", CLAIM),
    Topic("Results", "Flow of the participants, and who they are", BOTH),
    Topic("Results", "Performance with intervals", BOTH, _performance),
    Topic("Results", "Confusion counts", CLAIM, _counts),
    Topic("Results", "Calibration", BOTH, _calibration),
    Topic("Results", "Performance in subgroups", BOTH, _subgroups),
    Topic("Results", "Patients or images", CLAIM, _patients),
    Topic("Results", "Where the model fails", CLAIM),
    Topic("Discussion", "Limits, and whom the results hold for", BOTH),
    Topic("Discussion", "What use in practice would need", BOTH),
    Topic("Other", "Registration and protocol", BOTH),
    Topic("Other", "Data, code and model: where they are", BOTH, _availability),
    Topic("Other", "Funding and conflicts of interest", BOTH),
    Topic("Other", "Involvement of patients and the public", TRIPOD),
)
