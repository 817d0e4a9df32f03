"""The report's tables: each rule's choice, configurations, trials, trouble, provenance."""

import math
from typing import Any

import pandas as pd

from analysis.choice.optimism import Optimism
from analysis.choice.selection import Selection
from analysis.read.configurations import FULL, plain_name, varied_fields
from analysis.report.page import number, paragraph, table
from analysis.results import sentences
from analysis.results.compute import Analysis

CHOICES = (
    "metric on test patients [90 % interval]. Full not better: the probability that full sampling is not better by "
    "more than {tolerance:g}, the smaller of both metrics and of both at once. Labels seen: source-validation, "
    "validation labels of the vendor trained on only; target-validation, validation labels of the other vendor(s) too, "
    "so that the cross-domain metric speaks for new patients of those vendors and not for an unseen one; "
    "leave-one-vendor-out (three or more vendors), validation labels of every vendor but the one held out, whose test "
    "metric the cross-domain one then is; oracle, the test labels themselves: what a choice would have been worth, "
    "biased upward, and no choice."
)
DIFFERENCE = (
    "difference: test metric minus that of full sampling on the same patients, seeds averaged inside each draw of "
    "patients; low and high are the ends of patient-clustered 90 % intervals."
)


OPTIMISM = (
    "gap: test metric of the choice that the same rule makes on test scores (oracle) minus that of the honest choice, "
    "on the same patients. Oracle's luck: by how much the oracle's test metric would fall on new patients, from "
    "letting the rule choose on resampled test patients: an underestimate, by 0.4 of it where rates are equal. A gap "
    "of 0 without an interval: both chose the same rate; a negative one: on test scores the rule gave more metric "
    "away."
)


def choices(analysis: Analysis) -> str:
    """Every rule and family side by side, with the labels each saw, above full sampling."""
    rows, title = [], analysis.measure.title
    for vendor, computed in analysis.vendors.items():
        rows += [_choice_row(selection, title) for selection in [computed.selection, *computed.others]]
        full = computed.selection.full_sampling
        if full:
            rows.append({"trained on": vendor, "rule": FULL, "rate": 1.0} | _scored(full, title))
    frame = pd.DataFrame(rows).dropna(axis="columns", how="all")
    shown = table(frame, "choices", "Each rule's choice, and what it was allowed to see")
    if not shown:
        return ""
    measure = analysis.measure
    about = _notes(analysis) + paragraph(measure.words(CHOICES.format(tolerance=analysis.options.tolerance)), "small")
    rows = [_gap_row(gap) for computed in analysis.vendors.values() for gap in computed.optimism]
    gaps = table(pd.DataFrame(rows).dropna(axis="columns", how="all"), "optimism", "What peeking would have bought")
    if gaps:
        gaps += paragraph(measure.words(OPTIMISM), "small")
    return shown + about + gaps + paragraph(sentences.RETROSPECTIVE, "small")


def _notes(analysis: Analysis) -> str:
    """What the rules noted, each note once, with whose choice it is of."""
    said: dict[tuple[str, str], dict[str, None]] = {}
    others = [selection for computed in analysis.vendors.values() for selection in computed.others]
    for selection in [*(computed.selection for computed in analysis.vendors.values()), *others]:
        if selection.note:
            said.setdefault((selection.rule, selection.note), {})[selection.vendor] = None
    lines = (f"{rule} ({', '.join(vendors)}): {note}." for (rule, note), vendors in said.items())
    return "".join(paragraph(line, "small") for line in lines)


def _gap_row(gap: Optimism) -> dict[str, Any]:
    row = {"trained on": gap.vendor, "rule": gap.rule, "labels seen": gap.saw, "held out": gap.held_out or None}
    row |= {"rate": gap.rate, "oracle's rate": gap.oracle_rate}
    for domain in gap.gap:
        word, (low, high) = domain.replace("_", "-"), gap.gap_interval[domain]
        row[f"gap, {word}"] = gap.gap[domain]
        row[f"90 % interval, {word}"] = None if math.isnan(low) else f"{low:+.3f} to {high:+.3f}"
        row[f"oracle's luck, {word}"] = gap.own[domain]
    return row


def baseline_table(analysis: Analysis) -> str:
    """One-number baselines of each vendor's test patients."""
    note = "What one number of the input, after the network's own scaling, tells on test patients, in its better "
    note += "direction; 90 % patient-clustered intervals. A network that is not above the best has learned nothing."
    shown = analysis.baselines.drop(columns="source").rename(columns={"value": analysis.run.metric})
    found = table(shown, "baselines")
    if not found:
        return paragraph("Not computed: cohort.csv holds no one-number column for labelled test patients.", "small")
    return found + paragraph(note, "small")


def configuration_table(analysis: Analysis) -> str:
    """Every configuration, seeds averaged."""
    frame = analysis.configurations
    if frame.empty:
        return ""
    names = ["vendor", "family", *(n for n in varied_fields(frame) if n != "mask"), "sampling_rate", "realised_rate"]
    names += ["distinct_rate", "seeds", "val_in_domain", "val_cross_domain", "test_in_domain", "test_in_domain_sd"]
    names += ["test_in_domain_low", "test_in_domain_high", "test_cross_domain", "test_cross_domain_sd"]
    names += ["test_cross_domain_low", "test_cross_domain_high", "above_baseline_in_domain_low"]
    names += [f"difference_{domain}{end}" for domain in ("in_domain", "cross_domain") for end in ("", "_low", "_high")]
    names += ["test_within_in_domain", "test_within_cross_domain", "export_gap"]
    return (
        seen(analysis)
        + table(_present(frame, names), "configurations", "Mean over seeds")
        + paragraph(analysis.measure.words(DIFFERENCE), "small")
    )


