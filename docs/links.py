"""For the site: a page that another page names in code, `docs/results.md`, becomes a link to it."""

import re
from pathlib import Path

PAGE = re.compile(r"(?<!\[)`docs/(\w+\.md)`")


def on_page_markdown(markdown: str, **_: object) -> str:
    """MkDocs calls this with the text of every page."""
    return PAGE.sub(_link, markdown)


def _link(found: re.Match[str]) -> str:
    name = found[1]
    return f"[{name}]({name})" if (Path(__file__).parent / name).exists() else found[0]
