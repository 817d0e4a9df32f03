import base64
import gzip
import io
import json
import re
import struct
import zlib
from dataclasses import replace
from fractions import Fraction
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from rich.console import Console

from analysis import analyse, print_analysis
from analysis.choice.crossfit import CrossFit
from analysis.plots.common import plotly_js, to_json
from analysis.plots.pareto import plot_pareto
from analysis.report.page import render
from analysis.report.parts import data_uri
from analysis.report.report import write_report
from analysis.report.sections import proof as proof_section
from analysis.results import evidence, sentences
from analysis.results.gallery import gallery
from analysis.results.headline import headline
from analysis.results.pareto_info import pareto_info
from synthetic_run import make_cohort, write_run, write_trial
from tune_ks.core.config import TrialConfig
from tune_ks.core.rate_words import of_kspace, rate_tick, rate_words

OUTSIDE = re.compile(r"^\s*(https?:)?//", re.IGNORECASE)


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    root = tmp_path_factory.mktemp("report") / "run"
    write_run(root, rates=(0.0625, 0.25, 1.0), seeds=(0, 1, 2), patients=16)
    return analyse(root, epsilon=0.06)  # 0.25 is truly 0.03 below full sampling


@pytest.fixture(scope="module")
def html(analysis):
    return analysis.report.read_text()


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.links, self.images, self.ids, self.scripts, self.text = [], [], [], 0, []
        self.inside = None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.links += [values[n] for n in ("src", "href", "srcset", "action", "data") if values.get(n)]
        self.images += [values] if tag == "img" else []
        self.ids += [values["id"]] if "id" in values else []
        self.scripts += tag == "script"
        self.inside = tag if tag in ("script", "style") else None

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside is None:
            self.text.append(data)


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_the_page_fetches_nothing(page, html):
    assert len(page.links) > 4
    assert not [link for link in page.links if OUTSIDE.match(link)]
    assert "@import" not in html.split("<script>")[0]


def test_plotly_is_embedded_once(page, html):
    assert html.count("Copyright 2012-20") == 1
    assert len(page.ids) == len(set(page.ids))
    assert {"pareto-GE", "curves-test-GE", "curves-val-SIEMENS", "masks-GE", "masks-SIEMENS", "knob-GE"} <= set(
        page.ids
    )


def test_every_image_has_a_text_and_they_can_be_left_out(page, analysis):
    shown = [image for image in page.images if "src" in image]  # the others are filled by the knob's script
    of_patients = [image for image in shown if image.get("class") != "strip"]  # a strip is a mask
    assert len(of_patients) >= 4 * 2
    assert all(image["alt"] for image in page.images)
    assert all(image["src"].startswith("data:image/png;base64,") for image in shown)
    without = Page(write_report(analysis, images=False).read_text())
    assert {image["class"] for image in without.images if "src" in image} == {"strip"}
    assert "Images were left out" in " ".join(without.text)


def test_every_trial_and_the_labels_seen_are_told(page, analysis):
    text = " ".join(page.text)
    assert all(key in text for key in analysis.run.records)
    assert "acceleration" not in text.lower()
    assert "distinct rate" in text
    assert "truncated" in text
    assert "0123456789ab" in text


SECTION = re.compile(
    r'<section id=[^>]*>(?:<details class="folded"><summary>)?<h2>(.*?)</h2>(.*?)</section>', re.DOTALL
)


def bodies(html):
    """Heading of a section -> its HTML without scripts."""
    body = re.sub(r"<script.*?</script>", " ", html[html.index("<main") :], flags=re.DOTALL)
    return {unescape(name): text for name, text in SECTION.findall(body)}


