"""Predict: what is assumed of a folder without labels, the tables that are written, and what the terminal says."""

import dataclasses
from typing import Any, NamedTuple

from tune_ks.core.arrays import write_npz
from tune_ks.core.record import FORMAT, TrialRecord
from tune_ks.core.run_folder import RunFolder, write_json
from tune_ks.core.storage import StoragePath
from tune_ks.core.tables import write_csv
from tune_ks.core.trial_name import trial_name


class Predicted(NamedTuple):
    """The files that were written, and the lines to print."""

    written: list[StoragePath]
    lines: list[str]


def assumed_patients(cohort: Any) -> list[str]:
    """What was taken for a patient, where no sheet says it. PatientID is never read (docs/privacy.md)."""
    if cohort.layout == "nifti":
        return [
            "patients: each folder directly below the data folder is taken for one patient, and each volume that lies "
            "in the data folder itself",
            "vendor: NIfTI does not say it, so it is unknown, and a classifier decides nothing; --vendor-of unknown=GE "
            "says it of all volumes",
        ]
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
    """Write what the models say of each image to RUN/external, and the files that were skipped.

    Of a classifier that is each image's and each patient's probability and call; of other tasks, their answers.
    """
    from tune_ks.training.tasks import task_of

    if task_of(folder.read_config(keys[0])).target != "label":
        return _write_answers(folder, name, keys, cohort, progress, assumed, as_json)
    return _write_decisions(folder, name, keys, cohort, progress, assumed, as_json)


def _write_answers(
    folder: RunFolder, name: str, keys: list[str], cohort: Any, progress: Any, assumed: list[str], as_json: bool
) -> Predicted:
    """For each model a table of the numbers that it gives of each image, and an archive of the arrays."""
    from tune_ks.evaluation.answers import answers_of
    from tune_ks.evaluation.decisions import NOTICE

    external = folder.root / "external"
    models = {}
    tables = {}
    images: list[dict[str, Any]] = []
    written = []
    lines = [*assumed]
    for model in answers_of(folder, keys, cohort.table, cohort.images, progress):
        key = model.record.config.key()
        models[key] = _about(model.record)
        images += _rows(model.table.drop(columns="notice"))
        tables[f"{key}_predictions"] = model.table
        if model.arrays:
            written.append(external / f"{name}_{key}_predictions.npz")
            write_npz(written[-1], row=model.table["row"].to_numpy(), **model.arrays)
        lines.append(f"{key} ({trial_name(model.record)}): {len(model.table)} images")
    written += _write_tables(external, name, tables, cohort)
    written += _write_json(external, name, as_json, cohort, assumed, {"models": models, "images": images})
    return Predicted(written, [*lines, *_skipped_line(name, cohort), NOTICE])


def _write_decisions(
    folder: RunFolder, name: str, keys: list[str], cohort: Any, progress: Any, assumed: list[str], as_json: bool
) -> Predicted:
    """Tables of each image's and each patient's probability and call."""
    from tune_ks.evaluation.decisions import NOTICE, PATIENT_RULE, Judge, decisions
    from tune_ks.evaluation.ensembles import ensembles_of, with_ensembles
    from tune_ks.evaluation.operating_point import operating_point
    from tune_ks.evaluation.other_cohort import evaluate

    scores = evaluate(folder, keys, cohort.table, cohort.images, progress).scores
    records = {key: folder.read_record(key) for key in keys}
    judges = {key: Judge(record, operating_point(folder, record)) for key, record in records.items()}
    ensembles = ensembles_of(folder, keys)
    for ensemble, members in ensembles.items():
        point = operating_point(folder, *(records[key] for key in members))
        judges[ensemble] = Judge(records[members[0]], point, tuple(members))
    decided = decisions(with_ensembles(scores, ensembles), judges)
    external = folder.root / "external"
    written = _write_tables(
        external, name, {"predictions": decided.images, "patient_predictions": decided.patients}, cohort
    )
    content = {
        "patient_rule": PATIENT_RULE,
        "models": {key: _about_decisions(judge) for key, judge in judges.items()},
        "images": _rows(decided.images.drop(columns="notice")),
        "patients": _rows(decided.patients.drop(columns="notice")),
    }
    written += _write_json(external, name, as_json, cohort, assumed, content)
    summaries = [_summary(key, judge, decided) for key, judge in judges.items()]
    return Predicted(written, [*assumed, *summaries, *_skipped_line(name, cohort), NOTICE])


