"""report.html in a real browser: drawn, filtered, turned, sorted, saved; nothing fetched, nothing in the console."""

import csv
import re
import shutil
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from analysis import analyse
from analysis.read.trial_arrays import mask
from analysis.report.report import write_report
from synthetic_run import write_run
from tune_ks.core.config import TrialConfig
from tune_ks.core.rate_words import rate_tick, rate_words

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 300_000  # milliseconds that a busy machine has for a step
OF_THE_DRIVER = re.compile(r"GL Driver Message")  # of parallel coordinates drawn without a graphics card


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Two temperatures of the learned mask beside low-pass, one failed trial."""
    root = tmp_path_factory.mktemp("browser") / "run"
    folder = write_run(root, rates=(0.0625, 0.125, 0.25, 0.5, 1.0), seeds=(0,), patients=12)
    warm = root.parent / "warm"
    write_run(
        warm, rates=(0.0625, 0.125, 0.25, 0.5, 0.75), seeds=(0,), masks=("gumbel",), patients=12, mask_lr_multiplier=1
    )
    for trial in sorted((warm / "trials").iterdir()):
        shutil.copytree(trial, root / "trials" / trial.name)
    for record in folder.records():
        folder.write_record(replace(record, facts={"side": 32, "occupied_share": 0.5}))
    cohort = pd.read_csv(folder.cohort_csv)
    cohort.assign(spacing_mm=0.8).to_csv(folder.cohort_csv, index=False)
    folder.write_failure(TrialConfig("GE", 0.3), "the loss became NaN in epoch 2")
    external = "key,vendor,images,patients,auc\n" + f"{folder.keys()[0]},PHILIPS,40,20,0.61\n"
    (root / "external").mkdir()
    (root / "external" / "other.csv").write_text(external)
    return analyse(root)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield launched
        launched.close()


class Heard:
    """What a page says and asks for while it is open."""

    def __init__(self, page):
        self.said, self.asked = [], []
        page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        page.on("request", lambda request: self.asked.append(request.url))

    def quiet(self):
        return not [text for text in self.said if not OF_THE_DRIVER.search(text)]

    def outside(self):
        return [url for url in self.asked if not url.startswith(("file:", "data:", "blob:"))]


def opened(browser, path, **context):
    page = browser.new_context(**context).new_page()
    page.set_default_timeout(PATIENCE)
    page.heard = Heard(page)
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready]")
    return page


DRAWN = "[...document.querySelectorAll('.plot[data-drawn]')].map((plot) => plot.id)"


def unfolded(page):
    """The page with every fold open and drawn, but for the figures that wait until the reader comes near."""
    page.drawn_at_first = page.evaluate(DRAWN)
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    page.wait_for_function(
        "[...document.querySelectorAll('.plot')].every((p) => p.dataset.drawn || p.closest('[data-webgl]'))"
    )
    return page


@pytest.fixture(scope="module")
def page(browser, run):
    return unfolded(opened(browser, run.report, viewport={"width": 1280, "height": 900}))


def test_only_the_first_screen_is_drawn_at_first(page):
    kinds = ("pareto", "curves-test")
    assert sorted(page.drawn_at_first) == sorted(f"{kind}-{name}" for kind in kinds for name in ("GE", "SIEMENS"))


def test_every_figure_is_drawn_and_nothing_is_fetched(page):
    plots = page.query_selector_all(".plot")
    names = {plot.get_attribute("id").split("-")[0] for plot in plots}
    named = {"pareto", "optimal", "curves", "profile", "masks", "training", "parallel", "operating", "reliability"}
    assert names >= named  # importance: where there is any
    assert len(plots) >= 18
    for plot in page.query_selector_all("[data-webgl] .plot"):  # drawn when the reader comes near
        plot.scroll_into_view_if_needed()
        page.wait_for_selector(f"#{plot.get_attribute('id')}[data-drawn]")
    page.evaluate("window.scrollTo({ top: 0, behavior: 'instant' })")
    for plot in plots:
        assert plot.get_attribute("data-drawn") == "yes", plot.text_content()
        assert plot.get_attribute("aria-label")
        assert plot.query_selector("svg.main-svg, .parcoords")
    assert page.heard.asked
    assert page.heard.outside() == []
    assert page.heard.quiet(), page.heard.said


def test_the_rate_axis_switches_to_other_units_and_back_and_no_point_moves(page):
    plot = page.query_selector("#curves-test-GE")
    plot.scroll_into_view_if_needed()
    seen = {}
    for label in ("1/mm", "band", "rate"):
        plot.query_selector(f".updatemenu-button:has-text('{label}')").click()
        page.wait_for_timeout(50)
        title = plot.query_selector(".xtitle").text_content()
        ticks = [tick.text_content() for tick in plot.query_selector_all(".xtick")]
        x = page.evaluate("(plot) => plot.data.map((trace) => trace.x)", plot)
        seen[label] = (title, ticks, x)
    assert seen["1/mm"][0] == "k_max of as many lines, 1/mm"
    assert seen["1/mm"][1] == ["0.05", "0.1", "0.2", "0.5"]  # the highest is 1 / (2 x 0.8 mm) = 0.625
    assert seen["band"][1] == ["0.2", "0.5", "1", "2"]  # 2: the band is half of the lines
    assert seen["rate"][:2] == ("realised rate (share of k-space, 1 / R)", ["1/16", "1/8", "1/4", "1/2", "1"])
    assert seen["1/mm"][2] == seen["band"][2] == seen["rate"][2]
    inside = """(plot) => [...plot.querySelectorAll('.updatemenu-button')].every((button) => {
        const a = button.getBoundingClientRect(), b = plot.getBoundingClientRect();
        return a.left >= b.left && a.right <= b.right && a.bottom <= b.bottom;
    })"""
    assert page.evaluate(inside, plot)
    assert page.heard.quiet(), page.heard.said


def test_no_legend_lies_on_an_axis_title_or_outside_its_figure(page):
    overlaps = """() => [...document.querySelectorAll('.plot')].flatMap((plot) => {
        const legend = plot.querySelector('.legend');
        if (!legend) return [];
        const a = legend.getBoundingClientRect(), whole = plot.getBoundingClientRect();
        const hits = [...plot.querySelectorAll('.xtitle, .ytitle, .plotclip, .xtick text')].filter((e) => {
            const b = e.getBoundingClientRect();
            return b.width && a.left < b.right - 1 && b.left < a.right - 1
                && a.top < b.bottom - 1 && b.top < a.bottom - 1;
        });
        return hits.length || a.right > whole.right + 1 || a.top < whole.top - 1 ? [plot.id] : [];
    })"""
    assert page.evaluate(overlaps) == []


def shown_points(page):
    return page.evaluate(
        """() => [...document.querySelectorAll('[id^=pareto-]')].filter((p) => p.data && p.offsetParent)
        .flatMap((p) => p.data.filter((t) => t.meta && t.meta.points === 'trial'))
        .flatMap((t) => t.y.filter((y) => y !== null)).length"""
    )


def test_filters_hide_vendors_families_and_temperatures(page, run):
    trials, form = run.run.trials, page.locator("#pareto-filters")
    said = form.locator("output")
    assert shown_points(page) == len(trials) == 28
    assert said.inner_text() == "28 of 28 trials shown"
    form.get_by_label("lowpass").uncheck()
    kept = trials[(trials["mask"] != "lowpass") | trials["full"]]
    assert shown_points(page) == len(kept) < len(trials)
    form.get_by_label("SIEMENS").uncheck()
    kept = kept[kept["vendor"] == "GE"]
    assert not page.locator("#pareto-SIEMENS").is_visible()
    assert shown_points(page) == len(kept)
    form.get_by_label("1", exact=True).uncheck()  # the one temperature of this run
    assert shown_points(page) == kept["full"].sum() == 1
    form.get_by_text("Show all").click()
    page.wait_for_function("document.querySelector('#pareto-filters output').value.startsWith('28')")
    assert shown_points(page) == len(trials)
    assert page.locator("#pareto-SIEMENS").is_visible()


ROLES = """() => Object.fromEntries(document.getElementById('pareto-GE').data.filter((t) => t.meta?.role)
    .map((t) => [t.meta.role, { x: [...t.x], y: [...t.y], text: t.text ? [...t.text] : [] }]))"""


def rows_of(page, name):
    return page.evaluate(f"[...document.querySelectorAll('#{name} tbody tr')].filter((row) => !row.hidden).length")


def test_front_star_and_tables_follow_the_filters_and_come_back(page, run):
    form = page.locator("#pareto-filters")
    said = form.locator("output")
    whole = page.evaluate(ROLES)
    assert {"front", "star"} <= set(whole)
    form.get_by_label("gumbel").uncheck()
    alone = page.evaluate(ROLES)
    computed = run.vendors["GE"]
    table = computed.configurations
    lowpass = table[(table["family"] == "lowpass") | table["full"].astype(bool)]
    by_hand = non_dominated(lowpass[[f"{computed.split}_in_domain", f"{computed.split}_cross_domain"]].to_numpy())
    np.testing.assert_allclose(sorted(zip(alone["front"]["x"], alone["front"]["y"])), by_hand)
    (chosen,) = [s for s in computed.others if s.family == "lowpass" and s.rule == run.rule and not s.held_out]
    assert alone["star"]["text"] == [rate_tick(chosen.rate)]
    assert "star are of lowpass alone" in said.inner_text()
    trials = run.run.trials
    kept = trials[(trials["mask"] == "lowpass") | trials["full"]]
    assert 0 < rows_of(page, "trials") == len(kept) < len(trials)
    rows = run.configurations
    assert rows_of(page, "configurations") == ((rows["family"] == "lowpass") | rows["full"].astype(bool)).sum()
    assert f"{len(kept)} of {len(trials)} rows" in page.locator(".filtered").all_text_contents()[-1]
    form.get_by_label("lowpass").uncheck()  # full sampling alone: no subset of the page
    assert "are not drawn" in said.inner_text()
    assert all(line["x"] == [] for line in page.evaluate(ROLES).values())
    form.get_by_text("Show all").click()
    page.wait_for_function("document.querySelector('#pareto-filters output').value === '28 of 28 trials shown'")
    assert page.evaluate(ROLES) == whole
    assert rows_of(page, "trials") == len(trials)


def non_dominated(points):
    """The plain definition: no other point is at least as good in both and better in one; by in-domain metric."""
    front = []
    for point in points:
        beaten = [(other >= point).all() and (other > point).any() for other in points]
        if not any(beaten):
            front.append(tuple(point))
    return sorted(front)


def test_every_trial_says_rate_temperature_seed_and_key(page, run):
    texts = page.evaluate(
        "() => [...document.querySelectorAll('[id^=pareto-]')].filter((p) => p.data)"
        ".flatMap((p) => p.data.filter((t) => t.meta && t.meta.points === 'trial').flatMap((t) => t.text))"
    )
    assert len(texts) == len(run.run.trials)
    for row in run.run.trials.itertuples():
        (text,) = [t for t in texts if row.key in t]
        assert f"rate {rate_words(row.realised_rate)}" in text
        assert f"seed {row.seed}" in text
        assert "temperature" in text


PANEL = """() => ({ title: document.querySelector('dialog.trial h2').textContent,
    facts: [...document.querySelectorAll('.trial-body dl:first-child dd')].map((e) => e.textContent),
    code: document.querySelector('.trial pre').textContent, curve: document.querySelector('.trial-curve').data,
    mask: document.querySelector('.trial canvas').ariaLabel, width: document.querySelector('.trial canvas').width })"""


def clicked_point(page, curve):
    """Click the middle of the first point of one trace of the first Pareto plot, in the browser's own way."""
    place = page.evaluate(
        """(kind) => { const plot = document.getElementById('pareto-GE'); plot.scrollIntoView({ behavior: 'instant' });
        const trace = plot.data.findIndex((t) => t.meta?.points === kind);
        const { xaxis, yaxis } = plot._fullLayout, box = plot.getBoundingClientRect();
        return { x: box.left + xaxis._offset + xaxis.c2p(plot.data[trace].x[0]),
          y: box.top + yaxis._offset + yaxis.c2p(plot.data[trace].y[0]) } }""",
        curve,
    )
    page.mouse.move(place["x"], place["y"])
    page.mouse.click(place["x"], place["y"])
    page.wait_for_selector("dialog.trial[open] .trial-curve svg")


