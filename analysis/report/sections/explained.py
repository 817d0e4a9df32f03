"""Which lines of k-space the models need, and whether classifiers look at the tumour."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.plots.common import to_json
from analysis.plots.line_falls import plot_line_falls
from analysis.plots.pointing import plot_pointing
from analysis.read.configurations import keys_of_full, plain_name
from analysis.read.explained import Occluded, Pointed, load_occluded, load_pointed
from analysis.report.parts import Details, Figure, Heading, Paragraph, Part, Picture, Pictures, slug, table
from analysis.report.sections.base import Section, as_high_as_drawn, labels_seen
from analysis.results import line_falls, pointing
from analysis.results.compute import Analysis, VendorAnalysis
from analysis.results.line_falls import Falls
from analysis.statistics.measures import MEASURES, Measure
from tune_ks.core.rate_words import rate_words

HEIGHT = 460  # pixels
SHOWN_SIDE = 192  # pixels that a picture has at least
NOT_EXPLAINED = (
    "Not asked. python run_search.py evaluate RUN --data DIR --explain takes each line of k-space out of the masks of "
    "the exported models, without training, and asks classifiers where they look."
)
WORDS = (
    "Fall: the metric with the mask minus the metric without a line, at test; nothing was retrained. The mean over "
    "seeds (a line that a seed's mask leaves out changes nothing there) and over the vendors of a domain, on the same "
    "patients, with 90 % intervals. A line carries the tumour where the in-domain metric falls without it, and the "
    "vendor where also no cross-domain fall is shown and the cross-domain fall is shown to be smaller; both after "
    "Holm's correction over all lines. What two lines hold alike (k and -k of a real image do) no single line is shown "
    "to carry. Images far from those of the training may also lower the metric."
)
GAME = (
    "The pointing game: windows of the sampled image are darkened in turn, and the point where the logit falls most is "
    "a hit where it lies in the tumour's mask. Positive test images only. Random weights: the same network, mask and "
    "images, nothing learned. Best fixed position: one for all images of a vendor, chosen on these very images. Random "
    "point: the mean share of an image that tumours cover. Intervals of 90 % are over patients."
)
PICTURES = (
    "Of each pair the left one is the sampled image, the right one shows where the evidence is (white). Dashed: the "
    "tumour's outline; cross: the point."
)
OF_FALLS = {
    "share_kept": "share kept",
    "kept_by": "seeds that keep it",
    "in_domain_holm": "in-domain, p after Holm",
    "cross_domain_holm": "cross-domain, p after Holm",
    "more_in_domain_holm": "more in-domain than cross-domain, p after Holm",
}
RENAMED = {
    "images_of": "images of",
    "vendor": "trained on",
    "family": "mask",
    "realised_rate": "rate",
    "scored_on": "scored on",
    "available": "of positive images",
    "hits_low": "low",
    "hits_high": "high",
    "random": "random weights",
    "random_low": "random weights, low",
    "random_high": "random weights, high",
    "fixed": "best fixed position",
    "area": "random point",
}


def parts(analysis: Analysis) -> Sequence[Part]:
    """For each source vendor its lines and its pointing game; what to type where there are none."""
    if not analysis.vendors:
        return []
    occluded, warnings = load_occluded(analysis.run.root)
    games, more = load_pointed(analysis.run.root)
    warnings += more
    if not occluded and not games and not warnings:
        return [Paragraph(NOT_EXPLAINED, "small")]
    shown: list[Part] = [Paragraph(text) for text in warnings]
    scores = pointing.pointing_table(games, analysis.configurations)
    for vendor, computed in analysis.vendors.items():
        of_vendor = _lines(analysis, computed, occluded) + _looks(analysis, computed, games, scores)
        if of_vendor:
            shown += [Heading(f"Trained on {vendor}"), *of_vendor]
    if occluded:
        shown += [labels_seen(analysis), Paragraph(analysis.measure.words(WORDS), "small")]
    if len(scores):
        shown += [_table(scores, analysis.measure), Paragraph(analysis.measure.words(GAME), "small")]
    return shown


def _lines(analysis: Analysis, computed: VendorAnalysis, occluded: list[Occluded]) -> list[Part]:
    """The sentence, the figure and the table of each set of images, and of full sampling where it was scored."""
    chosen = list(computed.selection.keys)
    full = keys_of_full(analysis.configurations, chosen)
    shown: list[Part] = []
    for images in occluded:
        falls = line_falls.line_falls(images, computed.vendor, chosen, computed.selection.rate)
        if falls is None:
            shown.append(Paragraph(f"On {images.name}: the chosen rate was not scored, or not on {computed.vendor}."))
            continue
        shown += [Paragraph(_in_words(analysis, line_falls.verdict(falls), images.name)), *_drawn(falls, "chosen")]
        of_full = line_falls.line_falls(images, computed.vendor, full, 1.0)
        if of_full is not None:
            inside = [
                Paragraph(_in_words(analysis, line_falls.verdict(of_full), images.name)),
                *_drawn(of_full, "full"),
            ]
            shown.append(Details(f"The same of full sampling, on {images.name}", inside))
    return shown


def _in_words(analysis: Analysis, text: str, name: str) -> str:
    """The text in this run's words, but for ``name``, which is that of the images."""
    return name.join(analysis.measure.words(part) for part in text.split(name))


