"""A sampling rate in words, the same on ticks, in tables and in sentences: ``1/8 (R = 8)``."""

from fractions import Fraction

LINES = (512, 384, 320, 448)  # a rate that is a whole number of so many lines, or of a divisor, is written as k/N
EXACT = 1e-7  # by which share a rate may differ from k/N: the error of a mean in 32 bits
MOST_PARTS = 64  # any other rate is written as 1/n up to this n
NEAR = 1e-3  # by which share it may differ from 1/n: masks of points round to a whole number of them


def rate_tick(rate: float) -> str:
    """``1/8``; ``13/128`` for 26 of 256 lines; of a rate that is no such fraction three digits."""
    for lines in LINES:
        kept = round(rate * lines)
        if abs(kept / lines - rate) <= EXACT * rate:
            return str(Fraction(kept, lines))
    parts = round(1 / rate)
    if parts <= MOST_PARTS and _is_near(1 / rate, parts):
        return str(Fraction(1, parts))
    return f"{rate:.3g}"


def acceleration(rate: float) -> str:
    """R = 1 / rate: ``8``; one decimal where it is no whole number."""
    factor = 1 / rate
    whole = round(factor)
    return str(whole) if _is_near(factor, whole) else f"{factor:.1f}"


def rate_words(rate: float) -> str:
    """``1/8 (R = 8)``, ``13/128 (R = 9.8)``, ``0.237 (R = 4.2)``."""
    return f"{rate_tick(rate)} (R = {acceleration(rate)})"


def of_kspace(rate: float) -> str:
    """``1/8 of k-space (R = 8)``, ``all of k-space (R = 1)``."""
    return f"{'all' if rate == 1 else rate_tick(rate)} of k-space (R = {acceleration(rate)})"


def _is_near(factor: float, whole: int) -> bool:
    return abs(factor - whole) <= NEAR * factor
