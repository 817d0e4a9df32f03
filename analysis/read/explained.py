"""The files of RUN/explained: scores without each line of k-space, and where classifiers see their evidence."""

from typing import NamedTuple

import numpy as np

from analysis.read.archives import VALUE_BYTES, content_of, within_limit
from analysis.read.trial_arrays import INTEGERS, LARGEST_SIDE, NUMBERS, are_of
from tune_ks.core.arrays import Archive
from tune_ks.core.metrics import METRICS
from tune_ks.core.storage import StoragePath, sorted_glob

LARGEST_SCORES = 2**30  # bytes of the scores of all files
LARGEST_LISTS = 2**24  # bytes of what is read first, which says how large the rest is
LARGEST_PICTURES = 2**27  # bytes of the images of a file
PACKED_BESIDE = 2**26  # bytes of a file beside its scores or pictures, as packed as the evaluation writes it
POINTING = "_pointing"  # the end of the names of the files of the pointing game
OF_GROUPS = ("first", "last", "size", "kept")
PICTURES = ("image", "saliency", "outline")


class Occluded(NamedTuple):
    """The arrays of RUN/explained/NAME.npz; n images, K models, G groups of lines, or of rings of points."""

    name: str
    metric: str  # a name in METRICS
    keys: list[str]
    points: np.ndarray  # (K,) bool: the groups are rings
    first: np.ndarray  # (K, G) lines from DC of the group's first line, or ring
    last: np.ndarray  # (K, G)
    size: np.ndarray  # (K, G) coefficients; 0 where a model has fewer groups
    kept: np.ndarray  # (K, G) of them in the model's mask
    clean: np.ndarray  # (K, n) scores with the mask
    score: np.ndarray  # (K, G, n) without the group
    label: np.ndarray  # (n,)
    patient: np.ndarray  # (n,) int
    vendor: np.ndarray  # (n,) str


class Pointed(NamedTuple):
    """The arrays of RUN/explained/NAME_pointing.npz; P images with a tumour, K models, pictures of Q images."""

    name: str
    keys: list[str]
    vendor: np.ndarray  # (P,) str
    patient: np.ndarray  # (P,) int
    available: np.ndarray  # (P,) int, images of the image's vendor from which these were taken
    hit: np.ndarray  # (K, P) bool: the point of most evidence lies in the tumour
    random_hit: np.ndarray  # (K, P) bool, of a network with random weights
    area: np.ndarray  # (P,) share of the image that the tumour covers
    fixed_hit: np.ndarray  # (P,) bool, of the vendor's best fixed position
    image: np.ndarray  # (K, Q, S, S) uint8 after sampling
    saliency: np.ndarray  # (K, Q, S, S) uint8
    outline: np.ndarray  # (Q, S, S) bool, the tumour


def load_occluded(root: StoragePath) -> tuple[list[Occluded], list[str]]:
    """The scores without each line, and a warning for each file that can't be used."""
    sets: list[Occluded] = []
    warnings = []
    every_file = sorted_glob(root / "explained", "*.npz")
    paths = [path for path in every_file if not path.stem.endswith(POINTING)]
    for path, images in within_limit(paths, _occluded, LARGEST_SCORES):
        if images is None:
            warnings.append(_left_out(path, f"{LARGEST_SCORES >> 20} MiB of scores are read in all"))
        else:
            sets.append(images)
    return sets, warnings


def load_pointed(root: StoragePath) -> tuple[list[Pointed], list[str]]:
    """The pointing games, and a warning for each file that can't be used."""
    games: list[Pointed] = []
    warnings = []
    for path in sorted_glob(root / "explained", f"*{POINTING}.npz"):
        game = _pointed(path)
        if game is None:
            warnings.append(_left_out(path, f"at most {LARGEST_PICTURES >> 20} MiB of pictures"))
        else:
            games.append(game)
    return games, warnings


def _left_out(path: StoragePath, limit: str) -> str:
    return (
        f"explained/{path.name} is truncated, was not written by the evaluation, or is too large ({limit}): left out."
    )


def _occluded(path: StoragePath, room: int) -> Occluded | None:
    """One file, with at most ``room`` bytes of scores; None where it cannot be used."""
    read = content_of(path, room + PACKED_BESIDE, lambda archive: _unpacked(archive, path.stem, room))
    return read if read is not None and _occluded_fits(read) else None


