"""What a member of the system can be set to: an Option, and the Member that a registry holds. Standard library only."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Option:
    """One setting of a member, as the member's own file declares it.

    ``default`` None means that it can be left out. The limits say which numbers are allowed; ``choices`` which texts.
    """

    name: str
    default: float | int | str | None
    help: str
    kind: type = float  # float, int (whole numbers) or str
    least: float | None = None  # allowed from here, included
    above: float | None = None  # allowed from here, excluded
    most: float | None = None  # allowed up to here, included
    below: float | None = None  # allowed up to here, excluded
    choices: tuple[str, ...] = ()
    shapes: bool = False  # True where weights of one value do not serve a network of another
    part: str = "training"  # of a config's own field: the part of the system that it belongs to

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
        require(self._is_allowed(value), self.name, self.allowed, value)
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
    """One line of a registry: what builds the member, and its options.

    ``build`` takes what its part of the system gives to every member, and each option by its name, as plain values.
    ``check`` is called with the config and the values of the options, for what no single option can say; it raises
    ValueError. ``learned``: of masks and reconstructions, whether they have parameters.
    """

    build: Callable[..., Any]
    options: tuple[Option, ...] = ()
    check: Callable[[Any, Mapping[str, Any]], None] | None = None
    learned: bool = False

    def values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The value of each option of this member: what is given, else its default. Others' options are passed over."""
        return {option.name: option.checked(given.get(option.name, option.default)) for option in self.options}


def require(holds: bool, name: str, allowed: str, value: object) -> None:
    """ValueError that names the field, the allowed values and the given one, where ``holds`` is false."""
    if not holds:
        raise ValueError(f"{name} must be {allowed}, got {value!r}")


def as_kind(name: str, value: Any, kind: type) -> Any:
    """``value`` as a plain float, int or str, numpy scalars and whole floats included; 1 and 1.0 become the same."""
    if kind is str:
        require(isinstance(value, str), name, "a text", value)
        return value
    require(not isinstance(value, (bool, str)), name, "a number", value)
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{name} must be a number, got {value!r}") from None
    require(math.isfinite(number), name, "a finite number", value)
    if kind is int:
        require(number == int(number), name, "a whole number", value)
        return int(number)
    return number


def listed(words: list[str]) -> str:
    """a, b or c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