def _write_tables(external: StoragePath, name: str, tables: dict[str, Any], cohort: Any) -> list[StoragePath]:
    """Write the tables, and that of the files that were skipped; returns the paths."""
    from tune_ks.evaluation.decisions import NOTICE

    if len(cohort.skipped):
        tables = tables | {"skipped_predictions": cohort.skipped.assign(notice=NOTICE)}
    written = []
    for kind, table in tables.items():
        written.append(external / f"{name}_{kind}.csv")
        write_csv(written[-1], table)
    return written


def _skipped_line(name: str, cohort: Any) -> list[str]:
    if not len(cohort.skipped):
        return []
    from tune_ks.data.layouts.sheets import counted

    return [f"{counted(len(cohort.skipped), 'file')} could not be used: {name}_skipped_predictions.csv names them"]


def _summary(key: str, judge: Any, decided: Any) -> str:
    """One model's line: how many patients of each call, and what the threshold rests on."""
    config = judge.record.config
    point = judge.point
    patients = decided.patients[decided.patients["key"] == key]
    counts = ", ".join(f"{count} {call}" for call, count in patients["call"].value_counts().items())
    line = f"{key} ({_name(judge)}): {counts} of {len(patients)} patients"
    if point.why_not:
        return f"{line}; {point.why_not}"
    line += (
        f"; threshold {_probability(point.threshold):.3g}: of the validation of {config.vendor} it "
        "calls negative "
        f"{point.specificity:.0%} of {point.images} negative images ({point.patients} patients)"
    )
    if point.patients_without:
        return f"{line} and {point.patient_specificity:.0%} of {point.patients_without} negative patients"
    return f"{line}; there is no negative patient to say the same of patients"


def _write_json(
    external: StoragePath, name: str, asked: bool, cohort: Any, assumed: list[str], content: dict[str, Any]
) -> list[StoragePath]:
    """Everything of the tables as one object, with what is known of each model, where it is asked for."""
    from tune_ks.evaluation.decisions import NOTICE

    path = external / f"{name}_predictions.json"
    path.unlink(missing_ok=True)  # an earlier one, of other models
    if not asked:
        return []
    about = {
        "format": FORMAT,
        "notice": NOTICE,
        "cohort_fingerprint": cohort.fingerprint,
        "assumed": assumed,
        "skipped": _rows(cohort.skipped),
    }
    write_json(path, about | content)
    return [path]


def _rows(table: Any) -> list[dict[str, Any]]:
    return table.to_dict("records")


def _about(record: TrialRecord) -> dict[str, Any]:
    """What is known of a model."""
    return {
        "name": trial_name(record),
        "config": record.config.non_default(),
        "metric": record.metric,
        "val": record.val,
        "test": record.test,
    }


def _name(judge: Any) -> str:
    """The model for a reader; an ensemble is called as its trainings are, with their number for a seed."""
    name = trial_name(judge.record)
    return f"{name.rpartition(' seed ')[0]}, mean of {len(judge.members)} trainings" if judge.members else name


def _about_decisions(judge: Any) -> dict[str, Any]:
    """What is known of a model that decides, and of its threshold."""
    point = dataclasses.asdict(judge.point)
    threshold = point.pop("threshold")
    operating_point = {"threshold_logit": threshold, "threshold": _probability(threshold), **point}
    if judge.members:
        about = {"name": _name(judge), "members": list(judge.members)}
    else:
        about = _about(judge.record)
    return about | {"operating_point": operating_point}


def _probability(logit: float) -> float:
    from tune_ks.evaluation.decisions import logistic

    return float(logistic(logit))
