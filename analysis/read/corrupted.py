"""The files of RUN/corruptions: scores of models on images with corruptions of several severities."""

from typing import NamedTuple

import numpy as np

from analysis.read.archives import VALUE_BYTES, content_of, within_limit
from analysis.read.trial_arrays import INTEGERS, NUMBERS, are_of
from tune_ks.core.arrays import Archive
from tune_ks.core.metrics import METRICS
from tune_ks.core.storage import StoragePath, sorted_glob

SEVERITIES = 5
LARGEST_SCORES = 2**30  # bytes of the scores of all files; 200 models, 8 corruptions and 20,000 images have 768 MB
LARGEST_IMAGES = 2**20  # labels of a file, a byte each
LARGEST_NAMES = 2**20  # bytes of the keys, and of the names of corruptions
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
    metric: str  # a name in METRICS
    score: np.ndarray  # (K, C, 6, n); severity 0 is the image without corruption
    label: np.ndarray  # (n,)
    patient: np.ndarray  # (n,) int
    vendor: np.ndarray  # (n,) str
    versions: np.ndarray  # (C,) int


def load_corruptions(root: StoragePath) -> tuple[list[Corrupted], list[str]]:
    """The files of RUN/corruptions, and a warning for each that can't be used."""
    sets: list[Corrupted] = []
    warnings = []
    for path, images in within_limit(sorted_glob(root / "corruptions", "*.npz"), _read, LARGEST_SCORES):
        if images is None:
            warnings.append(
                f"corruptions/{path.name} is truncated, was not written by the evaluation, or is too large "
                f"({LARGEST_SCORES >> 20} MiB of scores are read in all): left out."
            )
        else:
            sets.append(images)
            warnings += _outdated(images)
    return sets, warnings


def _read(path: StoragePath, room: int) -> Corrupted | None:
    """One file, with at most ``room`` bytes of scores; None where it cannot be used."""
    images = content_of(path, room + PACKED_BESIDE, lambda archive: _unpacked(archive, path.stem, room))
    return images if images is not None and _fit(images) else None


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
        and images.metric in METRICS
        and are_of(INTEGERS, images.label, images.patient, images.versions)
        and are_of(NUMBERS, images.score)
        and images.vendor.dtype.kind == "U"
        and bool(np.isin(images.label, (0, 1)).all())
    )