def test_a_click_on_a_point_opens_its_trial_and_escape_closes_it(page, run):
    clicked_point(page, "trial")
    panel = page.evaluate(PANEL)
    key = panel["title"].removeprefix("Trial ")
    record = run.run.records[key]
    assert page.evaluate("location.hash") == f"#trial-{key}"
    assert f"{record.realised_rate:.3f} realised" in " ".join(panel["facts"])
    assert f"export RUN --key {key} --into DIR" in panel["code"]
    losses = next(trace["y"] for trace in panel["curve"] if trace["name"] == "loss")
    assert losses == pytest.approx([epoch["loss"] for epoch in record.history], abs=1e-4)
    assert panel["width"] == 32
    assert panel["mask"].startswith(f"{mask(run.run.root, key).sum()} of 32 k-space lines kept")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog.trial", state="hidden")
    assert page.evaluate("[location.hash, document.activeElement.id]") == ["", "pareto-GE"]
    assert page.heard.quiet(), page.heard.said


def test_a_key_in_the_table_opens_its_trial_by_keyboard_and_the_focus_returns(page, run):
    link = page.locator("#trials tbody a").first
    link.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog.trial[open] .trial-curve svg")
    key = link.inner_text()
    assert page.locator("dialog.trial h2").inner_text() == f"Trial {key}"
    assert page.evaluate("document.querySelector('dialog.trial').contains(document.activeElement)")
    page.get_by_role("button", name="Close", exact=True).click()
    page.wait_for_selector("dialog.trial", state="hidden")
    assert page.evaluate("[location.hash, document.activeElement.textContent]") == ["", key]
    other = next(name for name in run.run.records if name != key)
    page.evaluate("(name) => { location.hash = `trial-${name}`; }", other)
    page.wait_for_selector(f"dialog.trial[open] h2:has-text('{other}')")
    page.evaluate("history.back()")
    page.wait_for_selector("dialog.trial", state="hidden")


