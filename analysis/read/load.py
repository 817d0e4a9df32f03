"""A run folder -> one table of trials, and a list of everything that could not be read."""

import shlex
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pandas as pd

from analysis.read.class_patients import with_patients
from analysis.read.foreign_records import records_of_another_cohort
from analysis.read.small_tables import python_texts
from analysis.read.trial_rows import tidy, trial_row
from tune_ks.core.config import OWN_FIELDS
from tune_ks.core.cut_short import cut_short
from tune_ks.core.domain_words import domain_of
from tune_ks.core.first_answer import require_answer
from tune_ks.core.front import call_of
from tune_ks.core.metrics import METRICS
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder, read_json
from tune_ks.core.storage import StoragePath, read_each, sorted_glob, storage_path, without_place
from tune_ks.core.tables import read_csv
from tune_ks.core.way_out import way_out

COHORT_COLUMNS = ("row", "patient_id", "vendor", "label", "split")


class RunError(ValueError):
    """The folder can't be analysed: the message says what is wrong, what was given, and what would do."""


@dataclass(frozen=True)
class Run:
    """What one run folder holds, read once. Tables are empty, never None, where a file is absent."""

    root: StoragePath
    metric: str  # metric of all the records: a key of METRICS
    trials: pd.DataFrame  # one row a finished trial, columns as analysis.read.trial_rows makes them
    records: dict[str, TrialRecord]  # key -> record, the rows of ``trials``
    cohort: pd.DataFrame  # one row an image, indexed by row number
    skipped: pd.DataFrame  # path, reason
    failures: pd.DataFrame  # key, vendor, sampling_rate, mask, seed, reason
    stopped: pd.DataFrame  # the same columns, for trials that a scheduler stopped early
    external: pd.DataFrame  # cohort, key, vendor, images, patients, and the metric by its name
    search: dict[str, Any]  # search.json
    unreadable: dict[str, str] = field(default_factory=dict)  # key -> why its record was not used
    pending: list[str] = field(default_factory=list)  # keys begun, neither finished nor failed nor stopped
    asked: int = 0  # trials that the folder holds when its search is done
    left: int = 0  # of them neither finished nor failed nor stopped, begun or not
    warnings: list[str] = field(default_factory=list)

    @property
    def domain(self) -> str:
        """What its domains are: a value of --domain."""
        return domain_of(self.search)

    def counts(self) -> str:
        """How the trials stand, in words."""
        stopped = f"{len(self.stopped)} stopped early, " if len(self.stopped) else ""
        finished = f"{len(self.trials)} of {self.asked}" if self.left else f"{len(self.trials)}"
        return f"{finished} finished, {stopped}{len(self.failures)} failed, {self.left} not finished"


@python_texts
def load(root: str | StoragePath, metric: str | None = None) -> Run:
    """Read a run folder; ``metric`` says which records, where there are several metrics.

    RunError when it is no run folder, or the metric is not determined; an unreadable file inside is only reported.
    """
    folder = _open(root)
    warnings: list[str] = []
    search = _search(folder, warnings)
    cohort = _cohort(folder, search, warnings)
    records, unreadable = _records(folder)
    for key, reason in records_of_another_cohort(records, search).items():
        del records[key]
        unreadable[key] = reason
    warnings += _left_out(unreadable)
    metric = _metric(folder.root, records, metric)
    failures = _ended(folder, "failure.json")
    stopped = _ended(folder, "stopped.json")
    done = {*records, *unreadable, *failures["key"], *stopped["key"]}
    of_metric = {key: record for key, record in records.items() if record.metric == metric}
    if len(of_metric) < len(records):
        warnings.append(f"{len(records) - len(of_metric)} record(s) of another metric than {metric} are left out.")
    of_metric = with_patients(of_metric, cohort)
    pending = [key for key in folder.keys() if key not in done]
    begun = len(pending) + len(done)
    asked = max(begun, search.get("trials", 0))  # a folder of an older version does not say how many were planned
    return Run(
        root=folder.root,
        metric=metric,
        trials=tidy(of_metric),
        records=of_metric,
        cohort=cohort,
        skipped=_table(folder.skipped_csv, ("path", "reason"), warnings),
        failures=failures,
        stopped=stopped,
        external=_external(folder.root / "external", metric, warnings),
        search=search,
        unreadable=unreadable,
        pending=pending,
        asked=asked,
        left=asked - len(done),
        warnings=warnings,
    )


def existing_folder(place: str | StoragePath, if_absent: str, if_file: str) -> StoragePath:
    """The folder at ``place``; RunError with what to give instead where there is none, or a file."""
    try:
        root = storage_path(place)
    except ValueError as error:
        raise RunError(str(error)) from error
    require_answer(root)
    if not root.exists():
        raise RunError(f"{root} does not exist: give {if_absent}")
    if not root.is_dir():
        raise RunError(f"{root} is a file: give {if_file}")
    return root


def _open(place: str | StoragePath) -> RunFolder:
    """The run folder at ``place``; RunError where there is none."""
    root = existing_folder(
        place,
        "the run folder that run_search.py printed",
        "the run folder (the one that holds search.json and trials/)",
    )
    folder = RunFolder(root)
    if not (root / "trials").is_dir() and not folder.search_json.exists():
        raise RunError(f"{root} is not a run folder: it holds neither search.json nor trials/")
    try:
        folder.require_own_folders()
    except ValueError as error:
        raise RunError(str(error)) from error
    return folder


def _left_out(unreadable: dict[str, str]) -> list[str]:
    """The warning about records that could not be used; none where all could."""
    if not unreadable:
        return []
    named = "; ".join(f"{key} ({reason})" for key, reason in list(unreadable.items())[:3])
    more = f"; and {len(unreadable) - 3} more" if len(unreadable) > 3 else ""
    return [f"{len(unreadable)} record(s) could not be used and are left out: {named}{more}."]


