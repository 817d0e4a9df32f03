"""A run folder -> one table of trials, and a list of everything that could not be read."""

import dataclasses
import math
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pandas as pd

from analysis.read.class_patients import with_patients
from tune_ks.core.config import OWN_FIELDS, TrialConfig
from tune_ks.core.domain_words import domain_of
from tune_ks.core.metrics import METRICS
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder, read_json
from tune_ks.core.storage import StoragePath, read_each, sorted_glob, storage_path, without_place
from tune_ks.core.tables import read_csv

SCORES = ("val_in_domain", "val_cross_domain", "test_in_domain", "test_cross_domain")
WITHIN = ("test_within_in_domain", "test_within_cross_domain")
FACTS = ("realised_rate", "mean_probability", "distinct_rate", "export_gap", "epoch", "seconds")
# columns of options, named FIELD.OPTION (mask.temperature), are inserted between OWN_FIELDS and SCORES
TRIAL_COLUMNS = [
    *("key", "configuration", "full", "learned", "temperature"),
    *OWN_FIELDS,
    *SCORES,
    *WITHIN,
    *FACTS,
    "start_point",
    "at_chance",
    "begun_again",
]
COHORT_COLUMNS = ("row", "patient_id", "vendor", "label", "split")


class RunError(ValueError):
    """The folder can't be analysed: the message says what is wrong, what was given, and what would do."""


@dataclass(frozen=True)
class Run:
    """What one run folder holds, read once. Tables are empty, never None, where a file is absent."""

    root: StoragePath
    metric: str  # metric of all the records: a key of METRICS
    trials: pd.DataFrame  # one row a finished trial, columns TRIAL_COLUMNS
    records: dict[str, TrialRecord]  # key -> record, the rows of ``trials``
    cohort: pd.DataFrame  # one row an image, indexed by row number
    skipped: pd.DataFrame  # path, reason
    failures: pd.DataFrame  # key, vendor, sampling_rate, mask, seed, reason
    stopped: pd.DataFrame  # the same columns, for trials that a scheduler stopped early
    external: pd.DataFrame  # cohort, key, vendor, images, patients, and the metric by its name
    search: dict[str, Any]  # search.json
    unreadable: dict[str, str] = field(default_factory=dict)  # key -> why its record was not used
    pending: list[str] = field(default_factory=list)  # keys asked for, neither finished nor failed nor stopped
    warnings: list[str] = field(default_factory=list)

    @property
    def domain(self) -> str:
        """What its domains are: a value of --domain."""
        return domain_of(self.search)

    def counts(self) -> str:
        """How the trials stand, in words."""
        stopped = f"{len(self.stopped)} stopped early, " if len(self.stopped) else ""
        return f"{len(self.trials)} finished, {stopped}{len(self.failures)} failed, {len(self.pending)} not finished"


def load(root: str | StoragePath, metric: str | None = None) -> Run:
    """Read a run folder; ``metric`` says which records, where there are several metrics.

    RunError when it is no run folder, or the metric is not determined; an unreadable file inside is only reported.
    """
    folder = _open(root)
    warnings: list[str] = []
    search = _search(folder, warnings)
    cohort = _cohort(folder, warnings)
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
        pending=[key for key in folder.keys() if key not in done],
        warnings=warnings,
    )


def existing_folder(place: str | StoragePath, if_absent: str, if_file: str) -> StoragePath:
    """The folder at ``place``; RunError with what to give instead where there is none, or a file."""
    try:
        root = storage_path(place)
    except ValueError as error:
        raise RunError(str(error)) from error
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
        choice = " or ".join(f"--metric {name}" for name in metrics)
        raise RunError(
            f"{root} holds records of {len(metrics)} metrics, {' and '.join(metrics)}: say which, with {choice}"
        )
    if wanted is not None and wanted not in (metrics or METRICS):
        raise RunError(f"{root} holds no record of the metric {wanted!r}; it has: {', '.join(metrics) or 'none'}")
    return wanted or next(iter(metrics), TrialRecord.metric)


def tidy(records: dict[str, TrialRecord]) -> pd.DataFrame:
    """key -> record, as one row a trial; metrics in [0, 1], rates in (0, 1].

    The columns are TRIAL_COLUMNS, and one for each option that any record has; NaN where the member has no such option.
    """
    rows = [_row(key, record) for key, record in sorted(records.items())]
    options = list(dict.fromkeys(name for row in rows for name in row if "." in name))
    before = TRIAL_COLUMNS.index(SCORES[0])
    return pd.DataFrame(rows, columns=[*TRIAL_COLUMNS[:before], *options, *TRIAL_COLUMNS[before:]])


