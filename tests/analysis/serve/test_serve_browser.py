"""The live front in a real browser: a list, a comparison, a report that follows its run, and notes."""

import shutil

import pytest

from analysis.serve.notes import NAME
from served import running
from synthetic_run import write_trial
from tune_ks.core.config import TrialConfig
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.tables import read_csv

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

PATIENCE = 300_000  # milliseconds that a busy machine has for a step
DRAWN = "() => [...document.querySelectorAll('.plot')].filter((plot) => plot.dataset.drawn).map((plot) => plot.id)"


@pytest.fixture
def page():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(PATIENCE)
        page.said, page.asked = [], []
        page.on("console", lambda message: page.said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: page.said.append(f"error: {error}"))
        page.on("request", lambda request: page.asked.append(request.url))
        yield page
        browser.close()


def fits(page, width):
    return page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_reader_lists_compares_reads_and_writes(page, small, tmp_path):
    """At 1280 px and light, then at 390 px and dark; the policy of the answers blocks nothing that a page needs."""
    for name in ("first", "second"):
        shutil.copytree(small, tmp_path / "runs" / name)
    with running(tmp_path / "runs") as client:
        client.server.site.seconds = 1
        page.goto(client.server.url)
        assert page.locator("#runs tbody tr").count() == 2
        page.get_by_label("compare first").check()
        page.get_by_label("compare second").check()
        page.get_by_text("Compare them").click()  # waits until both are analysed: the page loads itself again
        page.wait_for_selector("#compare-GE[data-drawn]")
        assert page.get_by_text("Both runs are of the same cohort").is_visible()
        assert fits(page, 1280)
        page.get_by_role("link", name="first").click()
        page.wait_for_selector("html[data-ready]")
        assert {"pareto-GE", "curves-test-GE"} <= set(page.evaluate(DRAWN))
        page.locator("#Notes summary").click()
        page.locator("#notes").fill("half the lines <i>suffice</i>")
        _add_a_trial(RunFolder(tmp_path / "runs" / "first"))
        page.get_by_text("there is something new").wait_for()  # what is being written is not lost
        page.get_by_text("Keep notes").click()
        page.wait_for_function("document.querySelector('.served').textContent.includes('first: 3 finished')")
        assert page.locator("#notes").input_value() == "half the lines <i>suffice</i>\n"
        page.set_viewport_size({"width": 390, "height": 850})
        page.emulate_media(color_scheme="dark")
        page.wait_for_selector("html[data-ready]")
        page.evaluate("window.old = true")
        (tmp_path / "runs" / "first" / NAME).write_text("by an editor")
        page.wait_for_function("window.old === undefined && document.documentElement.dataset.ready")
        assert page.locator("#notes").input_value() == "by an editor"
        assert page.locator("#Notes details").get_attribute("open") is not None  # as the reader left it
        assert fits(page, 390)
        page.get_by_role("link", name="all runs").click()
        page.wait_for_selector("#runs")
        assert fits(page, 390)
        assert page.locator("#runs tr", has_text="first").get_by_text("by an editor").count() == 1
        assert page.said == []
        assert {url for url in page.asked if not url.startswith((client.server.url, "data:", "blob:"))} == set()


def _add_a_trial(folder):
    write_trial(folder, read_csv(folder.cohort_csv), TrialConfig("GE", 0.5, mask="gumbel", temperature=1.0))
