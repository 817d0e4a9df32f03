"""Texts of a page that are packed: gzip, written in base64, which every browser since 2023 undoes by itself.

plotly.js is 4.8 MB of text, and 2 MB packed; the numbers of a large run's figures shrink to a fifth.
"""

import base64
import gzip
from functools import lru_cache
from typing import NamedTuple

LEVEL = 9


class Library(NamedTuple):
    """A script that a page brings along."""

    notice: str  # whose it is, and under which licence: the comment at its beginning
    packed: str


def packed(text: str) -> str:
    """A text for a <script type="application/gzip">; the same text gives the same letters."""
    return base64.b64encode(gzip.compress(text.encode(), LEVEL, mtime=0)).decode()


@lru_cache(maxsize=1)  # it takes half a second, and is the same for every page
def packed_library(script: str) -> Library:
    """The script packed, with the comment at its beginning in the open."""
    comment = script[: script.find("*/")] if script.startswith("/*") else ""
    notice = " ".join(comment.replace("*", " ").removeprefix("/").split())
    return Library(notice, packed(script))