def _unpacked(archive: Archive, name: str, room: int) -> Occluded:
    """The arrays of a file. ValueError where one is absent, torn, or larger than the others say.

    What is small is read first: it says how large each of the others has to be.
    """
    lists = archive.read(("metric", "keys", "points", "label"), LARGEST_LISTS)
    groups = archive.read(OF_GROUPS, LARGEST_LISTS)
    if any(values.ndim != 1 for values in lists.values()):
        raise ValueError("metric, keys, points and label must be lists")
    models = len(lists["keys"])
    images = len(lists["label"])
    shape = groups["kept"].shape
    if len(shape) != 2 or shape[0] != models or shape[1] > 2 * LARGEST_SIDE:
        raise ValueError(f"kept must have a row a model and at most {2 * LARGEST_SIDE} columns, got {shape}")
    of_images = archive.read(("patient", "vendor"), VALUE_BYTES * images)
    clean = archive.read(("clean",), min(room, 8 * models * images))
    scores = archive.read(("score",), min(room, 8 * shape[0] * shape[1] * images))
    metric = "+".join(str(part) for part in lists.pop("metric"))
    keys = [str(key) for key in lists.pop("keys")]
    return Occluded(name, metric, keys, **lists, **groups, **of_images, **clean, **scores)


def _occluded_fits(read: Occluded) -> bool:
    """Whether the arrays are of these models, groups and images, and hold what they should."""
    count = len(read.label)
    shape = read.kept.shape
    models = (shape[0],)
    of_groups = [getattr(read, name) for name in OF_GROUPS]
    return (
        count > 0
        and shape[0] > 0
        and read.metric in METRICS
        and read.points.shape == models
        and all(values.shape == shape for values in of_groups)
        and read.score.shape == (*shape, count)
        and read.clean.shape == (*models, count)
        and read.patient.shape == read.vendor.shape == (count,)
        and are_of(INTEGERS, read.points, read.label, read.patient, *of_groups)
        and are_of(NUMBERS, read.clean, read.score)
        and read.vendor.dtype.kind == "U"
        and bool(np.isin(read.label, (0, 1)).all())
        and _counts_fit(read)
    )


def _counts_fit(read: Occluded) -> bool:
    """Whether groups fit into the largest k-space, end after they begin, and keep at most their size."""
    places = np.abs(np.stack([read.first, read.last]).astype(np.float64))
    in_order = read.first.astype(np.float64) <= read.last
    return (
        bool((places <= LARGEST_SIDE).all())
        and bool(in_order.all())
        and bool(((read.kept >= 0) & (read.kept <= read.size) & (read.size <= LARGEST_SIDE**2)).all())
    )


def _pointed(path: StoragePath) -> Pointed | None:
    """One file; None where it cannot be used."""
    most = len(PICTURES) * LARGEST_PICTURES + PACKED_BESIDE
    name = path.stem.removesuffix(POINTING)
    game = content_of(path, most, lambda archive: _unpacked_game(archive, name))
    return game if game is not None and _pointed_fits(game) else None


def _unpacked_game(archive: Archive, name: str) -> Pointed:
    """The arrays of a file. ValueError where one is absent, torn, or too large."""
    lists = archive.read(("keys", "vendor", "patient", "available", "area", "fixed_hit"), LARGEST_LISTS)
    hits = archive.read(("hit", "random_hit"), LARGEST_LISTS)
    pictures = archive.read(PICTURES, LARGEST_PICTURES)
    if lists["keys"].ndim != 1:
        raise ValueError("keys must be a list")
    keys = [str(key) for key in lists.pop("keys")]
    return Pointed(name, keys, **lists, **hits, **pictures)


def _pointed_fits(game: Pointed) -> bool:
    """Whether the arrays are of these models, images and pictures, and hold what they should."""
    count = game.area.shape
    of_images = (game.vendor, game.patient, game.available, game.fixed_hit)
    of_models = (len(game.keys), *count)
    return (
        len(count) == 1
        and count[0] > 0
        and len(game.keys) > 0
        and all(values.shape == count for values in of_images)
        and game.hit.shape == game.random_hit.shape == of_models
        and game.outline.ndim == 3
        and game.image.shape == game.saliency.shape == (len(game.keys), *game.outline.shape)
        and game.vendor.dtype.kind == "U"
        and are_of(INTEGERS, game.patient, game.available)
        and are_of("b", game.hit, game.random_hit, game.fixed_hit, game.outline)
        and all(values.dtype == np.uint8 for values in (game.image, game.saliency))
        and are_of(NUMBERS, game.area)
        and bool((game.available >= 0).all())
        and bool((np.isfinite(game.area) & (game.area >= 0) & (game.area <= 1)).all())
    )
