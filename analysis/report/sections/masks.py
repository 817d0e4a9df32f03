"""The report's masks and images: the knob over the rates, the masks side by side, and the whole grid of images."""

import math
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from analysis.plots.common import SPLIT_WORDS, to_json
from analysis.plots.gallery import Picture, gallery
from analysis.plots.masks import plot_line_masks, plot_profile
from analysis.plots.profiles import profile
from analysis.read.configurations import FULL
from analysis.report.page import as_script, figure, heading, number, panels, paragraph, slug
from analysis.report.png import data_uri
from analysis.results import sentences
from analysis.results.compute import Analysis
from analysis.statistics.measures import Measure

LOOK = (
    "These are test scores of every rate: turn the knob to look, not to choose. Choosing the rate by them would be an "
    "oracle's choice, and its metric biased upward."
)


def masks_and_images(analysis: Analysis, images: bool = True) -> str:
    """Of each vendor: the knob, the masks by rate, the images; ``images=False`` leaves every patient's image out."""
    parts = []
    for vendor in analysis.vendors:
        shown = gallery(analysis, vendor, images)
        kept = _comparable(shown)
        known = [p for p in shown if p.mask is not None or p.preview is not None]
        if not known:
            continue
        parts.append(heading(f"Trained on {vendor}"))
        parts.append(knob(analysis, vendor, known, kept))
        parts.append(panels(*(_lines(vendor, shown, what) for what in ("probability", "mask"))))
        parts.append(_grid(analysis, vendor, kept))
    if not parts:
        return paragraph("No mask and no preview lies beside these records, so there is none to show.")
    if not images:
        parts.append(paragraph("Images were left out of this page on request.", "small"))
    return "".join(parts)


def knob(analysis: Analysis, vendor: str, shown: list[Picture], kept: list[Picture]) -> str:
    """One slider over a family's rates that moves mask, profile, images and scores together."""
    families = sorted({p.family for p in shown if p.family != FULL}) or [FULL]
    order = sorted(families, key=lambda name: not any(p.chosen and p.family == name for p in shown))
    states = {
        family: [
            _state(p, vendor, shown, kept, analysis.measure)
            for p in sorted((p for p in shown if p.family in (family, FULL)), key=lambda p: p.rate)
        ]
        for family in order
    }
    name = f"knob-{slug(vendor)}"
    choice = "".join(f'<option value="{escape(f)}">{escape(f)}</option>' for f in order)
    first = next((p for p in shown if p.mask is not None and not p.mask.all()), None)
    drawn = ""
    if first is not None:
        alt = "Share of k-space kept at each distance from DC: learned probability, exported mask, and low-pass at the "
        alt += "same rate."
        drawn = figure(
            f"profile-{slug(vendor)}", to_json(plot_profile(profile(first.mask, first.probability))), alt, 260
        )
    strips = (
        '<p class="small">inclusion probability, DC in the middle</p>'
        '<img class="strip probability" alt="inclusion probability">'
        '<p class="small">exported mask</p><img class="strip mask" alt="exported mask">'
    )
    gauges = "".join(
        f'<span class="{domain}">{word}</span><div class="{domain}" data-domain="{domain}"><div class="gauge">'
        f'<u title="full sampling"></u><i></i><b></b></div><span class="value"></span></div>'
        for domain, word in (("in", "in-domain"), ("cross", "cross-domain"))
    )
    return (
        f'<div class="knob" id="{name}" data-gauge="{analysis.measure.gauge:g}" role="group" '
        f'aria-label="Turn the sampling rate, trained on {escape(vendor)}">'
        f'<label>mask family <select>{choice}</select></label> <output aria-live="polite"></output>'
        f'<input type="range" min="0" max="{max(len(next(iter(states.values()))) - 1, 0)}" value="0" step="1" '
        f'aria-label="sampling rate">{as_script(states, "class=states")}'
        f"{panels(f'<div class=gauges>{gauges}</div>{strips}', drawn)}{_pairs(analysis, kept)}"
        f"{paragraph(sentences.whose_labels(analysis.vendors[vendor].selection, analysis.measure), 'seen')}"
        f"{paragraph(analysis.measure.words(LOOK), 'small')}</div>"
    )


def _state(
    picture: Picture, vendor: str, shown: list[Picture], kept: list[Picture], measure: Measure
) -> dict[str, Any]:
    full = next((p.values for p in shown if p.family == FULL), {})
    split = "val" if math.isnan(picture.in_domain) else "test"
    state: dict[str, Any] = {
        "name": f"{picture.family}, rate {picture.rate:.3f}{_counted(picture)}{', chosen' if picture.chosen else ''}",
        "chosen": picture.chosen,
        "in_domain": _scored(picture, full, split, "in_domain", measure),
        "cross_domain": _scored(picture, full, split, "cross_domain", measure),
    }
    if picture.mask is not None:
        known = picture.probability is not None and picture.probability.shape == picture.mask.shape
        found = profile(picture.mask, picture.probability)
        state |= {
            "mask": _strip(picture.mask),
            "probability": _strip(picture.probability) if known else None,
            "points": picture.mask.ndim == 2,
            "profile": {n: [round(float(v), 3) for v in values] for n, values in found._asdict().items()},
        }
    row = next((i for i, p in enumerate(kept) if p.key == picture.key), None)
    if row is not None:
        state["images"] = [_image_id(vendor, row, j) for j in range(len(picture.preview.row))]
    return state


