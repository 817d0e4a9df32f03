"""Line occlusion: one planted line is shown and no other; an unkept line changes nothing; a slow plain twin."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from analysis.plots.line_falls import plot_line_falls
from analysis.read.explained import load_occluded
from analysis.results.line_falls import line_falls, of_tumour, of_vendor, place_words, verdict
from tiny import write_tiny
from tune_ks.core.config import TrialConfig
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.cohort.table import COLUMNS
from tune_ks.data.dataset import Images, all_images
from tune_ks.data.phantom.planted import Plant, planted
from tune_ks.evaluation.line_groups import MOST, line_groups
from tune_ks.evaluation.line_occlusion import Occlusion, _scores, always_sampling, mask_at_test, write_occlusion
from tune_ks.model.pipeline import build_pipeline
from tune_ks.model.transforms.cosine import Cosine
from tune_ks.model.transforms.fourier import Fourier

SIDE = 64
KEPT = (-3, 0, 3, 11)  # lines from DC of the planted mask: +11 without its mirror, which would hold the same
SMALL = {"image_size": 64, "width": 0.1, "dropout": 0.0}


class Energy(nn.Module):
    """A network that sees nothing but an image's energy, which is that of the kept lines (Parseval)."""

    def forward(self, image, acquisition, condition):
        return image.double().square().mean((1, 2, 3))


def planted_images(blocked):
    """Ten patients a vendor with eight images; all are the same but for the lines 11, in which the label lies."""
    vendors = np.repeat(["GE", "SIEMENS"], 80)
    wave = 0.5 + 0.1 * np.cos(2 * np.pi * 3 * np.arange(SIDE) / SIDE)
    images = np.tile(wave.astype(np.float32), (len(vendors), SIDE, 1))
    pixels, label = planted(images, vendors, Plant(bands=((11, 11),), level=0.3, contrast=3.0, blocked=blocked))
    table = pd.DataFrame({name: [None] * len(vendors) for name in COLUMNS})
    patient = [f"p{number // 8}" for number in range(len(vendors))]
    table = table.assign(row=np.arange(len(vendors)), vendor=vendors, label=label, patient_id=patient, width=SIDE)
    return table, Images(table, pixels, np.arange(len(vendors)))


