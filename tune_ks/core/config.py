"""The settings of one trial: TrialConfig, and the key that names it. Standard library only."""

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tune_ks.core.domains import joined, sources_of
from tune_ks.core.options import Option, require

Plain = float | int | str
DRAWN = "_drawn"  # the option NAME_drawn of a member says whether its option NAME is drawn for each training image
UNIFORM = "uniform"  # ... it is, uniformly over its whole range
LOW_PASS = "lowpass"  # the mask family that every other one is compared with at the same rate


def _field(default: Plain | None, words: str, kind: type = float, **more: Any) -> Any:
    """A dataclass field of the config, declared by an Option; ``part`` is the part of the system it belongs to."""
    return field(default=default, metadata={"option": Option("", default, words, kind, **more)})


@dataclass(frozen=True, init=False)
class TrialConfig:
    """Everything that a result depends on, and nothing else: no paths, no cluster settings.

    It holds the fields below, and ``options``: those options of its members that differ from their defaults. Both are
    given flat: TrialConfig("GE", 0.25, mask="gumbel", temperature=1.0). The file of a member declares its options;
    ``tune_ks.training.members`` checks that the options of a config belong to its members.

    A default never moves, and a new field's default is the old behaviour: keys hash only what differs from the
    defaults, so old run folders keep their keys. Raises ValueError naming the field, the value and what is allowed.
    """

    vendor: str = field(
        metadata={
            "option": Option(
                "",
                "",
                "source vendor, the one trained on: GE, SIEMENS ..., or with --domain the name of a domain; several: "
                "GE+SIEMENS",
                str,
            )
        }
    )
    sampling_rate: float = field(
        metadata={"option": Option("", 1.0, "nominal fraction of k-space kept, k/N", above=0, most=1)}
    )
    mask: str = _field("gumbel", "the family of masks", str, part="mask")
    pattern: str = _field(
        "lines", "one probability a k-space column, or one a coefficient", str,
        part="mask", choices=("lines", "points"), shapes=True, takes_coils=False,
    )  # fmt: skip
    rate_start: float | None = _field(
        None, "training starts at this rate and falls to sampling_rate until it settles", part="mask", above=0, most=1
    )
    rate_hold: float = _field(
        0.0, "share of the epochs before the mask settles that stay at rate_start", part="mask", least=0, below=1
    )
    rate_from: float | None = _field(None, "conditional: trained at rates drawn per image from here ...")
    rate_to: float = _field(1.0, "... to here, log-uniformly, and scored at sampling_rate")
    temperature_from: float | None = _field(None, "conditional: temperatures drawn per image from here ...")
    temperature_to: float | None = _field(None, "... to here, log-uniformly")
    settle: float = _field(
        0.2, "last share of the epochs, trained on the frozen exported mask", part="mask", least=0, most=1
    )
    harmonise: str = _field(
        "none", "how an image is made like those of the source vendor before it is sampled", str, part="harmonise"
    )
    mask_jitter: float = _field(
        0.0, "in training, share of the kept coefficients that change places with others", part="mask", least=0, most=1
    )
    transform: str = _field("fourier", "the transform into k-space", str, part="transform", shapes=True)
    reconstruction: str = _field(
        "zero_filled", "how an image is made of what was kept", str, part="reconstruction", shapes=True
    )
    task: str = _field("classification", "what the network is trained for", str, part="task", shapes=True)
    classifier: str = _field("alexnet", "the network", str, part="classifier", shapes=True)
    image_size: int = _field(
        256, "pixels a side of what the classifier sees", int, part="classifier", above=0, most=4096, shapes=True
    )
    standardise: str = _field(
        "none", "image: each image enters the classifier with mean 0 and deviation 1", str,
        part="classifier", choices=("none", "image"), shapes=True,
    )  # fmt: skip
    augment: str = _field("none", "how training images are moved at random", str)
    style: str = _field("none", "how intensities of training images are changed at random", str)
    test_time: str = _field(
        "none", "flips: a score is the mean over the restored image, its two mirrors and its half turn", str,
        choices=("none", "flips"),
    )  # fmt: skip
    epochs: int = _field(30, "passes over the training images; 0 where there is no network", int, least=0)
    batch_size: int = _field(32, "images a step", int, above=0)
    lr: float = _field(3e-4, "learning rate of AdamW", above=0)
    mask_lr_multiplier: float = _field(10.0, "the mask's learning rate, in units of lr", part="mask", above=0)
    mask_moment: str = _field(
        "line", "AdamW's mean square of the mask's gradients: one for each line, or one that all lines share", str,
        part="mask", choices=("line", "shared"),
    )  # fmt: skip
    weight_decay: float = _field(1e-4, "of AdamW, on all but the mask", least=0)
    schedule: str = _field("constant", "how the learning rate changes from step to step", str)
    clip_norm: float | None = _field(None, "a gradient of a larger norm is scaled down to this norm", above=0)
    average: float = _field(
        0.0, "decay of the moving average of the weights, which is scored and exported; 0: none", least=0, below=1
    )
    restarts: int = _field(
        0, "how often a training that stayed at chance begins again, with other initial weights", int, least=0
    )
    init_from: str | None = _field(None, "KEY@HASH of a finished trial whose weights it begins from", str)
    frozen: str = _field("", "parts of the network, by the names of their parameters, that stay as they begin", str)
    slow: str = _field("", "parts that learn at slow_lr_multiplier times their rate", str)
    slow_lr_multiplier: float = _field(
        0.01, "late layers at 1e-3 and the rest at 1e-5: Graf et al., ISMRM 2023", above=0
    )
    train_share: float = _field(
        1.0, "share of the source vendor's training patients; a larger share holds a smaller one", above=0, most=1
    )
    invariance: str = _field("none", "how it is learned from several source vendors what they have in common", str)
    seed: int = _field(0, "moves initialisation, mask noise and batch order; never the split", int)
    options: dict[str, Plain] = field(default_factory=dict)  # of the members; never change it after construction

    def __init__(
        self, vendor: str, sampling_rate: float, *, options: Mapping[str, Plain | None] | None = None, **values: Any
    ) -> None:
        vendor = joined(sources_of(vendor)) if isinstance(vendor, str) else vendor
        values |= {"vendor": vendor, "sampling_rate": sampling_rate}
        for name, option in OWN_FIELDS.items():  # 1 and 1.0 must become the same value, so that the key is the same
            object.__setattr__(self, name, option.checked(values.pop(name, option.default)))
        given = {**(options or {}), **values}
        for name, value in given.items():
            require(re.fullmatch("[a-z][a-z0-9_]{0,63}", name) is not None, "an option's name", "a short word", name)
            require(is_plain(value), name, "a finite number or a text", value)
        chosen = {name: value for name, value in sorted(given.items()) if value is not None}
        object.__setattr__(self, "options", chosen)
        self._check_init_from()
        self._check_drawn_rates()
        self._check_falling_rate()

    def __hash__(self) -> int:
        return hash(self.key())

    def _check_init_from(self) -> None:
        well_formed = self.init_from is None or is_weights(self.init_from)
        require(well_formed, "init_from", "KEY@HASH, 12 hexadecimal digits each, or None", self.init_from)
        if self.init_from is not None:
            require(not self.restarts, "restarts", "0 where init_from is given", self.restarts)
        for name in ("frozen", "slow"):  # sorted, so that the order in which parts are written does not change the key
            object.__setattr__(self, name, " ".join(sorted(set(getattr(self, name).split()))))

    def _check_drawn_rates(self) -> None:
        low = self.temperature_from
        high = self.temperature_to
        if self.rate_from is None:
            require(low is None, "temperature_from", "None where rate_from is", low)
        require((low is None) == (high is None), "temperature_to", "given exactly where temperature_from is", high)
        if low is not None and high is not None:
            require(0 < low <= high, "temperature_from", "above 0, up to temperature_to", low)
        if self.rate_from is None:
            return
        require(0 < self.rate_from <= self.rate_to <= 1, "rate_from", "above 0, up to rate_to", self.rate_from)
        within = self.rate_from <= self.sampling_rate <= self.rate_to
        require(within, "sampling_rate", "from rate_from to rate_to, where it was trained", self.sampling_rate)
        require(self.rate_start is None, "rate_start", "None where rate_from is given", self.rate_start)

    def _check_falling_rate(self) -> None:
        needed = self.rate_hold == 0 or self.rate_start is not None
        require(needed, "rate_hold", "0 where rate_start is not given", self.rate_hold)

    @property
    def sources(self) -> tuple[str, ...]:
        """The vendors that are trained on: one, or several."""
        return sources_of(self.vendor)

    @property
    def is_full(self) -> bool:
        """Whether all of k-space is kept, so that the image itself enters the classifier."""
        return self.sampling_rate == 1

    @property
    def lowest_rate(self) -> float:
        """The lowest sampling rate at which a mask of this config is drawn."""
        return self.sampling_rate if self.rate_from is None else self.rate_from

    @property
    def drawn_options(self) -> tuple[str, ...]:
        """The options that are drawn uniformly for each training image: NAME of every NAME_drawn that says so."""
        drawn = [name for name, value in self.options.items() if name.endswith(DRAWN) and value == UNIFORM]
        return tuple(name.removesuffix(DRAWN) for name in drawn)

    @property
    def is_conditional(self) -> bool:
        """Whether its training meets values that are drawn for each image, and is scored at several of them.

        Then configs that differ in the scored value alone (the rate, a drawn option) share one training.
        """
        return self.rate_from is not None or bool(self.drawn_options)

    def training(self) -> "TrialConfig":
        """The config that is trained: this config itself; a conditional training is one config for all it is scored at.

        That config has the geometric means of the range of rates and of the range of temperatures, and the defaults of
        the options that are drawn.
        """
        changes: dict[str, Any] = dict.fromkeys(self.drawn_options)
        if self.rate_from is not None:
            changes["sampling_rate"] = math.sqrt(self.rate_from * self.rate_to)
        if self.temperature_from is not None and self.temperature_to is not None:
            changes["temperature"] = math.sqrt(self.temperature_from * self.temperature_to)
        return dataclasses.replace(self, **changes) if changes else self

    def alone(self) -> "TrialConfig":
        """The same config, trained at its sampling rate and temperature only."""
        return dataclasses.replace(self, rate_from=None, rate_to=1.0, temperature_from=None, temperature_to=None)

    def first_settled_epoch(self) -> int:
        """The first epoch that may be chosen as the best: the start of the last ``settle`` share; 1 when settle is 0.

        It is the same for every mask family, so that all choose among equally many epochs.
        """
        return self.epochs - math.ceil(self.settle * self.epochs - 1e-9) + 1 if self.settle else 1

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TrialConfig":
        """Build from plain values, given flat. ValueError where the vendor or the rate is missing."""
        for name in ("self", "options"):  # of __init__
            if name in values:
                raise ValueError(f"a config has no field {name!r}")
        missing = [name for name in ("vendor", "sampling_rate") if name not in values]
        if missing:
            raise ValueError(f"the field {missing[0]!r} is missing: every trial needs a vendor and a sampling_rate")
        return cls(**values)

    def get(self, name: str) -> Plain | None:
        """The value of a field or of an option; None for an option that has its default."""
        return getattr(self, name) if name in OWN_FIELDS else self.options.get(name)

    def settings(self, options: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Name -> value of every field, and of the ``options`` (field -> option -> value), in one flat dict."""
        flat = {name: getattr(self, name) for name in OWN_FIELDS}
        for values in options.values():
            flat |= values
        return flat

    def non_default(self) -> dict[str, Plain]:
        """Vendor, sampling rate, the fields that differ from their defaults, then the options, in one flat dict."""
        required: dict[str, Plain] = {"vendor": self.vendor, "sampling_rate": self.sampling_rate}
        changed: dict[str, Plain] = {}
        for name, option in OWN_FIELDS.items():
            value = getattr(self, name)
            if name not in required and value != option.default:
                changed[name] = value
        return required | changed | self.options

    def key(self, *ignore: str) -> str:
        """12 hexadecimal digits that name this config without the fields ``ignore``; its seeds share key("seed")."""
        fields = {name: value for name, value in self.non_default().items() if name not in ignore}
        return digest(json.dumps(fields, sort_keys=True).encode())


OWN_FIELDS: dict[str, Option] = {
    of_config.name: dataclasses.replace(of_config.metadata["option"], name=of_config.name)
    for of_config in dataclasses.fields(TrialConfig)
    if "option" in of_config.metadata
}


def is_key(text: object) -> bool:
    """Whether this has the form of a ``TrialConfig.key``: 12 hexadecimal digits, which are safe in a path."""
    return isinstance(text, str) and re.fullmatch("[0-9a-f]{12}", text) is not None


def is_weights(text: object) -> bool:
    """Whether this is KEY@HASH: a trial's key, and the first 12 digits of the SHA-256 of its model.safetensors."""
    return isinstance(text, str) and all(map(is_key, text.split("@"))) and text.count("@") == 1


def digest(content: bytes) -> str:
    """The first 12 hexadecimal digits of the SHA-256 of ``content``: a key, a fingerprint, the HASH of KEY@HASH."""
    return hashlib.sha256(content).hexdigest()[:12]


def is_plain(value: object) -> bool:
    """Whether an option may have this value: a finite number, a text, or None for the default."""
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) < 2**63
    return value is None or isinstance(value, str) or (isinstance(value, float) and math.isfinite(value))
