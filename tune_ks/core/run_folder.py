"""RunFolder: the places of one run's files, and how its JSON files are written and read."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tune_ks.core.config import TrialConfig, is_key
from tune_ks.core.json_text import parse_json
from tune_ks.core.record import FORMAT, Stop, TrialRecord, nan_to_null, null_to_nan
from tune_ks.core.regular_files import NotRegular, require_no_link
from tune_ks.core.storage import StoragePath, read_each, read_whole, storage_path, write_whole
from tune_ks.core.way_out import damaged

CONFIG = "config.json"
RECORD = "record.json"
FAILURE = "failure.json"
STOPPED = "stopped.json"
CHECKPOINT = "checkpoint.pt"
LARGEST_JSON = 2**26  # bytes of a JSON file; a record of a thousand epochs has a quarter of a million
FOLDERS = ("trials", "trainings", "weights", "external", "corruptions", "explained", "tensorboard", "figures")
BEFORE_SEARCH_JSON = ("driver.lock", "cohort.csv", "skipped.csv")  # all that a new run folder holds before search.json


class RunFolder:
    """The files of one run: the truth from which a search resumes and which an analysis reads.

    RUN/search.json, cohort.csv, skipped.csv
    RUN/trials/KEY/config.json     what was asked for; written first
    RUN/trials/KEY/record.json     the results; exists only for a finished trial
    RUN/trials/KEY/failure.json    why the trial ended without a record
    RUN/trials/KEY/stopped.json    why a scheduler ended the trial early
    RUN/trials/KEY/checkpoint.pt, scores.npz, mask.npy, model.safetensors, preview.npz,
                                   probability.npy and mask_history.npz of a learned mask
    RUN/trials/KEY/candidates.npz  of a detection: where tumours were looked for, image by image
    RUN/trainings/KEY/checkpoint.pt  of a conditional training
    RUN/weights/KEY@HASH/model.safetensors, record.json  copies from a finished trial, of this or another run, that
                                   trials start from
    RUN/report.html, selection.json, external/, corruptions/, explained/
    """

    def __init__(self, root: str | StoragePath) -> None:
        self.root = storage_path(root)
        self.search_json = self.root / "search.json"
        self.cohort_csv = self.root / "cohort.csv"
        self.skipped_csv = self.root / "skipped.csv"

    def require_own_folders(self) -> None:
        """ValueError where a folder of the run is a link, which leads out of it. The run folder itself may be one.

        Every command asks this before it reads or writes below the run folder.
        """
        if isinstance(self.root, Path):
            for name in FOLDERS:
                require_no_link(self.root / name)

    def require_whole(self) -> None:
        """ValueError where it holds trials, and not the files that say what they were trained and tested on."""
        missing = [path.name for path in (self.search_json, self.cohort_csv) if not path.exists()]
        if missing and self.keys():
            raise ValueError(
                f"{self.root} holds trials and no {' and no '.join(missing)}, so that what they are of is unknown: was "
                "it copied in part? Copy the whole run folder, or give another one"
            )

    def is_other_folder(self) -> bool:
        """Whether something is there that no search wrote: no run folder, nor the beginning of one."""
        if self.search_json.exists() or not self.root.exists():
            return False
        names = [path.name for path in self.root.iterdir()]
        return any(name not in BEFORE_SEARCH_JSON and not _is_cut_short(name) for name in names)

    def trial(self, key: str, name: str = "") -> StoragePath:
        """The folder of one trial, or one file in it."""
        return self.root / "trials" / key / name

    def weights(self, init_from: str, name: str = "") -> StoragePath:
        """The copy of the trial KEY@HASH that other trials start from, or one file in it."""
        return self.root / "weights" / init_from / name

    def checkpoint(self, config: TrialConfig) -> StoragePath:
        """The checkpoint of its training. A conditional training has one for all that it is scored at."""
        if not config.is_conditional:
            return self.trial(config.key(), CHECKPOINT)
        return self.root / "trainings" / config.training().key() / CHECKPOINT

    def is_finished(self, key: str) -> bool:
        return self.trial(key, RECORD).exists()

    def listing(self) -> dict[str, set[str]]:
        """key -> the names of its .json files, in order of key; one request to the storage for all trials."""
        names: dict[str, set[str]] = {}
        paths: list[Any] = sorted((self.root / "trials").glob("*/*.json"))
        for path in paths:
            if is_key(path.parent.name):  # a key becomes a part of paths and of the report's text
                names.setdefault(path.parent.name, set()).add(path.name)
        return names

    def keys(self) -> list[str]:
        """Every trial that was ever asked for here, sorted."""
        return list(self.listing())

    def finished(self) -> list[str]:
        """Every trial that has a record, sorted."""
        return [key for key, names in self.listing().items() if RECORD in names]

    def write_config(self, config: TrialConfig, start_point: str | None = None) -> None:
        """Note that this config was asked for, before any work on it.

        ``start_point`` says why, for a config that no sampler chose.
        """
        values: dict[str, Any] = {"format": FORMAT}
        start_point = start_point or self.start_point(config.key())
        if start_point:
            values["start_point"] = start_point
        write_json(self.trial(config.key(), CONFIG), {**values, **config.non_default()})

    def read_config(self, key: str) -> TrialConfig:
        """One config; ValueError names the file and what is wrong with it."""
        path = self.trial(key, CONFIG)
        values = read_json(path)
        for name in ("format", "start_point"):
            values.pop(name, None)
        try:
            config = TrialConfig.from_dict(values)
            if config.key() != key:
                raise ValueError(f"it belongs to the key {config.key()}")
        except ValueError as error:
            raise ValueError(damaged(path, str(error))) from error
        return config

    def start_point(self, key: str) -> str | None:
        """Why a search began with this config; None for one that its sampler or its grid asked for."""
        try:
            return read_json(self.trial(key, CONFIG)).get("start_point")
        except (FileNotFoundError, ValueError):  # not asked for yet, or truncated: then it is written again
            return None

    def write_record(self, record: TrialRecord) -> None:
        """Write the results of a trial; an earlier failure or stop of it is deleted."""
        key = record.config.key()
        write_whole(self.trial(key, RECORD), record.to_json().encode())
        for name in (FAILURE, STOPPED):
            self.trial(key, name).unlink(missing_ok=True)

    def read_record(self, key: str) -> TrialRecord:
        """One record; ValueError names the file and what is wrong with it."""
        path = self.trial(key, RECORD)
        try:
            record = TrialRecord.from_json(read_whole(path, LARGEST_JSON).decode())
        except (ValueError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
            raise ValueError(damaged(path, str(error))) from error
        if record.config.key() != key:
            raise ValueError(damaged(path, f"its config belongs to the key {record.config.key()}"))
        return record

    def records(self) -> Iterator[TrialRecord]:
        """Every finished trial, in order of key. ValueError at one that cannot be read."""
        yield from read_each(self.root, self.read_record, self.finished())

    def readable_records(self) -> Iterator[TrialRecord]:
        """Every finished trial whose record can be read; the analysis and the search's end name the others."""
        for record in read_each(self.root, self.readable_record, self.finished()):
            if record is not None:
                yield record

    def readable_record(self, key: str) -> TrialRecord | None:
        """One record; None where it cannot be read."""
        try:
            return self.read_record(key)
        except ValueError:
            return None

    def write_failure(self, config: TrialConfig, reason: str) -> None:
        values = {"format": FORMAT, "config": config.non_default(), "reason": reason}
        write_json(self.trial(config.key(), FAILURE), values)

    def failures(self) -> dict[str, str]:
        """key -> reason, for trials that ended without a record."""
        reasons = {}
        for key in self._unfinished_with(FAILURE):
            try:
                values = read_json(self.trial(key, FAILURE))
            except ValueError as error:
                values = {"reason": f"{FAILURE} cannot be read ({error})"}
            reasons[key] = str(values.get("reason", "no reason was written"))
        return reasons

    def is_stopped(self, key: str) -> bool:
        return self.trial(key, STOPPED).exists() and not self.is_finished(key)

    def write_stop(self, stop: Stop) -> None:
        """Write why a trial was stopped and its history; the checkpoint is deleted, as it is after a record."""
        key = stop.config.key()
        values = {"config": stop.config.non_default(), "reason": stop.reason, "history": stop.history}
        write_json(self.trial(key, STOPPED), {"format": FORMAT, **values})
        self.trial(key, CHECKPOINT).unlink(missing_ok=True)

    def stops(self) -> dict[str, Stop]:
        """key -> Stop, for trials that a scheduler ended and that have no record."""
        return {key: self._read_stop(key) for key in self._unfinished_with(STOPPED)}

    def _read_stop(self, key: str) -> Stop:
        path = self.trial(key, STOPPED)
        values = read_json(path)
        try:
            history = [null_to_nan(line) for line in values["history"]]
            return Stop(TrialConfig.from_dict(values["config"]), values["reason"], history)
        except KeyError as error:
            raise ValueError(damaged(path, f"the field {error} is missing")) from error
        except ValueError as error:
            raise ValueError(damaged(path, str(error))) from error

    def _unfinished_with(self, name: str) -> list[str]:
        """The keys of trials that have the file ``name`` and no record."""
        return [key for key, names in self.listing().items() if name in names and RECORD not in names]

    def read_search(self) -> dict[str, Any]:
        """search.json: space, the cohort's settings and fingerprint, split_seed, versions, command; {} when absent."""
        return read_json(self.search_json) if self.search_json.exists() else {}


def _is_cut_short(name: str) -> bool:
    """Whether a file is left from a write of the beginning of a run folder that was cut short."""
    return name.startswith(tuple(f".{whole}." for whole in (*BEFORE_SEARCH_JSON, "search.json")))


def read_json(path: StoragePath) -> dict[str, Any]:
    """A file that holds one JSON object, checked by the schema of its name. ValueError names it when it does not."""
    try:
        return parse_json(read_whole(path, LARGEST_JSON), path.name)
    except NotRegular:
        raise
    except ValueError as error:
        raise ValueError(damaged(path, str(error))) from error


def write_json(path: StoragePath, values: dict[str, Any]) -> None:
    """Write one JSON object whole or not at all; NaN is written as null, so that any reader can parse it."""
    write_whole(path, json.dumps(nan_to_null(values), indent=1).encode())
