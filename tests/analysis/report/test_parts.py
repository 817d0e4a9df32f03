"""How a number of a table is shown: by its column, and never rounded away."""

import pandas as pd

from analysis.report.parts import table


def shown(**columns):
    """The texts of each column of a table."""
    drawn = table(pd.DataFrame(columns), "t")
    return {column.name: [row.cells[i].text for row in drawn.rows] for i, column in enumerate(drawn.columns)}


def test_a_column_of_counts_is_whole_and_any_other_has_three_decimals_throughout():
    texts = shown(counts=[2.0, 60.0, None], width=[1.0, 2.0, 0.5], shares=[0.0, 1.0, 1.0], integers=[1, 2, 3])
    assert texts["counts"] == ["2", "60", "–"]  # noqa: RUF001
    assert texts["width"] == ["1.000", "2.000", "0.500"]
    assert texts["shares"] == ["0.000", "1.000", "1.000"]  # an AUC of 1 is no count
    assert texts["integers"] == ["1", "2", "3"]


def test_a_small_number_is_not_rounded_away_but_a_rounding_error_is():
    texts = shown(lr=[5e-4, -2.5e-5, 0.001, 1e-9, 0.25])
    assert texts["lr"] == ["0.0005", "-2.5e-05", "0.001", "0.000", "0.250"]
