"""The result of one trial: TrialRecord, Stop, and their JSON.

TrialConfig, TrialRecord and RunFolder are the whole contract between the search, which writes, and the analysis, which
reads.
"""

import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tune_ks.core.config import TrialConfig, is_plain
from tune_ks.core.domains import ClassPatients, OtherVendors, mean_of_others, mean_of_sources, other_vendors
from tune_ks.core.json_text import parse_json
from tune_ks.core.metrics import METRICS
from tune_ks.core.options import require
from tune_ks.core.printable import shown

FORMAT = 1  # the format of all files of a run folder; a newer format is refused
MIGRATIONS: dict[
    int, Callable[[dict[str, Any]], dict[str, Any]]
] = {}  # format -> function that turns values of it into the next format
# Records of version 0.1.0 do not hold the options of their members, their defaults, nor whether the mask was fixed.
DEFAULTS_0_1_0: dict[str, Any] = {
    "temperature": None,
    "temperature_end": None,
    "budget": "fixed",
    "centre_fraction": 0.0,
    "hermitian": "none",
    "density_power": 3.0,
    "reconstruction_channels": 64,
    "reconstruction_weight": 0.0,
    "reconstruction_epochs": 0,
    "width": 1.0,
    "dropout": 0.5,
    "side_dropout": 0.0,
    "adversarial_weight": 0.0,
}
OPTIONS_0_1_0: dict[str, dict[str, tuple[str, ...]]] = {
    "mask": {
        "gumbel": ("temperature", "temperature_end", "budget", "centre_fraction", "hermitian"),
        "loupe": ("centre_fraction", "hermitian"),
        "loupe_straight_through": ("centre_fraction", "hermitian"),
        "dps": ("temperature", "temperature_end", "centre_fraction", "hermitian"),
        "lowpass": ("centre_fraction", "hermitian"),
        "equispaced": ("centre_fraction",),
        "random_uniform": ("centre_fraction", "hermitian"),
        "variable_density": ("density_power", "centre_fraction", "hermitian"),
        "poisson_disc": ("centre_fraction",),
    },
    "reconstruction": {
        "zero_filled": ("reconstruction_weight", "reconstruction_epochs"),
        "unet": ("reconstruction_channels", "reconstruction_weight", "reconstruction_epochs"),
        "hqs_net": ("reconstruction_channels", "reconstruction_weight", "reconstruction_epochs"),
    },
    "classifier": {
        "alexnet": ("width", "dropout"),
        "alexnet_film": ("width", "dropout"),
        "alexnet_hyper": ("width", "dropout"),
        "alexnet_adaptive": ("width", "dropout", "side_dropout"),
        "resnet18": ("width", "dropout"),
        "densenet121": ("width", "dropout"),
        "unet": ("width", "dropout"),
    },
    "task": {"segmentation": ("adversarial_weight",)},
}
FIXED_MASKS_0_1_0 = frozenset({"lowpass", "equispaced", "random_uniform", "variable_density", "poisson_disc"})
ONE_FIXED_MASK = "one fixed mask"  # the trivial answer of segmentation: the same mask for every image
SCORED_BY = "scored_by"  # among the facts of a trial without a network: the yardstick whose scores it has
BEST_POSITION = "best fixed position"  # that of detection: the same place in every image
ZERO_EVERYWHERE = "zero everywhere"  # the trivial answer of maps
SPLITS = ("val", "test")  # val columns may choose, test columns only report
SPLIT_CODES = {"val": 0, "test": 1}  # the codes of SPLITS in scores.npz


