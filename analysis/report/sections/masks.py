"""The masks and what they leave of an image: a knob over the rates, the masks side by side, the grid of images."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pandas as pd

from analysis.plots.common import SPLIT_WORDS, to_json
from analysis.plots.mask_path import plot_bands, plot_energy, plot_probabilities
from analysis.plots.masks import plot_line_masks, plot_profile, profile
from analysis.read.configurations import FULL
from analysis.read.trial_arrays import Preview
from analysis.report.parts import Details, Figure, Heading, Panels, Paragraph, Part, Picture, data_uri, number, slug
from analysis.report.sections.base import Section, as_high_as_drawn, labels_seen
from analysis.results import sentences
from analysis.results.compute import Analysis, VendorAnalysis
from analysis.results.gallery import Exhibit, fits, gallery, leaves_out
from analysis.results.marks import Marks
from analysis.results.mask_path import MaskPath, mask_path
from analysis.statistics.measures import Measure
from tune_ks.core.rate_words import rate_words

NO_BREAK = "\N{NO-BREAK SPACE}"
LOOK = {  # split of the scores that the knob shows
    "test": "These are test scores of every rate: turn the knob to look, not to choose. Choosing the rate by them "
    "would be an oracle's choice, and its metric biased upward.",
    "val": "These are validation scores of every rate, because test scores are not known. The metric by which a rate "
    "was chosen is biased upward.",
}
MARKED = (
    "Boxes on the sampled images: found (green, solid) is the model's answer where its centre lies in the true box; "
    "false (blue, dotted) is its answer anywhere else, on an image without a tumour its likeliest place; missed "
    "(orange, dashed) is the true box that the answer does not meet."
)
MISSING = "No mask and no preview lies beside these records, so there is none to show."
LEFT_OUT = "Images were left out of this page on request."
PROFILE_ALT = (
    "Share of k-space kept at each distance from DC: learned probability, exported mask, and low-pass at the same rate."
)
PROFILE_HEIGHT = 260  # pixels
PATH_HEIGHT = 280  # pixels
PATH_WORDS = (
    "A mask keeps its budget from the first epoch, or begins nearly full and is thinned out to it (rate_start). A line "
    "that the network needs gains or keeps probability; the energy shows whether the budget goes to lines that hold "
    "anything."
)
GAUGES = {"in": "in-domain", "cross": "cross-domain"}  # name in knob.js and report.css -> words
KINDS = {"probability": "Inclusion probability", "mask": "Exported mask"}  # of a heat map of masks


class Shown(NamedTuple):
    """A trial, and its preview of the images that all of them show."""

    exhibit: Exhibit
    preview: Preview


class Pair(NamedTuple):
    """A full image, beside which the script shows the sampled one."""

    full: Picture
    about: str


@dataclass(frozen=True)
class Knob:
    """One slider over a family's rates, or over another setting, that moves mask, images and scores together."""

    name: str  # id of the element
    vendor: str
    low_end: float  # where the scales begin; they end at 1
    families: Sequence[str]  # the first is shown first
    states: Mapping[str, Sequence[Mapping[str, Any]]]  # family -> what the script shows at each stop of the slider
    profile: Sequence[Part]
    pairs: Sequence[Pair]
    texts: Sequence[Paragraph]
    series: str = "mask family"  # what the keys of ``states`` are
    turned: str = "sampling rate"  # what the slider changes
    has_masks: bool = True
    gauges: ClassVar[Mapping[str, str]] = GAUGES
    template: ClassVar[str] = "knob.html"

    @property
    def last(self) -> int:
        """The last stop of the slider, of the family that is shown first."""
        return max(len(self.states[self.families[0]]) - 1, 0)


class GridRow(NamedTuple):
    """One trial's images."""

    label: str
    scores: str
    chosen: bool
    pictures: Sequence[Picture]


@dataclass(frozen=True)
class Grid:
    """Every rate's images at once: a row a rate, a column a validation image; full images first."""

    vendor: str
    columns: Sequence[str]
    full: Sequence[Picture]
    rows: Sequence[GridRow]
    template: ClassVar[str] = "gallery.html"


def parts(analysis: Analysis) -> Sequence[Part]:
    """For each vendor the knob, the masks by rate, and the images unless they were left out."""
    if not analysis.vendors:
        return []
    shown: list[Part] = []
    for computed in analysis.vendors.values():
        shown += _of_vendor(analysis, computed)
    if not shown:
        return [Paragraph(MISSING)]
    return shown if analysis.images else [*shown, Paragraph(LEFT_OUT, "small")]


def _of_vendor(analysis: Analysis, computed: VendorAnalysis) -> list[Part]:
    """One vendor's knob, masks and images; empty where no trial has a mask or a preview."""
    vendor = computed.vendor
    exhibits = gallery(analysis, vendor, analysis.images)
    visible = [exhibit for exhibit in exhibits if exhibit.mask is not None or exhibit.preview is not None]
    if not visible:
        return []
    comparable = comparable_images(exhibits)
    shown: list[Part] = [
        Heading(f"Trained on {vendor}"),
        _knob(analysis, computed, visible, comparable),
        Panels([_line_masks(vendor, exhibits, kind) for kind in KINDS]),
    ]
    path = mask_path(analysis, exhibits)
    if path is not None:
        shown.append(Details(f"How the mask {path.name} was learned, epoch by epoch", _path_parts(vendor, path)))
    if comparable:
        shown.append(Details("All rates at once", [_grid(analysis, vendor, comparable)]))
    return shown


