"""A self-contained HTML page: style, scripts, sections, tables, figures. All that comes from a file is escaped."""

import json
import math
from html import escape
from importlib.resources import files
from itertools import count
from typing import Any
from zlib import crc32

import pandas as pd

SCRIPTS = ("report.js", "filters.js", "knob.js")
RELOAD = "live.js"  # only in a page that is being watched
MANY = 24  # rows: a longer table scrolls in its own box
LONG, WIDE = 24, 72  # letters: a word that may break, a text that may wrap; one that gets a wide column


def page(title: str, sections: list[tuple[str, str]], plotly: str, live: str = "") -> str:
    """(heading, HTML) in order -> the whole page; plotly.js is embedded once, and nothing is fetched.

    ``live`` is the notice of a page that is being watched, and brings the script that reloads it.
    """
    shown = [(heading, body) for heading, body in sections if body]
    links = "".join(f'<li><a href="#{slug(heading)}">{escape(heading)}</a></li>' for heading, _ in shown)
    scripts = [asset(name) for name in (*SCRIPTS, *([RELOAD] if live else []))]
    body = "\n".join(f'<section id="{slug(h)}"><h2>{escape(h)}</h2>\n{html}\n</section>' for h, html in shown)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<link rel="icon" href="data:,">\n'
        f"<style>{asset('report.css')}</style>\n<script>{plotly}</script>\n"
        + "".join(f"<script>(() => {{\n{script}}})();</script>\n" for script in scripts)
        + f'</head>\n<body>\n<a class="skip" href="#main">Skip to the choice</a>\n'
        f'<header><h1>{escape(title)}</h1>{live}<nav aria-label="Sections"><ul>{links}</ul></nav></header>\n'
        '<noscript><p class="warning">Figures, sorting and the slider need JavaScript; texts and tables do not.</p>'
        f'</noscript>\n<main id="main" tabindex="-1">\n{body}\n</main>\n</body></html>\n'
    )


def asset(name: str) -> str:
    """A style or script that ships beside this file."""
    return files("analysis.report").joinpath("assets", name).read_text(encoding="utf-8")


def slug(text: str) -> str:
    """A text as an id: letters and digits, the rest as hyphens; beyond ASCII a checksum keeps two texts apart."""
    name = "-".join("".join(c if c.isascii() and c.isalnum() else " " for c in text).split()) or "unnamed"
    return name if text.isascii() else f"{name}-{crc32(text.encode()):08x}"


def as_script(values: Any, attributes: str = "") -> str:
    """Values, or JSON text, that a script of the page reads; no character of them can end the element."""
    text = values if isinstance(values, str) else json.dumps(plain(values), separators=(",", ":"))
    return f'<script type="application/json" {attributes}>{text.replace("<", chr(92) + "u003c")}</script>'


def plain(value: Any) -> Any:
    """Plain JSON values: NaN becomes null, floats are cut to 5 digits."""
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return round(value, 5) if math.isfinite(value) else None
    return value


def paragraph(text: str, kind: str = "") -> str:
    """Text, escaped, in a paragraph of a class; nothing for no text."""
    if not text:
        return ""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def heading(text: str) -> str:
    """A heading inside a section."""
    return f"<h3>{escape(text)}</h3>"


def panels(*parts: str) -> str:
    """Parts side by side where there is room, else below each other."""
    kept = [part for part in parts if part]
    return f'<div class="panels">{"".join(f"<div>{part}</div>" for part in kept)}</div>' if kept else ""


def figure(name: str, drawn: str, alt: str, height: int = 420, attributes: str = "", title: str = "") -> str:
    """A figure's JSON as a fragment that the page's script draws, with what it shows in words."""
    above = heading(title) if title else ""
    return (
        f'<figure {attributes}>{above}<div class="plot" id="{name}" role="img" aria-label="{escape(alt)}" '
        f'style="height:{height}px">{as_script(drawn)}</div><figcaption><p class="small">{escape(alt)}</p>'
        f'<button type="button" data-save="svg" data-of="{name}" aria-label="Save {escape(name)} as SVG">Save SVG'
        "</button></figcaption></figure>"
    )


def table(frame: pd.DataFrame, name: str, title: str = "", chosen: "pd.Series | None" = None) -> str:
    """A DataFrame as a table that sorts and saves as NAME.csv; missing is a dash; empty string for no rows.

    Numbers are shown to three decimals; the CSV has them whole. ``chosen`` marks rows.
    """
    if frame.empty:
        return ""
    numeric = {column: pd.api.types.is_numeric_dtype(frame[column]) for column in frame}
    head = "".join(
        f'<th scope="col" data-v="{escape(str(c).strip())}"{"" if numeric[c] else " class=text"}>'
        f'<button type="button">{escape(str(c))}</button></th>'
        for c in frame
    )
    marks = count() if chosen is None else iter(chosen.tolist())
    rows = "".join(
        f"<tr{' class=chosen' if chosen is not None and mark else ''}>"
        + "".join(_cell(value, numeric[c]) for c, value in zip(frame, row))
        + "</tr>\n"
        for row, mark in zip(frame.itertuples(index=False), marks)
    )
    label = escape(title or name.replace("-", " "))
    kind = "scroll tall" if len(frame) > MANY else "scroll"
    return (
        f'<div class="table-top">{f"<h3>{escape(title)}</h3>" if title else "<span></span>"}'
        f'<button type="button" data-save="csv" data-of="{name}" aria-label="Save {label} as CSV">Save CSV</button>'
        f'</div><div class="{kind}" tabindex="0" role="region" aria-label="{label}">'
        f'<table id="{name}"><thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table></div>'
    )


def number(value: float | None) -> str:
    """Three decimals, or a dash."""
    return "–" if value is None or math.isnan(value) else f"{value:.3f}"  # noqa: RUF001


def _cell(value: object, numeric: bool) -> str:
    if value is None or (not isinstance(value, (list, tuple)) and pd.isna(value)):
        return f'<td data-v=""{"" if numeric else " class=text"}>–</td>'  # noqa: RUF001
    if isinstance(value, float) and numeric:
        text = f"{value:.0f}" if value == int(value) and abs(value) > 1 else f"{value:.3f}"
        return f'<td data-v="{value:.6g}">{text}</td>'
    if numeric:
        return f"<td>{escape(str(value))}</td>"
    text = str(value)
    kind = "text near" if len(text) < LONG else "text wide" if len(text) > WIDE else "text"
    if max(map(len, text.split()), default=0) > LONG:
        kind = "text long"
    return f'<td class="{kind}">{escape(text)}</td>'
