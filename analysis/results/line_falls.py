"""Which lines of k-space carry the tumour, and which the vendor: how far the metric falls without each of them."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.read.explained import Occluded
from analysis.results.scored_domains import resampled_metric, scored_domains
from analysis.statistics.bootstrap import LEVEL, Resampled, average, interval, t_p_value
from analysis.statistics.measures import MEASURES
from analysis.statistics.multiple import holm
from tune_ks.core.rate_words import rate_words

ALPHA = 1 - LEVEL  # two-sided, as the intervals are
NAMED = 4  # lines that a sentence names
COLUMNS = [
    *("first", "last", "share_kept", "kept_by", "in_domain", "in_domain_low", "in_domain_high", "in_domain_holm"),
    *("cross_domain", "cross_domain_low", "cross_domain_high", "cross_domain_holm", "more_in_domain_holm"),
]


class Falls(NamedTuple):
    """One source vendor's chosen rate, or full sampling, without each group of lines."""

    name: str  # of the images
    vendor: str  # trained on
    rate: float  # realised
    metric: str  # a name in MEASURES
    points: bool  # groups are rings of whole distance from DC, not lines
    seeds: int
    table: pd.DataFrame  # COLUMNS: one row a group that the mask of a seed keeps; NaN without a cross-domain vendor
    mask: pd.DataFrame  # first, last, share_kept of every group of k-space


def line_falls(images: Occluded, vendor: str, keys: list[str], rate: float) -> Falls | None:
    """The models ``keys`` (seeds of one configuration) trained on ``vendor``; None where they were not scored.

    A fall is the metric with the mask minus the metric without the group: the mean over seeds (0 of a seed whose mask
    does not keep it) and over the vendors of a domain, inside each draw of patients, so that it is paired.
    ``_holm`` are p values that hold for all groups of one domain together.
    """
    places = [images.keys.index(key) for key in keys if key in images.keys]
    domains = scored_domains(images, vendor)
    if not keys or len(places) < len(keys) or "in_domain" not in domains:
        return None
    axes = np.stack([images.first[places], images.last[places], images.size[places]])
    if not (axes == axes[:, :1]).all() or len(np.unique(images.points[places])) > 1:
        return None
    first, last, size = axes[:, 0]
    share = images.kept[places].mean(0) / np.maximum(size, 1)
    kept_by = (images.kept[places] > 0).sum(0)
    clean = {domain: _metrics(images, places, names, None) for domain, names in domains.items()}
    rows = []
    for group in np.flatnonzero(kept_by).tolist():
        falls = {}
        for domain, names in domains.items():
            falls[domain] = average(_differences(clean[domain], _metrics(images, places, names, group)))
        about = {"first": first[group], "last": last[group], "share_kept": share[group], "kept_by": kept_by[group]}
        rows.append(about | _columns(falls))
    table = _corrected(pd.DataFrame(rows)).reindex(columns=COLUMNS)
    exists = size > 0
    mask = pd.DataFrame({"first": first[exists], "last": last[exists], "share_kept": share[exists]})
    points = bool(images.points[places[0]])
    return Falls(images.name, vendor, rate, images.metric, points, len(places), table, mask)


def _metrics(images: Occluded, places: list[int], vendors: list[str], group: int | None) -> list[Resampled | None]:
    """The metric of each seed on each vendor without a group (None: with the whole mask).

    None where the seed's mask keeps nothing of the group: it is that of the whole mask.
    """
    metrics: list[Resampled | None] = []
    for place in places:
        for vendor in vendors:
            if group is None:
                metrics.append(resampled_metric(images, images.clean[place], vendor))
            elif images.kept[place, group]:
                metrics.append(resampled_metric(images, images.score[place, group], vendor))
            else:
                metrics.append(None)
    return metrics


def _differences(clean: list[Resampled | None], without: list[Resampled | None]) -> list[Resampled]:
    """The metric with the whole mask minus that without the group, for each seed and vendor."""
    falls = []
    for whole, part in zip(clean, without, strict=True):
        assert whole is not None
        falls.append(whole - (whole if part is None else part))
    return falls