def _drawn(falls: Falls, sampling: str) -> list[Part]:
    name = f"lines-{sampling}-{slug(falls.name)}-{slug(falls.vendor)}"
    unit = "ring" if falls.points else "line"
    title = f"Without each {unit}, rate {rate_words(falls.rate)}, on {falls.name}"
    alt = (
        f"Above the mask, below how far the {MEASURES[falls.metric].title} falls without each {unit} of k-space, "
        f"trained on {falls.vendor}: in-domain, then cross-domain, with 90 % intervals; DC is at 0"
    )
    rows = falls.table.rename(columns=OF_FALLS).rename(columns=plain_name)
    places = falls.table.assign(points=falls.points)
    rows.insert(0, unit, [line_falls.place_words(row.first, row.last, row.points) for row in places.itertuples()])
    known = rows.drop(columns=["first", "last"]).dropna(axis=1, how="all")
    return [
        Figure(name, to_json(plot_line_falls(falls)), alt, HEIGHT, title),
        Details("The falls as a table", [table(known, f"{name}-table", title)]),
    ]


def _looks(analysis: Analysis, computed: VendorAnalysis, games: list[Pointed], scores: pd.DataFrame) -> list[Part]:
    """The sentences of the pointing game, and the pictures unless they were left out."""
    keys = list(computed.selection.keys)
    shown: list[Part] = []
    for name, rows in pointing.of_chosen(scores, computed.vendor, keys).groupby("images_of"):
        words = pointing.verdict(rows, computed.vendor, str(name))
        shown += [Paragraph(analysis.measure.words(words)), _shares(rows, computed.vendor, str(name), analysis.measure)]
    for game in games:
        of_game = [key for key in keys if key in game.keys]
        if of_game and analysis.images:
            shown += _pictures(game, of_game[0], computed, analysis.measure)
    return shown


def _shares(rows: pd.DataFrame, vendor: str, name: str, measure: Measure) -> Figure:
    """How often the point of most evidence lies in the tumour, beside what needs no training."""
    alt = (
        f"Share of the images with a {measure.finding} of {name} in which the point of most evidence lies in it, "
        f"trained on {vendor}: the chosen rate and random weights with 90 % intervals, the best fixed position, a "
        "random point"
    )
    title = f"Where it looks, trained on {vendor}, on {name}"
    return as_high_as_drawn(f"pointing-{slug(name)}-{slug(vendor)}", plot_pointing(rows), alt, title)


def _pictures(game: Pointed, key: str, computed: VendorAnalysis, measure: Measure) -> list[Part]:
    """Two images side by side with their saliency, for the first seed of the chosen rate."""
    place = game.keys.index(key)
    pictures = []
    for image, saliency, outline in zip(game.image[place], game.saliency[place], game.outline):
        point = divmod(int(saliency.argmax()), saliency.shape[1])
        about = f"{game.name}, trained on {computed.vendor}, rate {rate_words(computed.selection.rate)}"
        pictures += [
            Picture(outlined(image, outline), f"{about}: a test image with a {measure.finding}, outlined"),
            Picture(
                outlined(saliency, outline, point),
                f"{about}: where the evidence in it is, the {measure.finding} outlined",
            ),
        ]
    return [Pictures(pictures), Paragraph(measure.words(PICTURES), "small")] if pictures else []


def outlined(image: np.ndarray, mask: np.ndarray, point: tuple[int, int] | None = None) -> np.ndarray:
    """(S, S) uint8 image -> enlarged to SHOWN_SIDE or more, with the mask's outline dashed and a cross at the point."""
    times = max(1, -(-SHOWN_SIDE // len(image)))
    large = image.repeat(times, 0).repeat(times, 1)
    inside = np.pad(mask.repeat(times, 0).repeat(times, 1), 1)
    core = inside[1:-1, 1:-1]
    neighbours = inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
    rows, columns = np.nonzero(core & ~neighbours)
    large[rows, columns] = np.where((rows + columns) // 4 % 2, 255, 0)
    if point is not None:
        row, column = (place * times + times // 2 for place in point)
        arm = max(3, len(large) // 32)
        large[max(0, row - arm) : row + arm + 1, column] = 0
        large[row, max(0, column - arm) : column + arm + 1] = 0
    return large


def _table(scores: pd.DataFrame, measure: Measure) -> Part:
    left_out = ["keys", "sampling_rate", "above_random", "above_random_low", "above_fixed", "above_fixed_low"]
    rows = scores.drop(columns=[*left_out, "mask"], errors="ignore").rename(columns=RENAMED)
    rows.columns = [measure.words(str(name).replace("_", " ")) for name in rows.columns]
    known = rows.dropna(axis=1, how="all")
    return table(known, "pointing", measure.words("How often the point of most evidence lies in the tumour"))


SECTION = Section("Lines that the models need, and where they look", parts)
