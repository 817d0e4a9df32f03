"""The settings of a member of the system: Option, and Member, one line of a registry. No package of others.

Options are checked by this module's own code rather than by pydantic or msgspec: a member declares plain limits once,
and the check, its message, --help-fields and the analysis' defaults all come from that declaration; the module must
stay free of packages, because the analysis imports it; and each message names the field, the value and what would do.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tune_ks.core.printable import shown


@dataclass(frozen=True)
class Option:
    """One setting of a member, as the member's own file declares it.

    ``default`` None means that the option may be left out. The limits are the allowed range of a number; ``choices``
    are the allowed texts or whole numbers.

    ``takes_coils`` False: on complex images of coils (raw k-space) only the default can be used.
    """

    name: str
    default: float | int | str | None
    help: str
    kind: type = float  # float, int (whole numbers) or str
    least: float | None = None  # smallest allowed value, included
    above: float | None = None  # lower limit, excluded
    most: float | None = None  # largest allowed value, included
    below: float | None = None  # upper limit, excluded
    choices: tuple[str | int, ...] = ()
    shapes: bool = False  # True where the shapes of the network's weights depend on the value
    part: str = "training"  # for a field of TrialConfig: the part of the system that it belongs to
    takes_coils: bool = True

    @property
    def allowed(self) -> str:
        """The allowed values in words: in [0, 1), above 0, 'fixed' or 'drift'."""
        words = self._limits() if not self.choices else listed([repr(choice) for choice in self.choices])
        return f"{words}, or None" if self.default is None else words

    def _limits(self) -> str:
        low = self.above if self.least is None else self.least
        high = self.below if self.most is None else self.most
        if low is not None and high is not None:
            return f"in {'(' if self.least is None else '['}{low:g}, {high:g}{')' if self.most is None else ']'}"
        if low is not None:
            return f"above {low:g}" if self.least is None else f"{low:g} or above"
        return {str: "a text", int: "a whole number", float: "a number"}[self.kind]

    def checked(self, value: Any) -> Any:
        """``value`` as the plain Python type of the option. ValueError where it is not allowed."""
        if value is None:
            require(self.default is None, self.name, self.allowed if self.choices else "given", value)
            return None
        value = as_kind(self.name, value, self.kind)
        if not self._is_allowed(value):  # asked first: a plan checks millions of values, and the words take longer
            raise refusal(self.name, self.allowed, value)
        return value

    def _is_allowed(self, value: Any) -> bool:
        if self.choices:
            return value in self.choices
        if self.kind is str:
            return True
        above_low = (self.least is None or value >= self.least) and (self.above is None or value > self.above)
        below_high = (self.most is None or value <= self.most) and (self.below is None or value < self.below)
        return above_low and below_high


@dataclass(frozen=True)
class Member:
    """One line of a registry: the function that builds the member, and its options.

    ``build`` takes the arguments that all members of a registry get (a mask: radius, rate ...), and every option by
    name, as plain values. ``check`` gets the config and the values of the options and raises ValueError where they do
    not fit together. ``learned`` says whether a mask or a reconstruction has parameters.

    ``takes_coils`` says whether a member that is given the training images themselves (a transform, a style ...: see
    tune_ks.training.coils) works on those of raw k-space too, complex images of several coils (B, coils, S, S). No
    other member needs to say it.
    """

    build: Callable[..., Any]
    options: tuple[Option, ...] = ()
    check: Callable[[Any, Mapping[str, Any]], None] | None = None
    learned: bool = False
    takes_coils: bool = False

    def values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Name -> value of every option of this member: the given value, else the default. Other names are ignored."""
        return {option.name: option.checked(given.get(option.name, option.default)) for option in self.options}

    def checked_values(self, config: Any) -> dict[str, Any]:
        """The values of this member's options in a TrialConfig. ValueError where they do not fit together."""
        values = self.values(config.options)
        if self.check:
            self.check(config, values)
        return values


def require(holds: bool, name: str, allowed: str, value: object) -> None:
    """ValueError that names the field, the allowed values and the given one, where ``holds`` is false."""
    if not holds:
        raise refusal(name, allowed, value)


def refusal(name: str, allowed: str, value: object) -> ValueError:
    """The error that names the field, the allowed values and the given one."""
    return ValueError(f"{name} must be {allowed}, got {shown(value)}")


def as_kind(name: str, value: Any, kind: type) -> Any:
    """``value`` as a plain float, int or str, numpy scalars and whole floats included; 1 and 1.0 become the same."""
    if kind is str:
        require(isinstance(value, str), name, "a text", value)
        return value
    require(not isinstance(value, (bool, str)), name, "a number", value)
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise refusal(name, "a number", value) from None
    require(math.isfinite(number), name, "a finite number", value)
    if kind is int:
        require(number == int(number), name, "a whole number", value)
        return int(number)
    return number


def listed(words: list[str]) -> str:
    """a, b or c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
