"""A rate in words: fractions of lines by hand, and never a text that means another rate."""

from fractions import Fraction

import pytest

from tune_ks.core.rate_words import of_kspace, rate_tick, rate_words


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (1.0, "1 (R = 1)"),
        (0.125, "1/8 (R = 8)"),
        (1 / 12, "1/12 (R = 12)"),
        (26 / 256, "13/128 (R = 9.8)"),
        (21 / 64, "21/64 (R = 3.0)"),  # near a third, and not one
        (85 / 256, "85/256 (R = 3.0)"),
        (1365 / 4096, "1/3 (R = 3)"),  # as near to a third as 4096 points come
        (0.1015625 + 6e-9, "13/128 (R = 9.8)"),  # a mean in 32 bits
        (0.23712, "0.237 (R = 4.2)"),
        (0.242, "0.242 (R = 4.1)"),  # asked for in decimals: no 121/500
        (1 / 256, "1/256 (R = 256)"),
        (419 / 4096, "0.102 (R = 9.8)"),
    ],
)
def test_a_rate_in_words(rate, words):
    assert rate_words(rate) == words
    assert rate_tick(rate) == words.split()[0]
    assert of_kspace(rate) == words.replace("1 (R = 1)", "all (R = 1)").replace(" (", " of k-space (")


def test_every_count_of_lines_is_told_apart_from_its_neighbours():
    met = 0
    for lines in (64, 192, 256, 320):
        texts = [rate_tick(kept / lines) for kept in range(1, lines + 1)]
        assert len(set(texts)) == lines
        assert [Fraction(text) for text in texts] == [Fraction(kept, lines) for kept in range(1, lines + 1)]
        met += lines
    assert met == 832
