"""A knob over each option that one training drew for every image: its network at every value, in images and scores."""

from collections.abc import Sequence
from typing import Any

from analysis.plots.common import SPLIT_WORDS
from analysis.read.configurations import plain_name
from analysis.report.parts import Details, Heading, Paragraph, Part, Picture, number, slug
from analysis.report.sections.base import Section, labels_seen
from analysis.report.sections.masks import (
    Grid,
    GridRow,
    Knob,
    Shown,
    about_image,
    comparable_images,
    image_name,
    names_of_images,
    pairs_of,
    score_state,
    shown_split,
)
from analysis.results.compute import Analysis, VendorAnalysis
from analysis.results.drawn_options import Series, Stop, drawn_columns, series_of

WORDS = (
    "In one training {option} was drawn for each image, and its network was scored at these values; a separate "
    "training had one value throughout. Means over seeds; the images are those of the lowest seed. These are "
    "{split} scores: turn the knob to look, not to choose."
)


def parts(analysis: Analysis) -> Sequence[Part]:
    """For each vendor and option a knob, and its images side by side; nothing where no option was drawn."""
    shown: list[Part] = []
    for column in drawn_columns(analysis.configurations):
        for computed in analysis.vendors.values():
            series = series_of(analysis, computed.vendor, column, analysis.images)
            if series:
                shown += _of_vendor(analysis, computed, column, series)
    return shown


def _of_vendor(analysis: Analysis, computed: VendorAnalysis, column: str, series: list[Series]) -> list[Part]:
    vendor = computed.vendor
    option = plain_name(column)
    name = f"{slug(option)}-{slug(vendor)}"
    stops = [stop for of_series in series for stop in of_series.stops]
    comparable = comparable_images([stop.exhibit for stop in stops])
    image_names = names_of_images(name, comparable)
    full = _full_values(computed)
    split = SPLIT_WORDS[shown_split(stop.exhibit for stop in stops)]
    states = {}
    for of_series in series:
        states[of_series.name] = [
            _state(analysis, stop, option, full, image_names.get(stop.exhibit.key)) for stop in of_series.stops
        ]
    knob = Knob(
        name=f"knob-{name}",
        vendor=vendor,
        low_end=analysis.measure.gauge,
        families=list(states),
        states=states,
        profile=[],
        pairs=pairs_of(analysis.run.cohort, comparable, analysis.measure),
        texts=[labels_seen(analysis), Paragraph(WORDS.format(option=option, split=split), "small")],
        series="trained as",
        turned=option,
        has_masks=False,
    )
    shown: list[Part] = [Heading(f"{option.capitalize()}, trained on {vendor}"), knob]
    if comparable:
        labels: dict[str, str] = {}
        for of_series in series:
            labels |= {stop.exhibit.key: f"{option} {stop.value:g}, {of_series.name}" for stop in of_series.stops}
        shown.append(Details("All values at once", [_grid(analysis, vendor, comparable, labels, name)]))
    return shown


def _full_values(computed: VendorAnalysis) -> dict[str, float]:
    """The metrics of full sampling; empty unless it is one configuration."""
    rows = computed.configurations[computed.configurations["full"].astype(bool)]
    return rows.iloc[0].to_dict() if len(rows) == 1 else {}


def _state(
    analysis: Analysis, stop: Stop, option: str, full: dict[str, float], images: list[str] | None
) -> dict[str, Any]:
    """What the script shows at one stop of the slider. ``images``: ids of the restored images."""
    exhibit = stop.exhibit
    split = shown_split([exhibit])
    return {
        "name": f"{option} {stop.value:g}{', chosen' if exhibit.chosen else ''}",
        "chosen": exhibit.chosen,
        "in_domain": score_state(exhibit, full, f"{split}_in_domain", analysis.measure),
        "cross_domain": score_state(exhibit, full, f"{split}_cross_domain", analysis.measure),
        "likeness": likeness(stop.quality),
        "images": images,
    }


def likeness(quality: dict[str, dict[str, float]]) -> str:
    """How near restored images are to the full ones, a line for each test vendor."""
    lines = []
    for vendor, values in quality.items():
        psnr = f"PSNR {values['psnr']:.2f} dB (zero-filled {values['psnr_zero_filled']:.2f})"
        ssim = f"SSIM {number(values['ssim'])} (zero-filled {number(values['ssim_zero_filled'])})"
        lines.append(f"{vendor} test images: {psnr}, {ssim}")
    return "\n".join(lines)


def _grid(analysis: Analysis, vendor: str, comparable: list[Shown], labels: dict[str, str], name: str) -> Grid:
    """A row for each trial, named by ``labels``, a column for each validation image."""
    preview = comparable[0].preview
    about = [about_image(analysis.run.cohort, int(row), analysis.measure) for row in preview.row]
    full = [Picture(image, f"{words}, full image") for image, words in zip(preview.full, about)]
    rows = []
    for row, (exhibit, shown) in enumerate(comparable):
        label = labels[exhibit.key]
        pictures = []
        for column, (image, words) in enumerate(zip(shown.sampled, about)):
            pictures.append(Picture(image, f"{words}, {label}", image_name(name, row, column), f"trial-{exhibit.key}"))
        scores = f"in {number(exhibit.in_domain)}, cross {number(exhibit.cross_domain)}"
        rows.append(GridRow(label, scores, exhibit.chosen, pictures))
    return Grid(vendor, about, full, rows)


SECTION = Section("One training for every value of an option", parts)