def knob_state(page):
    return page.evaluate(
        """() => { const k = document.getElementById('knob-GE');
        return { name: k.querySelector('output').value, mask: k.querySelector('img.mask').src,
        image: k.querySelector('img.sampled').src, full: k.querySelector('.two img').src,
        in: k.querySelector('[data-domain=in] span').textContent,
        cross: k.querySelector('[data-domain=cross] span').textContent,
        profile: document.getElementById('profile-GE').data[1].y.join() } }"""
    )


def test_the_knob_moves_mask_image_and_both_aucs_together(page, run):
    slider = page.locator("#knob-GE input[type=range]")
    slider.focus()
    page.keyboard.press("Home")
    states = [knob_state(page)]
    for _ in range(int(slider.get_attribute("max"))):
        page.keyboard.press("ArrowRight")
        states.append(knob_state(page))
    of_vendor = run.configurations[run.configurations["vendor"] == "GE"]
    shown = of_vendor[(of_vendor["family"] == "gumbel") | of_vendor["full"]].drop_duplicates("sampling_rate")
    assert len(states) == len(shown) == 6
    for name in ("name", "mask", "profile", "in", "cross", "image"):
        assert len({state[name] for state in states}) >= len(states) - (name == "image"), name
    assert len({state["full"] for state in states}) == 1
    for state in states:
        rate = float(Fraction(re.search(r"rate ([0-9./]+)", state["name"])[1]))
        near = of_vendor[(of_vendor["realised_rate"] - rate).abs() < 1e-3]
        written = float(re.search(r"AUC ([0-9.]+) \[", state["in"])[1])
        assert any(abs(written - auc) < 6e-4 for auc in near["test_in_domain"])
    assert "full sampling" in states[-1]["name"]


