"""What is asked (TrialConfig), what was found (TrialRecord), and where both lie (RunFolder).

The one contract between the search, which writes, and the analysis, which reads. Standard library only; where the files
lie, and how one is written whole, is tune_ks.storage's.
"""

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tune_ks.storage import StoragePath, read_each, storage_path, write_whole

FORMAT = 1  # of everything in a run folder; a reader refuses a newer one
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}  # format -> a record of it as of the next one
SPLITS = ("val", "test")  # val columns may choose, test columns only report


@dataclass(frozen=True)
class TrialConfig:
    """Everything a result depends on, and nothing else: no paths, no cluster settings.

    A default never moves, and a new field's default is the old behaviour: keys hash only what differs from the
    defaults, so old run folders keep their keys. Raises ValueError naming the field, what came and what would do.
    """

    vendor: str  # source vendor, the one trained on: GE, SIEMENS, PHILIPS ...
    sampling_rate: float  # nominal fraction of k-space kept, k/N in (0, 1]
    mask: str = "gumbel"  # a key of tune_ks.masks.MASKS
    temperature: float | None = None  # of the Gumbel-softmax; None for families without one
    temperature_end: float | None = None  # geometric annealing from temperature to here; None: constant
    budget: str = "fixed"  # fixed: the mean probability is held at the rate; drift: it is free to move
    pattern: str = "lines"  # lines: one probability a k-space column; points: one a coefficient
    centre_fraction: float = 0.0  # share of k-space nearest DC that is always kept, counted in the rate
    hermitian: str = "none"  # none | tied: k and -k are kept or left together
    density_power: float = 3.0  # of the variable-density family: (1 - |k|) to this power
    rate_start: float | None = None  # training starts at this rate and falls to sampling_rate until it settles
    rate_from: float | None = None  # conditional: trained at rates drawn per image from here ...
    rate_to: float = 1.0  # ... to here, log-uniformly, and scored at sampling_rate
    temperature_from: float | None = None  # conditional: temperatures drawn per image from here ...
    temperature_to: float | None = None  # ... to here, log-uniformly
    settle: float = 0.2  # last share of the epochs, trained on the frozen exported mask
    transform: str = "fourier"
    reconstruction: str = "zero_filled"  # a key of tune_ks.reconstructions.RECONSTRUCTIONS
    reconstruction_channels: int = 64  # of the U-Net's first level, of HQS-Net's blocks
    reconstruction_weight: float = 0.0  # of the reconstruction's own loss beside the task's
    reconstruction_epochs: int = 0  # the first so many train mask and reconstruction by that loss alone; none at rate 1
    task: str = "classification"  # a key of tune_ks.tasks.TASKS
    adversarial_weight: float = 0.0  # of segmentation: how steeply the segmenter goes against an adversary; 0: none
    classifier: str = "alexnet"
    width: float = 1.0  # multiplies the classifier's channels
    dropout: float = 0.5
    side_dropout: float = 0.0  # of alexnet_adaptive: the chance that an acquisition parameter is hidden in training
    image_size: int = 256  # pixels a side of what the classifier sees
    standardise: str = "none"  # none | image: each image enters the classifier with mean 0 and deviation 1
    augment: str = "none"  # none | flips (along either axis) | shifts (of whole pixels) | flips_shifts: for each image
    epochs: int = 30
    batch_size: int = 32
    lr: float = 3e-4
    mask_lr_multiplier: float = 10.0  # the mask's learning rate, in units of lr (DPS uses 10)
    weight_decay: float = 1e-4
    init_from: str | None = None  # KEY@HASH of a finished trial whose weights it begins from; None: random ones
    frozen: str = ""  # parts of the network, by the names of their parameters, that stay as they begin
    slow: str = ""  # parts that learn at slow_lr_multiplier times their rate
    slow_lr_multiplier: float = 0.01  # late layers at 1e-3 and the rest at 1e-5: Graf et al., ISMRM 2023
    seed: int = 0  # moves initialisation, mask noise and batch order; never the split

    def __post_init__(self) -> None:
        for f in dataclasses.fields(self):  # 1 and 1.0 must be the same question, so the same key
            value = getattr(self, f.name)
            if value is None:
                _require(f.default is None, f.name, "given", value)
            else:
                object.__setattr__(self, f.name, _as_type(f.name, value, f.type))
        _require(0 < self.sampling_rate <= 1, "sampling_rate", "in (0, 1]", self.sampling_rate)
        _require(self.budget in ("fixed", "drift"), "budget", "'fixed' or 'drift'", self.budget)
        _require(self.pattern in ("lines", "points"), "pattern", "'lines' or 'points'", self.pattern)
        self._check_drawn_rates()
        _require(self.hermitian in ("none", "tied"), "hermitian", "'none' or 'tied'", self.hermitian)
        _require(0 <= self.centre_fraction <= 1, "centre_fraction", "in [0, 1]", self.centre_fraction)
        _require(self.density_power >= 0, "density_power", "0 or above", self.density_power)
        _require(self.standardise in ("none", "image"), "standardise", "'none' or 'image'", self.standardise)
        known = ("none", "flips", "shifts", "flips_shifts")  # tune_ks/augment.py
        _require(self.augment in known, "augment", "'none', 'flips', 'shifts' or 'flips_shifts'", self.augment)
        _require(0 <= self.settle <= 1, "settle", "in [0, 1]", self.settle)
        for name in ("dropout", "side_dropout"):
            _require(0 <= getattr(self, name) < 1, name, "in [0, 1)", getattr(self, name))
        _require(self.reconstruction_channels > 0, "reconstruction_channels", "above 0", self.reconstruction_channels)
        for name in ("weight_decay", "reconstruction_weight"):
            _require(getattr(self, name) >= 0, name, "0 or above", getattr(self, name))
        deceives = self.task == "segmentation" and self.adversarial_weight >= 0
        allowed = "0 or above, and 0 where task is not 'segmentation'"
        _require(deceives or self.adversarial_weight == 0, "adversarial_weight", allowed, self.adversarial_weight)
        for name in ("width", "image_size", "epochs", "batch_size", "lr", "mask_lr_multiplier", "slow_lr_multiplier"):
            _require(getattr(self, name) > 0, name, "above 0", getattr(self, name))
        well_formed = self.init_from is None or is_weights(self.init_from)
        _require(well_formed, "init_from", "KEY@HASH, 12 hexadecimal digits each, or None", self.init_from)
        for name in ("frozen", "slow"):  # one order, so one key
            object.__setattr__(self, name, " ".join(sorted(set(getattr(self, name).split()))))
        for name in ("temperature", "temperature_end"):
            value = getattr(self, name)
            _require(value is None or value > 0, name, "above 0, or None", value)
        before, alone = self.first_settled_epoch() - 1, self.reconstruction_epochs
        allowed = f"from 0 to {before}, the epochs before the first that may be the best one (epochs, settle)"
        _require(0 <= alone <= before, "reconstruction_epochs", allowed, alone)

    def _check_drawn_rates(self) -> None:
        if self.rate_start is not None:
            _require(0 < self.rate_start <= 1, "rate_start", "in (0, 1] or None", self.rate_start)
            _require(self.budget == "fixed", "budget", "'fixed' where rate_start is given", self.budget)
        if self.rate_from is None:
            _require(
                self.temperature_from is None, "temperature_from", "None where rate_from is", self.temperature_from
            )
        else:
            _require(0 < self.rate_from <= self.rate_to <= 1, "rate_from", "above 0, up to rate_to", self.rate_from)
            within = self.rate_from <= self.sampling_rate <= self.rate_to
            _require(within, "sampling_rate", "from rate_from to rate_to, where it was trained", self.sampling_rate)
            _require(self.budget == "fixed", "budget", "'fixed' where rate_from is given", self.budget)
            for name in ("rate_start", "temperature_end"):
                _require(getattr(self, name) is None, name, "None where rate_from is given", getattr(self, name))
        both = (self.temperature_from is None) == (self.temperature_to is None)
        _require(both, "temperature_to", "given exactly where temperature_from is", self.temperature_to)
        if both and self.temperature_from is not None:
            low, high = self.temperature_from, self.temperature_to
            _require(0 < low <= high, "temperature_from", "above 0, up to temperature_to", low)

    def training(self) -> "TrialConfig":
        """What is trained: itself, or, of a conditional config, the one that all rates and temperatures share."""
        if self.rate_from is None:
            return self
        changes = {"sampling_rate": math.sqrt(self.rate_from * self.rate_to)}
        if self.temperature_from is not None:
            changes["temperature"] = math.sqrt(self.temperature_from * self.temperature_to)
        return dataclasses.replace(self, **changes)

    def first_settled_epoch(self) -> int:
        """The first epoch that may be the best one: the last ``settle`` share, or any when settle is 0.

        The same for every family, so that none has more epochs to choose among than another.
        """
        return self.epochs - math.ceil(self.settle * self.epochs - 1e-9) + 1 if self.settle else 1

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TrialConfig":
        """Build from plain values. An unknown field is an error that names the known ones."""
        known = [f.name for f in dataclasses.fields(cls)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ValueError(f"unknown field {', '.join(map(repr, unknown))}; the fields are: {', '.join(known)}")
        missing = [name for name in ("vendor", "sampling_rate") if name not in values]
        if missing:
            raise ValueError(f"the field {missing[0]!r} is missing: every trial needs a vendor and a sampling_rate")
        return cls(**values)

    def non_default(self) -> dict[str, Any]:
        """The fields that differ from their defaults, in the order of definition."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if getattr(self, f.name) != f.default}

    def key(self, *ignore: str) -> str:
        """12 hexadecimal digits that name this question; ``key("seed")`` is shared by its seeds."""
        fields = {name: value for name, value in self.non_default().items() if name not in ignore}
        return digest(json.dumps(fields, sort_keys=True).encode())


@dataclass(frozen=True)
class TrialRecord:
    """Raw facts of one finished trial. In-domain and cross-domain are derived here and nowhere else."""

    config: TrialConfig
    val: dict[str, float]  # vendor -> metric on validation patients; {} where there were none
    test: dict[str, float]  # vendor -> metric on test patients
    realised_rate: float  # mean of the binary mask that was scored and exported
    metric: str = "auc"
    mean_probability: float | None = None  # mean inclusion probability at the best epoch
    distinct_rate: float | None = None  # share of k-space that Hermitian symmetry does not repeat
    val_over_draws: dict[str, float] = field(default_factory=dict)  # mean over random masks: the export gap
    val_within: dict[str, float] = field(default_factory=dict)  # within-patient metric
    test_within: dict[str, float] = field(default_factory=dict)
    trivial: dict[str, float] = field(default_factory=dict)  # vendor -> test metric of an answer that ignores the image
    quality: dict[str, dict[str, float]] = field(default_factory=dict)  # vendor -> of a learned R on its test images
    epoch: int | None = None  # the best by in-domain validation, counted from 1
    history: list[dict[str, float]] = field(default_factory=list)  # a line an epoch: epoch, loss, val metrics
    seconds: float | None = None
    facts: dict[str, Any] = field(default_factory=dict)  # device, threads, versions: never identifying
    images: dict[str, int] = field(default_factory=dict)  # "train GE", "val GE" ... -> images

    def in_domain(self, split: str) -> float:
        """The metric on the source vendor; NaN when it was not measured. ``split`` is val or test."""
        return self._scores(split).get(self.config.vendor, math.nan)

    def cross_domain(self, split: str) -> float:
        """Mean of the metric over the other vendors that have one; NaN when none has."""
        return mean_of_others(self._scores(split), self.config.vendor)

    def pretraining(self) -> str | None:
        """What the weights that it began from were trained for, the same for all rates and seeds; None from scratch."""
        begun = self.facts.get("init_from")
        return str(begun.get("question")) if isinstance(begun, dict) else self.config.init_from

    def _scores(self, split: str) -> dict[str, float]:
        if split not in SPLITS:
            raise ValueError(f"split must be one of {SPLITS}, got {split!r}")
        return self.val if split == "val" else self.test

    def to_json(self) -> str:
        """One JSON object; NaN is written as null, so that any reader can parse it."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "config"}
        return json.dumps(_nan_to_null({"format": FORMAT, "config": self.config.non_default(), **values}), indent=1)

    @classmethod
    def from_json(cls, text: str) -> "TrialRecord":
        """Read what ``to_json`` wrote. ValueError when it is torn, newer than this program, or has unknown fields."""
        values = parse_json(text)
        if "config" not in values:
            raise ValueError("not a trial record: it has no config")
        values = migrated(values)
        unknown = sorted(set(values) - {f.name for f in dataclasses.fields(cls)})
        if unknown:
            raise ValueError(f"unknown field in the record: {', '.join(unknown)}")
        config = TrialConfig.from_dict(values.pop("config"))
        for name in ("val", "test", "val_over_draws", "val_within", "test_within", "trivial"):
            values[name] = _null_to_nan(values.get(name, {}))
        values["quality"] = {v: _null_to_nan(of_vendor) for v, of_vendor in values.get("quality", {}).items()}
        values["history"] = [_null_to_nan(line) for line in values.get("history", [])]
        for name in ("facts", "images"):
            if not isinstance(values.get(name, {}), dict):
                raise ValueError(f"{name} must be an object, got {values[name]!r}")
        if not all(isinstance(count, int) for count in values.get("images", {}).values()):
            raise ValueError(f"images must be counts, got {values['images']!r}")
        return cls(config=config, **values)


class Stop(NamedTuple):
    """A trial that a scheduler ended early: it has no record, and its metrics are of no finished training."""

    config: TrialConfig
    reason: str
    history: list[dict[str, float]]  # as of a record, up to the epoch of the stop


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
        text = json.dumps(_nan_to_null({"format": FORMAT, **values}), indent=1)
        write_whole(self.trial(key, "stopped.json"), text.encode())
        self.trial(key, "checkpoint.pt").unlink(missing_ok=True)

    def stops(self) -> dict[str, Stop]:
        """key -> Stop, for trials that a scheduler ended and that have no record."""
        found = {}
        for key, names in self.listing().items():
            if "stopped.json" in names and "record.json" not in names:
                values = read_json(self.trial(key, "stopped.json"))
                try:
                    history = [_null_to_nan(line) for line in values["history"]]
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


def migrated(values: dict[str, Any]) -> dict[str, Any]:
    """The values of a file of a run folder as this program's format has them, without ``format`` itself.

    ValueError for a newer format, and for an older one from which there is no way.
    """
    values = dict(values)
    found = values.pop("format", None)
    if not isinstance(found, int) or isinstance(found, bool) or found > FORMAT:
        raise ValueError(f"record format {found}, this program reads up to {FORMAT}: use a newer version of it")
    for step in range(found, FORMAT):
        if step not in MIGRATIONS:
            raise ValueError(
                f"record format {found}, this program reads {FORMAT} and knows no way from {step} to {step + 1}: "
                "use the version that wrote it, or --fresh to set the run folder aside"
            )
        values = MIGRATIONS[step](values)
    return values


def mean_of_others(scores: Mapping[str, float], vendor: str) -> float:
    """Mean over the vendors that are not ``vendor`` and have a value; NaN when none has."""
    return mean_of_defined(score for other, score in scores.items() if other != vendor)


def mean_of_defined(values: Iterable[float]) -> float:
    """Mean over those that are not NaN; NaN when all are."""
    defined = [value for value in values if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else math.nan


def is_key(text: object) -> bool:
    """Whether this can be what ``TrialConfig.key`` gives: 12 hexadecimal digits, and so harmless in a path."""
    return isinstance(text, str) and re.fullmatch("[0-9a-f]{12}", text) is not None


def is_weights(text: object) -> bool:
    """Whether this is KEY@HASH: a trial's key, and the first 12 digits of the SHA-256 of its model.safetensors."""
    return isinstance(text, str) and all(map(is_key, text.split("@"))) and text.count("@") == 1


def digest(content: bytes) -> str:
    """The first 12 hexadecimal digits of its SHA-256: a key, a fingerprint, the HASH of KEY@HASH."""
    return hashlib.sha256(content).hexdigest()[:12]


def read_json(path: StoragePath) -> dict[str, Any]:
    """A file that holds one JSON object. ValueError names it when it does not."""
    try:
        return parse_json(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def parse_json(text: str | bytes) -> dict[str, Any]:
    """One JSON object. ValueError when it is torn, nested without end, or something else."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a whole JSON object ({str(error)[:100]})") from None
    if not isinstance(values, dict):
        raise ValueError(f"not a JSON object but {type(values).__name__}")
    return values


def _require(holds: bool, name: str, allowed: str, value: object) -> None:
    if not holds:
        raise ValueError(f"{name} must be {allowed}, got {value!r}")


def _as_type(name: str, value: Any, wanted: Any) -> Any:
    """``value`` as the plain Python type of the field; numpy scalars and whole floats included."""
    if wanted in (str, str | None):
        _require(isinstance(value, str), name, "a text", value)
        return value
    _require(not isinstance(value, (bool, str)), name, "a number", value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a number, got {value!r}") from None
    _require(math.isfinite(number), name, "a finite number", value)
    if wanted is int:
        _require(number == int(number), name, "a whole number", value)
        return int(number)
    return number


def _null_to_nan(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: math.nan if value is None else float(value) for name, value in values.items()}


def _nan_to_null(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {name: _nan_to_null(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_nan_to_null(item) for item in value]
    return value
