"""Laws of every reconstruction, HQS-Net's equation and loss by hand, PSNR and SSIM, training with and without them."""

import dataclasses
import itertools
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save

from analysis.read.load import load
from analysis.report.page import render
from analysis.report.sections import reconstruction
from analysis.results.reconstruction import quality_table
from analysis.statistics.measures import MEASURES
from benchmarks.alone import run_config, train
from noise import images
from slow_ssim import slow_ssim
from synthetic_run import write_run
from tiny import write_tiny
from tune_ks.core.config import TrialConfig
from tune_ks.core.record import TrialRecord
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.dataset import Images, open_splits
from tune_ks.evaluation.other_cohort import load_model
from tune_ks.evaluation.quality import reconstruction_quality
from tune_ks.model.pipeline import build_pipeline
from tune_ks.model.reconstructions import RECONSTRUCTIONS, hqs_net
from tune_ks.model.reconstructions.hqs_net import ALPHA, BETA, HQSNet, haar, total_variation
from tune_ks.model.sampling import Measurement
from tune_ks.model.transforms import TRANSFORMS, Fourier

SMALL = {"temperature": 1.0, "width": 0.05, "image_size": 64, "reconstruction_channels": 2, "hyper_channels": 2}
SIDE = 40  # pixels of the tiny cohort
PATTERNS = list(itertools.product(sorted(TRANSFORMS), ("lines", "points")))


def build(name, rate=0.25, side=32, **changes):
    torch.manual_seed(0)
    return build_pipeline(TrialConfig("GE", rate, reconstruction=name, **{**SMALL, **changes}), side)