def planted_falls(folder, blocked):
    """What the analysis reads of the planted network."""
    table, images = planted_images(blocked)
    config = TrialConfig("GE", len(KEPT) / SIDE, mask="lowpass", **SMALL)
    pipeline = build_pipeline(config, SIDE)
    pipeline.classifier = Energy()
    kept = torch.zeros(1, 1, SIDE)
    kept[..., [SIDE // 2 + line for line in KEPT]] = 1
    pipeline.sampling.mask.binary = lambda rate: kept
    groups, scores = _scores(always_sampling(pipeline, config), config, images, "cpu", lambda share: None)
    result = Occlusion("auc", [config.key()], [groups], [scores[0]], [scores[1:]], table)
    write_occlusion(RunFolder(folder), "planted", result)
    (read,), warnings = load_occluded(folder)
    assert warnings == []
    return line_falls(read, "GE", [config.key()], config.sampling_rate), read


@pytest.fixture(scope="module")
def in_both(tmp_path_factory):
    return planted_falls(tmp_path_factory.mktemp("planted"), {})


def test_the_planted_line_carries_the_tumour_and_no_other(in_both):
    falls, read = in_both
    assert falls.table["first"].tolist() == list(KEPT)
    shown = of_tumour(falls)
    assert shown["first"].tolist() == shown["last"].tolist() == [11]
    assert shown["in_domain"].item() > 0.3
    assert shown["cross_domain_low"].item() > 0
    others = falls.table[falls.table["first"] != 11]
    assert others["in_domain"].abs().max() < 0.01
    assert others["cross_domain"].abs().max() < 0.01
    assert of_vendor(falls).empty
    says = verdict(falls)
    assert (
        "of 4 kept lines, 1 shown to carry the tumour: without them the in-domain AUC falls, most without line +11 (by "
        in says
    )
    assert "None is shown to carry the vendor" in says
    unkept = read.kept[0] == 0
    assert unkept.sum() == SIDE - len(KEPT)
    assert np.array_equal(read.score[0, unkept], np.tile(read.clean[0], (unkept.sum(), 1)))


def test_each_domain_has_a_panel_of_its_own_with_the_same_axis(in_both):
    falls, _ = in_both
    figure = plot_line_falls(falls)
    bars = [trace for trace in figure.data if trace.type == "bar"]
    assert [(trace.name, trace.yaxis) for trace in bars] == [("in-domain", "y2"), ("cross-domain", "y3")]
    assert figure.layout.yaxis3.matches == "y2"
    assert figure.layout.yaxis2.title.text == "fall of AUC, in-domain"
    assert all(list(trace.x) == list(KEPT) for trace in bars)
    alone = plot_line_falls(falls._replace(table=falls.table.assign(cross_domain=np.nan)))
    assert [trace.name for trace in alone.data if trace.type == "bar"] == ["in-domain"]


def test_a_line_that_only_the_training_vendor_needs_carries_the_vendor(tmp_path):
    falls, _ = planted_falls(tmp_path, {"SIEMENS": ((11, 11),)})
    assert of_vendor(falls)["first"].tolist() == [11]
    assert "Of these, 1 shown to carry the vendor (line +11): the cross-domain AUC falls less" in verdict(falls)
    table = pd.read_csv(tmp_path / "explained/planted.csv")
    assert len(table) == 2 * len(KEPT)
    lost = table.query("vendor == 'GE' and first == 11").iloc[0]
    assert lost["auc"] - lost["auc_without"] == pytest.approx(of_tumour(falls)["in_domain"].item())
    assert "PHANTOM" not in (tmp_path / "explained/planted.csv").read_text()
    (read,), _ = load_occluded(tmp_path)
    blind = line_falls(read, "SIEMENS", read.keys, 0.0625)
    assert "none is shown to carry the tumour" in verdict(blind)


CONFIGS = {
    "lines": {"sampling_rate": 0.25, "temperature": 1.0},
    "tied": {"sampling_rate": 0.25, "temperature": 1.0, "hermitian": "tied"},
    "points": {"sampling_rate": 0.25, "mask": "variable_density", "pattern": "points"},
    "full": {"sampling_rate": 1.0, "mask": "lowpass", "reconstruction": "unet", "reconstruction_channels": 4},
    "conditional": {"sampling_rate": 1.0, "rate_from": 0.25, "temperature": 1.0, "classifier": "alexnet_film"},
    "segmentation": {"sampling_rate": 0.5, "mask": "lowpass", "task": "segmentation", "classifier": "unet"},
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    cohort_csv, images_npy = write_tiny(tmp_path_factory.mktemp("tiny"), patients=3, per_patient=2, side=48)
    table = pd.read_csv(cohort_csv).head(4)
    return all_images(table, images_npy, images_npy.with_name("masks.npy"))


def plain_score(pipeline, config, image, target, kept):
    """One image's score, with numpy's transform of both axes and a mask given point by point."""
    kspace = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(image.astype(np.float64))))
    zero_filled = np.abs(np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(kspace * kept))))
    restored = torch.from_numpy(zero_filled.astype(np.float32))[None, None]
    logit = pipeline.classify(restored, torch.tensor([config.sampling_rate]), torch.full((1, 7), torch.nan))
    if config.task == "classification":
        return logit.item()
    predicted = (logit[0, 0] > 0).numpy()
    total = predicted.sum() + target.sum()
    return 2 * (predicted & target).sum() / total if target.any() else np.nan


