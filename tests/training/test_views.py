"""Test-time augmentation by hand, in validation, records, packs and maps; its views commute with masks of lines."""

import dataclasses

import numpy as np
import pytest
import torch

from benchmarks.alone import finish, train
from tune_ks.core.config import TrialConfig
from tune_ks.core.metrics import auc
from tune_ks.data.dataset import open_splits
from tune_ks.model.pipeline import build_pipeline, build_transform
from tune_ks.training.pack import Network, pass_together
from tune_ks.training.scoring import rates_of, score, score_together
from tune_ks.training.tasks.segmentation import Segmentation
from tune_ks.training.views import VIEWS, views_of

FIELDS = {"image_size": 64, "epochs": 2, "batch_size": 8, "lr": 1e-3, "settle": 0}
PLAIN = TrialConfig("GE", 0.25, temperature=1.0, width=0.05, **FIELDS)
SMOOTHED = dataclasses.replace(PLAIN, test_time="flips")


def numpy_views(image):
    """(..., S, S) -> the image, mirrored left to right, up to down, and both."""
    return [image, image[..., ::-1], image[..., ::-1, :], image[..., ::-1, ::-1]]


@torch.no_grad()
def scores_by_hand(pipeline, images, config):
    """The mean logit of the restored images' four views, each classified by itself."""
    pipeline.eval()
    batch = images.gather(torch.arange(len(images)))
    rates = rates_of(config, batch)
    restored = pipeline.restore(batch.image, rates).image.numpy()
    views = [torch.from_numpy(view.copy()) for view in numpy_views(restored)]
    logits = [pipeline.classify(view, rates, batch.acquisition).numpy() for view in views]
    return np.mean(logits, axis=0)


@pytest.mark.parametrize("pattern", ["lines", "points"])
def test_a_score_is_the_mean_over_the_views_of_the_restored_image(splits, pattern):
    config = dataclasses.replace(SMOOTHED, pattern=pattern)
    torch.manual_seed(0)
    pipeline = build_pipeline(config, 64)
    images = splits.val["SIEMENS"]
    scores = score(pipeline, images, config)
    np.testing.assert_allclose(scores, scores_by_hand(pipeline, images, config), rtol=1e-4, atol=1e-6)
    assert not np.allclose(scores, score(pipeline, images, dataclasses.replace(config, test_time="none")), atol=1e-5)


def test_validation_and_the_record_use_it_and_training_does_not(splits):
    plain = list(train(PLAIN, splits))
    smoothed = list(train(SMOOTHED, splits))
    assert [epoch.loss for epoch in plain] == [epoch.loss for epoch in smoothed]
    scored = finish(SMOOTHED, splits, smoothed[-1].state)
    for vendor, images in splits.val.items():
        expected = scores_by_hand(scored.pipeline, images, SMOOTHED)
        np.testing.assert_allclose(scored.scores["val"][vendor], expected, rtol=1e-4, atol=1e-6)
    label = splits.val["GE"].label.numpy()
    last = build_pipeline(SMOOTHED, 64)
    last.load_state_dict(smoothed[-1].state["weights"])
    assert smoothed[-1].val == auc(label, score(last, splits.val["GE"], SMOOTHED))


def test_in_a_pack_it_is_that_of_the_networks_that_ask_for_it(splits):
    networks = []
    for seed, test_time in enumerate(["flips", "none", "flips"]):
        config = dataclasses.replace(PLAIN, seed=seed, test_time=test_time)
        torch.manual_seed(seed)
        networks.append(Network(config, build_pipeline(config, 64)))
    images = splits.val["GE"]
    together = score_together(networks, images)
    for network, scores in zip(networks, together, strict=True):
        np.testing.assert_allclose(scores, score(network.pipeline, images, network.config), rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_a_map_is_turned_back_before_the_mean(tiny):
    cohort_csv, images_npy = tiny
    images = open_splits(cohort_csv, images_npy, "GE", images_npy.parent / "masks.npy").val["GE"]
    config = TrialConfig(
        "GE", 1.0, mask="lowpass", task="segmentation", classifier="unet", width=0.125, test_time="flips", **FIELDS
    )
    torch.manual_seed(0)
    pipeline = build_pipeline(config, 64).eval()
    batch = images.gather(torch.arange(len(images)))
    views = [torch.from_numpy(view.copy()) for view in numpy_views(batch.image.numpy())]
    maps = [pipeline(view, rates_of(config, batch), batch.acquisition).numpy() for view in views]
    not_turned = Segmentation.score(torch.from_numpy(np.mean(maps, axis=0)), batch).numpy()
    for position, turn_back in enumerate(numpy_views(np.arange(64 * 64).reshape(64, 64))):
        maps[position] = maps[position].reshape(len(images), 64 * 64)[:, turn_back.ravel()]
    mean = torch.from_numpy(np.mean(maps, axis=0)).view(batch.target.shape)
    expected = Segmentation.score(mean, batch).numpy()
    np.testing.assert_allclose(score(pipeline, images, config), expected, atol=5e-3)
    assert np.nanmax(np.abs(expected - not_turned)) > 0.02


@pytest.mark.parametrize("axes", VIEWS)
@pytest.mark.parametrize("side", [32, 33])
def test_every_view_commutes_with_every_mask_of_lines(axes, side):
    """|F^-1 M F T x| = T |F^-1 M F x|; of points, only the half turn does."""
    generator = torch.Generator().manual_seed(side)
    image = torch.rand(10, 1, side, side, generator=generator, dtype=torch.float64)
    for pattern, rows in (("lines", 1), ("points", side)):
        fourier = build_transform(dataclasses.replace(PLAIN, pattern=pattern))
        mask = (torch.rand(10, 1, rows, side, generator=generator) < 0.4).double()
        after = fourier.inverse(mask * fourier.forward(image)).abs().flip(axes)
        before = fourier.inverse(mask * fourier.forward(image.flip(axes))).abs()
        assert torch.allclose(before, after, atol=1e-12) == (pattern == "lines" or len(axes) == 2)


def test_the_number_of_views():
    assert views_of(PLAIN) == 1
    assert views_of(SMOOTHED) == 1 + len(set(VIEWS)) == 4


def test_without_it_a_pass_is_as_it_was(splits):
    """The scores of a network that asks for no views are those of its own pass."""
    torch.manual_seed(0)
    pipeline = build_pipeline(PLAIN, 64).eval()
    images = splits.val["GE"]
    batch = images.gather(torch.arange(len(images)))
    with torch.no_grad():
        (passed,) = pass_together([Network(PLAIN, pipeline)], [batch], [rates_of(PLAIN, batch)])
    assert np.array_equal(score(pipeline, images, PLAIN), passed.output.numpy())
