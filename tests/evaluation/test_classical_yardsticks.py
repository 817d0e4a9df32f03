"""Every classical method against an independent definition, or a case made by hand with an exact answer."""

import itertools

import numpy as np
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from tiny import write_tiny
from tune_ks.core.config import TrialConfig
from tune_ks.core.metrics import auc
from tune_ks.data.dataset import open_splits
from tune_ks.evaluation.finish import exported_mask
from tune_ks.evaluation.yardstick_scores import yardstick_scores
from tune_ks.evaluation.yardsticks import (
    YARDSTICKS,
    fwhm,
    k_means,
    nearest_neighbours,
    otsu,
    outlining,
    pixels,
    random_forest,
    region_growing,
    strm,
    svm,
)
from tune_ks.evaluation.yardsticks.base import Labelled
from tune_ks.evaluation.yardsticks.outlining import Setting
from tune_ks.model.pipeline import build_pipeline
from tune_ks.training.tasks.segmentation import Segmentation

FEW_TREES = 10
EVERYWHERE = np.ones((8, 8), bool)


class Given:
    """Images in memory, as a yardstick sees them, one a chunk."""

    def __init__(self, images, targets):
        self.images = np.float32(images)
        self.masks = np.array(targets, bool)
        self.label = self.masks.any((1, 2)).astype(float)

    def __len__(self):
        return len(self.images)

    def chunks(self):
        yield from self.images[:, None]

    def targets(self):
        yield from self.masks[:, None]


# ------------------------------------------------------------------------------------------------ classification


def test_pixels_are_means_of_blocks():
    images = np.random.default_rng(0).random((2, 64, 64), dtype=np.float32)
    blocks = images.reshape(2, 16, 4, 16, 4).mean((2, 4)).reshape(2, 256)
    np.testing.assert_allclose(pixels.numbers(images), blocks, rtol=1e-6)
    assert pixels.numbers(images[:, :50, :50]).shape == (2, 256)  # no multiple of 16


@pytest.fixture(scope="module")
def labelled():
    """Training and validation images in which the classes overlap, and new ones."""
    rng = np.random.default_rng(3)
    label = np.arange(90) % 2
    sets = [Labelled(rng.normal(size=(90, 256)) + 0.12 * label[:, None], label) for _ in range(2)]
    return (*sets, rng.normal(size=(40, 256)))


def directly(name, setting, train):
    """(n, 256) -> scores, by scikit-learn's own pipelines; probabilities where the yardstick gives log-odds."""
    if name == "svm":
        machine = SVC(C=setting, kernel="rbf", gamma=1 / 256, class_weight="balanced")
        return make_pipeline(StandardScaler(), machine).fit(train.numbers, train.label).decision_function
    if name == "nearest_neighbours":
        fitted = KNeighborsClassifier(setting).fit(train.numbers, train.label)
    else:
        forest = RandomForestClassifier(
            FEW_TREES, min_samples_leaf=setting, class_weight="balanced_subsample", random_state=0
        )
        fitted = forest.fit(train.numbers, train.label)
    return lambda numbers: fitted.predict_proba(numbers)[:, 1]


def as_probability(name, setting, scores):
    """The inverse of the log-odds with half a vote more for each answer."""
    votes = {"nearest_neighbours": setting, "random_forest": FEW_TREES}.get(name)
    if votes is None:
        return scores
    return ((votes + 1) / (1 + np.exp(-scores)) - 0.5) / votes


@pytest.mark.parametrize(
    ("name", "module", "settings"),
    [
        ("svm", svm, svm.PENALTIES),
        ("nearest_neighbours", nearest_neighbours, nearest_neighbours.NEIGHBOURS),
        ("random_forest", random_forest, random_forest.LEAVES),
    ],
)
def test_a_classifier_is_scikit_learns_with_the_setting_that_validation_chooses(
    name, module, settings, labelled, monkeypatch
):
    monkeypatch.setattr(random_forest, "TREES", FEW_TREES)
    train, val, new = labelled
    by_hand = {setting: directly(name, setting, train) for setting in settings}
    best = max(settings, key=lambda setting: auc(val.label, by_hand[setting](val.numbers)))
    scores = as_probability(name, best, module.fit(train, val)(new))
    np.testing.assert_allclose(scores, by_hand[best](new), atol=1e-6)
    without_classes = Labelled(val.numbers[:0], val.label[:0])
    usual = as_probability(name, module.USUAL, module.fit(train, without_classes)(new))
    np.testing.assert_allclose(usual, by_hand[module.USUAL](new), atol=1e-6)