@pytest.mark.parametrize("name", CONFIGS)
@torch.no_grad()
def test_the_scores_are_those_of_a_plain_twin(tiny, name):
    config = TrialConfig("GE", **{**SMALL, **CONFIGS[name]})
    torch.manual_seed(0)
    pipeline = always_sampling(build_pipeline(config, 48), config)
    groups, scores = _scores(pipeline, config, tiny, "cpu", lambda share: None)
    mask = np.broadcast_to(mask_at_test(pipeline, config)[0].numpy(), (48, 48))
    of = np.broadcast_to(groups.group_of, (48, 48))
    assert groups.size.sum() == groups.group_of.size
    assert scores.shape == (1 + len(groups.first), len(tiny))
    batch = tiny.gather(torch.arange(len(tiny)))
    met = 0
    for group in (-1, *np.flatnonzero(groups.kept)[::5].tolist()):
        for place in range(0, len(tiny), 3):
            image, target = batch.image[place, 0].numpy(), batch.target[place, 0].numpy() == 1
            expected = plain_score(pipeline, config, image, target, mask * (of != group))
            assert scores[1 + group, place] == pytest.approx(expected, rel=1e-3, abs=1e-5, nan_ok=True)
            met += 1
    assert met >= 6
    if config.is_full:  # sampled with all lines it is the image itself, but for rounding
        usual = build_pipeline(config, 48).eval()
        usual.load_state_dict(pipeline.state_dict(), strict=False)
        itself = usual(batch.image, torch.ones(len(tiny)), batch.acquisition)
        np.testing.assert_allclose(scores[0], itself, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("width", [8, 64, 65, 96, 128, 129, 320])
def test_groups_are_neighbours_on_both_sides_of_dc(width):
    mask = np.zeros((1, width))
    mask[0, :3] = 1
    groups = line_groups(mask, Fourier())
    assert groups.size.sum() == width
    assert groups.kept.sum() == 3
    assert len(groups.first) <= MOST + 2
    (dc,) = np.flatnonzero(groups.first == 0)
    assert groups.last[dc] == 0
    assert (groups.first[1:] == groups.last[:-1] + 1).all()
    assert (groups.group_of[0] == np.repeat(np.arange(len(groups.first)), groups.size)).all()
    for distance in range(1, min(dc, len(groups.first) - dc - 1)):
        assert groups.first[dc + distance] == -groups.last[dc - distance]
    if width <= MOST + 1:
        assert len(groups.first) == width


def test_groups_of_points_are_rings_and_those_of_the_cosine_transform_begin_at_its_corner():
    rings = line_groups(np.ones((8, 8)), Fourier((-2, -1)))
    assert rings.first.tolist() == rings.last.tolist() == [0, 1, 2, 3, 4]
    radius = np.hypot(*(np.mgrid[:8, :8] - 4))
    assert (rings.group_of == np.floor(radius + 0.5).clip(max=4)).all()
    assert line_groups(np.ones((1, 8)), Cosine()).first.tolist() == [*range(8)]


def test_seeds_are_averaged_and_a_line_that_a_seed_leaves_out_does_not_fall_there(in_both):
    falls, read = in_both
    first, second = "a" * 12, "b" * 12
    kept = np.concatenate([read.kept, read.kept])
    score = np.concatenate([read.score, read.score])
    eleven = SIDE // 2 + 11
    kept[1, eleven] = 0  # whatever stands there is not read
    both = read._replace(keys=[first, second], kept=kept, score=score, clean=np.tile(read.clean, (2, 1)))
    arrays = {name: np.tile(getattr(read, name), (2, 1)) for name in ("first", "last", "size")}
    both = both._replace(points=np.zeros(2, bool), **arrays)
    averaged = line_falls(both, "GE", [first, second], 0.125).table.set_index("first")
    alone = falls.table.set_index("first")
    assert averaged.loc[11, "in_domain"] == pytest.approx(alone.loc[11, "in_domain"] / 2)
    assert averaged.loc[11, "kept_by"] == 1
    assert averaged.loc[11, "share_kept"] == 0.5
    assert line_falls(both, "GE", ["absent"], 0.125) is None
    assert line_falls(both, "PHILIPS", [first], 0.125) is None


def test_places_in_words():
    assert place_words(0, 0, points=False) == "DC"
    assert place_words(3, 3, points=False) == "line +3"
    assert place_words(-4, -3, points=False) == "lines -4 to -3"
    assert place_words(5, 5, points=True) == "ring 5"


def test_too_many_models_of_too_many_images_are_refused(monkeypatch):
    from tune_ks.evaluation import line_occlusion

    monkeypatch.setattr(line_occlusion, "LARGEST_SCORES", 4 * (MOST + 1) * 10)
    folder = SimpleNamespace(read_record=lambda key: None)
    with pytest.raises(ValueError, match=r"2 models of 6 images are too many \(at most 10 pairs\): leave out --all"):
        line_occlusion.line_occlusion(folder, ["a", "b"], pd.DataFrame({"row": range(6)}), None)
