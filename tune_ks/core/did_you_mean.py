"""What a mistyped name was meant to be; used for commands, options, fields, members and search spaces."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """ "; did you mean 'gumbel'?" for "gumble": the known name that looks most like it. "" where none does."""
    return did_you_mean_each([word], known)


def did_you_mean_each(words: Iterable[str], known: Iterable[str]) -> str:
    """As ``did_you_mean`` for several words: "; did you mean 'Path', 'patientid'?". "" where no name looks like any."""
    known = list(known)
    close = [name for name in (closest(word, known) for word in words) if name is not None]
    return f"; did you mean {', '.join(map(repr, dict.fromkeys(close)))}?" if close else ""


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known name that looks most like the word, whatever the case of its letters. None where none does."""
    by_letters: dict[str, str] = {}
    for name in known:
        by_letters.setdefault(name.lower(), name)
    close = get_close_matches(word.lower(), list(by_letters), n=1, cutoff=0.65)
    return by_letters[close[0]] if close else None