def read(text):
    """What a reader reads of a piece of HTML."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())


def sections(html):
    """Heading of a section -> what a reader reads in it."""
    return {name: read(text) for name, text in bodies(html).items()}


def test_every_section_with_a_cross_domain_number_says_whose_labels_chose(html, analysis):
    met = 0
    for name, body in bodies(html).items():
        if name != "Glossary" and re.search(r"cross.domain", read(body)):  # the glossary has words and no numbers
            told = [read(body), *re.findall(r'<p class="seen" title="([^"]*)">', body)]
            is_said = [
                text for text in told if re.search("no label of another vendor|labels of the other vendor", text)
            ]
            assert is_said, name
            met += 1
    assert met >= 7
    assert html.count("Chosen with validation labels of GE only: no label") < 20
    assert {s.saw for s in (computed.selection for computed in analysis.vendors.values())} == {"source-validation"}


def verdicts(html):
    """What stands in the block of each source vendor on the first screen, opened."""
    blocks = re.findall(r'<div class="verdict">(.*?)</div>\n<div>', html, flags=re.DOTALL)
    return {re.search(r"Trained on (\w+)", block)[1]: read(block) for block in blocks}


def test_the_first_screen_has_a_sentence_a_vendor_its_numbers_and_every_doubt_in_one_block(html, analysis):
    text = sections(html)["The choice"]
    assert "Cohort: 32 patients, 192 images (GE 16 and 96, SIEMENS 16 and 96)" in text
    assert "masks gumbel, lowpass" in text
    assert f"; {len(analysis.run.trials)} trials; search.json of 20" in text
    blocks = verdicts(html)
    assert list(blocks) == ["GE", "SIEMENS"]
    doubts = 0
    at_once = [read(text.partition("<details")[0]) for text in html.split('<div class="verdict">')[1:]]
    for (vendor, computed), first in zip(analysis.vendors.items(), at_once, strict=True):
        selection = computed.selection
        block = blocks[vendor]
        other = next(name for name in blocks if name != vendor)
        assert f"Trained on {vendor} 1/4 of k-space R = 4, gumbel" in first
        assert f"on {vendor}, 4 patients" in first
        assert f"on {other}, 4 patients" in first
        assert "mean of 3 seeds; bar: 90 % interval; tick: full sampling (mean of 3 seeds); scale 0." in first
        assert "not proven" in first
        assert len(first.split()) < 140  # numbers included: a picture first, the sentence waits
        assert headline(analysis, vendor) not in first
        sentence = headline(analysis, vendor)
        assert sentence in block
        assert sentence.startswith("A quarter of the k-space lines (R = 4) ")
        assert "nothing is proven" in sentence
        for values in (selection.values, selection.full_sampling):
            for name in ("test_in_domain", "test_cross_domain"):
                assert f"{values[name]:.3f}" in block
        assert computed.fitness.sentence in block
        for domain, verdict in selection.verdicts.items():
            assert evidence.sentence(verdict, sentences.DOMAINS[domain], "AUC") in block
        about = [line for line in analysis.warnings if line.startswith(f"{vendor}: ")]
        assert all(line.removeprefix(f"{vendor}: ") in block for line in about)
        doubts += len(about)
    assert doubts + len([line for line in analysis.warnings if line in text]) == len(analysis.warnings)


def test_the_choice_in_numbers_says_the_choice_the_doubt_and_both_picks(html, analysis):
    text = sections(html)["The choice in numbers"]
    for vendor, computed in analysis.vendors.items():
        selection = computed.selection
        assert f"1/4 (R = 4) of k-space; 90 % interval of the rate {rate_tick(selection.interval[0])} to " in text
        assert f"the model trained on {vendor} scores AUC {selection.values['test_in_domain']:.3f} instead of" in text
        assert "chosen by the rule epsilon (epsilon 0.06): the smallest rate whose in-domain AUC is within" in text
        for split in ("test_in_domain", "test_cross_domain"):
            for values in (selection.values, selection.full_sampling):
                assert f"{values[split]:.3f} [{values[f'{split}_low']:.3f}, {values[f'{split}_high']:.3f}]" in text
        assert f"{computed.proof.resolvable:.3f}" in text
    assert text.count("Nothing below 1 is proven: noninferior –") == text.count("Unproven: epsilon") == 2  # noqa: RUF001


def test_all_but_the_first_section_is_folded_and_every_figure_can_be_read(html):
    assert html.count('<details class="folded">') == len(sections(html)) - 1 >= 15
    packed = re.findall(r'<div class="plot" id="([^"]+)"[^>]*><script type="application/gzip">(.*?)</script>', html)
    assert len(packed) == html.count('class="plot"') >= 15
    for name, text in packed:
        drawn = json.loads(gzip.decompress(base64.b64decode(text)))
        assert drawn["data"], name
    library = re.search(r'id="plotly-packed">(.*?)</script>', html)[1]
    assert gzip.decompress(base64.b64decode(library)).decode() == plotly_js()
    assert len(html) < 3e6


def test_the_proof_shows_every_step_and_where_it_stopped(html, analysis):
    text = sections(html)["What the data prove"]
    for vendor, computed in analysis.vendors.items():
        proof = computed.proof
        shown = proof_section.steps(proof)
        assert shown["rate"].tolist() == [0.25, 0.0625]  # from the highest down, full sampling is the yardstick
        for step, row in zip(proof.steps.itertuples(), shown.to_dict("records")):
            assert row["in-domain lower bound"] == pytest.approx(step.in_domain_lower)
            assert row["cross-domain difference"] == pytest.approx(step.cross_domain_difference)
            assert row["outcome"] == ("proven" if step.passed else step.why) != ""
            numbers = " ".join(f"{v:.3f}" for v in (step.in_domain_difference, step.in_domain_lower))
            assert f"{rate_words(step.realised_rate)} 3 {numbers}" in text
        assert f'id="proof-{vendor}"' in html
    assert "no step is skipped" in text


def test_a_cross_fitted_choice_stands_beside_the_proof(analysis):
    rates = pd.DataFrame({"realised_rate": [0.25, 1.0], "share": [0.7, 0.3]})
    known = {"in_domain": 0.8, "cross_domain": np.nan}
    fitted = CrossFit("GE", "epsilon", 5, 10, rates, known, known, {"in_domain": -0.01, "cross_domain": np.nan})
    refused = fitted._replace(vendor="SIEMENS", rates=rates.iloc[:0], refused="trial abc has no scores per image")
    cross_fits = {"GE": fitted, "SIEMENS": refused}
    vendors = {name: replace(analysis.vendors[name], cross_fit=given) for name, given in cross_fits.items()}
    page = render(proof_section.parts(replace(analysis, vendors=vendors)))
    cells = re.findall(r"<td[^>]*>(.*?)</td>", page[page.index('id="cross-fit"') :])
    assert cells[:6] == ["GE", "1/4 (R = 4)", "0.700", "GE", "1 (R = 1)", "0.300"]
    assert "GE, cross-fitted on 10 halves" in page
    assert "SIEMENS: not cross-fitted: trial abc" in page
    assert "cross-fit" not in render(proof_section.parts(analysis))


def test_how_sure_the_front_is_stands_in_figure_and_table(html, analysis):
    text = sections(html)["How sure the Pareto front is"]
    for vendor, computed in analysis.vendors.items():
        uncertain = computed.uncertain_front
        optimal = uncertain.probability_optimal
        assert (optimal["three_objectives"] >= optimal["two_objectives"]).all()  # one more objective dominates fewer
        for row in optimal.itertuples():
            values = f"{row.two_objectives:.3f} {row.three_objectives:.3f}"
            assert f"{vendor} {rate_words(row.realised_rate)} {values}" in text
        low, middle, high = np.quantile(uncertain.hypervolume, [0.05, 0.5, 0.95])
        assert f"{middle:.3f} [{low:.3f}, {high:.3f}]" in text
        assert f'id="optimal-{vendor}"' in html


def test_the_attainment_band_holds_the_median_front(analysis):
    for vendor in analysis.vendors:
        drawn = {trace.name: trace for trace in plot_pareto(pareto_info(analysis, vendor)).data}
        band, middle = drawn["front 10-90 %"], drawn["front median"]
        assert band.fill == "toself"
        half = list(band.x).index(max(band.x)) + 1  # the better surface first, then the worse one back
        best = list(zip(band.x[:half], band.y[:half]))
        assert all(y >= y_next for (_, y), (_, y_next) in pairwise(best))  # a staircase falls
        height = {x: max(y for at, y in best if at >= x) for x in middle.x if x <= max(band.x)}
        assert all(y <= height[x] + 1e-9 for x, y in zip(middle.x, middle.y))


def test_the_source_studys_table_has_a_row_a_rate_and_every_vendor(html, analysis):
    rows = re.search(r'<table id="source-table">(.*?)</table>', html, flags=re.DOTALL)[1]
    head = [unescape(text) for text in re.findall(r"<button[^>]*>(.*?)</button>", rows)]
    body = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr.*?</tr>", rows, flags=re.DOTALL)][1:]
    shown = [dict(zip(head, map(unescape, row))) for row in body]
    assert [(row["mask"], row["nominal rate"]) for row in shown] == [
        (mask, rate) for mask in ("gumbel", "lowpass") for rate in ("1/16 (R = 16)", "1/4 (R = 4)")
    ] + [("full sampling", "1 (R = 1)")]
    table = analysis.configurations
    for row in shown:
        for source, tested in (("GE", "GE"), ("GE", "SIEMENS"), ("SIEMENS", "SIEMENS"), ("SIEMENS", "GE")):
            of_row = table[(table["vendor"] == source) & (table["family"] == row["mask"])]
            at_rate = of_row[(of_row["sampling_rate"] - Fraction(row["nominal rate"].split()[0])).abs() < 1e-3]
            name = "test_in_domain" if source == tested else "test_cross_domain"
            assert row[f"{source} tested on {tested}"].startswith(f"{at_rate.iloc[0][name]:.3f} [")
    for vendor, computed in analysis.vendors.items():
        selection = computed.selection
        chosen = [row for row in shown if vendor in row["chosen for"]]
        assert [row["nominal rate"] for row in chosen] == [rate_words(selection.configuration["sampling_rate"])]


def test_an_option_that_varies_has_its_filter_its_axis_and_its_column(tmp_path):
    folder = write_run(tmp_path, rates=(1.0,), seeds=(0,), masks=("gumbel",), patients=12, source=("GE",))
    temperatures = [0.5 + step / 4 for step in range(12)]
    for step, temperature in enumerate(temperatures):
        config = TrialConfig("GE", (2 + 2 * step) / 32, temperature=temperature)
        write_trial(folder, make_cohort(("GE", "SIEMENS"), 12, 6), config)
    html = analyse(tmp_path).report.read_text()
    assert re.search(r'name="from" [^>]*placeholder="0.5"', html)  # too many for boxes
    assert re.search(r'name="to" [^>]*placeholder="3.25"', html)
    assert 'id="parallel-GE"' in html
    head, rows = re.search(
        r'<table id="source-table"><thead>(.*?)</thead>(.*?)</table>', html, flags=re.DOTALL
    ).groups()
    assert re.findall(r"<button[^>]*>(.*?)</button>", head)[:3] == ["mask", "temperature", "nominal rate"]
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr.*?</tr>", rows, flags=re.DOTALL)]
    assert [row[1] for row in cells] == [f"{value:g}" for value in temperatures] + [""]  # none at full sampling


def test_the_gallery_shows_one_trial_a_rate_and_family_largest_first(analysis):
    shown = gallery(analysis, "GE")
    families = ["full sampling", "gumbel", "gumbel", "lowpass", "lowpass"]
    assert [(p.family, p.rate) for p in shown] == list(zip(families, [1, 0.25, 0.0625, 0.25, 0.0625]))
    assert all(p.seed == 0 for p in shown)
    assert sum(p.chosen for p in shown) == 1
    assert all(p.probability is None for p in shown if p.family == "lowpass")


def test_the_terminal_says_the_choice_and_whose_labels(analysis):
    console = Console(record=True, width=80, file=io.StringIO())
    print_analysis(analysis, console)
    text = " ".join(console.export_text().split())
    for selection in (computed.selection for computed in analysis.vendors.values()):
        assert f"{of_kspace(selection.rate)} by the rule" in text
        assert selection.rate < 1
        for domain in ("in_domain", "cross_domain"):
            low, high = (selection.values[f"difference_{domain}_{end}"] for end in ("low", "high"))
            assert f"[{low:+.3f}, {high:+.3f}]" in text
        assert f"{selection.not_worse['cross_domain']:.2f} cross-domain" in text
    assert text.count("90 % interval of the rate") == 2
    assert "report.html" in text
    assert "source-validation" in text
    assert "…" not in text


def test_a_vendor_named_like_a_tag_stays_text(tmp_path):
    tagged, few = "<b>GE", {"seeds": (0,), "masks": ("gumbel",), "patients": 12}
    write_run(tmp_path, vendors=(tagged, "SIEMENS"), rates=(0.5, 1.0), source=(tagged,), **few)
    text = analyse(tmp_path).report.read_text()
    body = text[text.index("<body>") :]
    assert "<b>GE" not in body
    assert "&lt;b&gt;GE" in body


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('<a href="https://x.example">gumbel</a>', '&lt;a href="https://x.example">gumbel&lt;/a>'),
        ("<A HREF='x'>", "&lt;A HREF='x'>"),
        ("<br>two<br><b>three</b><extra></extra>", "<br>two<br><b>three</b><extra></extra>"),
        ("<brx onclick=1>", "&lt;brx onclick=1>"),
    ],
)
def test_a_text_of_a_figure_is_no_link(text, shown):
    figure = go.Figure(go.Scatter(x=[text], y=[-0.5], name=text, text=[text], customdata=[[text]], hovertemplate=text))
    figure.update_layout(xaxis={"title": {"text": text}, "ticktext": [text]})
    drawn = json.loads(to_json(figure))
    trace = drawn["data"][0]
    assert [*trace["x"], trace["name"], *trace["text"], *trace["customdata"][0]] == [shown] * 4
    assert trace["hovertemplate"] == drawn["layout"]["xaxis"]["title"]["text"] == shown
    assert trace["y"] == [-0.5]


def test_skipped_files_are_counted_and_not_named(html):
    assert "truncated" in html
    assert "bad/1.dcm" not in html


def test_png_decodes_to_the_image():
    image = np.arange(6, dtype=np.uint8).reshape(2, 3) * 40
    kind, text = data_uri(image).split(",")
    assert kind == "data:image/png;base64"
    data = base64.b64decode(text)
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">IIBB", data[16:26]) == (3, 2, 8, 0)  # 8 bits, grey
    assert np.array_equal(unpacked(data), image)
    with pytest.raises(ValueError, match="uint8"):
        data_uri(image.astype(float))


def unpacked(data):
    """The rows of a grey PNG of 8 bits, by ISO/IEC 15948: IDAT inflated, each row's filter undone."""
    width, height = struct.unpack(">II", data[16:24])
    packed, at = b"", 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        packed += data[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += length + 12
    raw = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(height, width + 1).astype(int)
    rows = np.zeros((height + 1, width + 1), int)  # a row and a column of zeros before the image
    for y in range(height):
        for x in range(width):
            left, above, corner = rows[y + 1, x], rows[y, x + 1], rows[y, x]
            paeth = min((left, above, corner), key=lambda value: abs(left + above - corner - value))
            predicted = (0, left, above, (left + above) // 2, paeth)[raw[y, 0]]
            rows[y + 1, x + 1] = (raw[y, x + 1] + predicted) % 256
    return rows[1:, 1:]
