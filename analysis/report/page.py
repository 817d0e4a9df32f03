"""A self-contained HTML page from the templates beside this file. They escape every text; nothing is fetched."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, ClassVar, NamedTuple, Protocol

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from analysis.report.packed import packed, packed_library
from analysis.report.parts import Part, slug
from analysis.results.json_values import json_values

SCRIPTS = ("report.js", "filters.js", "knob.js", "trial.js", "glossary.js")
DIGITS = 5  # decimals of the numbers that a script reads


class Notice(Protocol):
    """What stands below the title of a page that follows a run, and the script that belongs to it."""

    template: ClassVar[str]  # a file of analysis/report/templates, which meets the notice under the name ``live``
    script: ClassVar[str]  # a file of analysis/report/assets


@dataclass(frozen=True)
class Live:
    """The notice of a page that loads itself again, for a run that is being watched."""

    seconds: int
    counts: str  # how the trials stand, in words

    template: ClassVar[str] = "live.html"
    script: ClassVar[str] = "live.js"


class RenderedSection(NamedTuple):
    """A section as it stands on the page."""

    title: str
    body: Markup


def render(parts: Iterable[Part]) -> Markup:
    """Parts, one below the other, as HTML; empty where there is nothing to draw."""
    return Markup(ENVIRONMENT.get_template("parts.html").render(parts=list(parts)).strip())


def render_page(
    title: str, sections: Sequence[RenderedSection], plotly: str, live: Notice | None = None, mark: str = ""
) -> str:
    """Sections in order -> the whole page; plotly.js is embedded once, packed, and nothing is fetched.

    The first section is open, the others are folded. ``live`` is the notice of a page that follows a run; ``mark`` is
    written across a saved figure.
    """
    names = SCRIPTS if live is None else (*SCRIPTS, live.script)
    return ENVIRONMENT.get_template("page.html").render(
        title=title,
        sections=sections,
        live=live,
        mark=mark,
        style=asset("report.css"),
        scripts=[script(name) for name in names],
        plotly=packed_library(plotly),
    )


def asset(name: str) -> Markup:
    """A style or script that ships beside this file; it is trusted as it is."""
    return Markup(files("analysis.report").joinpath("assets", name).read_text(encoding="utf-8"))


def script(name: str) -> Markup:
    """A script as it stands on the page: its names are its own."""
    return Markup(f"(() => {{\n{asset(name)}}})();")


def in_script(values: Any) -> Markup:
    """Values, or JSON text, for a <script type="application/json">; no character of them can end the element."""
    text = values if isinstance(values, str) else json.dumps(json_values(values, DIGITS), separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("analysis.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["slug"] = slug
    environment.filters["in_script"] = in_script
    environment.filters["packed"] = packed
    return environment


ENVIRONMENT = _environment()
