"""HyperRecon: its kernels, its mix of losses, each loss by hand; one training for all mixes, from config to record."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional

from benchmarks.alone import run_config, train
from noise import images
from slow_ssim import slow_ssim
from tiny import write_tiny
from tune_ks.core.config import DRAWN, TrialConfig
from tune_ks.core.options import Member, Option
from tune_ks.core.run_folder import RunFolder
from tune_ks.data.dataset import open_splits
from tune_ks.evaluation.other_cohort import load_model
from tune_ks.model import members
from tune_ks.model.pipeline import build_pipeline
from tune_ks.model.reconstructions import RECONSTRUCTIONS
from tune_ks.model.reconstructions.image_losses import IMAGE_LOSSES
from tune_ks.planning.plan import plan_search
from tune_ks.planning.space import SEARCH_DEFAULTS, Space
from tune_ks.training.augmentations import build_augmentation
from tune_ks.training.draws import REFERENCES, compared_configs, draw_epoch, training_values
from tune_ks.training.members import config_from, registries, require_own_options

SIDE = 32
FIELDS = {
    "vendor": "GE",
    "sampling_rate": 0.25,
    "mask": "lowpass",
    "reconstruction": "hyper_recon",
    "reconstruction_weight": 1.0,
    "hyper_channels": 3,
    "width": 0.05,
    "image_size": 64,
}
THREE = "l1 mse tv"


def config_of(**changes):
    return config_from({**FIELDS, **changes})


def shaken(**changes):
    """A pipeline whose hypernetwork listens to the mix."""
    torch.manual_seed(0)
    network = build_pipeline(config_of(**changes), SIDE)
    with torch.no_grad():
        for parameter in network.reconstruction.parameters():
            parameter += 0.1 * torch.randn(parameter.shape)
    return network


def plain_unet(image, emitted, channels):
    """The U-Net of one image (1, 1, H, W), layer by layer, by slices of its emitted numbers."""
    at = 0

    def convolution(image, outputs, size):
        nonlocal at
        inputs = image.shape[1]
        kernel = emitted[at : at + outputs * inputs * size**2].reshape(outputs, inputs, size, size)
        at += kernel.numel()
        bias = emitted[at : at + outputs]
        at += outputs
        return functional.conv2d(image, kernel, bias, padding=size // 2)

    def two(image):
        for _ in range(2):
            image = functional.leaky_relu(convolution(image, channels, 3))
        return image

    first = two(image)
    second = two(functional.max_pool2d(first, 2))
    third = two(functional.max_pool2d(second, 2))
    image = two(functional.max_pool2d(third, 2))
    for held in (third, second, first):
        image = two(torch.cat([functional.interpolate(image, scale_factor=2.0, mode="bilinear"), held], dim=1))
    image = convolution(image, 1, 1)
    assert at == len(emitted)
    return image


@pytest.mark.parametrize("losses", ["l1 ssim", THREE])
def test_every_image_is_restored_by_the_unet_of_its_own_mix(losses):
    network = shaken(mixed_losses=losses)
    reconstruction = network.reconstruction
    mixes = torch.tensor([0.0, 0.3, 1.0])
    network.tell({"loss_mix": mixes})
    measurement = network.measure(images(3, SIDE), torch.full((3,), 0.25))
    together = reconstruction(measurement)
    for position, mix in enumerate(mixes.tolist()):
        shares = [1 - mix, mix] if losses != THREE else [mix, (1 - mix) / 2, (1 - mix) / 2]
        emitted = reconstruction.hypernetwork(torch.tensor([shares]))[0]
        zero_filled = measurement.zero_filled[position : position + 1]
        alone = zero_filled + plain_unet(zero_filled, emitted, FIELDS["hyper_channels"])
        torch.testing.assert_close(together[position : position + 1], alone, atol=1e-5, rtol=1e-4)
        network.tell({"loss_mix": mix})
        same = network.measure(images(3, SIDE), torch.full((3,), 0.25))
        torch.testing.assert_close(reconstruction(same)[position : position + 1], alone, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(together[0], together[2], atol=1e-3)


def slow_losses(measurement, restored, image):
    """Loss -> its value for each image, in NumPy."""
    k = np.fft.fftshift(np.fft.fft(np.fft.ifftshift(restored, axes=-1), norm="ortho"), axes=-1)
    y = measurement.kspace.numpy()
    mask = measurement.mask.numpy()
    return {
        "l1": [np.mean(np.abs(r - x)) for r, x in zip(restored, image)],
        "ssim": [1 - slow_ssim(r[0], x[0]) for r, x in zip(restored, image)],
        "mse": [np.mean((r - x) ** 2) for r, x in zip(restored, image)],
        "consistency": [np.mean(np.abs(error) ** 2) for error in mask * k - y],
        "tv": [(np.abs(np.diff(r, axis=-1)).sum() + np.abs(np.diff(r, axis=-2)).sum()) / r.size for r in restored],
    }


def test_the_loss_is_the_mean_of_the_shares_times_the_scaled_losses():
    image = images(2, 14)
    restored = images(2, 14, seed=1)
    network = build_pipeline(config_of(mixed_losses="l1 ssim"), 14)
    measurement = network.measure(image, torch.full((2,), 0.25))
    slow = slow_losses(measurement, restored.double().numpy(), image.double().numpy())
    assert slow.keys() == IMAGE_LOSSES.keys()
    for name, loss in IMAGE_LOSSES.items():
        np.testing.assert_allclose(loss.of_images(measurement, restored, image), slow[name], rtol=1e-4)
    for losses, told, shares in (
        ("l1 ssim", {"loss_mix": 0.25}, [[0.75, 0.25]] * 2),
        ("tv consistency", {"loss_mix": torch.tensor([0.0, 0.6])}, [[1, 0], [0.4, 0.6]]),
        ("ssim mse tv", {"loss_mix": 0.4, "loss_mix_rest": 0.5}, [[0.4, 0.3, 0.3]] * 2),
        ("mse l1 ssim", {"loss_mix": torch.tensor([0.5, 1.0]), "loss_mix_rest": 0.2}, [[0.5, 0.1, 0.4], [1, 0, 0]]),
    ):
        network = build_pipeline(config_of(mixed_losses=losses), 14)
        network.tell(told)
        terms = [np.array(slow[name]) / IMAGE_LOSSES[name].scale for name in losses.split()]
        expected = np.mean((np.array(shares).T * np.array(terms)).sum(0))
        assert network.reconstruction.loss(measurement, restored, image).item() == pytest.approx(expected, rel=1e-4)
    assert IMAGE_LOSSES["l1"].scale == 0.0556
    assert IMAGE_LOSSES["ssim"].scale == 0.322


def discs():
    """Two discs of 32 px."""
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    return torch.stack([((x - c) ** 2 + (y - 16) ** 2 < 40).float() for c in (10, 20)])[:, None]


def restored_by(mixes, steps):
    """A reconstruction of discs, trained alone by the mixes of each step."""
    torch.manual_seed(0)
    network = build_pipeline(config_of(mixed_losses="mse tv", hyper_channels=4), SIDE)
    optimizer = torch.optim.Adam(network.reconstruction.parameters(), lr=2e-3)
    image = discs().repeat(2, 1, 1, 1)
    touched = set()
    for mix in mixes(steps):
        network.tell({"loss_mix": mix})
        restored = network.restore(image, torch.full((4,), 0.25))
        optimizer.zero_grad()
        network.reconstruction.loss(restored.measurement, restored.estimate, image).backward()
        for name, parameter in network.reconstruction.named_parameters():
            if parameter.grad.abs().sum() > 0:
                touched.add(name)
        optimizer.step()
    assert touched == {name for name, _ in network.reconstruction.named_parameters()}
    return network


@torch.no_grad()
def losses_at(network, mix):
    """Scaled mse and tv of the discs as restored for this mix, and the mixed loss."""
    network.tell({"loss_mix": mix})
    restored = network.restore(discs(), torch.full((2,), 0.25))
    values = []
    for name in ("mse", "tv"):
        loss = IMAGE_LOSSES[name]
        values.append((loss.of_images(restored.measurement, restored.image, discs()) / loss.scale).mean().item())
    return values[0], values[1], (1 - mix) * values[0] + mix * values[1]


def test_one_training_that_draws_the_mix_comes_near_a_separate_training_of_each():
    generator = torch.Generator().manual_seed(0)
    drawn = restored_by(lambda steps: torch.rand((steps, 4), generator=generator), 100)  # for every mix, so longer
    untrained = build_pipeline(config_of(mixed_losses="mse tv", hyper_channels=4), SIDE)
    met = 0
    for mix in (0.1, 0.9):
        separate = restored_by(lambda steps, mix=mix: [mix] * steps, 50)
        by_one, by_separate, at_first = (losses_at(net, mix)[2] for net in (drawn, separate, untrained))
        assert by_separate < at_first
        assert (at_first - by_one) > 0.7 * (at_first - by_separate)  # most of what a training of its own gains
        met += 1
    assert met == 2
    faithful, smooth = losses_at(drawn, 0.0), losses_at(drawn, 1.0)
    assert faithful[0] < smooth[0]
    assert smooth[1] < faithful[1]


# --------------------------------------------------------------------------------- configs, draws, records


DRAWING = {"loss_mix_drawn": "uniform", "epochs": 2, "batch_size": 4, "settle": 0.5}


def test_mixes_of_one_training_differ_in_nothing_else():
    first, second = config_of(loss_mix=0.25, **DRAWING), config_of(loss_mix=1, **DRAWING)
    assert first.key() != second.key()
    assert first.training() == second.training() == first.training().training()
    assert first.is_conditional
    assert RunFolder("x").checkpoint(first) == RunFolder("x").checkpoint(second)
    assert compared_configs(first) == compared_configs(second)
    assert [other.get("loss_mix") for other in compared_configs(first)] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    with_rates = dataclasses.replace(first, rate_from=1 / 64)
    assert [other.sampling_rate for other in compared_configs(with_rates)] == pytest.approx([1 / 64, 1 / 16, 1 / 4, 1])
    assert len(compared_configs(with_rates)) == REFERENCES
    alone = config_of(loss_mix=0.25)
    assert not alone.is_conditional
    assert alone.training() == alone
    assert compared_configs(alone) == [alone]
    assert RunFolder("x").checkpoint(alone) != RunFolder("x").checkpoint(config_of(loss_mix=1))


def test_the_mixes_of_one_training_are_one_job(tmp_path):
    mixed = {**FIELDS, "loss_mix": [0.0, 0.5, 1.0]}
    del mixed["vendor"]
    blocks = [{**mixed, "loss_mix_drawn": "uniform"}, mixed]
    space = Space("s", "", blocks, {**SEARCH_DEFAULTS, "sampler": "grid", "seeds": 2})
    plan = plan_search(space, RunFolder(tmp_path), ["GE"])
    assert sorted(len(job) for job in plan.jobs) == [1] * 6 + [3, 3]


def test_every_option_that_can_be_drawn_has_a_range_to_draw_it_from():
    met = 0
    for registry in registries().values():
        for member in registry.values():
            options = {option.name: option for option in member.options}
            for name in options:
                if name.endswith(DRAWN):
                    drawn = options[name.removesuffix(DRAWN)]
                    assert drawn.least is not None
                    assert drawn.most is not None
                    met += 1
    assert met == 2


def test_an_option_without_a_range_is_not_drawn(monkeypatch):
    member = Member(lambda transform: None, (Option("depth", 1.0, ""), Option("depth_drawn", "fixed", "", str)))
    monkeypatch.setitem(RECONSTRUCTIONS, "deep", member)
    config = TrialConfig("GE", 0.5, reconstruction="deep", depth_drawn="uniform")
    with pytest.raises(ValueError, match="depth_drawn must be of a number with a lowest and a highest value"):
        members.drawn_options(config)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"reconstruction": "unet", "loss_mix": 0.2}, "loss_mix is an option of the reconstruction hyper_recon, and"),
        ({"loss_mix": 1.5}, "loss_mix must be in [0, 1], got 1.5"),
        ({"loss_mix_drawn": "normal"}, "loss_mix_drawn must be 'fixed' or 'uniform'"),
        ({"mixed_losses": "l1"}, "mixed_losses must be two or three different ones of l1, ssim"),
        ({"mixed_losses": "l1 l1"}, "mixed_losses must be two or three different ones of l1, ssim"),
        ({"mixed_losses": "l1 l2"}, "mixed_losses must be two or three different ones of l1, ssim"),
        ({"loss_mix_rest": 0.2}, "loss_mix_rest must be left out where two losses are mixed, got 0.2"),
        ({"loss_mix": 0.2, "reconstruction_weight": 0}, "loss_mix says by which losses the reconstruction is trained"),
    ],
)
def test_a_mix_that_cannot_be_is_one_clear_error(values, said):
    asked = {**FIELDS, **values}
    if asked["reconstruction"] == "unet":
        del asked["hyper_channels"]
    with pytest.raises(ValueError) as error:
        require_own_options(config_from(asked))
    assert said in str(error.value)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("tiny"), patients=6, per_patient=2, side=40)


def test_mixes_are_drawn_uniformly_and_move_no_other_random_number(tiny):
    drawing = config_of(**DRAWING, rate_from=1 / 64)
    (option,) = members.drawn_options(drawing)
    values = training_values(option, 10_000, np.random.default_rng(0))
    shares, _ = np.histogram(values, bins=5, range=(0, 1))
    np.testing.assert_allclose(shares / 10_000, 0.2, atol=0.02)
    train_images = open_splits(*tiny, "GE").train
    augmentation = build_augmentation(drawing)
    drawn = draw_epoch(drawing, augmentation, train_images, 1, 64, "cpu")
    fixed = draw_epoch(dataclasses.replace(drawing, loss_mix_drawn=None), augmentation, train_images, 1, 64, "cpu")
    for with_mix, without in zip(drawn, fixed, strict=True):
        assert torch.equal(with_mix.rates, without.rates)
        assert torch.equal(with_mix.positions, without.positions)
        assert with_mix.options["loss_mix"].unique().shape == with_mix.rates.shape
        assert not without.options
    assert len(drawn) > 1


def test_one_training_is_trained_once_and_each_mix_has_its_images(tiny, tmp_path):
    """As the worker does it: the second mix finds the training whole; resumed epochs have the bits of whole ones."""
    folder = RunFolder(tmp_path)
    folder.cohort_csv.write_bytes(tiny[0].read_bytes())
    configs = [config_of(loss_mix=mix, **DRAWING, lr=5e-3) for mix in (0.0, 1.0)]
    records = [run_config(config, folder, tiny[1]) for config in configs]
    assert records[0].history == records[1].history
    assert records[0].facts["training"] == records[1].facts["training"] == configs[0].training().key()
    assert records[0].quality["GE"]["psnr"] != records[1].quality["GE"]["psnr"]
    assert records[0].quality["GE"]["psnr_zero_filled"] == records[1].quality["GE"]["psnr_zero_filled"]
    weights = [folder.trial(config.key(), "model.safetensors").read_bytes() for config in configs]
    assert weights[0] == weights[1]
    previews = [np.load(folder.trial(config.key(), "preview.npz"))["sampled"] for config in configs]
    assert not np.array_equal(*previews)
    for config, record in zip(configs, records):
        assert load_model(folder, record).reconstruction.loss_mix == config.get("loss_mix")
    splits = open_splits(*tiny, "GE")
    first, last = (copy.deepcopy(epoch.state) for epoch in train(configs[0], splits))
    *_, resumed = train(configs[1], splits, first)
    for name, value in last["weights"].items():
        assert torch.equal(value, resumed.state["weights"][name])
