"""What --figures writes: titles, the mark of a phantom, numbers, LaTeX, methods; and what is said without a browser."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from analysis.__main__ import main
from analysis.choice.options import Options
from analysis.plots.paper import as_panel, numbers
from analysis.read.load import load
from analysis.report import export
from analysis.report.paper_tables import latex
from analysis.results.compute import compute
from analysis.results.methods import REFERENCES, methods
from analysis.results.synthetic import MARK, SENTENCE
from tune_ks.core.storage import storage_path

ROOT = Path(__file__).parents[3]
PANELS = {"pareto", "curves-test", "versus-low-pass", "masks"}


@pytest.fixture(scope="module")
def analysis(made):
    """Of a cohort that says it is a phantom."""
    run = load(made)
    search = run.search | {"cohort": run.search["cohort"] | {"synthetic": True}}
    return compute(replace(run, search=search), "epsilon", Options())


@pytest.fixture(scope="module")
def drawn(analysis):
    """Name of a file -> the figure, and as it is printed."""
    return {figure.file: (figure, export.printed(analysis, figure)) for figure in export.paper_figures(analysis)}


def test_every_figure_says_title_vendor_and_that_it_is_of_a_phantom(drawn):
    assert {f"{name}-{vendor}" for name in PANELS for vendor in ("GE", "SIEMENS")} <= set(drawn)
    titles = set()
    for figure, printed in drawn.values():
        holder = printed.layout.legend if printed.layout.showlegend else printed.layout
        assert holder.title.text == f"<b>{figure.title}</b><br>trained on {figure.vendor}<br>{SENTENCE}"
        assert MARK in [note.text for note in printed.layout.annotations]
        assert printed.layout.paper_bgcolor == "#ffffff"
        titles.add((figure.title, figure.vendor))
    assert len(titles) == len(drawn) >= 16


def test_a_cohort_of_patients_has_no_mark(analysis):
    search = analysis.run.search | {"cohort": {"synthetic": False}}
    of_patients = replace(analysis, run=replace(analysis.run, search=search))
    printed = export.printed(of_patients, next(export.paper_figures(of_patients)))
    assert printed.layout.legend.title.text.endswith("trained on GE")
    assert len(printed.layout.annotations) == 0


def test_the_numbers_of_a_figure_are_those_that_it_draws(analysis, drawn):
    curves = numbers(drawn["curves-test-GE"][1])
    rows = analysis.configurations[analysis.configurations["vendor"] == "GE"]
    points = curves[curves["trace"] == "gumbel, in-domain"]
    learned = rows[rows["family"] != "lowpass"].sort_values("realised_rate")
    assert points["x"].tolist() == learned["realised_rate"].tolist()  # the rate, not the place beside it
    assert points["y"].tolist() == pytest.approx(learned["test_in_domain"].tolist())
    assert points["low"].tolist() == pytest.approx(learned["test_in_domain_low"].tolist())
    versus = numbers(drawn["versus-low-pass-GE"][1])
    compared = analysis.versus_lowpass.rows
    compared = compared[(compared["vendor"] == "GE") & (compared["domain"] == "in_domain")]
    assert versus.loc[versus["trace"] == "in-domain", "high"].tolist() == pytest.approx(compared["high"].tolist())
    masks = numbers(drawn["masks-GE"][1])
    assert masks.groupby("y")["z"].sum().tolist() == [8, 8]  # a quarter of 32 lines, learned and low-pass
    assert all(len(numbers(printed)) for _, printed in drawn.values())


def test_a_panel_has_its_letter_and_leaves_the_figure_as_it_was(drawn):
    _, printed = drawn["pareto-GE"]
    before = printed.to_json()
    assert as_panel(printed, 1, 440).layout.legend.title.text.startswith("<b>B</b>")
    assert as_panel(drawn["masks-GE"][1], 3, 440).layout.title.text.startswith("<b>D</b>")
    assert printed.to_json() == before


def draw_blank(fig, file, width, height, scale):
    """In place of kaleido: files of the size that was asked for."""
    assert len(fig) == len(file)
    for path, wide, high, times in zip(file, width, height, scale, strict=True):
        if path.endswith(".png"):
            Image.fromarray(np.zeros((round(high * times), round(wide * times), 4), np.uint8)).save(path)
        else:
            Path(path).write_bytes(b"<svg xmlns='http://www.w3.org/2000/svg'/>")


@pytest.fixture
def few(drawn, monkeypatch):
    """The four panels of one vendor in place of all figures, which take long to draw."""
    figures = [figure for figure, _ in drawn.values() if figure.name in PANELS and figure.vendor == "GE"]
    monkeypatch.setattr(export, "paper_figures", lambda _: iter(figures))
    return figures


def test_every_figure_is_written_in_each_format_with_its_numbers(analysis, drawn, few, tmp_path, monkeypatch):
    monkeypatch.setattr(export.pio, "write_images", draw_blank)
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures/old.svg").write_text("of an earlier version")
    paths = export.write_figures(analysis, storage_path(tmp_path / "figures"))
    names = {path.name for path in paths}
    assert names == {path.name for path in (tmp_path / "figures").iterdir()}
    for figure in few:
        assert {f"{figure.file}.{kind}" for kind in ("pdf", "svg", "png", "tiff", "csv")} <= names
    assert {f"joint-GE.{kind}" for kind in ("pdf", "svg", "png", "tiff")} <= names
    for kind in ("png", "tiff"):
        with Image.open(tmp_path / f"figures/joint-GE.{kind}") as image:
            assert image.width == 2250  # 7.5 inches
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    assert {"methods.md", "methods.txt", "checklist.md", "table-rates.tex", "table-choices.csv"} <= names
    written = pd.read_csv(tmp_path / "figures/pareto-GE.csv")
    assert len(written) == len(numbers(drawn["pareto-GE"][1]))


def test_latex_has_rates_as_the_report_writes_them():
    frame = pd.DataFrame({"GE rate": [0.125, float("nan")], "AUC": [0.8, 0.9], "rate": [0.30001, 1.0]})
    text = latex(frame, "rates", "label")
    assert "1/8 (R = 8) & 0.800 & 0.3 (R = 3.3)" in text
    assert "-- & 0.900 & 1 (R = 1)" in text
    assert frame["rate"].tolist() == [0.30001, 1.0]


def test_latex_has_booktabs_rules_and_no_bare_sign():
    text = latex(pd.DataFrame({"a_b & c": ["50 %", None], "n": [0.12345, 2.0]}), "of 90 % and a_b", "label")
    assert [text.count(f"\\{rule}") for rule in ("toprule", "midrule", "bottomrule")] == [1, 1, 1]
    assert r"a\_b \& c & n \\" in text
    assert r"50 \% & 0.123 \\" in text
    assert r"\caption{of 90 \% and a\_b}" in text


def test_methods_say_cohort_members_rule_versions_and_whom_to_cite(analysis):
    texts = methods(analysis)
    text = texts["methods.md"]
    for words in (
        "synthetic",
        "24 patients (by vendor: GE 12, SIEMENS 12)",
        "0123456789ab",
        "gumbel, lowpass",
        "1/4, 1",
        "rule epsilon (epsilon 0.02)",
        "python 3.11",
        "no label of another vendor played a part",
        "Jang et al.",
        "Holm",
    ):
        assert words in text, words
    assert "He et al." not in text  # of a network that this run does not have
    assert texts["methods.txt"].startswith("Methods\n")
    assert "`" not in texts["methods.txt"]


def test_whoever_the_docs_name_for_a_member_is_cited():
    fields = {"M": "mask", "F": "transform", "R": "reconstruction", "C": "classifier"}
    page = (ROOT / "docs/members.md").read_text()
    rows = re.findall(r"^\| ([MFRC]) \| `(\w+)` \|.*\| ([^|]+) \|$", page, re.MULTILINE)
    named = {(fields[letter], member): text for letter, member, text in rows if re.search(r"\b(19|20)\d\d|arXiv", text)}
    assert set(named) == set(REFERENCES)
    for place, text in named.items():
        assert re.match(r"\w+", text)[0] in REFERENCES[place]


def test_without_a_browser_it_is_said_before_anything_is_analysed(made, tmp_path, monkeypatch, capsys):
    def refuse(*arguments, **options):
        raise ValueError("no browser")

    monkeypatch.setattr(export.pio, "to_image", refuse)
    monkeypatch.setattr("analysis.__main__.analyse", refuse)
    assert main([str(made), "--figures", "--no-report"]) == 2
    said = capsys.readouterr().err
    assert said.count("No figure file can be drawn here") == 1
    assert "kaleido" in said
    assert "Save SVG" in said


def test_a_browser_that_fails_later_leaves_the_folder_as_it_was(analysis, few, tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise ValueError("no browser")

    monkeypatch.setattr(export.pio, "write_images", refuse)
    (tmp_path / "old.svg").write_text("kept")
    with pytest.raises(export.NoBrowser, match="No figure file was written"):
        export.write_figures(analysis, storage_path(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["old.svg"]


def test_a_page_of_a_phantom_carries_the_mark_for_saved_figures(analysis, made):
    from analysis.report.page import render_page

    page = render_page("title", [], "", mark=MARK)
    assert f'<html lang="en" data-mark="{MARK}">' in page
    assert "data-mark" not in render_page("title", [], "").split("<style>")[0]
    assert json.loads((made / "search.json").read_text())["cohort"]["synthetic"] is False
