"""Where it all lies: RunFolder, the files of one run. How one is written whole is tune_ks.core.storage's."""

import json
from collections.abc import Iterator
from typing import Any

from tune_ks.core.config import TrialConfig, is_key
from tune_ks.core.record import FORMAT, Stop, TrialRecord, nan_to_null, null_to_nan, parse_json
from tune_ks.core.storage import StoragePath, read_each, storage_path, write_whole


class RunFolder:
    """The files of one run: the truth from which a search resumes and an analysis reads.

    RUN/search.json, cohort.csv, skipped.csv; RUN/trials/KEY/ with config.json (asked for, written first),
    record.json (exists only for a finished trial), failure.json (why it ended without one), stopped.json (why a
    scheduler ended it early), checkpoint.pt,
    scores.npz, mask.npy, model.safetensors, preview.npz; RUN/trainings/KEY/checkpoint.pt of a conditional training;
    RUN/weights/KEY@HASH/ with the model.safetensors and record.json of a finished trial, here or elsewhere, that trials
    begin from; RUN/report.html, selection.json, external/, corruptions/.
    """

    def __init__(self, root: str | StoragePath) -> None:
        self.root = storage_path(root)
        self.search_json = self.root / "search.json"
        self.cohort_csv = self.root / "cohort.csv"
        self.skipped_csv = self.root / "skipped.csv"

    def trial(self, key: str, name: str = "") -> StoragePath:
        """The folder of one trial, or one file in it."""
        return self.root / "trials" / key / name

    def weights(self, init_from: str, name: str = "") -> StoragePath:
        """The copy of the trial KEY@HASH that others begin from, or one file in it."""
        return self.root / "weights" / init_from / name

    def checkpoint(self, config: TrialConfig) -> StoragePath:
        """Where its training goes on from; one for all the rates that a conditional training is scored at."""
        if config.rate_from is None:
            return self.trial(config.key(), "checkpoint.pt")
        return self.root / "trainings" / config.training().key() / "checkpoint.pt"

    def is_finished(self, key: str) -> bool:
        return self.trial(key, "record.json").exists()

    def listing(self) -> dict[str, set[str]]:
        """key -> the names of its .json files, in order of key; one look at the storage for all trials."""
        found: dict[str, set[str]] = {}
        for path in sorted((self.root / "trials").glob("*/*.json")):
            if is_key(path.parent.name):  # it becomes a part of paths, and a text in pages
                found.setdefault(path.parent.name, set()).add(path.name)
        return found

    def keys(self) -> list[str]:
        """Every trial that was ever asked for here, sorted."""
        return list(self.listing())

    def finished(self) -> list[str]:
        """Every trial that has a record, sorted."""
        return [key for key, names in self.listing().items() if "record.json" in names]

    def write_config(self, config: TrialConfig, start_point: str | None = None) -> None:
        """Say that this was asked for, before any work on it; ``start_point`` says why, where no sampler chose it."""
        start_point = start_point or self.start_point(config.key())
        marked = {"start_point": start_point} if start_point else {}
        text = json.dumps({"format": FORMAT, **marked, **config.non_default()}, indent=1)
        write_whole(self.trial(config.key(), "config.json"), text.encode())

    def read_config(self, key: str) -> TrialConfig:
        """One config; ValueError names the file and what is wrong with it."""
        path = self.trial(key, "config.json")
        values = {n: value for n, value in read_json(path).items() if n not in ("format", "start_point")}
        try:
            config = TrialConfig.from_dict(values)
            if config.key() != key:
                raise ValueError(f"it belongs to the key {config.key()}")
        except ValueError as error:
            raise ValueError(f"{path}: {error}; without the folder {key} the trial begins anew") from error
        return config

    def start_point(self, key: str) -> str | None:
        """Why a search began with this config; None for one that its sampler or its grid asked for."""
        try:
            return read_json(self.trial(key, "config.json")).get("start_point")
        except (FileNotFoundError, ValueError):  # not asked for yet, or torn: then it is written again
            return None

    def write_record(self, record: TrialRecord) -> None:
        write_whole(self.trial(record.config.key(), "record.json"), record.to_json().encode())
        for name in ("failure.json", "stopped.json"):
            self.trial(record.config.key(), name).unlink(missing_ok=True)

    def write_failure(self, config: TrialConfig, reason: str) -> None:
        text = json.dumps({"format": FORMAT, "config": config.non_default(), "reason": reason}, indent=1)
        write_whole(self.trial(config.key(), "failure.json"), text.encode())

    def is_stopped(self, key: str) -> bool:
        return self.trial(key, "stopped.json").exists() and not self.is_finished(key)

    def write_stop(self, stop: Stop) -> None:
        """The facts of a stop; the checkpoint goes, as it does after a record."""
        key = stop.config.key()
        values = {"config": stop.config.non_default(), "reason": stop.reason, "history": stop.history}
        text = json.dumps(nan_to_null({"format": FORMAT, **values}), indent=1)
        write_whole(self.trial(key, "stopped.json"), text.encode())
        self.trial(key, "checkpoint.pt").unlink(missing_ok=True)

    def stops(self) -> dict[str, Stop]:
        """key -> Stop, for trials that a scheduler ended and that have no record."""
        found = {}
        for key, names in self.listing().items():
            if "stopped.json" in names and "record.json" not in names:
                values = read_json(self.trial(key, "stopped.json"))
                try:
                    history = [null_to_nan(line) for line in values["history"]]
                    found[key] = Stop(TrialConfig.from_dict(values["config"]), values["reason"], history)
                except (ValueError, TypeError, KeyError, AttributeError) as error:
                    raise ValueError(f"{self.trial(key, 'stopped.json')}: {error!r}") from error
        return found

    def read_record(self, key: str) -> TrialRecord:
        """One record; ValueError names the file and what is wrong with it."""
        path = self.trial(key, "record.json")
        try:
            record = TrialRecord.from_json(path.read_text())
        except (ValueError, TypeError, AttributeError) as error:
            raise ValueError(f"{path}: {error}") from error
        if record.config.key() != key:
            raise ValueError(f"{path}: its config belongs to the key {record.config.key()}")
        return record

    def records(self) -> Iterator[TrialRecord]:
        """Every finished trial, in order of key."""
        yield from read_each(self.root, self.read_record, self.finished())

    def failures(self) -> dict[str, str]:
        """key -> reason, for trials that ended without a record."""
        found = {}
        for key, names in self.listing().items():
            if "failure.json" in names and "record.json" not in names:
                values = read_json(self.trial(key, "failure.json"))
                found[key] = str(values.get("reason", "no reason was written"))
        return found

    def read_search(self) -> dict[str, Any]:
        """search.json: space, settings of the cohort, split_seed, fingerprint, versions, command; {} where none is."""
        return read_json(self.search_json) if self.search_json.exists() else {}


def read_json(path: StoragePath) -> dict[str, Any]:
    """A file that holds one JSON object. ValueError names it when it does not."""
    try:
        return parse_json(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
