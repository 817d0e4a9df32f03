"""A number that a person gives, on the command line or in a space file, and its limits."""

import argparse
import math
from dataclasses import dataclass
from typing import Any

from tune_ks.core.options import require


@dataclass(frozen=True)
class Number:
    """The limits of a whole number (``kind`` int) or of any number (float). Called with a text, it is argparse's type.

    Every number that a person gives has an upper limit too: far above what anybody needs, and low enough to be
    computed with. NaN and infinity are outside of all limits.
    """

    kind: type[int] | type[float]
    least: float
    most: float
    above: bool = False  # whether ``least`` itself is excluded
    below: bool = False  # whether ``most`` itself is excluded
    or_zero: bool = False  # whether 0 is allowed too
    why: str = ""  # the reason of the limits, or the unit: the end of the message

    @property
    def allowed(self) -> str:
        """The allowed numbers in words: "a whole number from 1 to 10,000", "a number above 0, up to 1"."""
        noun = "a whole number" if self.kind is int else "a number"
        low = f"above {self.least:,}, " if self.above else f"from {self.least:,} "
        high = f"below {self.most:,}" if self.below else f"{'up ' if self.above else ''}to {self.most:,}"
        return f"{'0, or ' if self.or_zero else ''}{noun} {low}{high}{self.why}"

    def holds(self, value: Any) -> bool:
        """Whether ``value`` is a number of this kind within the limits."""
        numbers = int if self.kind is int else (int, float)
        if isinstance(value, bool) or not isinstance(value, numbers) or value != value:  # NaN lies on neither side
            return False
        too_low = value <= self.least if self.above else value < self.least
        too_high = value >= self.most if self.below else value > self.most
        return (self.or_zero and value == 0) or not (too_low or too_high)

    def require(self, name: str, value: Any) -> None:
        """ValueError that says what ``name`` must be, where the limits do not hold ``value``."""
        require(self.holds(value), name, self.allowed, value)

    def __call__(self, text: str) -> Any:
        """The number that a text says; argparse's error, of one line, where it says none within the limits."""
        try:
            value = self.kind(text)
        except ValueError:  # no number, or one of more digits than Python reads
            value = math.nan
        if not self.holds(value):
            raise argparse.ArgumentTypeError(f"must be {self.allowed}, got {text[:40]!r}")
        return value


SEEDS = Number(int, 1, 10_000)  # of a configuration: a plan names every training of them
SAMPLES = Number(int, 1, 100_000)  # suggestions for a point
SPLIT_SEED = Number(int, -(10**15), 10**15)
RATE = Number(float, 0, 1, above=True)
