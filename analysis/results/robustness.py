"""The metric against the severity of a corruption, at the chosen rate and in full: is a low rate more robust?"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.read.trial_arrays import INTEGERS, NUMBERS, are_of
from analysis.results.scored_domains import scored_domains
from analysis.statistics.bootstrap import DRAWS, Resampled, average, interval, patient_weights
from analysis.statistics.measures import MEASURES
from tune_ks.core.arrays import Archive
from tune_ks.core.rate_words import rate_words
from tune_ks.core.storage import StoragePath, sorted_glob

SEVERITIES = 5
LARGEST_SCORES = 2**30  # bytes of the scores of all files; 200 models, 8 corruptions and 20,000 images have 768 MB
LARGEST_IMAGES = 2**20  # labels of a file, a byte each
LARGEST_NAMES = 2**20  # bytes of the keys, and of the names of corruptions
VALUE_BYTES = 256  # of a value for one image: a vendor of 64 letters
PACKED_BESIDE = 2**24  # bytes of a file beside its scores: 16 an image, as packed as the evaluation writes them
# Corruption -> what its first version did otherwise: files without versions were scored with the first ones.
FIRST_VERSIONS = {
    "bias_field": "the field had a constant term, and the image was not scaled again",
    "gibbs": "the disc lay half a line beside DC, and the real part was shown",
    "spike": "the real part was shown, with stripes of half the height",
}


class Corrupted(NamedTuple):
    """The arrays of RUN/corruptions/NAME.npz; n images, K models, C corruptions."""

    name: str
    keys: list[str]
    corruptions: list[str]
    metric: str  # a name in MEASURES
    score: np.ndarray  # (K, C, 6, n); severity 0 is the image without corruption
    label: np.ndarray  # (n,)
    patient: np.ndarray  # (n,) int
    vendor: np.ndarray  # (n,) str
    versions: np.ndarray  # (C,) int


class Robust(NamedTuple):
    """One source vendor's chosen rate and full sampling on one set of corrupted images."""

    name: str  # of the images
    rate: float  # the chosen one, realised
    metric: str  # a name in MEASURES
    curves: pd.DataFrame  # sampling, domain, corruption, severity, value, low, high
    table: pd.DataFrame  # corruption, domain, both metrics clean and corrupted, how much less the chosen rate loses


def load_corruptions(root: StoragePath) -> tuple[list[Corrupted], list[str]]:
    """The files of RUN/corruptions, and a warning for each that can't be used."""
    sets: list[Corrupted] = []
    warnings = []
    room = LARGEST_SCORES
    for path in sorted_glob(root / "corruptions", "*.npz"):
        images = _read(path, room)
        if images is None:
            warnings.append(
                f"corruptions/{path.name} is truncated, was not written by the evaluation, or is too large "
                f"({LARGEST_SCORES >> 20} MiB of scores are read in all): left out."
            )
            continue
        room -= images.score.nbytes
        sets.append(images)
        warnings += _outdated(images)
    return sets, warnings


def _read(path: StoragePath, room: int) -> Corrupted | None:
    """One file, with at most ``room`` bytes of scores; None where it cannot be used."""
    try:
        archive = Archive(path, room + PACKED_BESIDE)
        images = _unpacked(archive, path.stem, room)
    except (OSError, ValueError):
        return None
    return images if _fit(images) else None


def _unpacked(archive: Archive, name: str, room: int) -> Corrupted:
    """The arrays of a file. ValueError where one is absent, torn, or larger than the others say.

    The names and labels, which are small, are read first: they say how large each of the others has to be.
    """
    written = archive.names()
    lists = archive.read(("keys", "corruptions"), LARGEST_NAMES) | archive.read(("label",), LARGEST_IMAGES)
    if "metric" in written:
        lists |= archive.read(("metric",), LARGEST_NAMES)
    if any(values.ndim != 1 for values in lists.values()):
        raise ValueError("keys, corruptions, label and metric must be lists")
    keys = [str(key) for key in lists["keys"]]
    corruptions = [str(corruption) for corruption in lists["corruptions"]]
    metric = "+".join(str(part) for part in lists.get("metric", ["auc"]))  # 0.2.0 knew no other
    label = lists["label"]
    versions = {"versions": np.ones(len(corruptions), np.int16)}
    if "versions" in written:
        versions = archive.read(("versions",), LARGEST_NAMES)
    of_images = archive.read(("patient", "vendor"), VALUE_BYTES * len(label))
    expected = 8 * len(keys) * len(corruptions) * (SEVERITIES + 1) * len(label)  # bytes, of float64
    scores = archive.read(("score",), min(room, expected))
    return Corrupted(name, keys, corruptions, metric, label=label, **of_images, **scores, **versions)


def _outdated(images: Corrupted) -> list[str]:
    """One sentence where corruptions had another meaning when the file was written."""
    changed = []
    for name, version in zip(images.corruptions, images.versions):
        if version == 1 and name in FIRST_VERSIONS:
            changed.append(f"{name.replace('_', ' ')} ({FIRST_VERSIONS[name]})")
    if not changed:
        return []
    return [
        f"corruptions/{images.name}.npz was scored with the first version of {'; '.join(changed)}: score it again "
        "before you compare it with newer ones."
    ]


def _fit(images: Corrupted) -> bool:
    """Whether the arrays are of these models, corruptions and images, and hold what they should."""
    count = len(images.label)
    expected = (len(images.keys), len(images.corruptions), SEVERITIES + 1, count)
    return (
        images.score.shape == expected
        and images.patient.shape == images.vendor.shape == (count,)
        and images.versions.shape == (len(images.corruptions),)
        and images.metric in MEASURES
        and are_of(INTEGERS, images.label, images.patient, images.versions)
        and are_of(NUMBERS, images.score)
        and images.vendor.dtype.kind == "U"
        and bool(np.isin(images.label, (0, 1)).all())
    )


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
        metrics = [_metric(images, key, vendor, corruption, severity) for key in keys for vendor in vendors]
        severities.append(average(metrics))
    return severities


def _metric(images: Corrupted, key: str, vendor: str, corruption: int, severity: int) -> Resampled:
    here = images.vendor == vendor
    patients = np.unique(images.patient[here])
    score = images.score[images.keys.index(key), corruption, severity, here]
    weights = patient_weights(len(patients), DRAWS, vendor)  # the same draws for all: differences are paired
    return MEASURES[images.metric].resampled(images.label[here], score, images.patient[here], patients, weights)


def _loss(severities: list[Resampled]) -> Resampled:
    """Metric of the clean image minus the mean over the severities."""
    return severities[0] - average(severities[1:])