def shaken(network):
    """Every weight moved, so that nothing holds because a convolution is still zero."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
    return network


def test_the_four_were_met():
    assert sorted(RECONSTRUCTIONS) == ["hqs_net", "hyper_recon", "unet", "zero_filled"]


@pytest.mark.parametrize("name", RECONSTRUCTIONS)
@pytest.mark.parametrize(("transform", "pattern"), PATTERNS)
def test_it_starts_at_the_zero_filled_image_and_stays_a_real_one(name, transform, pattern):
    for side in (16,) if transform == "hadamard" else (16, 21):
        network = build(name, rate=5 / side, side=side, transform=transform, pattern=pattern).eval()
        given = images(3, side), torch.full((3,), 5 / side)
        restored = network.restore(*given)
        zero_filled = network.sampling.transform.inverse(restored.measurement.kspace).abs()
        torch.testing.assert_close(restored.image, zero_filled, atol=1e-5, rtol=1e-4)
        shaken(network.reconstruction)
        restored = network.restore(*given).image
        assert restored.shape == (3, 1, side, side)
        assert restored.dtype == torch.float32
        assert torch.isfinite(restored).all()
        assert torch.allclose(restored, zero_filled, atol=1e-5) == (name == "zero_filled")


@pytest.mark.parametrize("name", RECONSTRUCTIONS)
def test_rate_one_is_the_identity_whatever_it_has_learned(name):
    image = images(3, 32)
    full = build(name, rate=1.0)
    shaken(full.reconstruction)
    assert torch.equal(full.restore(image, torch.ones(3)).image, image)
    some = build(name, rate=0.5, rate_from=0.5)  # rate 1 among other rates
    shaken(some.reconstruction)
    restored = some.restore(image, torch.tensor([1.0, 0.5, 1.0])).image
    assert torch.equal(restored[[0, 2]], image[[0, 2]])
    assert not torch.equal(restored[1], image[1])


@pytest.mark.parametrize("name", RECONSTRUCTIONS)
def test_its_loss_reaches_the_mask_and_all_that_it_learns(name):
    network = build(name)
    shaken(network.reconstruction)
    image = images(3, 32)
    restored = network.restore(image, torch.full((3,), 0.25))
    loss = network.reconstruction.loss(restored.measurement, restored.estimate, image)
    assert loss.shape == ()
    loss.backward()
    assert network.sampling.mask.mask_logits.grad.abs().sum() > 0
    assert all(torch.isfinite(parameter.grad).all() for parameter in network.reconstruction.parameters())
    moved = [parameter.grad.abs().sum() > 0 for parameter in network.reconstruction.parameters()]
    assert sum(moved) >= 0.7 * len(moved)  # a bias before an instance norm moves nothing
    assert all(parameter.grad is None for parameter in network.classifier.parameters())


@pytest.mark.parametrize(("transform", "pattern"), PATTERNS)
def test_hqs_net_keeps_what_was_measured(transform, pattern):
    network = build("hqs_net", side=16, transform=transform, pattern=pattern).eval()
    shaken(network.reconstruction)
    measurement = network.restore(images(3, 16), torch.full((3,), 0.25)).measurement
    kspace, mask = measurement.kspace, measurement.mask
    restored = network.reconstruction.transform.forward(network.reconstruction(measurement))
    kept = mask.bool().expand_as(kspace)
    torch.testing.assert_close(restored[kept], kspace[kept], atol=1e-4, rtol=1e-4)
    assert restored[~kept].abs().max() > 0.01


def test_a_step_of_hqs_net_is_its_equation(monkeypatch):
    """x = F^-1[(1 - M) F z + M (lambda F z + y) / (1 + lambda)] in NumPy, z = x_0 + the convolutions of x_0."""
    weight, side = 0.5, 16
    monkeypatch.setattr(hqs_net, "STEPS", 1)
    monkeypatch.setattr(hqs_net, "LAMBDA", weight)
    transform = Fourier(axes=(-2, -1))
    network = shaken(HQSNet(transform, reconstruction_channels=2))
    mask = (images(1, side, seed=3) > 0.6).float()
    measurement = Measurement(images(1, side), mask, transform)
    kspace = measurement.kspace
    restored = network(measurement).detach().numpy()

    def forward(x):
        return np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(x, axes=(-2, -1)), norm="ortho"), axes=(-2, -1))

    def inverse(k):
        return np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(k, axes=(-2, -1)), norm="ortho"), axes=(-2, -1))

    m, y = mask.numpy(), kspace.numpy()
    start = inverse(y)
    parts = torch.from_numpy(np.concatenate([start.real, start.imag], axis=1)).float()
    added = network.blocks[0].layers(parts).detach().numpy()
    z = start + added[:, :1] + 1j * added[:, 1:]
    expected = inverse((1 - m) * forward(z) + m * (weight * forward(z) + y) / (1 + weight))
    np.testing.assert_allclose(restored, expected, atol=1e-4)


@pytest.mark.parametrize("side", [8, 21])
def test_haar_keeps_the_energy(side):
    image = torch.view_as_complex(torch.stack([images(2, side), images(2, side, seed=1)], dim=-1))
    bands = haar(image, 3)
    assert len(bands) == 10
    assert sum(band.numel() for band in bands) == image.numel()
    energy = sum(band.abs().square().sum() for band in bands)
    torch.testing.assert_close(energy, image.abs().square().sum())


def test_haar_variation_and_loss_by_hand():
    image = torch.tensor([[[[1.0, 2.0], [3.0, 8.0]]]])
    below, right, both, mean = (band.item() for band in haar(image, 1))
    assert (below, right, both, mean) == pytest.approx((-4, -3, 2, 7))  # sums and differences, halved
    assert total_variation(image).item() == pytest.approx(1 + 5 + 2 + 6)
    network = build("hqs_net", side=2, transform="hadamard", pattern="points").reconstruction
    elsewhere = network.transform.inverse(network.transform.forward(image) + 0.5)
    mask = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])
    loss = network.loss(Measurement(elsewhere, mask, network.transform), image, image)
    wavelets = 7 + sum(abs(level) for level in (-4, -3, 2))
    assert loss.item() == pytest.approx((0.5**2 + ALPHA * wavelets + BETA * 14) / 4, rel=1e-5)


def psnr(first, second):
    return -10 * math.log10(np.mean((first - second) ** 2))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("tiny"), side=SIDE)


@pytest.fixture(scope="module")
def splits(tiny):
    return open_splits(*tiny, "GE")


def test_psnr_and_ssim_equal_their_definitions(splits):
    network = build("unet", side=SIDE, mask="lowpass", temperature=None)
    shaken(network.reconstruction)
    some = splits.test["GE"]
    quality = reconstruction_quality(network, some, 0.25, parts=40)  # several batches
    image = some.gather(torch.arange(len(some))).image
    restored = network.restore(image, torch.full((len(some),), 0.25))
    zero_filled = network.sampling.transform.inverse(restored.measurement.kspace).abs()
    for suffix, estimate in (("", restored.image), ("_zero_filled", zero_filled)):
        pairs = [(e[0].astype(float), i[0].astype(float)) for e, i in zip(estimate.detach().numpy(), image.numpy())]
        assert quality[f"psnr{suffix}"] == pytest.approx(np.mean([psnr(*pair) for pair in pairs]), abs=1e-3)
        assert quality[f"ssim{suffix}"] == pytest.approx(np.mean([slow_ssim(*pair) for pair in pairs]), abs=1e-4)
    assert len(quality) == 4


def test_an_image_restored_exactly_has_no_psnr_and_an_ssim_of_one(splits):
    network = build("unet", side=SIDE, rate=1 / SIDE, mask="lowpass", temperature=None)
    constant = np.full((2, SIDE, SIDE), 0.5, np.float32)  # the DC line holds all of it
    constant[1, :, SIDE // 2 :] = 0.7
    table = splits.test["GE"]
    some = Images.__new__(Images)
    some.__dict__ |= table.__dict__ | {"_pixels": constant, "rows": torch.arange(2), "_at": torch.arange(2)}
    quality = reconstruction_quality(network, some, 1 / SIDE)
    assert quality["psnr"] == pytest.approx(20, abs=1e-3)  # the second alone: everywhere 0.1 off
    of_first = reconstruction_quality(network, with_rows(some, [0]), 1 / SIDE)
    assert of_first["ssim"] == pytest.approx(1, abs=1e-5)


def with_rows(some, rows):
    fewer = Images.__new__(Images)
    fewer.__dict__ |= some.__dict__ | {"rows": torch.tensor(rows), "_at": torch.tensor(rows)}
    return fewer


@pytest.mark.parametrize(("name", "steps", "lr"), [("unet", 12, 5e-3), ("hqs_net", 100, 1e-3)])
def test_its_own_loss_brings_it_nearer_to_the_image(name, steps, lr):
    """Discs at 12 random lines of 32; HQS-Net is never shown the images."""
    network = build(name, rate=12 / 32, mask="random_uniform", temperature=None, reconstruction_channels=16)
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    image = torch.stack([((x - c) ** 2 + (y - 16) ** 2 < 40).float() for c in (10, 20)])[:, None]
    shown = image if name == "unet" else torch.zeros_like(image)
    optimizer = torch.optim.Adam(network.reconstruction.parameters(), lr=lr)
    values = []
    for _ in range(steps):
        restored = network.restore(image, torch.full((2,), 12 / 32))
        optimizer.zero_grad()
        network.reconstruction.loss(restored.measurement, restored.estimate, shown).backward()
        optimizer.step()
        values.append(psnr(restored.image.detach().numpy(), image.numpy()))
    assert values[-1] > values[0] + 1  # dB


FIELDS = {**SMALL, "epochs": 3, "batch_size": 8, "settle": 0.3, "reconstruction": "hqs_net"}


def states(splits, **fields):
    config = TrialConfig("GE", **{"sampling_rate": 0.25, **FIELDS, **fields})
    return [{name: v.clone() for name, v in epoch.state["weights"].items()} for epoch in train(config, splits)]


def parts_that_moved(before, after):
    return {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}


def test_its_first_epochs_leave_the_classifier_alone(splits):
    first, second, third = states(splits, reconstruction_epochs=2)
    assert parts_that_moved(first, second) == {"sampling", "reconstruction"}
    assert parts_that_moved(second, third) == {"reconstruction", "classifier"}  # the mask rests while it settles


def test_its_loss_beside_the_task_moves_it_elsewhere(splits):
    without, beside = states(splits)[-1], states(splits, reconstruction_weight=10.0)[-1]
    assert parts_that_moved(without, beside) == {"sampling", "reconstruction", "classifier"}


def test_zero_filling_trains_the_mask_for_fidelity_and_alone_without_one_nothing(splits):
    fields = {"reconstruction": "zero_filled", "reconstruction_epochs": 2}
    first, second, _ = states(splits, **fields)
    assert parts_that_moved(first, second) == {"sampling"}
    first, second, third = states(splits, mask="lowpass", **fields)
    assert parts_that_moved(first, second) == set()
    assert parts_that_moved(second, third) == {"classifier"}


def test_at_rate_one_nothing_of_it_matters(splits):
    plain = states(splits, sampling_rate=1.0, mask="lowpass")
    trained = states(splits, sampling_rate=1.0, mask="lowpass", reconstruction_epochs=2, reconstruction_weight=3.0)
    assert not parts_that_moved(plain[-1], trained[-1])
    assert parts_that_moved(plain[0], plain[1]) == {"classifier"}


def test_a_run_keeps_the_quality_and_refuses_foreign_weights(tiny, tmp_path):
    folder = RunFolder(tmp_path)
    (tmp_path / "cohort.csv").write_bytes(tiny[0].read_bytes())
    config = TrialConfig("GE", 0.25, **{**FIELDS, "epochs": 1, "settle": 1.0, "reconstruction_epochs": 0})
    record = run_config(config, folder, tiny[1], "cpu", lambda *_: None)
    assert {vendor: set(values) for vendor, values in record.quality.items()} == {
        vendor: {"psnr", "ssim", "psnr_zero_filled", "ssim_zero_filled"} for vendor in ("GE", "SIEMENS")
    }
    assert folder.read_record(config.key()) == record
    load_model(folder, record)
    path = folder.trial(config.key(), "model.safetensors")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match="the exported weights cannot be used"):
        load_model(folder, record)
    for other in ({"reconstruction_channels": 10**6}, {"reconstruction": "unet"}, {"reconstruction": "zero_filled"}):
        asked = TrialConfig.from_dict(config.non_default() | other)
        whole = folder.trial(asked.key(), "model.safetensors")
        whole.parent.mkdir(exist_ok=True)
        whole.write_bytes(
            save({name: value.contiguous() for name, value in build_pipeline(config, SIDE).state_dict().items()})
        )
        foreign = TrialRecord(asked, {}, {}, 0.25, facts={"side": SIDE})
        with pytest.raises(ValueError, match="they are of another network"):
            load_model(folder, foreign)
    undefined = json.loads(record.to_json())
    undefined["quality"]["GE"]["psnr"] = None
    assert math.isnan(TrialRecord.from_json(json.dumps(undefined)).quality["GE"]["psnr"])
    del undefined["quality"]
    assert TrialRecord.from_json(json.dumps(undefined)).quality == {}  # of an earlier version


def test_the_report_shows_the_quality_where_it_was_measured(tmp_path):
    folder = write_run(tmp_path, rates=(0.25,), masks=("lowpass",), seeds=(0, 1), reconstruction="unet")
    assert render(reconstruction.parts(SimpleNamespace(run=load(tmp_path)))) == ""
    for record in list(folder.records()):
        worse = 3 * record.config.seed + 10 * (record.config.vendor == "GE")
        quality = {"psnr": 30.0 - worse, "ssim": 0.9, "psnr_zero_filled": 20.0, "ssim_zero_filled": math.nan}
        folder.write_record(dataclasses.replace(record, quality={v: quality for v in ("GE", "SIEMENS")}))
    run = load(tmp_path)
    shown = quality_table(run.records, run.trials).set_index(["trained on", "test vendor"])
    assert shown["PSNR, dB"].to_dict() == {
        ("GE", "GE"): 18.5, ("GE", "SIEMENS"): 18.5, ("SIEMENS", "GE"): 28.5, ("SIEMENS", "SIEMENS"): 28.5,
    }  # fmt: skip
    assert set(shown["seeds"]) == {2}
    assert shown["SSIM, zero-filled"].isna().all()
    page = render(reconstruction.parts(SimpleNamespace(run=run, measure=MEASURES["auc"])))
    assert "18.500" in page
    assert "unet" in page