def _counted(picture: Picture) -> str:
    if picture.mask is None:
        return ""
    unit = "lines" if picture.mask.ndim == 1 else "points"
    return f" ({int(picture.mask.sum())} of {picture.mask.size} {unit})"


def _scored(picture: Picture, full: dict[str, float], split: str, domain: str, measure: Measure) -> dict[str, Any]:
    name = f"{split}_{domain}"
    value, low, high = (picture.values.get(f"{name}{end}", math.nan) for end in ("", "_low", "_high"))
    at_full = full.get(name, math.nan)
    text = "not measured" if math.isnan(value) else f"{SPLIT_WORDS[split]} {measure.title} {value:.3f}"
    if not math.isnan(low):
        text += f" [{low:.3f}, {high:.3f}]"
    if not math.isnan(at_full) and picture.family != FULL:
        text += f"; full sampling {at_full:.3f}"
    return {"text": text, "value": value, "low": low, "high": high, "full": at_full}


def _strip(values: np.ndarray) -> str:
    """Values in [0, 1] as a grey image; lines are one row high, the page stretches it."""
    return data_uri(np.atleast_2d(np.round(values.astype(float) * 255)).astype(np.uint8))


def _comparable(shown: list[Picture]) -> list[Picture]:
    """The pictures that show the same images as the first."""
    kept = [p for p in shown if p.preview is not None and len(p.preview.row)]
    return [p for p in kept if p.preview.row.tolist() == kept[0].preview.row.tolist()]


def _lines(vendor: str, shown: list[Picture], what: str) -> str:
    drawn = plot_line_masks(shown, what)
    if drawn is None:
        return ""
    words = {"probability": "Inclusion probability", "mask": "Exported mask"}[what]
    alt = f"{words} over k-space lines, trained on {vendor}, a row a rate."
    name = f"masks-{what}-{slug(vendor)}" if what == "probability" else f"masks-{slug(vendor)}"
    return figure(name, to_json(drawn), alt, drawn.layout.height, title=words)


def _pairs(analysis: Analysis, kept: list[Picture]) -> str:
    """Full and sampled side by side, an image of each vendor and class; the script fills the sampled one."""
    if not kept:
        return ""
    shown = []
    for row, full in zip(kept[0].preview.row, kept[0].preview.full):
        about = _about_image(analysis.run.cohort, int(row))
        shown.append(
            f'<figure><div class="two">{_img(full, f"{about}, full image")}'
            '<img class="sampled" alt="sampled image"></div>'
            f'<figcaption><p class="small">{escape(about)}: full, sampled</p></figcaption></figure>'
        )
    return f'<div class="pairs">{"".join(shown)}</div>'


def _grid(analysis: Analysis, vendor: str, kept: list[Picture]) -> str:
    """Every rate's images at once: a row a rate, a column a validation image; full images first."""
    if not kept:
        return ""
    names = [_about_image(analysis.run.cohort, int(row)) for row in kept[0].preview.row]
    cells = ["<div></div>", *(f'<div class="small">{escape(n)}</div>' for n in names)]
    cells += ["<div>full image</div>", *(_img(i, f"{n}, full image") for i, n in zip(kept[0].preview.full, names))]
    for i, picture in enumerate(kept):
        label = f"{picture.family} {picture.rate:.3f}"
        scored = f"in {number(picture.in_domain)}, cross {number(picture.cross_domain)}"
        kind = "chosen" if picture.chosen else ""
        cells.append(f'<div class="{kind}">{escape(label)}<br><span class="small">{scored}</span></div>')
        for j, (image, about) in enumerate(zip(picture.preview.sampled, names)):
            cells.append(_img(image, f"{about}, {label}", f'id="{_image_id(vendor, i, j)}"'))
    columns = f"grid-template-columns: 8rem repeat({len(names)}, minmax(70px, 200px))"
    return (
        "<details><summary>All rates at once</summary>"
        f'<div class="scroll" tabindex="0" role="region" aria-label="All images, trained on {escape(vendor)}">'
        f'<div class="gallery" style="{columns}">{"".join(cells)}</div></div></details>'
    )


def _image_id(vendor: str, row: int, column: int) -> str:
    return f"image-{slug(vendor)}-{row}-{column}"


def _img(image: np.ndarray, alt: str, more: str = "") -> str:
    return f'<img {more} src="{data_uri(image)}" alt="{escape(alt)}">'


def _about_image(cohort: pd.DataFrame, row: int) -> str:
    if row not in cohort.index:
        return "validation image"
    label = cohort.loc[row, "label"]
    return f"{cohort.loc[row, 'vendor']}, tumour {'present' if label == 1 else 'absent'}"
