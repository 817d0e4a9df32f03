"""python -m docs.readme: the tables of means between their marks, from the trials of a run folder."""

import re

import pandas as pd
import pytest

from docs import readme
from docs.readme import overview, rewrite

TRIALS = pd.DataFrame(
    [
        ("GE", "gumbel", 0.25, 0, False, 0.80, 0.70),
        ("GE", "gumbel", 0.25, 1, False, 0.90, 0.60),
        ("GE", "lowpass", 0.5, 0, False, 0.75, 0.5),
        ("GE", "lowpass", 1.0, 0, True, 0.85, 0.55),
    ],
    columns=["vendor", "mask", "sampling_rate", "seed", "full", "test_in_domain", "test_cross_domain"],
)


def test_cells_are_means_over_seeds_and_full_sampling_stands_beside_every_mask():
    table = overview(TRIALS)
    assert table.heads == ["trained on, mask", "16/64", "32/64", "64/64"]
    assert table.rows == [
        ["GE, gumbel", "0.850 / 0.650", "", "0.850 / 0.550"],
        ["GE, lowpass", "", "0.750 / 0.500", "0.850 / 0.550"],
    ]


def test_only_the_text_between_the_marks_changes(tmp_path):
    (tmp_path / "docs").mkdir()
    page = "before\n\n<!-- table: a -->\nold\n<!-- end -->\n\nbetween\n\n<!-- table: b -->\nkept\n<!-- end -->\n"
    (tmp_path / "README.md").write_text(page)
    (tmp_path / "docs/x.md").write_text("nothing\n")
    for _ in range(2):
        assert rewrite(tmp_path, "a", overview(TRIALS)) == [tmp_path / "README.md"]
    text = (tmp_path / "README.md").read_text()
    assert re.sub(r"\| .*\n", "", text) == page.replace("old\n", "\n\n")
    assert text.count("0.850 / 0.650") == 1


def test_a_name_without_a_place_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(readme, "load", lambda run: type("Run", (), {"trials": TRIALS}))
    monkeypatch.setattr(readme, "ROOT", tmp_path)
    (tmp_path / "README.md").write_text("no place")
    monkeypatch.setattr("sys.argv", ["readme", f"quick={tmp_path}"])
    with pytest.raises(SystemExit):
        readme.main()
    assert "<!-- table: quick -->" in capsys.readouterr().err
