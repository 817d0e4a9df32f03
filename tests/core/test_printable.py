"""What reaches the terminal moves no cursor and turns no line around, from whichever file it came."""

import ast
import io
from pathlib import Path

import pytest
from rich.table import Table

from tune_ks.core.printable import printable
from tune_ks.core.terminal import SafeConsole

ROOT = Path(__file__).parents[2]
HOSTILE = "\x1b]0;title\x07\x1b[2J\u202egnp.exe\u2066\x9b31m\ud800\u2028end"
OBEYED = set("\x1b\x07\u202e\u2066\x9b\ud800\u2028")


def test_nothing_that_a_terminal_obeys_is_left():
    shown = printable(HOSTILE)
    assert not OBEYED & set(shown)
    assert shown == r"\x1b]0;title\x07\x1b[2J\u202egnp.exe\u2066\x9b31m\ud800\u2028end"


@pytest.mark.parametrize("text", ["plain", "two\nlines\tand a tab", "Müller 山田 عربي", "a\u00a0b", ""])
def test_other_texts_stay(text):
    assert printable(text) == text


def test_a_console_prints_no_such_character_and_keeps_its_own_colours():
    file = io.StringIO()
    console = SafeConsole(file=file, force_terminal=True, color_system="standard", width=200)
    table = Table("name")
    table.add_row(HOSTILE)
    console.print(HOSTILE, style="red", markup=False, soft_wrap=True)
    console.print(table)
    shown = file.getvalue()
    assert "\x1b[31m" in shown  # red
    assert shown.count(r"\u202egnp.exe") == 1  # a table cuts what is longer than it was measured
    assert not (OBEYED - {"\x1b"}) & set(shown)
    assert "\x1b]0" not in shown
    assert "\x1b[2J" not in shown


STANDS_ALONE = "load_exported.py"  # goes away with a model, to where only torch is; prints its own words and numbers


def prints(tree):
    """Every call of print or of rich's Console, as it is written; words for the user are said in other ways."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "Console"):
            yield ast.unparse(node)


def test_every_print_passes_the_door():
    met = 0
    for path in [ROOT / "run_search.py", *(ROOT / "tune_ks").rglob("*.py"), *(ROOT / "analysis").rglob("*.py")]:
        text = path.read_text()
        if path.name == STANDS_ALONE:
            continue
        if " print(" in text or "=print(" in text or " Console(" in text:
            for call in prints(ast.parse(text)):
                assert call.startswith("print(printable("), f"{path.name}: {call}"
                met += 1
    assert met == 2  # of workers; what a driver says passes say_line, say_error or a console