@dataclass(frozen=True)
class TrialRecord:
    """The measured values of one finished trial. Only this class derives in-domain and cross-domain metrics."""

    config: TrialConfig
    val: dict[str, float]  # vendor -> metric on validation patients; {} where there were none
    test: dict[str, float]  # vendor -> metric on test patients
    realised_rate: float  # mean of the binary mask that was scored and exported
    metric: str = "auc"
    mean_probability: float | None = None  # mean inclusion probability at the best epoch
    distinct_rate: float | None = None  # share of k-space that the kept coefficients determine (mask_share.py)
    val_over_draws: dict[str, float] = field(default_factory=dict)  # mean over random masks: the export gap
    val_within: dict[str, float] = field(default_factory=dict)  # within-patient metric
    test_within: dict[str, float] = field(default_factory=dict)
    # answer that ignores the image -> vendor -> its test metric
    trivial: dict[str, dict[str, float]] = field(default_factory=dict)
    # metric beside ``metric``, in words -> vendor -> its value on test patients; {} where the task has none
    further: dict[str, dict[str, float]] = field(default_factory=dict)
    # vendor -> image quality of a learned R on its test images
    quality: dict[str, dict[str, float]] = field(default_factory=dict)
    epoch: int | None = None  # the epoch with the best in-domain validation metric, counted from 1
    history: list[dict[str, float]] = field(default_factory=list)  # one dict per epoch: epoch, loss, val metrics
    seconds: float | None = None
    facts: dict[str, Any] = field(default_factory=dict)  # device, threads, versions: never identifying
    images: dict[str, int] = field(default_factory=dict)  # "train GE", "val GE" ... -> images
    # "val GE", "test GE" ... -> patients with a tumour, patients without; None in older records
    patients: dict[str, ClassPatients] | None = None
    # yardstick -> split -> vendor -> metric of a classical classifier under the same mask; None in older records
    yardsticks: dict[str, dict[str, dict[str, float]]] | None = None
    options: dict[str, dict[str, Any]] | None = None  # field -> options of the member it names, defaults included
    mask_is_learned: bool | None = None  # None in a record of version 0.1.0, as is ``options``

    def options_by_field(self) -> dict[str, dict[str, Any]]:
        """Field of the config ("mask", "classifier" ...) -> the options of the member that it names -> their values."""
        if self.options is not None:
            return self.options
        values = DEFAULTS_0_1_0 | self.config.options
        options = {}
        for part, members in OPTIONS_0_1_0.items():
            names = members.get(getattr(self.config, part), ())
            options[part] = {name: values[name] for name in names}
        return options

    def settings(self) -> dict[str, Any]:
        """Name -> value of every field and of every option of the config's members, in one flat dict."""
        return self.config.settings(self.options_by_field())

    def has_learned_mask(self) -> bool:
        """Whether the mask family has parameters that are trained."""
        if self.mask_is_learned is None:
            return self.config.mask not in FIXED_MASKS_0_1_0
        return self.mask_is_learned

    def in_domain(self, split: str) -> float:
        """The metric on the source vendor, or its mean over several; NaN when it was not measured on each of them.

        ``split`` is "val" or "test".
        """
        return mean_of_sources(self._scores(split), self.config.vendor)

    def cross_domain(self, split: str) -> float:
        """Mean of the metric over ``others``; NaN where there is none."""
        return mean_of_others(self._scores(split), self.config.vendor, self._patients(split), self._classes())

    def others(self, split: str) -> OtherVendors:
        """The vendors that the cross-domain mean is over, and those that are left out of it.

        A record without numbers of patients leaves out only vendors without a value.
        """
        return other_vendors(self._scores(split), self.config.vendor, self._patients(split), self._classes())

    @property
    def scored_by(self) -> str | None:
        """The yardstick whose scores these are, in a trial without a network; None where there is a network."""
        name = self.facts.get(SCORED_BY)
        return name if isinstance(name, str) else None

    def pretraining(self) -> str | None:
        """Name of the question that the initial weights were trained for (Weights.question); None from scratch.

        It is the same for all vendors, rates and seeds of that question.
        """
        initial_weights = self.facts.get("init_from")
        return str(initial_weights.get("question")) if isinstance(initial_weights, dict) else self.config.init_from

    def _scores(self, split: str) -> dict[str, float]:
        if split not in SPLITS:
            raise ValueError(f"split must be one of {SPLITS}, got {split!r}")
        return self.val if split == "val" else self.test

    def _patients(self, split: str) -> dict[str, ClassPatients]:
        """Vendor -> its patients in the split, as far as the record says."""
        known = {}
        for role, patients in (self.patients or {}).items():
            name, _, vendor = role.partition(" ")
            if name == split:
                known[vendor] = patients
        return known

    def _classes(self) -> tuple[int, ...]:
        return METRICS[self.metric].classes if self.metric in METRICS else (1, 0)

    def to_json(self) -> str:
        """One JSON object; NaN is written as null, so that any reader can parse it."""
        names = [declared.name for declared in dataclasses.fields(self)]
        values = {name: getattr(self, name) for name in names if name != "config"}
        for name in ("options", "mask_is_learned", "yardsticks", "patients"):  # an older record stays as it was
            if values[name] is None:
                del values[name]
        if not self.further:
            del values["further"]
        return json.dumps(nan_to_null({"format": FORMAT, "config": self.config.non_default(), **values}), indent=1)

    @classmethod
    def from_json(cls, text: str) -> "TrialRecord":
        """Read a text of ``to_json``. ValueError when it is truncated, of a newer format, or has unknown fields.

        The types and bounds of its values are those of the schema of record.json.
        """
        values = parse_json(text, "record.json")
        if "config" not in values:
            raise ValueError("not a trial record: it has no config")
        values = migrated(values)
        unknown = sorted(set(values) - {f.name for f in dataclasses.fields(cls)})
        if unknown:
            raise ValueError(f"unknown field in the record: {', '.join(unknown)[:100]}")
        config = TrialConfig.from_dict(values.pop("config"))
        for name in ("val", "test", "val_over_draws", "val_within", "test_within"):
            values[name] = null_to_nan(values.get(name, {}))
        values["trivial"] = _trivial(values.get("trivial", {}))
        values["further"] = {name: null_to_nan(of_name) for name, of_name in values.get("further", {}).items()}
        quality = values.get("quality", {})
        values["quality"] = {vendor: null_to_nan(measures) for vendor, measures in quality.items()}
        if values.get("yardsticks") is not None:
            values["yardsticks"] = _yardsticks(values["yardsticks"])
        if values.get("patients") is not None:
            values["patients"] = {role: ClassPatients(*pair) for role, pair in values["patients"].items()}
        values["history"] = [null_to_nan(epoch) for epoch in values.get("history", [])]
        _require_plain_options(values.get("options") or {})
        return cls(config=config, **values)