def saved(page, name):
    """The rows of a table's CSV."""
    with page.expect_download() as download:
        page.locator(f'button[data-of="{name}"]').click()
    assert download.value.suggested_filename == f"{name}.csv"
    with open(download.value.path(), newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_source_studys_table_sorts_by_auc_and_saves_as_csv(page, run):
    table = page.locator("#source-table")
    heads = [cell.inner_text().strip(" ▲▼") for cell in table.locator("th").all()]
    column = heads.index("GE tested on SIEMENS")
    table.locator("th button").nth(column).click()
    cells = [text.split()[0] for text in table.locator(f"tbody td:nth-child({column + 1})").all_inner_texts()]
    assert cells == sorted(cells)
    assert len(set(cells)) > 5
    rows = saved(page, "source-table")
    assert [row["GE tested on SIEMENS"].split()[0] for row in rows] == cells  # as it stands on the page
    assert {row["chosen for"] for row in rows} > {""}


def test_tables_sort_by_number_and_save_as_csv(page, run):
    table = page.locator("#trials")
    heads = [cell.inner_text().strip(" ▲▼") for cell in table.locator("th").all()]
    column = heads.index("realised rate")
    head = table.locator("th").nth(column)
    for direction in ("ascending", "descending"):
        head.locator("button").focus()
        page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") == direction
        shown = table.locator(f"tbody td:nth-child({column + 1})").all_inner_texts()
        rates = [Fraction(text.split()[0]) for text in shown]  # as 1/8 (R = 8)
        assert rates == sorted(rates, reverse=direction == "descending")
    rows = saved(page, "trials")
    assert {row["key"] for row in rows} == set(run.run.trials["key"])
    known = run.run.trials.set_index("key")["test_in_domain"]
    assert all(abs(float(row["test in-domain"]) - known[row["key"]]) < 1e-5 for row in rows)


@pytest.fixture(scope="module")
def phone(browser, run):
    return unfolded(opened(browser, run.report, viewport={"width": 390, "height": 850}, color_scheme="dark"))


def test_the_keyboard_reaches_the_choice_and_every_control(phone):
    phone.keyboard.press("Tab")
    assert phone.evaluate("document.activeElement.className") == "skip"
    assert phone.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    phone.keyboard.press("Enter")
    assert phone.evaluate("location.hash") == "#main"
    reachable = phone.evaluate(
        "() => [...document.querySelectorAll('input, button, select, summary, .scroll')].filter((e) => e.offsetParent)"
        ".map((e) => e.tabIndex)"
    )
    assert len(reachable) > 20
    assert all(index >= 0 for index in reachable)


def numbers(colour):
    return [int(number) for number in re.findall(r"\d+", colour)[:3]]


def test_a_narrow_dark_page_fits_then_a_wide_one_then_a_light_one(phone):
    title = "getComputedStyle(document.querySelector('#pareto-GE .xtitle')).fill"
    # parallel axes scroll within their figure
    outside = """() => [...document.querySelectorAll('figure:not([data-webgl]) .plot')].filter((p) =>
        p.getBoundingClientRect().right > innerWidth + 1
        || p.querySelector('svg')?.getBoundingClientRect().right > innerWidth + 1).map((p) => p.id)"""
    tops = "['GE', 'SIEMENS'].map((v) => document.getElementById('pareto-' + v).getBoundingClientRect().top)"
    for width in (390, 1280):
        phone.set_viewport_size({"width": width, "height": 850})
        assert phone.evaluate("document.documentElement.scrollWidth") <= width
        first, second = phone.evaluate(tops)
        assert (abs(first - second) < 2) == (width > 700)
        phone.wait_for_timeout(500)  # plotly waits before it follows a new size
        phone.wait_for_function(f"({outside})().length === 0")
        assert phone.evaluate(outside) == []
    assert min(numbers(phone.evaluate(title))) > 180
    assert max(numbers(phone.evaluate("getComputedStyle(document.body).backgroundColor"))) < 60
    phone.emulate_media(color_scheme="light")
    phone.wait_for_function(f"Math.max(...{title}.match(/\\d+/g).slice(0, 3).map(Number)) < 90")
    assert phone.heard.quiet(), phone.heard.said


def test_a_figure_saves_itself_as_svg_for_paper_whatever_the_page_looks_like(phone):
    phone.emulate_media(color_scheme="dark")
    with phone.expect_download() as download:
        phone.locator('button[data-of="pareto-GE"]').click()
    assert download.value.suggested_filename == "pareto-GE.svg"
    drawn = download.value.path().read_text()
    assert "<svg" in drawn[:200]
    fills = {tuple(numbers(fill)) for fill in re.findall(r"<text[^>]*fill: (rgb\([^)]*\))", drawn)}
    assert fills == {(28, 36, 48)}
    assert re.search(r'<svg[^>]*width="720" height="480"', drawn)  # a screen of 390 px
    assert "Pareto front" in drawn
    assert "Trained on GE" in drawn


def test_a_word_is_explained_by_pointer_and_keyboard_once_a_section(phone):
    phone.set_viewport_size({"width": 390, "height": 850})
    twice = """() => [...document.querySelectorAll('.of-vendor, section')].filter((part) => {
        const own = [...part.querySelectorAll('dfn')].filter((word) => word.closest('.of-vendor, section') === part);
        return new Set(own.map((word) => word.dataset.term)).size < own.length;
    }).length"""
    assert phone.evaluate(twice) == 0
    words = phone.locator(".verdict dfn")
    assert {"in-domain", "cross-domain", "r"} <= {text.lower() for text in words.all_text_contents()}
    box = phone.locator(".meaning")
    assert not box.is_visible()
    for word in (words.first, phone.locator("th button[data-term]").first):
        meaning = phone.locator(f"#{word.get_attribute('aria-describedby')}").text_content()
        word.focus()
        assert box.text_content() == meaning != ""
        assert box.is_visible()
        phone.keyboard.press("Escape")
        assert not box.is_visible()
        word.evaluate("(word) => word.blur()")
        word.hover()
        assert box.text_content() == meaning
        assert box.is_visible()
        assert phone.evaluate("document.documentElement.scrollWidth") <= 390
        phone.mouse.move(0, 0)
        assert not box.is_visible()


def test_captions_do_not_touch_and_no_legend_is_larger_than_its_axes_on_a_telephone(phone):
    phone.set_viewport_size({"width": 390, "height": 850})
    phone.wait_for_timeout(500)  # plotly waits before it follows a new size
    touching = """() => [...document.querySelectorAll('figcaption')].filter((caption) => {
        const edge = (name) => caption.querySelector(name)?.getBoundingClientRect();
        const [about, button] = [edge('.about'), edge('button')];
        return about && button && about.right > button.left - 8 && about.bottom > button.top;
    }).length"""
    assert phone.evaluate(touching) == 0
    crowded = """() => [...document.querySelectorAll('.plot')].filter((plot) => {
        const edge = (name) => plot.querySelector(name)?.getBoundingClientRect();
        const [legend, axes] = [edge('.legend'), edge('.nsewdrag')];
        return legend && axes && legend.height > axes.height;
    }).map((plot) => plot.id)"""
    assert phone.evaluate(crowded) == []


def test_axe_finds_nothing_serious_in_light_and_dark(page, phone):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    phone.emulate_media(color_scheme="dark")
    without_plots = {"exclude": [[".plot svg"]]}
    # every pixel of a word's ground is looked at, so only where each colour of words stands (all: test_contrast.py)
    coloured = {"include": [["#The-choice"], ["#The-choice-in-numbers"]], **without_plots}
    contrast = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
    others = {"rules": {"color-contrast": {"enabled": False}}}
    runs = ((page, without_plots, others, 25), (page, coloured, contrast, 1), (phone, coloured, contrast, 1))
    for shown, context, options, rules in runs:
        report = axe.Axe().run(shown, context=context, options=options | {"resultTypes": ["violations"]}).response
        assert len(report["passes"]) >= rules
        violations = [rule for rule in report["violations"] if rule["impact"] in ("serious", "critical")]
        assert [(rule["id"], [node["html"][:200] for node in rule["nodes"][:3]]) for rule in violations] == []


def fold(page):
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = false; })")