def comparable_images(exhibits: list[Exhibit]) -> list[Shown]:
    """Those that show the same images as the first."""
    with_preview = [Shown(exhibit, exhibit.preview) for exhibit in exhibits if exhibit.preview is not None]
    with_images = [shown for shown in with_preview if len(shown.preview.row)]
    return [shown for shown in with_images if shown.preview.row.tolist() == with_images[0].preview.row.tolist()]


def names_of_images(name: str, comparable: Sequence[Shown]) -> dict[str, list[str]]:
    """key of a trial -> the ids of its images in the grid called ``name``."""
    names = {}
    for row, shown in enumerate(comparable):
        names[shown.exhibit.key] = [image_name(name, row, column) for column in range(len(shown.preview.row))]
    return names


def image_name(name: str, row: int, column: int) -> str:
    """The id of one image of the grid called ``name``."""
    return f"image-{name}-{row}-{column}"


def _knob(analysis: Analysis, computed: VendorAnalysis, exhibits: list[Exhibit], comparable: list[Shown]) -> Knob:
    """``comparable``: those whose images can be shown side by side."""
    vendor = computed.vendor
    measure = analysis.measure
    image_names = names_of_images(slug(vendor), comparable)
    families = _families(exhibits)
    states = {}
    for family in families:
        stops = [exhibit for exhibit in exhibits if exhibit.family in (family, FULL)]
        stops.sort(key=lambda exhibit: exhibit.rate)
        states[family] = [_state(stop, measure, _full_values(exhibits), image_names.get(stop.key)) for stop in stops]
    return Knob(
        name=f"knob-{slug(vendor)}",
        vendor=vendor,
        low_end=measure.gauge,
        families=families,
        states=states,
        profile=_profile(vendor, exhibits),
        pairs=pairs_of(analysis.run.cohort, comparable, measure),
        texts=[
            Paragraph(measure.words(MARKED) if any(shown.exhibit.marks for shown in comparable) else "", "small"),
            labels_seen(analysis),
            Paragraph(measure.words(LOOK[shown_split(exhibits)]), "small"),
        ],
    )


def _families(exhibits: list[Exhibit]) -> list[str]:
    """The mask families below full sampling, the chosen one first."""
    names = sorted({exhibit.family for exhibit in exhibits if exhibit.family != FULL}) or [FULL]
    chosen = {exhibit.family for exhibit in exhibits if exhibit.chosen}
    return sorted(names, key=lambda name: name not in chosen)


def _full_values(exhibits: list[Exhibit]) -> dict[str, float]:
    """The metrics of full sampling; empty where it is not shown."""
    return next((exhibit.values for exhibit in exhibits if exhibit.family == FULL), {})


def shown_split(exhibits: Iterable[Exhibit]) -> str:
    """The split whose scores are shown: test, or val where no test score is known."""
    return "val" if all(math.isnan(exhibit.in_domain) for exhibit in exhibits) else "test"


def _state(exhibit: Exhibit, measure: Measure, full: dict[str, float], images: list[str] | None) -> dict[str, Any]:
    """What the script shows at one stop of the slider. ``images``: ids of the sampled images."""
    split = shown_split([exhibit])
    chosen = ", chosen" if exhibit.chosen else ""
    kept = "" if exhibit.mask is None else f" ({counted(exhibit.mask)})"
    state: dict[str, Any] = {
        "name": f"{exhibit.family}, rate {rate_words(exhibit.rate)}{kept}{chosen}",
        "chosen": exhibit.chosen,
        "in_domain": score_state(exhibit, full, f"{split}_in_domain", measure),
        "cross_domain": score_state(exhibit, full, f"{split}_cross_domain", measure),
    }
    if exhibit.mask is not None:
        state |= _mask_state(exhibit.mask, exhibit.probability)
    if images is not None:
        state["images"] = images
    if images is not None and exhibit.marks is not None:
        state["marks"] = [_marks(marks, measure) for marks in exhibit.marks]
    return state


def _marks(marks: Marks, measure: Measure) -> dict[str, Any]:
    """The boxes of one image for the script, in percent of its side."""
    boxes = []
    for mark in marks.boxes:
        place = {name: round(100 * getattr(mark, name), 2) for name in ("top", "left", "height", "width")}
        boxes.append({"kind": mark.kind, **place})
    return {"words": measure.words(marks.words), "boxes": boxes}


def _mask_state(mask: np.ndarray, probability: np.ndarray | None) -> dict[str, Any]:
    shares = profile(mask, probability)
    return {
        "mask": data_uri(grey(mask)),
        "probability": data_uri(grey(probability)) if fits(probability, mask) else None,
        "points": mask.ndim == 2,
        "profile": {name: np.round(share.astype(float), 3).tolist() for name, share in shares._asdict().items()},
    }


