import base64
import io
import re
import struct
import zlib
from html.parser import HTMLParser

import numpy as np
import pytest
from rich.console import Console
from synthetic_run import write_run

from analysis import analyse, print_analysis
from analysis.gallery import gallery
from analysis.png import data_uri, png

OUTSIDE = re.compile(r"^\s*(https?:)?//", re.IGNORECASE)


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    root = tmp_path_factory.mktemp("report") / "run"
    write_run(root, rates=(0.0625, 0.25, 1.0), seeds=(0, 1), patients=16)
    return analyse(root, epsilon=0.06)  # 0.25 is truly 0.03 below full sampling


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
def page(analysis):
    return Page(analysis.report.read_text())


def test_the_page_fetches_nothing(page, analysis):
    assert len(page.links) > 4
    assert not [link for link in page.links if OUTSIDE.match(link)]
    assert "@import" not in analysis.report.read_text().split("<script>")[0]


def test_plotly_is_embedded_once(page, analysis):
    assert analysis.report.read_text().count("Copyright 2012-20") == 1
    assert len(page.ids) == len(set(page.ids))
    assert {"pareto-GE", "curves-test-GE", "curves-val-SIEMENS", "masks-GE", "masks-SIEMENS", "knob-GE"} <= set(
        page.ids
    )


def test_every_image_has_a_text_and_they_can_be_left_out(page, analysis):
    shown = [image for image in page.images if "src" in image]  # the others are filled by the knob's script
    assert len(shown) >= 4 * 2
    assert all(image["alt"] for image in page.images)
    assert all(image["src"].startswith("data:image/png;base64,") for image in shown)
    without = Page(analyse(analysis.run.root, images=False).report.read_text())
    assert not [image for image in without.images if "src" in image]
    assert "Images were left out" in " ".join(without.text)


def test_every_trial_and_the_labels_seen_are_told(page, analysis):
    text = " ".join(page.text)
    assert all(key in text for key in analysis.run.records)
    assert text.count("no label of another vendor played a part") >= 4
    assert "acceleration" not in text.lower()
    assert "distinct rate" in text
    assert "truncated" in text
    assert "0123456789ab" in text


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
    for selection in analysis.selections.values():
        assert f"{selection.rate:.3f} of k-space" in text
        assert selection.rate < 1
        for domain in ("in_domain", "cross_domain"):
            low, high = (selection.values[f"difference_{domain}_{end}"] for end in ("low", "high"))
            assert f"[{low:+.3f}, {high:+.3f}]" in text
        assert f"cross-domain {selection.not_worse['cross_domain']:.2f}" in text
    assert text.count("90 % interval of the rate") == 2
    assert "report.html" in text
    assert "source-validation" in text
    assert "…" not in text


def test_a_vendor_named_like_a_tag_stays_text(tmp_path):
    write_run(tmp_path, vendors=("<b>GE", "SIEMENS"), rates=(0.5, 1.0), seeds=(0,), patients=12)
    text = analyse(tmp_path).report.read_text()
    body = text[text.index("<body>") :]
    assert "<b>GE" not in body
    assert "&lt;b&gt;GE" in body


def test_png_decodes_to_the_image():
    image = np.arange(6, dtype=np.uint8).reshape(2, 3) * 40
    data = png(image)
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", data[16:24]) == (3, 2)
    length = struct.unpack(">I", data[33:37])[0]
    rows = zlib.decompress(data[41 : 41 + length])
    assert rows == b"\0" + image[0].tobytes() + b"\0" + image[1].tobytes()
    assert base64.b64decode(data_uri(image).split(",")[1]) == data
    with pytest.raises(ValueError, match="uint8"):
        png(image.astype(float))