def _columns(falls: dict[str, Resampled]) -> dict[str, float]:
    """The falls of one group by domain, with intervals and p values; and how much more falls in-domain."""
    columns: dict[str, float] = {}
    for domain, fall in falls.items():
        ends = interval(fall)
        columns |= {domain: fall.point, f"{domain}_low": ends.low, f"{domain}_high": ends.high}
        columns[f"{domain}_p"] = _p_value(fall)
    if "cross_domain" in falls:
        more = falls["in_domain"] - falls["cross_domain"]  # other patients: their draws are independent
        columns["more_in_domain_p"] = _p_value(replace(more, floor=-2.0))
    return columns


def _p_value(value: Resampled) -> float:
    return t_p_value(value.point, value.error, value.patients - 1, value.floor)


def _corrected(table: pd.DataFrame) -> pd.DataFrame:
    """The table with p values that hold for all groups together."""
    for name in [name for name in table if name.endswith("_p")]:
        table[f"{name.removesuffix('_p')}_holm"] = holm(table[name].to_numpy(float))
    return table


def of_tumour(falls: Falls) -> pd.DataFrame:
    """The groups without which the in-domain metric is shown to fall, the largest fall first."""
    table = falls.table
    shown = (table["in_domain"] > 0) & (table["in_domain_holm"] < ALPHA)
    return table[shown].sort_values("in_domain", ascending=False, kind="stable")


def of_vendor(falls: Falls) -> pd.DataFrame:
    """The groups of ``of_tumour`` without which the cross-domain metric falls less, and is not shown to fall."""
    table = of_tumour(falls)
    falls_there = (table["cross_domain"] > 0) & (table["cross_domain_holm"] < ALPHA)
    falls_less = (table["in_domain"] > table["cross_domain"]) & (table["more_in_domain_holm"] < ALPHA)
    return table[~falls_there & falls_less]


def verdict(falls: Falls) -> str:
    """Which lines carry the tumour, and which the vendor; or that none is shown to."""
    unit = "rings" if falls.points else "lines"
    title = MEASURES[falls.metric].title
    of_models = f"Trained on {falls.vendor}, rate {rate_words(falls.rate)}"
    begin = f"{of_models}, on {falls.name}: of {len(falls.table)} kept {unit}"
    if _is_grouped(falls):
        begin = begin.replace(f"kept {unit}", f"groups of kept {unit}")
    tumour = of_tumour(falls)
    if tumour.empty:
        known = falls.table.dropna(subset="in_domain")
        most = f" (the largest: {_named(falls, known.nlargest(1, 'in_domain'))})" if len(known) else ""
        return f"{begin}, none is shown to carry the tumour: no fall of the in-domain {title} holds for all{most}."
    says = f"{begin}, {len(tumour)} shown to carry the tumour: without them the in-domain {title} falls, most without"
    return f"{says} {_named(falls, tumour.head(NAMED))}. {_of_vendor_words(falls, title)}"


def _of_vendor_words(falls: Falls, title: str) -> str:
    if falls.table["cross_domain"].isna().all():
        return "Which of them carry the vendor is not known: no other vendor was scored."
    vendor = of_vendor(falls)
    if vendor.empty:
        return f"None is shown to carry the vendor: none that only the in-domain {title} needs."
    names = ", ".join(place_words(row.first, row.last, falls.points) for row in vendor.head(NAMED).itertuples())
    more = f" and {len(vendor) - NAMED} more" if len(vendor) > NAMED else ""
    return (
        f"Of these, {len(vendor)} shown to carry the vendor ({names}{more}): the cross-domain {title} falls less, and "
        "no fall of it is shown."
    )


def _named(falls: Falls, rows: pd.DataFrame) -> str:
    """``+11 (by 0.210 [0.150, 0.270]), -11 (by ...)``."""
    words = []
    for row in rows.to_dict("records"):
        name = place_words(row["first"], row["last"], falls.points)
        words.append(f"{name} (by {row['in_domain']:.3f} [{row['in_domain_low']:.3f}, {row['in_domain_high']:.3f}])")
    return ", ".join(words)


def _is_grouped(falls: Falls) -> bool:
    return bool((falls.mask["first"] != falls.mask["last"]).any())


def place_words(first: Any, last: Any, points: bool) -> str:
    """``line +11``, ``lines -4 to -3``, ``ring 5``, ``DC``."""
    unit = "ring" if points else "line"
    ends = [f"{int(end):d}" if points or end == 0 else f"{int(end):+d}" for end in (first, last)]
    if first == last == 0:
        return "DC"
    return f"{unit} {ends[0]}" if first == last else f"{unit}s {ends[0]} to {ends[1]}"
