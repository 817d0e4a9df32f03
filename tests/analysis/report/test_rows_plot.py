"""Values in rows: no name is longer than a phone is wide, and no two rows share a pixel."""

import math

import pytest

from analysis.plots.paper import numbers
from analysis.plots.rows import FRAME, LETTERS, Marks, plot_rows

LONG = "GENERALELECTRICHEALTHCAREOFTHENORTHERNLANDS, full sampling"
NAMES = ("on GE", f"on {LONG}", "on <b>Siemens</b> & Co")


@pytest.fixture(scope="module")
def figure():
    chosen = Marks("chosen", "#2f7fd1", range(3), ["circle"] * 3, [0.9, 0.8, math.nan], [0.8, 0.7, math.nan], [1, 1, 1])
    full = Marks("full", "#b28207", [2], ["diamond"], [0.7], [0.6], [0.8])
    nothing = Marks("absent", "#828892", [0], ["circle"], [math.nan], [math.nan], [math.nan])
    return plot_rows(NAMES, [chosen, full, nothing], "AUC")


def test_a_long_name_is_wrapped_and_makes_its_row_higher(figure):
    texts = [note.text for note in figure.layout.annotations]
    assert all(len(line) <= LETTERS for text in texts[:2] for line in text.split("<br>"))
    assert texts[1].count("<br>") >= 1
    assert texts[2] == "on &lt;b&gt;Siemens&lt;/b&gt; &amp; Co"
    tops = [note.y for note in figure.layout.annotations]
    ends = [*tops[1:], figure.layout.yaxis.range[0]]
    assert ends[1] - tops[1] > ends[0] - tops[0]
    assert figure.layout.height == FRAME + ends[-1]
    for trace in figure.data:
        for place, text in zip(trace.y, trace.text):
            row = next(number for number, note in enumerate(NAMES) if text == shown(note))
            assert tops[row] < place < ends[row]


def shown(name):
    """A name as the page has it."""
    return name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def test_what_has_no_value_is_not_drawn_and_the_numbers_have_both_ends(figure):
    assert [trace.name for trace in figure.data] == ["chosen", "full"]
    table = numbers(figure)
    assert table.loc[0, ["x", "low", "high", "about"]].tolist() == pytest.approx([0.9, 0.8, 1.0, "on GE"])
    assert table["about"].tolist() == [*NAMES, NAMES[2]]
