"""RUN/notes.md: a text that a person keeps beside a run. Nothing else reads it."""

import hashlib
import unicodedata

from tune_ks.core.storage import StoragePath, never_created, read_whole, write_whole

NAME = "notes.md"
LARGEST = 64 * 1024  # bytes


class NotesError(ValueError):
    """The notes can't be read or kept: the message says why."""


class NotesChanged(NotesError):
    """Somebody else has changed the notes since they were read."""


def read_notes(root: StoragePath) -> str:
    """The notes of a run; "" where there are none. NotesError where the file can't be shown as text."""
    try:
        return read_whole(root / NAME, LARGEST).decode()
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise NotesError(f"{NAME} is no text in UTF-8: change it with an editor") from None
    except (OSError, ValueError) as error:
        raise NotesError(str(error)) from error


def write_notes(root: StoragePath, text: str, version: str) -> None:
    """Keep the text whole; of an empty text no file stays.

    ``version`` is that of the notes which the text was made from. NotesChanged where they have changed since;
    NotesError where the text is too long or can't be written.
    """
    if version_of(read_notes(root)) != version:
        raise NotesChanged(f"{NAME} was changed meanwhile, by another window or an editor")
    data = plain(text).encode()
    if len(data) > LARGEST:
        raise NotesError(f"notes are at most {LARGEST} bytes, these are {len(data)}: keep longer texts in a file")
    try:
        with never_created(root):
            if data:
                write_whole(root / NAME, data)
            else:
                (root / NAME).unlink(missing_ok=True)
    except OSError as error:
        raise NotesError(f"the notes can't be kept: {error}") from error


def version_of(text: str) -> str:
    """A short text that differs where the notes differ."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def plain(text: str) -> str:
    """The text with the line ends of Unix, one at its end, and without control characters."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").rstrip()
    kept = [letter for letter in lines if letter in "\n\t" or unicodedata.category(letter) != "Cc"]
    return "".join(kept) + "\n" if kept else ""
