"""A section is one file and one line of SECTIONS, and whatever it shows is escaped."""

import importlib.util
import re
from html import unescape

import pytest

from analysis import analyse
from analysis.report import page
from analysis.report.parts import Heading, Paragraph
from analysis.report.report import write_report
from analysis.report.sections import SECTIONS
from analysis.report.sections.base import any_metric, of_classes, of_values
from analysis.statistics.measures import MEASURES
from synthetic_run import write_run

FILE = '''
"""The slowest trial."""

from analysis.report.parts import Heading, Panels, Paragraph, table
from analysis.report.sections.base import Section, {needs}

HOSTILE = "<script>alert(1)</script> & \\"quotes\\""


def parts(analysis):
    trials = analysis.run.trials
    slowest = trials.loc[[trials["seconds"].idxmax()], ["key", "seconds"]].assign(note=HOSTILE)
    return [Paragraph(HOSTILE), Panels([[Heading(HOSTILE)], []]), table(slowest, "slowest", HOSTILE)]


SECTION = Section("metric of the slowest trial", parts, {needs})
'''


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    root = tmp_path_factory.mktemp("section")
    write_run(root, rates=(0.25, 1.0), seeds=(0,), masks=("gumbel",), patients=12, source=("GE",))
    return analyse(root, report=False)


def section_of(path, needs):
    """The SECTION of a file that holds the one above."""
    path.write_text(FILE.format(needs=needs))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.SECTION


def test_a_new_section_is_one_file_and_one_line(analysis, tmp_path, monkeypatch):
    monkeypatch.setitem(SECTIONS, "slowest", section_of(tmp_path / "slowest.py", "any_metric"))
    html = write_report(analysis).read_text()
    assert "<summary><h2>AUC of the slowest trial</h2></summary>" in html
    body = re.search(r'<section id="AUC-of-the-slowest-trial">(.*?)</section>', html, re.DOTALL)[1]
    assert 'id="slowest"' in body
    assert analysis.run.trials["key"][analysis.run.trials["seconds"].idxmax()] in body
    assert "<script" not in body
    assert unescape(body).count("<script>alert(1)</script>") == 6  # text, heading, title, two labels, cell
    monkeypatch.delitem(SECTIONS, "slowest")
    assert "slowest" not in write_report(analysis).read_text()


def test_a_section_that_the_metric_cannot_have_is_left_out(analysis, tmp_path, monkeypatch):
    monkeypatch.setitem(SECTIONS, "slowest", section_of(tmp_path / "slowest.py", "of_values"))
    assert "slowest" not in write_report(analysis).read_text()


def test_every_section_has_a_title_and_a_need_that_some_metric_meets():
    assert len(SECTIONS) >= 20
    for section in SECTIONS.values():
        assert section.needs in (any_metric, of_classes, of_values)
        assert any(section.needs(measure) for measure in MEASURES.values())
    for measure in MEASURES.values():
        titles = [measure.words(section.title) for section in SECTIONS.values() if section.needs(measure)]
        assert len(titles) == len(set(titles)) > 10  # a title is also the id of the element


def test_nothing_to_draw_is_nothing_on_the_page():
    assert page.render([]) == page.render([Paragraph("")]) == ""
    assert page.render([Heading("a"), Paragraph("b", "small")]).split("\n") == ["<h3>a</h3>", '<p class="small">b</p>']


def test_no_template_trusts_a_value():
    """Every text is escaped by the environment; only styles, scripts and drawn sections are trusted, in page.py."""
    assert page.ENVIRONMENT.autoescape is True
    names = page.ENVIRONMENT.list_templates()
    assert len(names) >= 12
    for name in names:
        source, _, _ = page.ENVIRONMENT.loader.get_source(page.ENVIRONMENT, name)
        assert not re.search(r"\|\s*safe|autoescape", source), name
