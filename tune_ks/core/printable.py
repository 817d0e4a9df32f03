"""The terminal's door: what is printed holds no character that a terminal obeys or that turns a line around.

Names of files, values of a sheet and texts of a run folder may hold ESC, which moves the cursor, recolours or retitles
the terminal, and signs of right-to-left writing, which show one name as another. They are printed as \\x1b, \\u202e.
"""

import unicodedata

OBEYED = ("Cc", "Cf", "Cs", "Zl", "Zp")  # Unicode's categories: controls, formats, lone surrogates, separators of lines
KEPT = "\n\t"
LONGEST = 60  # letters of a value in a message


def printable(text: object) -> str:
    """The text with \\x1b, \\u202e ... in place of such characters; line ends and tabs stay."""
    words = str(text)
    if words.isprintable():
        return words
    return "".join(map(_escaped, words))


def _escaped(letter: str) -> str:
    if letter in KEPT or unicodedata.category(letter) not in OBEYED:
        return letter
    return ascii(letter)[1:-1]


def shown(value: object) -> str:
    """A value for a message, as Python writes it, cut after ``LONGEST`` letters."""
    words = repr(value)
    return words if len(words) <= LONGEST else f"{words[:LONGEST]}..."