def yardstick_column(name: str) -> str:
    """The column of scores.npz that holds the scores by a yardstick."""
    return f"yardstick_{name}"


def _trivial(values: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Name of an answer -> vendor -> number. Version 0.2.0 and older knew one answer and wrote vendor -> number."""
    if any(isinstance(value, dict) for value in values.values()):
        return {name: null_to_nan(by_vendor) for name, by_vendor in values.items()}
    return {ONE_FIXED_MASK: null_to_nan(values)} if values else {}


def _yardsticks(values: Mapping[str, Any]) -> dict[str, dict[str, dict[str, float]]]:
    """The field as it was before ``to_json``: yardstick -> split -> vendor -> number."""
    yardsticks: dict[str, dict[str, dict[str, float]]] = {}
    for name, by_split in values.items():
        yardsticks[name] = {split: null_to_nan(by_vendor) for split, by_vendor in by_split.items()}
    return yardsticks


def _require_plain_options(options: Mapping[str, Mapping[str, Any]]) -> None:
    """ValueError where the value of an option is not plain."""
    for values in options.values():
        for name, value in values.items():
            require(is_plain(value), f"the option {name}", "a finite number, a text or null", value)


class Stop(NamedTuple):
    """A trial that a scheduler stopped early. It has no record, because its training did not finish."""

    config: TrialConfig
    reason: str
    history: list[dict[str, float]]  # as in TrialRecord, up to the epoch of the stop


def migrated(values: dict[str, Any]) -> dict[str, Any]:
    """The values of a file of a run folder, brought to this program's format, without the key ``format``.

    ValueError for a newer format, and for an older format without a migration.
    """
    values = dict(values)
    file_format = values.pop("format", None)
    if not isinstance(file_format, int) or isinstance(file_format, bool) or file_format > FORMAT:
        raise ValueError(
            f"record format {shown(file_format)}, this program reads up to {FORMAT}: use a newer version of it"
        )
    for step in range(file_format, FORMAT):
        if step not in MIGRATIONS:
            raise ValueError(
                f"record format {file_format}, this program reads {FORMAT} and knows no way from {step} to {step + 1}: "
                "use the version that wrote it"
            )
        values = MIGRATIONS[step](values)
    return values


def mean_of_defined(values: Iterable[float]) -> float:
    """Mean of the values that are not NaN; NaN when there is none."""
    defined = [value for value in values if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else math.nan


def null_to_nan(values: Mapping[str, Any]) -> dict[str, float]:
    """The inverse of ``nan_to_null`` for a dict of numbers: None becomes NaN."""
    return {name: math.nan if value is None else float(value) for name, value in values.items()}


def nan_to_null(value: Any) -> Any:
    """The same lists and dicts, with None for NaN and infinite numbers, which JSON cannot hold."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {name: nan_to_null(item) for name, item in value.items()}
    if isinstance(value, list):
        return [nan_to_null(item) for item in value]
    return value
