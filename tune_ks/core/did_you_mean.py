"""What a mistyped name was meant to be; used for commands, options, fields, members and search spaces."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """ "; did you mean 'gumbel'?" for "gumble": the known name that looks most like it. "" where none does."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.65)
    return f"; did you mean {close[0]!r}?" if close else ""