def test_fewer_training_images_than_neighbours_are_all_neighbours():
    train = Labelled(np.eye(4, 256), np.array([0, 0, 0, 1]))
    score = nearest_neighbours.fit(train, Labelled(train.numbers[:0], train.label[:0]))
    np.testing.assert_allclose(score(np.zeros((2, 256))), np.log(1.5 / 3.5))


# ------------------------------------------------------------------------------------------------ segmentation


def variance_between(values, limit):
    dark = values[values <= limit]
    bright = values[values > limit]
    if len(dark) == 0 or len(bright) == 0:
        return 0.0
    return len(dark) * len(bright) * (dark.mean() - bright.mean()) ** 2


@pytest.mark.parametrize("seed", range(5))
def test_otsus_threshold_has_the_highest_variance_between_classes_of_all(seed):
    values = np.random.default_rng(seed).integers(0, 12, 60) / 4  # with many equal ones
    every = {limit: variance_between(values, limit) for limit in np.unique(values)}
    assert every[otsu.threshold(values)] == pytest.approx(max(every.values()))


def test_otsu_twice_takes_air_away_first():
    image = np.zeros((8, 8))
    image[2:, :] = 1.0  # tissue
    image[4:6, 4:6] = 1.4  # tumour
    assert (otsu.outline(image, EVERYWHERE, 1) == (image >= 1)).all()
    assert (otsu.outline(image, EVERYWHERE, 2) == (image == 1.4)).all()
    assert not otsu.outline(image, EVERYWHERE, 3).any()  # one value is left: nothing lies above it
    assert not otsu.outline(np.full((8, 8), 0.5), EVERYWHERE, 1).any()
    assert not otsu.outline(image, ~EVERYWHERE, 1).any()


@pytest.mark.parametrize("clusters", [2, 3, 4])
def test_k_means_is_lloyds_algorithm_by_loops(clusters):
    rng = np.random.default_rng(clusters)
    values = np.concatenate([centre + 0.05 * rng.random(20) for centre in range(clusters)])
    rng.shuffle(values)
    means = k_means.cluster_means(values, clusters)
    np.testing.assert_allclose(means, [values[values.astype(int) == of].mean() for of in range(clusters)])
    overlapping = rng.random(100)
    means = k_means.cluster_means(overlapping, clusters)
    nearest = np.abs(overlapping[:, None] - means).argmin(1)
    np.testing.assert_allclose(means, [overlapping[nearest == of].mean() for of in range(clusters)])  # nothing moves


def test_k_means_outlines_the_brightest_cluster():
    image = np.zeros((8, 8))
    image[:, 4:] = 0.5
    image[2:4, 5:7] = 1.0  # few pixels, and a cluster all the same
    assert (k_means.outline(image, EVERYWHERE, 3) == (image == 1)).all()
    assert not k_means.outline(np.full((8, 8), 0.5), EVERYWHERE, 3).any()


def test_region_growing_stays_in_the_piece_of_its_seed():
    image = np.zeros((8, 8))
    image[1:4, 1:4] = 1.0  # the seed's: brightest over 3 x 3
    image[4, 3] = 0.7  # touches it
    image[6:8, 6:8] = 0.9  # as bright, apart from it
    grown = region_growing.outline(image, EVERYWHERE, 0.5)
    expected = np.zeros((8, 8), bool)
    expected[1:4, 1:4] = expected[4, 3] = True
    assert (grown == expected).all()
    expected[4, 3] = False  # its seed is 1, the median 0: 0.7 is not above 1 - 0.2
    assert (region_growing.outline(image, EVERYWHERE, 0.2) == expected).all()
    right = np.zeros((8, 8), bool)
    right[:, 5:] = True  # the seed must lie there
    assert (region_growing.outline(image, right, 0.8) == (right & (image > 0))).all()


def test_fwhm_is_half_of_the_brightest_pixel_of_the_region():
    image = np.array([[1.0, 0.5, 0.49], [0.2, 0.1, 0.6], [0.0, 0.3, 0.05]])
    assert (fwhm.outline(image, np.ones((3, 3), bool), 0.5) == (image >= 0.5)).all()
    last_row = np.array([[False] * 3, [False] * 3, [True] * 3])
    assert (fwhm.outline(image, last_row, 0.5) == (image == 0.3)).all()


