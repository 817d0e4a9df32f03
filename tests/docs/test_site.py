"""The pages as a site: MkDocs builds them, and no link, anchor or page of the navigation leads nowhere."""

import re
from pathlib import Path

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

ROOT = Path(__file__).parents[2]


def build_site(folder, **settings):
    """Build the site into ``folder``; Abort where MkDocs warns of anything."""
    config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder), strict=True, **settings)
    config.plugins.on_startup(command="build", dirty=False)
    build(config)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    build_site(folder)
    return folder


def test_every_page_is_in_the_site(site):
    pages = {page.stem for page in (ROOT / "docs").glob("*.md")}
    assert {page.parent.name for page in site.glob("*/index.html")} >= pages - {"index"}


def test_a_page_named_in_code_is_a_link(site):
    assert re.search(r'<a href="\.\./recipe/">recipe\.md</a>', (site / "results/index.html").read_text())


def test_nothing_is_fetched_from_other_servers(site):
    for page in site.rglob("*.html"):
        assert not re.search(r'(?:src|rel="stylesheet" href)="https?://', page.read_text()), page


def test_a_link_that_leads_nowhere_stops_the_build(tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "index.md").write_text("[gone](gone.md)\n")
    with pytest.raises(Abort):
        build_site(tmp_path / "site", docs_dir=str(docs), nav=[{"Start": "index.md"}], hooks=[])