def test_a_telephone_sees_verdict_and_plot_and_an_address_opens_what_it_names(phone):
    phone.set_viewport_size({"width": 390, "height": 850})
    fold(phone)
    phone.evaluate("window.scrollTo({ top: 0, behavior: 'instant' })")
    edge = "(name) => document.querySelector(name).getBoundingClientRect()"
    assert phone.evaluate(f"({edge})('.verdict').bottom < ({edge})('#curves-test-GE').top")
    assert phone.evaluate(f"({edge})('#curves-test-GE').top") < 850  # its heading is on the first screen
    assert phone.evaluate(f"({edge})('.verdict .gauge').bottom") < 450  # the answer is a picture, at once
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    phone.evaluate("location.hash = '#reliability-GE'")
    phone.wait_for_selector("details.folded[open] #reliability-GE")
    assert phone.locator("details.folded[open]").count() == 1
    phone.evaluate("location.hash = '#All-trials'")
    phone.wait_for_selector("#All-trials details[open]")
    phone.locator("[data-unfold]").click()
    assert phone.locator("details.folded:not([open])").count() == 0
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    assert phone.heard.quiet(), phone.heard.said


PRINTED = """() => {
    const paper = document.body.getBoundingClientRect().right + 1;
    const cut = (name) => [...document.querySelectorAll(name)].filter((e) => e.getBoundingClientRect().right > paper);
    const heads = [...document.querySelectorAll('th')];
    return {
        heads: heads.length,
        named: heads.filter((e) => getComputedStyle(e, '::before').content === JSON.stringify(e.dataset.v)).length,
        folded: document.querySelectorAll('details:not([open])').length,
        plots: document.querySelectorAll('.plot').length,
        drawn: document.querySelectorAll('.plot[data-drawn]').length,
        cut: cut('table, .plot, .plot svg.main-svg, img, p').map((e) => e.id || e.outerHTML.slice(0, 80)),
        ink: getComputedStyle(document.querySelector('#pareto-GE .xtitle')).fill,
    };
}"""