def counted(mask: np.ndarray) -> str:
    """``16 of 64 lines``."""
    unit = "lines" if mask.ndim == 1 else "points"
    return f"{int(mask.sum())} of {mask.size} {unit}"


def score_state(exhibit: Exhibit, full: dict[str, float], name: str, measure: Measure) -> dict[str, Any]:
    """One metric for the script: its text, its interval, and full sampling's."""
    value = exhibit.values.get(name, math.nan)
    low = exhibit.values.get(f"{name}_low", math.nan)
    high = exhibit.values.get(f"{name}_high", math.nan)
    at_full = full.get(name, math.nan)
    text = "not measured"
    if not math.isnan(value):
        text = f"{SPLIT_WORDS[name.split('_')[0]]} {measure.title} {value:.3f}"
    text += sentences.spread(exhibit.values, name)
    if not math.isnan(at_full) and exhibit.family != FULL:
        text += f"; full sampling {at_full:.3f}"
    return {"text": text, "value": value, "low": low, "high": high, "full": at_full}


def grey(values: np.ndarray) -> np.ndarray:
    """Values in [0, 1] -> a grey image (H, W) uint8; lines are one row high, the page stretches it."""
    return np.atleast_2d(np.round(values.astype(float) * 255).astype(np.uint8))


def _profile(vendor: str, exhibits: list[Exhibit]) -> list[Part]:
    """The figure that the script fills with the profile of each stop; empty where no mask leaves anything out."""
    for exhibit in exhibits:
        if leaves_out(exhibit.mask):
            drawn = to_json(plot_profile(profile(exhibit.mask, exhibit.probability)))
            return [Figure(f"profile-{slug(vendor)}", drawn, PROFILE_ALT, PROFILE_HEIGHT)]
    return []


def _line_masks(vendor: str, exhibits: list[Exhibit], kind: str) -> list[Part]:
    """A heat map of the masks over lines; empty where there is none."""
    drawn = plot_line_masks(exhibits, kind)
    if drawn is None:
        return []
    alt = f"{KINDS[kind]} over k-space lines, trained on {vendor}, a row a rate."
    name = f"masks-{slug(vendor)}" if kind == "mask" else f"masks-{kind}-{slug(vendor)}"
    return [as_high_as_drawn(name, drawn, alt, KINDS[kind])]


def _path_parts(vendor: str, path: MaskPath) -> list[Part]:
    """Probabilities, bands and energy of one trial over its epochs."""
    drawn = {
        "probabilities": (plot_probabilities(path), "Inclusion probability by distance from DC"),
        "bands": (plot_bands(path), "Kept coefficients by band"),
        "energy": (plot_energy(path), "Share of the energy beyond DC that is kept"),
    }
    panels = []
    for kind, (figure, words) in drawn.items():
        alt = f"{words}, epoch by epoch, of the mask {path.name} trained on {vendor}."
        panels.append([Figure(f"mask-{kind}-{slug(vendor)}", to_json(figure), alt, PATH_HEIGHT, words)])
    return [Paragraph(f"{PATH_WORDS} Trial {path.key}.", "small"), Panels(panels)]


def pairs_of(cohort: pd.DataFrame, comparable: list[Shown], measure: Measure) -> list[Pair]:
    """An image of each vendor and class in full; the script fills in the sampled one."""
    if not comparable:
        return []
    preview = comparable[0].preview
    about = [about_image(cohort, int(row), measure) for row in preview.row]
    return [Pair(Picture(image, f"{words}, full image"), words) for image, words in zip(preview.full, about)]


def _grid(analysis: Analysis, vendor: str, comparable: list[Shown]) -> Grid:
    preview = comparable[0].preview
    about = [about_image(analysis.run.cohort, int(row), analysis.measure) for row in preview.row]
    full = [Picture(image, f"{words}, full image") for image, words in zip(preview.full, about)]
    rows = [_grid_row(shown, vendor, row, about) for row, shown in enumerate(comparable)]
    return Grid(vendor, about, full, rows)


def _grid_row(shown: Shown, vendor: str, row: int, about: list[str]) -> GridRow:
    exhibit = shown.exhibit
    label = f"{exhibit.family} {rate_words(exhibit.rate)}"
    scores = f"in {number(exhibit.in_domain)}, cross {number(exhibit.cross_domain)}"
    pictures = []
    for column, (image, words) in enumerate(zip(shown.preview.sampled, about)):
        name = image_name(slug(vendor), row, column)
        pictures.append(Picture(image, f"{words}, {label}", name, f"trial-{exhibit.key}"))
    return GridRow(label.replace("R = ", f"R{NO_BREAK}={NO_BREAK}"), scores, exhibit.chosen, pictures)


def about_image(cohort: pd.DataFrame, row: int, measure: Measure) -> str:
    """An image of the preview in words, by its row of the cohort."""
    if row not in cohort.index:
        return "validation image"
    shows = measure.class_words(cohort.loc[row, "label"])
    return ", ".join(filter(None, [str(cohort.loc[row, "vendor"]), shows]))


SECTION = Section("Masks, and what they leave of an image", parts)
