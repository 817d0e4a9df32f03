"""A file that cannot serve: whatever fails in a reader becomes a short reason, which holds nothing of the file."""

import warnings
from collections.abc import Callable
from typing import TypeVar

from tune_ks.data.limits import DECODER_BYTES, mebibytes

Result = TypeVar("Result")


class UnusableFile(ValueError):
    """This file cannot serve. ``reason`` is a short text that many files share, so that reasons can be counted."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def guarded(read: Callable[[], Result]) -> Result:
    """``read()``, with every failure turned into an UnusableFile whose reason holds nothing of the file's content."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the warnings quote values of the file
            return read()
    except UnusableFile:
        raise
    except RecursionError:
        raise UnusableFile("sequences nested too deeply (the limit is about 200 levels)") from None
    except MemoryError:
        raise UnusableFile(f"needs more memory than a reader may use ({mebibytes(DECODER_BYTES)})") from None
    except Exception as error:  # a damaged file can make the reader fail in any way
        raise UnusableFile(f"damaged ({type(error).__name__})") from None