def test_on_paper_all_is_open_drawn_in_dark_ink_and_not_cut_and_the_screen_comes_back(phone):
    phone.set_viewport_size({"width": 390, "height": 850})
    phone.emulate_media(color_scheme="dark")
    fold(phone)
    phone.wait_for_selector("html[data-read]")
    phone.evaluate(f"window.addEventListener('beforeprint', () => {{ window.printed = ({PRINTED})(); }})")
    assert phone.pdf(format="A4").startswith(b"%PDF")
    printed = phone.evaluate("window.printed")
    assert printed["heads"] == printed["named"] >= 50
    assert printed["folded"] == 0
    assert printed["plots"] == printed["drawn"] >= 18
    assert printed["cut"] == []
    assert max(numbers(printed["ink"])) < 90
    assert phone.locator("details[open]").count() == 0
    assert not phone.evaluate("'print' in document.documentElement.dataset")
    assert min(numbers(phone.evaluate("getComputedStyle(document.querySelector('#pareto-GE .xtitle')).fill"))) > 180
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    assert phone.heard.quiet(), phone.heard.said


@pytest.fixture(scope="module")
def watched(browser, tmp_path_factory):
    """The page of a run of Dice that is being watched: it loads itself again every five seconds."""
    root = tmp_path_factory.mktemp("watched") / "run"
    write_run(root, rates=(0.25, 1.0), seeds=(0,), masks=("gumbel",), patients=12, source=("GE",), metric="dice")
    analysis = analyse(root, report=False)
    return opened(browser, write_report(analysis, live=5), viewport={"width": 1280, "height": 600})


