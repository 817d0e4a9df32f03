"""What an analysis computes, as the values that JSON has; and whether a value read from JSON is a finite number."""

import math
from collections.abc import Mapping
from typing import Any, TypeGuard

from tune_ks.core.record import nan_to_null


def json_values(value: Any, digits: int) -> Any:
    """The value with lists for tuples and arrays, plain numbers for numpy's, null for NaN.

    Floats are rounded to ``digits`` decimals, so that a last bit changes no file.
    """
    return nan_to_null(_plain(value, digits))


def _plain(value: Any, digits: int) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(item, digits) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, digits) for item in value]
    if hasattr(value, "tolist"):  # an array or a scalar of numpy
        return _plain(value.tolist(), digits)
    return round(value, digits) if isinstance(value, float) else value


def is_number(value: object) -> TypeGuard[float]:
    """Whether this is a finite number; True and False are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
