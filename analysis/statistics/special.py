"""Five functions of scipy.special, which is imported when one of them is first used: it takes a tenth of a second.

A command that only checks the name of a rule imports the analysis, and computes nothing.
"""

from functools import cache
from types import ModuleType
from typing import Any


@cache
def _scipy_special() -> ModuleType:
    import scipy.special

    return scipy.special


def expit(value: Any) -> Any:
    """1 / (1 + exp(-value))."""
    return _scipy_special().expit(value)


def logit(share: Any) -> Any:
    """log(share / (1 - share))."""
    return _scipy_special().logit(share)


def ndtri(share: Any) -> Any:
    """The value below which this share of a standard normal distribution lies."""
    return _scipy_special().ndtri(share)


def stdtr(freedom: Any, value: Any) -> Any:
    """Share of Student's t distribution that lies below the value."""
    return _scipy_special().stdtr(freedom, value)


def stdtrit(freedom: Any, share: Any) -> Any:
    """The value below which this share of Student's t distribution lies."""
    return _scipy_special().stdtrit(freedom, share)