def records_of_another_cohort(records: dict[str, TrialRecord], search: dict[str, Any]) -> dict[str, str]:
    """key -> reason, for records that can't come from this run's cohort: they are of other patients.

    By the fingerprint that a record names (``facts["cohort"]``) against search.json's; where it names none, by its
    image counts, which must agree with most other records for the same vendor and role.
    """
    wanted = (search.get("cohort") or {}).get("fingerprint")
    foreign = {}
    for key, record in records.items():
        named = record.facts.get("cohort")
        if wanted and named and named != wanted:
            foreign[key] = f"of another cohort: fingerprint {named}, this run's is {wanted}"
    usual: dict[tuple[str, bool, float], Counter] = {}
    for record in records.values():
        for role, count in record.images.items():
            usual.setdefault(_role(role, record), Counter())[count] += 1
    for key, record in records.items():
        for role, count in record.images.items():
            expected = usual[_role(role, record)].most_common(1)[0][0]
            if key not in foreign and count != expected:
                foreign[key] = f"of another cohort: {count} images in {role!r}, the other records have {expected}"
    return foreign


def _role(role: str, record: TrialRecord) -> tuple[str, bool, float]:
    """Validation of the source vendor and of another vendor are different patients; the source decides which.

    Training images are as many as the share of the patients says.
    """
    split, _, vendor = role.partition(" ")
    share = record.config.train_share if split == "train" else 1.0
    return role, vendor == record.config.vendor, share


def _row(key: str, record: TrialRecord) -> dict[str, Any]:
    config = record.config
    within = dataclasses.replace(record, val=record.val_within, test=record.test_within)
    draws = record.val_over_draws.get(config.vendor, math.nan)
    pretraining = record.pretraining()
    options = record.options_by_field()
    ignored = idle_at_full_sampling(config, options) if config.is_full else []
    configuration = config.key("seed", "init_from", *ignored)
    return {
        "key": key,
        "configuration": f"{configuration}-{pretraining}" if pretraining else configuration,
        "full": config.is_full,
        "learned": record.has_learned_mask() or config.is_full,
        "temperature": config.options.get("temperature"),
        **{name: getattr(config, name) for name in OWN_FIELDS},
        **_by_column(options),
        "init_from": pretraining,
        **{f"{split}_in_domain": record.in_domain(split) for split in ("val", "test")},
        **{f"{split}_cross_domain": record.cross_domain(split) for split in ("val", "test")},
        "test_within_in_domain": within.in_domain("test"),
        "test_within_cross_domain": within.cross_domain("test"),
        "realised_rate": float(record.realised_rate),
        "mean_probability": _number(record.mean_probability),
        "distinct_rate": _number(record.distinct_rate),
        "export_gap": record.in_domain("val") - draws,
        "epoch": _number(record.epoch),
        "seconds": _number(record.seconds),
        "start_point": record.facts.get("start_point"),  # why the search began with it; None where a sampler chose it
        "at_chance": bool(record.facts.get("at_chance", False)),  # its training learned nothing
        "begun_again": int(record.facts.get("begun_again", 0)),  # how often it began again because of that
    }


def _by_column(options: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """FIELD.OPTION -> value of every option."""
    columns = {}
    for part, values in options.items():
        for name, value in values.items():
            columns[f"{part}.{name}"] = value
    return columns


def config_fields(table: pd.DataFrame) -> list[str]:
    """The columns of a table of trials or configurations that say what was asked: own fields, and FIELD.OPTION."""
    return [name for name in table.columns if name in OWN_FIELDS or "." in name]


def is_idle(name: str) -> bool:
    """Whether a column of ``config_fields`` means nothing at full sampling, where the image itself is classified.

    So it is for everything that belongs to the mask or to the reconstruction.
    """
    field = OWN_FIELDS[name].part if name in OWN_FIELDS else name.partition(".")[0]
    return field in ("mask", "reconstruction")


def idle_at_full_sampling(config: TrialConfig, options: dict[str, dict[str, Any]]) -> list[str]:
    """The fields and options of a config that mean nothing at full sampling; options of no named member included."""
    used = set()
    for part, values in options.items():
        if not is_idle(f"{part}."):
            used |= set(values)
    fields = [name for name in OWN_FIELDS if is_idle(name)]
    return fields + [name for name in config.options if name not in used]


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


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
        _row(key, record)  # a fact of the wrong type shows here, not later
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


def _cohort(folder: RunFolder, warnings: list[str]) -> pd.DataFrame:
    empty = pd.DataFrame(columns=list(COHORT_COLUMNS))
    table = _table(folder.cohort_csv, COHORT_COLUMNS, warnings, dtype={"patient_id": str, "vendor": str, "split": str})
    if table.empty:
        if not folder.cohort_csv.exists():
            warnings.append("cohort.csv is absent: no baseline, no patient-clustered interval can be computed.")
        return empty.set_index("row", drop=False)
    if table["row"].duplicated().any():
        warnings.append("cohort.csv repeats row numbers: images can't be told apart, so no interval is computed.")
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