def test_a_watched_page_loads_itself_again_where_the_reader_was(watched):
    assert "2 finished, 0 failed, 0 not finished" in watched.locator(".live").inner_text()
    watched.evaluate("window.scrollTo({ top: 700, behavior: 'instant' }); window.old = true")
    watched.wait_for_function("window.old === undefined && document.documentElement.dataset.ready")
    assert abs(watched.evaluate("scrollY") - 700) < 2
    watched.locator(".live input").check()
    watched.evaluate("window.old = true")
    watched.wait_for_timeout(5500)
    assert watched.evaluate("window.old") is True
    assert watched.heard.outside() == []
    assert watched.heard.quiet(), watched.heard.said


def test_a_page_of_dice_says_dice_and_its_gauges_begin_at_zero(watched):
    watched.locator(".live input").check()  # it stays as it is
    watched.set_viewport_size({"width": 390, "height": 850})
    page = unfolded(watched)
    read = page.evaluate("""() => [...document.querySelectorAll('h1, h2, h3, p, td, th, a, summary, span, text, title')]
        .map((element) => element.textContent).join(' ')""")
    assert "Dice" in read
    assert not re.search(r"\bAUCs?\b", read)
    gauge = page.locator("#knob-GE [data-domain=in]")
    written = float(re.search(r"Dice ([0-9.]+) \[", gauge.locator("span").inner_text())[1])
    assert float(gauge.locator("b").evaluate("dot => parseFloat(dot.style.left)")) == pytest.approx(
        100 * written, abs=0.1
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.heard.outside() == []
    assert page.heard.quiet(), page.heard.said
