"""The metric against the severity of a corruption, at the chosen rate and in full: is a low rate more robust?"""

from typing import Any, NamedTuple

import pandas as pd

from analysis.read.corrupted import Corrupted
from analysis.results.scored_domains import resampled_metric, scored_domains
from analysis.statistics.bootstrap import Resampled, average, interval
from analysis.statistics.measures import MEASURES
from tune_ks.core.rate_words import rate_words


class Robust(NamedTuple):
    """One source vendor's chosen rate and full sampling on one set of corrupted images."""

    name: str  # of the images
    rate: float  # the chosen one, realised
    metric: str  # a name in MEASURES
    curves: pd.DataFrame  # sampling, domain, corruption, severity, value, low, high
    table: pd.DataFrame  # corruption, domain, both metrics clean and corrupted, how much less the chosen rate loses


def robust(images: Corrupted, vendor: str, chosen: list[str], full: list[str], rate: float) -> Robust | None:
    """The models ``chosen`` and ``full`` (keys of seeds) trained on ``vendor``; None where either was not scored.

    Seeds are averaged inside each draw of patients, so every difference is paired. Cross-domain is the mean over the
    other vendors that count.
    """
    scored = set(images.keys)
    if not chosen or not full or not scored.issuperset([*chosen, *full]) or set(chosen) == set(full):
        return None
    lines, rows = [], []
    for domain, vendors in scored_domains(images, vendor).items():
        for place, corruption in enumerate(images.corruptions):
            of_rate = _by_severity(images, chosen, vendors, place)
            of_full = _by_severity(images, full, vendors, place)
            lines += _curve("chosen", domain, corruption, of_rate)
            lines += _curve("full sampling", domain, corruption, of_full)
            rows.append({"corruption": corruption, "domain": domain} | _comparison(of_rate, of_full))
    return Robust(images.name, rate, images.metric, pd.DataFrame(lines), pd.DataFrame(rows))


def _curve(sampling: str, domain: str, corruption: str, severities: list[Resampled]) -> list[dict[str, Any]]:
    lines = []
    for severity, metric in enumerate(severities):
        ends = interval(metric)
        line = {"sampling": sampling, "domain": domain, "corruption": corruption, "severity": severity}
        lines.append(line | {"value": metric.point, "low": ends.low, "high": ends.high})
    return lines


def _comparison(of_rate: list[Resampled], of_full: list[Resampled]) -> dict[str, float]:
    """Metrics by severity of both -> clean, mean over the severities above 0, and how much less the rate loses."""
    more = _loss(of_full) - _loss(of_rate)
    ends = interval(more)
    return {
        "chosen, clean": of_rate[0].point,
        "chosen, corrupted": average(of_rate[1:]).point,
        "full, clean": of_full[0].point,
        "full, corrupted": average(of_full[1:]).point,
        "loses less by": more.point,
        "low": ends.low,
        "high": ends.high,
    }


def verdict(comparison: Robust) -> str:
    """One sentence: in how many of the comparisons the chosen rate loses less of the metric, and in how many more."""
    less = int((comparison.table["low"] > 0).sum())
    more = int((comparison.table["high"] < 0).sum())
    total = len(comparison.table)
    title = MEASURES[comparison.metric].title
    chance = f"by chance alone about {0.05 * total:.1f} of {total} would be on either side"
    return (
        f"Of {total} comparisons (corruption and domain), rate {rate_words(comparison.rate)} loses less {title} than "
        f"full sampling in {less} and more in {more}, by a 90 % interval that leaves out 0; {chance}."
    )


def _by_severity(images: Corrupted, keys: list[str], vendors: list[str], corruption: int) -> list[Resampled]:
    """The metric at each severity of one corruption, the mean over seeds and vendors."""
    severities = []
    for severity in range(images.score.shape[2]):
        scores = [images.score[images.keys.index(key), corruption, severity] for key in keys]
        metrics = [resampled_metric(images, score, vendor) for score in scores for vendor in vendors]
        severities.append(average(metrics))
    return severities


def _loss(severities: list[Resampled]) -> Resampled:
    """Metric of the clean image minus the mean over the severities."""
    return severities[0] - average(severities[1:])