def trial_table(analysis: Analysis) -> str:
    """Every finished trial: all seeds, not the best."""
    frame = analysis.run.trials
    varied = [n for n in varied_fields(frame) if n != "mask"] if len(frame) else []
    names = ["key", "vendor", "mask", *varied, "seed", "sampling_rate", "mean_probability", "realised_rate"]
    names += ["distinct_rate", "val_in_domain", "val_cross_domain", "test_in_domain", "test_cross_domain", "epoch"]
    found = table(_present(frame, [*names, "seconds", "start_point"]), "trials", "Every seed, not the best")
    return seen(analysis) + found if found else ""


def external_table(analysis: Analysis) -> str:
    """Other cohorts that the exported models were scored on."""
    found = analysis.run.external
    if found.empty:
        return paragraph("No external cohort was evaluated (RUN/external/NAME.csv).", "small")
    trials = analysis.run.trials[["key", "vendor", "mask", "seed", "realised_rate"]]
    trials = trials.rename(columns={"vendor": "trained on", "realised_rate": "rate"})
    frame = found.rename(columns={"vendor": "scored on"}).merge(trials, on="key", how="left")
    names = ["cohort", "trained on", "mask", "rate", "seed", "scored on", "images", "patients"]
    names += [analysis.run.metric, "key"]
    title = f"{analysis.measure.title} on other cohorts"
    return seen(analysis) + table(frame[names].dropna(axis="columns", how="all"), "external", title)


def trouble(analysis: Analysis) -> str:
    """Failed, stopped, unread and unfinished trials, skipped files, each with its reason."""
    run = analysis.run
    unread = pd.DataFrame(list(run.unreadable.items()), columns=["record left out", "why"])
    pending = pd.DataFrame({"asked for, not finished": run.pending})
    reasons = run.skipped.groupby("reason").agg(files=("path", "size"), example=("path", "first")).reset_index()
    found = (
        table(run.failures, "failures", "Failed trials")
        + table(run.stopped, "stopped", "Trials that a scheduler stopped early")
        + table(unread, "left-out", "Records left out")
        + table(pending, "pending", "Trials without a record")
        + table(reasons, "skipped", "Files of the cohort that were skipped")
    )
    return found or paragraph("Nothing: every trial that was asked for has a readable record.", "small")


def provenance(analysis: Analysis) -> str:
    """Cohort, counts, versions, command."""
    search = analysis.run.search
    counts = _counts((search.get("cohort") or {}).get("counts"), analysis.run.cohort)
    found = table(counts, "cohort", "Patients and images by vendor, split and class")
    if not search:
        return paragraph("Unknown: this run folder has no search.json that can be read.") + found
    flat = pd.DataFrame([(n, v) for n, v in _flat(search) if not n.startswith("cohort.counts")], columns=["what", "is"])
    return found + table(flat, "provenance", "Cohort fingerprint, versions, command")


def seen(analysis: Analysis) -> str:
    """Whose labels chose, wherever a cross-domain number stands."""
    lines = [
        f"{vendor}: {sentences.whose_labels(computed.selection, analysis.measure)}"
        for vendor, computed in analysis.vendors.items()
    ]
    return paragraph(" ".join(lines), "seen")


def _choice_row(selection: Selection, title: str) -> dict[str, Any]:
    return {
        "trained on": selection.vendor,
        "rule": selection.rule if selection.family == "learned" else f"{selection.rule} ({selection.family})",
        "labels seen": selection.saw,
        "held out": selection.held_out or None,
        "rate": selection.rate,
        "interval of the rate": None if selection.interval is None else "{:.3f} to {:.3f}".format(*selection.interval),
        "full not better": min(selection.not_worse.values(), default=math.nan),
        **_scored(selection.values, title),
        "columns read": ", ".join(selection.columns_read),
    }


def _scored(values: dict[str, float], title: str) -> dict[str, str | None]:
    """Both test metrics with their intervals, as text that sorts by value."""
    found = {f"{word} test {title}": f"test_{domain}" for domain, word in sentences.DOMAINS.items()}
    return {
        column: None
        if math.isnan(values.get(name, math.nan))
        else number(values[name]) + sentences.spread(values, name)
        for column, name in found.items()
    }


def _counts(named: Any, cohort: pd.DataFrame) -> pd.DataFrame:
    """search.json's counts; of a run without them, those of cohort.csv."""
    if isinstance(named, list) and named and all(isinstance(row, dict) for row in named):
        found = pd.DataFrame(named)
    elif cohort.empty:
        return pd.DataFrame()
    else:
        groups = cohort.groupby(["vendor", "split", "label"], dropna=False)
        found = groups.agg(patients=("patient_id", "nunique"), images=("row", "size")).reset_index()
    if "label" in found:
        words = found["label"].map({0: "tumour absent", 1: "tumour present"})
        found["label"] = words.fillna("not labelled")
    return found.rename(columns={"label": "class"})


def _present(frame: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """The named columns that hold anything, under readable names."""
    kept = [name for name in names if name in frame and frame[name].notna().any()]
    return frame[kept].rename(columns=lambda name: plain_name(name).replace("_", " "))


def _flat(values: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    found = []
    for name, value in values.items():
        if isinstance(value, dict):
            found += _flat(value, f"{prefix}{name}.")
        else:
            found.append((f"{prefix}{name}", str(value)))
    return found
