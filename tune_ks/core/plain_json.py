"""One JSON text -> plain values: bounded and printable.

A run folder may come from anywhere, and a value of another type or of 401 digits would end in a traceback far away from
the file. Whole numbers and numbers are finite and bounded; texts are ``printable``.
"""

import json
import math
from typing import Any

from tune_ks.core.printable import printable

DEEPEST = 24  # levels of lists and objects; the files that this program writes have seven
WHOLE = 2**63  # bound of a whole number, exclusive


def plain_json(text: str | bytes) -> dict[str, Any]:
    """Read one JSON object.

    ValueError when it is truncated, nested too deeply or not an object. Signs that a terminal obeys and lone surrogates
    become \\x1b, \\ud800 ... in its texts.
    """
    try:
        values = json.loads(text, parse_int=_whole, parse_float=_finite, parse_constant=_not_a_number)
        if not isinstance(values, dict):
            raise ValueError(f"not a JSON object but {type(values).__name__}")
        return _plain(values, 0)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a whole JSON object ({str(error)[:100]})") from None


def _whole(digits: str) -> int:
    number = int(digits) if len(digits) <= 20 else WHOLE
    if not -WHOLE <= number < WHOLE:
        raise ValueError(f"a whole number of {len(digits)} digits")
    return number


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"the number {digits[:20]} is not finite")
    return number


def _not_a_number(word: str) -> None:
    """NaN and Infinity, which JSON does not have, are read as null."""


def _plain(value: Any, depth: int) -> Any:
    """The value with printable texts. ValueError where it is nested too deeply."""
    if isinstance(value, str):
        return printable(value)
    if depth > DEEPEST:
        raise ValueError(f"nested more than {DEEPEST} levels deep")
    if isinstance(value, dict):
        return {printable(name): _plain(item, depth + 1) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, depth + 1) for item in value]
    return value
