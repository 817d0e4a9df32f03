"""WCAG 2.2 AA: words have 4.5 : 1 against what they stand on, marks of a figure and edges of a control 3 : 1.

From the constants of the style and the plots, in light, in dark and on paper.
"""

import re

import pytest
from plotly.colors import unlabel_rgb

from analysis.plots.common import BLUE, FAINT, MARKS, ORANGE, SHADES
from analysis.report.page import asset

WORDS = ("ink", "soft-ink", "focus", "in", "cross", "warn", "good")
GROUNDS = ("paper", "card")
FAINT_GAUGE = 0.75  # opacity of the bar of a gauge


def schemes():
    """Names of colours -> #rrggbb, of each :root block of the style."""
    blocks = re.findall(r":root \{(.*?)\}", str(asset("report.css")), re.DOTALL)
    return [dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block)) for block in blocks]


def channels(colour):
    if colour.startswith("rgb"):
        return unlabel_rgb(colour)
    return [int(colour[start : start + 2], 16) for start in (1, 3, 5)]


def luminance(colour):
    """Relative luminance by WCAG 2.2."""
    linear = []
    for channel in channels(colour):
        share = channel / 255
        linear.append(share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4)
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def over(colour, ground, opacity):
    """What is seen of a colour that lets its ground through."""
    mixed = [opacity * a + (1 - opacity) * b for a, b in zip(channels(colour), channels(ground))]
    return "rgb({}, {}, {})".format(*mixed)


def test_the_formula_gives_the_values_that_wcag_names():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # the grey that just fails
    assert contrast("#2f7fd1", "#f6f8fa") == pytest.approx(3.89, abs=0.01)


def test_words_can_be_read_on_every_ground():
    assert len(schemes()) == 3
    for colours in schemes():
        low = {
            (name, ground): ratio
            for name in WORDS
            for ground in (*GROUNDS, "warn-card")
            if (ratio := contrast(colours[name], colours[ground])) < 4.5
        }
        assert low == {}
        assert all(contrast(colours["edge"], colours[ground]) >= 3 for ground in GROUNDS)
        for name in ("in", "cross"):
            seen = over(colours[name], colours["card"], FAINT_GAUGE)
            assert contrast(seen, colours["card"]) >= 3
    assert f"opacity: {FAINT_GAUGE:.2f}".replace("0.", ".") in asset("report.css")


def test_marks_are_seen_on_every_ground():
    assert len(SHADES) == 65
    for colours in schemes():
        for ground in GROUNDS:
            dim = [mark for mark in (*MARKS, *SHADES) if contrast(mark, colours[ground]) < 3]
            assert dim == []
            for colour in (BLUE, ORANGE):
                assert contrast(over(colour, colours[ground], FAINT), colours[ground]) >= 3
