"""What a person is told of a cohort: its images by vendor, what was left out or skipped, and what to doubt."""

from itertools import chain
from typing import Any

from tune_ks.commands.output import say


def say_cohort(cohorts: list[Any]) -> None:
    """Print what a cohort holds, which is the same at every image size, and what was left out or skipped."""
    from tune_ks.core.domain_words import about_domains
    from tune_ks.data.cohort.doubts import doubts
    from tune_ks.data.layouts.sheets import counted

    cohort = cohorts[0]
    per_vendor = cohort.table.groupby("vendor").agg(images=("row", "size"), patients=("patient_id", "nunique"))
    counts = ", ".join(f"{v} {n.images} images of {n.patients} patients" for v, n in per_vendor.iterrows())
    sides = " and ".join(str(cohort.image_side) for cohort in cohorts)
    say(f"cohort: {counts}; sampled at {sides} px")
    if sentence := about_domains(cohort.settings.domain):
        say(f"{sentence} In-domain is the domain trained on, cross-domain the mean over the others.")
    sentence = "" if cohort.holds_maps else labels_of_patients(cohort.table)
    if sentence:
        say(sentence)
    unknown = int((cohort.table["orientation"] == "unknown").sum())
    if unknown:
        say(f"orientation unknown for {unknown} images: they are used as stored")
    along_rows = int((cohort.table["phase"] == "COL").sum())
    if along_rows:
        say(f"phase encoding runs along the other axis in {along_rows} images: lines stay the columns")
    for note in dict.fromkeys(chain.from_iterable((*cohort.notes, *doubts(cohort.table)) for cohort in cohorts)):
        say(f"warning: {note}", style="yellow")
    for reason, count in cohort.left_out.items():
        say(f"left out {count}: {reason}")
    examples = cohort.skipped.groupby("reason")["path"].first()
    for reason, count in cohort.skipped["reason"].value_counts().head(8).items():
        say(f"skipped {counted(count, 'file')}: {reason} (for example {examples[reason]})", style="yellow")


def say_bands(cohort: Any) -> None:
    """Print how much of the stored k-space of each vendor and series holds anything. Nothing of it is stored."""
    from tune_ks.data.occupied import FULLY_OCCUPIED, occupied_bands

    for band in occupied_bands(cohort.table, cohort.images):
        say(band.sentence(), style="yellow" if band.share <= FULLY_OCCUPIED else None)


def labels_of_patients(table: Any) -> str:
    """What to say where the labels are those of patients: no patient has images of both classes. Else ""."""
    classes = table.dropna(subset="label").groupby("patient_id")["label"].agg(["min", "max"])
    if classes.empty or (classes["min"] != classes["max"]).any():
        return ""
    positive = int((classes["max"] == 1).sum())
    return (
        f"labels: every image has the label of its patient ({positive} patients with it, {len(classes) - positive} "
        "without): images of a positive patient that show nothing count as positive too"
    )