def _metric(root: StoragePath, records: dict[str, TrialRecord], wanted: str | None) -> str:
    """The metric to analyse; any without records. RunError where the records have several and none is chosen."""
    metrics = sorted({record.metric for record in records.values()})
    if wanted is None and len(metrics) > 1:
        command = f"{call_of('analyse')} {shlex.quote(str(root))} --metric {metrics[0]}"
        raise RunError(
            f"{root} holds records of {len(metrics)} metrics, {' and '.join(metrics)}: say which, as in {command}"
        )
    if wanted is not None and wanted not in (metrics or METRICS):
        raise RunError(f"{root} holds no record of the metric {wanted!r}; it has: {', '.join(metrics) or 'none'}")
    return wanted or next(iter(metrics), TrialRecord.metric)


def _records(folder: RunFolder) -> tuple[dict[str, TrialRecord], dict[str, str]]:
    finished = folder.finished()
    results = read_each(folder.root, partial(_record_or_reason, folder), finished)
    records = {}
    unreadable = {}
    for key, result in zip(finished, results):
        if isinstance(result, TrialRecord):
            records[key] = result
        else:
            unreadable[key] = result
    return records, unreadable


def _record_or_reason(folder: RunFolder, key: str) -> TrialRecord | str:
    """A record that the analysis can use, or why it cannot."""
    try:
        record = folder.read_record(key)
        rate = record.realised_rate
        if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 < rate <= 1:
            raise ValueError(f"realised_rate must be in (0, 1], got {rate!r}")
        if record.metric not in [*METRICS]:  # of a list: it may be no text
            raise ValueError(f"its metric is {record.metric!r}; this analysis knows {', '.join(METRICS)}")
        trial_row(key, record)  # a fact of the wrong type shows here, not later
        return record
    except (ValueError, TypeError, AttributeError, OSError) as error:
        return without_place(str(error), folder.root)


def _ended(folder: RunFolder, name: str) -> pd.DataFrame:
    """The trials without a record that have a file of this name, which says why."""
    rows = []
    for key, files in folder.listing().items():
        if name not in files or "record.json" in files:
            continue
        try:
            values = read_json(folder.trial(key, name))
            config = dict(values.get("config", {}))
            reason = str(values.get("reason", "no reason was written"))
        except (ValueError, TypeError, OSError) as error:
            config = {}
            reason = f"{name} can't be read ({without_place(str(error), folder.root)})"
        names = ("vendor", "sampling_rate", "mask", "seed")
        defaults = {name: OWN_FIELDS[name].default for name in ("mask", "seed")}
        rows.append({"key": key, **{n: config.get(n, defaults.get(n)) for n in names}, "reason": reason})
    return pd.DataFrame(rows, columns=["key", "vendor", "sampling_rate", "mask", "seed", "reason"])


def _search(folder: RunFolder, warnings: list[str]) -> dict[str, Any]:
    if not folder.search_json.exists():
        warnings.append("search.json is absent: the provenance of these records (cohort, split, command) is unknown.")
        return {}
    try:
        search = folder.read_search()
    except (ValueError, OSError) as error:
        reason = without_place(str(error), folder.root)
        warnings.append(f"search.json can't be read ({reason}): the provenance of these records is unknown.")
        return {}
    return search


def _cohort(folder: RunFolder, search: dict[str, Any], warnings: list[str]) -> pd.DataFrame:
    empty = pd.DataFrame(columns=list(COHORT_COLUMNS))
    table = _table(folder.cohort_csv, COHORT_COLUMNS, warnings, dtype={"patient_id": str, "vendor": str, "split": str})
    if table.empty:
        if not folder.cohort_csv.exists():
            warnings.append("cohort.csv is absent: no baseline, no patient-clustered interval can be computed.")
        return empty.set_index("row", drop=False)
    if table["row"].duplicated().any():
        warnings.append("cohort.csv repeats row numbers: images can't be told apart, so no interval is computed.")
        return empty.set_index("row", drop=False)
    fault = cut_short(len(table), search)
    if fault:
        warnings.append(f"cohort.csv: {fault}{way_out(folder.cohort_csv)}. Until then no interval is computed.")
        return empty.set_index("row", drop=False)
    return table.set_index("row", drop=False)


def _table(path: StoragePath, columns: tuple[str, ...], warnings: list[str], dtype: Any = None) -> pd.DataFrame:
    """A CSV with at least these columns; empty, with a warning, when it is torn or lacks one."""
    empty = pd.DataFrame(columns=list(columns))
    if not path.exists():
        return empty
    try:
        table = read_csv(path, dtype=dtype)
    except (ValueError, OSError) as error:  # pandas' parser errors are ValueErrors
        warnings.append(f"{path.name} can't be read ({error}): what needs it is left out.")
        return empty
    missing = [name for name in columns if name not in table]
    if missing:
        warnings.append(f"{path.name} has no column {', '.join(missing)}: what needs it is left out.")
        return empty
    return table


def _external(folder: StoragePath, metric: str, warnings: list[str]) -> pd.DataFrame:
    columns = ("key", "vendor", "images", "patients", metric)
    texts = {"key": str, "vendor": str}
    paths = [p for p in sorted_glob(folder, "*.csv") if not p.stem.endswith(("_scores", "_predictions"))]
    tables = [_table(path, columns, warnings, texts).assign(cohort=path.stem) for path in paths]
    tables = [table[["cohort", *columns]] for table in tables if not table.empty]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["cohort", *columns])
