"""A self-contained HTML page: one style, one script, sections, tables. Everything that comes from a file is escaped."""

from html import escape

import pandas as pd

STYLE = """
:root { color-scheme: light dark; --line: #8886; --soft: #8881; --warn: #b8860b; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 1240px; padding: 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
.warning { border-left: 4px solid var(--warn); padding: .3rem .8rem; margin: .4rem 0; background: var(--soft); }
.choice { font-size: 1.1rem; margin: .6rem 0; } .small { font-size: .85rem; opacity: .8; }
.figure { width: 100%; height: 520px; margin: 0; } .scroll { overflow-x: auto; max-height: 40rem; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { position: sticky; top: 0; background: Canvas; } td.text, th.text { text-align: left; white-space: normal; }
.gallery { display: grid; grid-template-columns: 9rem repeat(auto-fit, minmax(110px, 1fr)); gap: 4px; }
.gallery img { width: 100%; image-rendering: auto; display: block; } .gallery .chosen { font-weight: bold; }
"""


def page(title: str, sections: list[str], script: str) -> str:
    """Sections in order -> the whole page; ``script`` is embedded once, before them, and nothing is fetched."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'
        f"<style>{STYLE}</style>\n<script>{script}</script></head>\n<body>\n<h1>{escape(title)}</h1>\n"
        + "\n".join(section for section in sections if section)
        + "\n</body></html>\n"
    )


def section(title: str, *parts: str) -> str:
    """A heading and its parts; nothing at all when every part is empty."""
    body = "\n".join(part for part in parts if part)
    return f"<section><h2>{escape(title)}</h2>\n{body}\n</section>" if body else ""


def paragraph(text: str, kind: str = "") -> str:
    """Text, escaped, in a paragraph of a class."""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def figure(div: str, alt: str, height: int = 520) -> str:
    """A plotly fragment with what it shows in words."""
    return (
        f'<figure class="figure" style="height:{height}px" role="img" aria-label="{escape(alt)}">{div}</figure>'
        f'<p class="small">{escape(alt)}</p>'
    )


def table(frame: pd.DataFrame, name: str = "") -> str:
    """A DataFrame as an HTML table: numbers to three decimals, missing as a dash; empty string for no rows."""
    if frame.empty:
        return ""
    numeric = {column: pd.api.types.is_numeric_dtype(frame[column]) for column in frame}
    head = "".join(f"<th{'' if numeric[c] else ' class=text'}>{escape(str(c))}</th>" for c in frame)
    rows = "".join(
        "<tr>" + "".join(_cell(value, numeric[c]) for c, value in zip(frame, row)) + "</tr>\n"
        for row in frame.itertuples(index=False)
    )
    caption = f"<caption>{escape(name)}</caption>" if name else ""
    return f'<div class="scroll" tabindex="0"><table>{caption}<thead><tr>{head}</tr></thead>\n{rows}</table></div>'


def _cell(value: object, numeric: bool) -> str:
    if value is None or (not isinstance(value, (list, tuple)) and pd.isna(value)):
        text = "–"  # noqa: RUF001
    elif isinstance(value, float) and numeric:
        text = f"{value:.0f}" if value == int(value) and abs(value) > 1 else f"{value:.3f}"
    else:
        text = str(value)
    return f"<td{'' if numeric else ' class=text'}>{escape(text)}</td>"
