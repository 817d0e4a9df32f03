"""Predict: what is assumed of a folder without labels, the tables that are written, and what the terminal says."""

import argparse
import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

from tune_ks.core.record import FORMAT
from tune_ks.core.run_folder import RunFolder, write_json
from tune_ks.core.storage import StoragePath
from tune_ks.core.tables import write_csv
from tune_ks.core.trial_name import trial_name


class Predicted(NamedTuple):
    """The files that were written, and the lines to print."""

    written: list[StoragePath]
    lines: list[str]


class Series(NamedTuple):
    """The settings that the folder can be read with, and what was assumed for it ([] for nothing)."""

    settings: Any  # CohortSettings
    assumed: list[str]


def readable_series(args: argparse.Namespace, settings: Any) -> Series:
    """Settings of another series where the run's own one has no folder or column here.

    A hospital's folder does not name its series as the run's data does. A series that this command names stays.
    """
    from tune_ks.data.layouts.detect import detect
    from tune_ks.data.layouts.sheets import InputError

    if args.series is not None or settings.series is None:
        return Series(settings, [])
    layout = detect(args.data, labels_required=False, ignore=args.cache)
    files = layout.files()
    try:
        layout.listing(settings.series, False, files)
    except InputError:
        layout.listing(None, False, files)  # says what is wrong where this does not help either
        assumed = (
            f"series: the models were trained on {settings.series!r}, which nothing here is called: every file is "
            "read (--series NAME takes the files in folders of that name)"
        )
        return Series(dataclasses.replace(settings, series=None), [assumed])
    return Series(settings, [])


def assumed_patients(cohort: Any) -> list[str]:
    """What was taken for a patient, where no sheet says it. PatientID is never read (docs/privacy.md)."""
    if cohort.layout != "folder":
        return []
    in_root = ~cohort.table["path"].str.contains("/")
    loose = int(in_root.sum())
    count = cohort.table.loc[~in_root, "patient_id"].nunique()
    assumed = []
    if count:
        assumed.append(f"patients: each folder directly below the data folder is taken for one patient ({count} here)")
    if loose:
        assumed.append(f"patients: images that lie in the data folder itself are taken for one patient ({loose} here)")
    assumed.append(
        "patients: if that is wrong, give --data the folder that holds the patients' folders, or add a labels.csv with "
        "the columns path, patient_id"
    )
    return assumed


def write_predictions(
    folder: RunFolder, name: str, keys: list[str], cohort: Any, progress: Any, assumed: list[str], as_json: bool
) -> Predicted:
    """Write each image's and each patient's probability and call to RUN/external, and the files that were skipped."""
    from tune_ks.evaluation.decisions import NOTICE, Judge, decisions
    from tune_ks.evaluation.operating_point import operating_point
    from tune_ks.evaluation.other_cohort import evaluate

    scores = evaluate(folder, keys, cohort.table, cohort.images, progress).scores
    judges = {}
    for key in keys:
        record = folder.read_record(key)
        judges[key] = Judge(record, operating_point(folder, record))
    decided = decisions(scores, judges)
    external = folder.root / "external"
    tables = {f"{name}_predictions.csv": decided.images, f"{name}_patient_predictions.csv": decided.patients}
    if len(cohort.skipped):
        tables[f"{name}_skipped_predictions.csv"] = cohort.skipped.assign(notice=NOTICE)
    for file, table in tables.items():
        write_csv(external / file, table)
    written = [external / file for file in tables]
    (external / f"{name}_predictions.json").unlink(missing_ok=True)  # an earlier one, of other models
    if as_json:
        written.append(external / f"{name}_predictions.json")
        write_json(written[-1], _as_json(judges, decided, cohort, assumed))
    lines = [*assumed, *(_summary(judge, decided) for judge in judges.values()), NOTICE]
    if len(cohort.skipped):
        lines.insert(-1, f"{len(cohort.skipped)} files could not be used: {name}_skipped_predictions.csv names them")
    return Predicted(written, lines)


def _summary(judge: Any, decided: Any) -> str:
    """One model's line: how many patients of each call, and what the threshold rests on."""
    config = judge.record.config
    point = judge.point
    patients = decided.patients[decided.patients["key"] == config.key()]
    counts = ", ".join(f"{count} {call}" for call, count in patients["call"].value_counts().items())
    line = f"{config.key()} ({trial_name(judge.record)}): {counts} of {len(patients)} patients"
    if point.why_not:
        return f"{line}; {point.why_not}"
    line += (
        f"; threshold {_probability(point.threshold):.3g}: of the validation of {config.vendor} it calls negative "
        f"{point.specificity:.0%} of {point.images} images without a tumour ({point.patients} patients)"
    )
    if point.patients_without:
        return f"{line} and {point.patient_specificity:.0%} of {point.patients_without} patients without a tumour"
    return f"{line}; there is no patient without a tumour to say the same of patients"


def _as_json(judges: Mapping[str, Any], decided: Any, cohort: Any, assumed: list[str]) -> dict[str, Any]:
    """Everything of the tables as one object, with what is known of each model and its threshold."""
    from tune_ks.evaluation.decisions import NOTICE, PATIENT_RULE

    models = {}
    for key, judge in judges.items():
        point = dataclasses.asdict(judge.point)
        threshold = point.pop("threshold")
        models[key] = {
            "name": trial_name(judge.record),
            "config": judge.record.config.non_default(),
            "metric": judge.record.metric,
            "val": judge.record.val,
            "test": judge.record.test,
            "operating_point": {"threshold_logit": threshold, "threshold": _probability(threshold), **point},
        }
    return {
        "format": FORMAT,
        "notice": NOTICE,
        "cohort_fingerprint": cohort.fingerprint,
        "assumed": assumed,
        "patient_rule": PATIENT_RULE,
        "models": models,
        "images": decided.images.drop(columns="notice").to_dict("records"),
        "patients": decided.patients.drop(columns="notice").to_dict("records"),
        "skipped": cohort.skipped.to_dict("records"),
    }


def _probability(logit: float) -> float:
    from tune_ks.evaluation.decisions import logistic

    return float(logistic(logit))