def test_strm_counts_deviations_from_the_median_of_the_tissue():
    image = np.zeros((8, 8))  # air, of which Otsu's threshold takes leave
    tissue = np.array([0.9, 1.0, 1.1, 1.0, 0.9, 1.1, 1.0, 1.0, 1.1, 0.9])
    image.ravel()[:10] = tissue
    image[4, 4] = 1.4
    values = np.append(tissue, np.float64(1.4))
    deviation = 1.4826 * np.median(np.abs(values - np.median(values)))
    assert strm.limit(image, 2) == pytest.approx(1.0 + 2 * deviation)
    assert strm.outline(image, EVERYWHERE, 2).nonzero() == (np.array([4]), np.array([4]))
    assert not strm.outline(image, EVERYWHERE, 3).any()  # 1.4 < 1 + 3 x 0.148
    assert not strm.outline(np.full((8, 8), 0.5), EVERYWHERE, 2).any()


def test_only_the_largest_piece_is_kept_where_a_setting_says_so():
    image = np.zeros((8, 8))
    image[0, :3] = image[4:6, 4:6] = image[7, 0] = 1.0
    image[6, 6] = 1.0  # touches the square at a corner only
    kept = outlining.applied(fwhm.outline, Setting(0.5, EVERYWHERE, True), image)
    square = np.zeros((8, 8), bool)
    square[4:6, 4:6] = True
    assert (kept == square).all()
    assert (outlining.applied(fwhm.outline, Setting(0.5, EVERYWHERE, False), image) == (image == 1)).all()
    assert not outlining.largest_piece(np.zeros((8, 8), bool)).any()


def disc(row, column):
    mask = np.zeros((8, 8), bool)
    mask[row : row + 2, column : column + 2] = True
    return mask


def test_validation_chooses_the_region_and_training_fits_it():
    """Every image has a brighter spot in the same corner, where no training tumour lies."""
    corner = disc(0, 0)
    targets = [disc(4, 4), disc(4, 5), disc(5, 4)]
    images = [target * 0.8 + corner * 1.0 for target in targets]
    train = Given(images[:2], targets[:2])
    score = YARDSTICKS["fwhm"].fit(train, Given(images[1:2], targets[1:2]))
    found = score(Given([*images, images[0]], [*targets, np.zeros((8, 8), bool)]))
    # the last disc's lower row lies outside the region that training tumours cover: 2 of 4 pixels, and 2 / (2 + 4)
    np.testing.assert_allclose(found, [1, 1, 2 * 2 / (2 + 4), np.nan])
    # a validation tumour in the corner: there the whole image is the better region
    score = YARDSTICKS["fwhm"].fit(train, Given([corner * 1.0], [corner]))
    assert score(Given([corner * 1.0], [corner])) == pytest.approx([1.0])
    # without a tumour in validation the training images choose
    score = YARDSTICKS["fwhm"].fit(train, Given([corner * 1.0], [np.zeros((8, 8), bool)]))
    np.testing.assert_allclose(score(Given(images[:2], targets[:2])), 1)


def test_dice_is_the_tasks(tmp_path):
    """On a trial's own images, sampled: the Dice of its outlines as the task scores a network's map of logits."""
    cohort_csv, images_npy = write_tiny(tmp_path, patients=8)
    splits = open_splits(cohort_csv, images_npy, "GE", cohort_csv.parent / "masks.npy")
    small = {"mask": "lowpass", "task": "segmentation", "classifier": "no_network", "image_size": 64, "epochs": 0}
    config = TrialConfig("GE", 0.25, **small)
    pipeline = build_pipeline(config, 64)
    mask, _ = exported_mask(pipeline, 0.25)
    scores = yardstick_scores(pipeline, config, splits, mask)
    assert set(scores) == {name for name, yardstick in YARDSTICKS.items() if yardstick.target == "mask"}
    images = splits.test["SIEMENS"]
    batch = images.gather(torch.arange(len(images)))
    for name, of_yardstick in scores.items():
        found = of_yardstick["test"]["SIEMENS"]
        assert np.isnan(found).tolist() == (images.label == 0).tolist()
        least = 0.2 if name in ("fwhm", "strm") else 0.5  # a bright disc in noise, without air and tissue
        assert np.nanmean(found) > least, name
    sampled = pipeline.restore(batch.image, torch.full((len(images),), 0.25)).image[:, 0].numpy()
    by_hand = []
    for values in itertools.product(otsu.TIMES, (False, True)):
        setting = Setting(values[0], np.ones((64, 64), bool), values[1])
        outlined = np.stack([outlining.applied(otsu.outline, setting, image) for image in sampled])
        by_hand.append(Segmentation.score(torch.from_numpy(outlined[:, None] - 0.5), batch).numpy())
    distances = [np.nanmax(np.abs(dice - scores["otsu"]["test"]["SIEMENS"])) for dice in by_hand]
    assert min(distances) < 1e-6
