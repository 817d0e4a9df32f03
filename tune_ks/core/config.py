"""What is asked of one trial: TrialConfig, and the key that names it. Standard library only."""

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TrialConfig:
    """Everything a result depends on, and nothing else: no paths, no cluster settings.

    A default never moves, and a new field's default is the old behaviour: keys hash only what differs from the
    defaults, so old run folders keep their keys. Raises ValueError naming the field, what came and what would do.
    """

    vendor: str  # source vendor, the one trained on: GE, SIEMENS, PHILIPS ...
    sampling_rate: float  # nominal fraction of k-space kept, k/N in (0, 1]
    mask: str = "gumbel"  # a key of tune_ks.model.masks.MASKS
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
    reconstruction: str = "zero_filled"  # a key of tune_ks.model.reconstructions.RECONSTRUCTIONS
    reconstruction_channels: int = 64  # of the U-Net's first level, of HQS-Net's blocks
    reconstruction_weight: float = 0.0  # of the reconstruction's own loss beside the task's
    reconstruction_epochs: int = 0  # the first so many train mask and reconstruction by that loss alone; none at rate 1
    task: str = "classification"  # a key of tune_ks.training.tasks.TASKS
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
        known = ("none", "flips", "shifts", "flips_shifts")  # tune_ks/training/augment.py
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


def is_key(text: object) -> bool:
    """Whether this can be what ``TrialConfig.key`` gives: 12 hexadecimal digits, and so harmless in a path."""
    return isinstance(text, str) and re.fullmatch("[0-9a-f]{12}", text) is not None


def is_weights(text: object) -> bool:
    """Whether this is KEY@HASH: a trial's key, and the first 12 digits of the SHA-256 of its model.safetensors."""
    return isinstance(text, str) and all(map(is_key, text.split("@"))) and text.count("@") == 1


def digest(content: bytes) -> str:
    """The first 12 hexadecimal digits of its SHA-256: a key, a fingerprint, the HASH of KEY@HASH."""
    return hashlib.sha256(content).hexdigest()[:12]


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
