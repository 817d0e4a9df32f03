"""Raw k-space in training: the mask acts on every coil's k-space, coils are combined after it, from image to record."""

import dataclasses
from functools import partial

import numpy as np
import pytest
import torch

from cohort_run import cohort_with_targets, run_one
from raw_files import COLUMNS, write_cohort
from tune_ks.core.config import TrialConfig
from tune_ks.data.cohort.mask_source import mask_source
from tune_ks.data.cohort.table import read_table, write_table
from tune_ks.data.dataset import open_splits
from tune_ks.data.layouts.sheets import InputError
from tune_ks.evaluation.answers import answers_of
from tune_ks.evaluation.corrupted_images import robustness
from tune_ks.evaluation.exported_model import exported_model
from tune_ks.evaluation.line_occlusion import line_occlusion
from tune_ks.evaluation.other_cohort import evaluate
from tune_ks.evaluation.pointing_game import pointing_game
from tune_ks.model.classifiers import NO_NETWORK
from tune_ks.model.masks import MASKS
from tune_ks.model.members import named
from tune_ks.model.pipeline import build_pipeline
from tune_ks.model.sampling import Measurement
from tune_ks.model.transforms.fourier import Fourier
from tune_ks.training.augmentations import build_augmentation
from tune_ks.training.coils import GIVEN_IMAGES, fitting_values, require_serves_coils, require_values_serve_coils
from tune_ks.training.members import owners, registries, require_own_options
from tune_ks.training.pack import Network, pass_together
from tune_ks.training.train import step, train_together
from tune_ks.training.training import Training, sampled_beforehand

pytest.importorskip("h5py", reason="raw k-space files are read by h5py (the extra kspace)")
SMALL = {"image_size": 64, "width": 0.1, "classifier": "alexnet", "epochs": 1, "batch_size": 4}
CONFIG = TrialConfig("SIEMENS", 0.25, mask="lowpass", **SMALL)
OPTIONS = {"temperature": 1.0}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("coils")


@pytest.fixture(scope="module")
def cohort(place):
    root = write_cohort(place / "data", patients=5, slices=2)
    return cohort_with_targets(root, place / "cache")


@pytest.fixture(scope="module")
def run(place, cohort):
    return run_one(CONFIG, cohort, place / "run")


@pytest.fixture(scope="module")
def splits(cohort, run):
    return open_splits(run.cohort_csv, cohort.images, "SIEMENS", cohort.masks)


@pytest.fixture(scope="module")
def both(cohort, run):
    """The same, trained on both vendors; what is tested on is called a third one."""
    table = read_table(run.cohort_csv)
    table.loc[table["split"] == "test", "vendor"] = "PHILIPS"
    csv = run.cohort_csv.with_name("of_three.csv")
    write_table(csv, table)
    return open_splits(csv, cohort.images, SEVERAL, cohort.masks)


@pytest.fixture(scope="module")
def image(splits):
    batch = splits.train.gather(torch.arange(4))
    assert batch.image.dtype == torch.complex64
    assert batch.image.shape == (4, 3, COLUMNS, COLUMNS)
    assert batch.target.shape == (4, 1, COLUMNS, COLUMNS)
    return batch.image


def slowly(image, kept):
    """Zero the lines that are not ``kept`` (W,) in every coil's k-space, one after another; then combine."""
    squares = np.zeros(image.shape[1:])
    for of_coil in image.astype(np.complex128):
        kspace = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(of_coil)))
        for line, keep in enumerate(kept):
            if not keep:
                kspace[:, line] = 0
        squares += np.abs(np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(kspace)))) ** 2
    return np.sqrt(squares)


def mask_config(name):
    taken = {option.name for option in named(MASKS, "mask", name).options}
    options = {option: value for option, value in OPTIONS.items() if option in taken}
    return TrialConfig("SIEMENS", 0.25, mask=name, **SMALL, **options)


@pytest.mark.parametrize("name", MASKS)
def test_every_mask_zeroes_its_lines_of_every_coil(name, image):
    pipeline = build_pipeline(mask_config(name), COLUMNS).eval()
    rate = torch.full((4,), 0.25)
    with torch.no_grad():
        restored = pipeline.restore(image, rate)
        kept = pipeline.sampling.mask(rate)[0, 0, 0].numpy() > 0
    assert kept.sum() == 8
    for number in range(4):
        expected = slowly(image[number].numpy(), kept)
        assert np.allclose(restored.image[number, 0], expected, atol=1e-5), number
    assert restored.measurement.kspace.shape == image.shape
    assert (restored.measurement.kspace[..., ~torch.from_numpy(kept)] == 0).all()
    if named(MASKS, "mask", name).learned:
        pipeline.train()
        pipeline.restore(image, rate).image.square().mean().backward()
        gradients = [weight.grad for weight in pipeline.sampling.mask.parameters()]
        assert all(gradient.isfinite().all() for gradient in gradients)
        assert any((gradient != 0).any() for gradient in gradients)


def test_at_rate_1_coils_are_combined_and_nothing_else_is_done(image):
    full = build_pipeline(dataclasses.replace(CONFIG, sampling_rate=1.0), COLUMNS)
    restored = full.restore(image, torch.ones(4)).image
    expected = np.sqrt((np.abs(image.numpy()) ** 2).sum(1, keepdims=True))
    assert restored.dtype == torch.float32
    assert np.allclose(restored, expected, atol=1e-6)
    varying = TrialConfig(
        "SIEMENS", 1.0, mask="lowpass", rate_from=0.25, rate_to=1.0, **{**SMALL, "classifier": "alexnet_film"}
    )
    pipeline = build_pipeline(varying, COLUMNS).eval()
    with torch.no_grad():
        mixed = pipeline.restore(image, torch.tensor([1.0, 0.25, 1.0, 0.25])).image
    assert torch.equal(mixed[0], restored[0])
    assert not torch.allclose(mixed[1], restored[1], atol=1e-3)


def test_where_all_coils_are_dark_the_gradient_is_finite():
    image = torch.zeros(1, 2, 8, 8, dtype=torch.complex64)
    mask = torch.full((1, 1, 1, 8), 0.5, requires_grad=True)
    Measurement(image, mask, Fourier()).zero_filled.sum().backward()
    assert torch.equal(mask.grad, torch.zeros_like(mask))


def test_a_pack_gives_what_each_network_gives_alone(splits):
    batch = splits.train.gather(torch.arange(4))
    rates = torch.full((4,), 0.25)
    networks = []
    for name in ("lowpass", "equispaced"):
        config = dataclasses.replace(CONFIG, mask=name)
        torch.manual_seed(1)
        networks.append(Network(config, build_pipeline(config, COLUMNS).eval()))
    with torch.no_grad():
        together = pass_together(networks, [batch, batch], [rates, rates])
        for network, passed in zip(networks, together, strict=True):
            (alone,) = pass_together([network], [batch], [rates])
            assert torch.allclose(alone.restored.image, passed.restored.image, atol=1e-6)
            assert torch.allclose(alone.output, passed.output, atol=1e-4)


def test_a_mirror_image_is_sampled_after_it_is_mirrored(splits, image):
    pipeline = build_pipeline(CONFIG, COLUMNS).eval()
    for augment, is_beforehand in {"none": True, "shifts": True, "flips": False, "flips_shifts": False}.items():
        config = dataclasses.replace(CONFIG, augment=augment)
        images, trained = sampled_beforehand(config, pipeline, build_augmentation(config), splits.train, "cpu")
        assert (trained is not pipeline) == is_beforehand, augment
        if is_beforehand:
            with torch.no_grad():
                expected = pipeline.restore(image, torch.full((4,), 0.25)).image
            assert torch.equal(images.gather(torch.arange(4)).image, expected)
    asymmetric = torch.zeros(1, 1, 1, COLUMNS)
    asymmetric[..., COLUMNS // 2 : COLUMNS // 2 + 4] = 1
    mirrored = Fourier().magnitude(image.flip(-1), asymmetric)
    assert not torch.allclose(mirrored, Fourier().magnitude(image, asymmetric).flip(-1), atol=1e-3)


def test_a_record_says_that_it_is_of_coils(run, cohort):
    record = run.read_record(CONFIG.key())
    assert record.facts["coils"] == 3
    assert record.facts["side"] == COLUMNS
    assert record.distinct_rate == record.realised_rate == 8 / COLUMNS  # of a magnitude image 9 lines would be known
    assert set(record.test) == {"SIEMENS", "GE"}
    scores = np.load(run.trial(CONFIG.key(), "scores.npz"))["score"]
    assert np.isfinite(scores).all()
    previews = np.load(run.trial(CONFIG.key(), "preview.npz"))
    assert previews["full"].shape[1:] == (COLUMNS, COLUMNS)
    table = cohort.table
    again = evaluate(run, [CONFIG.key()], table, cohort.images, masks_npy=cohort.masks)
    assert np.isfinite(again.scores["score"]).all()


@pytest.mark.parametrize(
    "changes",
    [
        {"mask": "gumbel", "temperature": 1.0, "augment": "flips_shifts", "mask_jitter": 0.2, "test_time": "flips"},
        {"mask": "loupe", "reconstruction": "unet", "reconstruction_channels": 4, "reconstruction_weight": 1.0},
        {"task": "segmentation", "classifier": "unet", "mask": "gumbel", "temperature": 1.0},
    ],
)
def test_other_trainings_learn_on_coils(splits, changes):
    config = TrialConfig("SIEMENS", 0.25, **{**SMALL, "mask": "lowpass", "settle": 0.0, **changes})
    training = Training(config, splits)
    before = [weight.detach().clone() for weight in training.pipeline.sampling.mask.parameters()]
    (epoch,) = run_epochs([training], splits)
    assert np.isfinite(epoch.loss)
    after = list(training.pipeline.sampling.mask.parameters())
    assert before
    assert any(not torch.equal(old, new) for old, new in zip(before, after, strict=True))


def run_epochs(trainings, splits):
    return [ends[training] for ends in train_together(trainings, splits) for training in trainings]


SEVERAL = "GE+SIEMENS"
PARTNERS = {"task": "classifier", "classifier": "task"}  # a network answers some tasks only


def every_member():
    """(field, name) of each member of each registry."""
    return [(field, name) for field, registry in registries().items() for name in registry]


def takes_coils(field, name):
    return field not in GIVEN_IMAGES or registries()[field][name].takes_coils


def config_of(field, name):
    """A small training with a member; with a network the first task that it answers, and the reverse."""
    changes = {field: name}
    if field in PARTNERS:
        changes[PARTNERS[field]] = partner_of(field, name)
    if field == "invariance" and name != "none":
        changes["vendor"] = SEVERAL
    if changes.get("classifier") in NO_NETWORK:
        changes["epochs"] = 0
    options = {"width": 0.1}
    if (field, name) in {(field, name) for field, name, _ in owners()["temperature"]}:
        options["temperature"] = 1.0
    if field == "reconstruction" and named(registries()[field], field, name).learned:
        options |= {"reconstruction_channels": 4, "reconstruction_weight": 1.0}
    return dataclasses.replace(CONFIG, **changes, options=options)


def partner_of(field, name):
    for partner in registries()[PARTNERS[field]]:
        config = dataclasses.replace(
            CONFIG, **{field: name, PARTNERS[field]: partner}, epochs=int(name not in NO_NETWORK)
        )
        try:
            require_own_options(config, chosen=config.options)
        except ValueError:
            continue
        return partner
    raise AssertionError(f"nothing goes with the {field} {name}")


def must_be(name):
    return pytest.raises(ValueError, match=f"^{name} must be .* on raw k-space, whose images are complex images of")


@pytest.mark.parametrize(("field", "name"), every_member())
def test_a_member_that_takes_coils_makes_a_step_on_them_and_no_other_is_used(field, name, request):
    config = config_of(field, name)
    if not takes_coils(field, name):
        for values in ({field: name}, {**vars(CONFIG), field: name}):
            with must_be(field):
                require_values_serve_coils(values, {})
        with must_be(field):
            Training(dataclasses.replace(CONFIG, **{field: name}), request.getfixturevalue("splits"))
        return
    if not takes_coils("task", config.task):  # a network of a task that none of these images has
        with must_be("task"):
            Training(config, request.getfixturevalue("splits"))
        return
    splits = request.getfixturevalue("both" if config.vendor == SEVERAL else "splits")
    training = Training(config, splits)
    if config.epochs == 0:
        batch = splits.train.gather(torch.arange(4))
        assert training.pipeline.restore(batch.image, torch.full((4,), 0.25)).image.isfinite().all()
        return
    before = [weight.detach().clone() for weight in training.pipeline.parameters()]
    training.begin_epoch()
    assert step([training], training.draws[:1]).isfinite().all()
    assert any(not torch.equal(old, new) for old, new in zip(before, training.pipeline.parameters(), strict=True))


def test_every_registry_is_walked_and_what_can_be_refused_is_known():
    members = list(every_member())
    assert len(members) >= 45
    refused = {field for field, name in members if not takes_coils(field, name)}
    assert refused == {"transform", "harmonise", "style", "augment", "reconstruction", "task"}
    assert set(fitting_values()) == {*GIVEN_IMAGES, "pattern", "hermitian", "mixup", "adversarial_weight"}
    assert fitting_values()["augment"] == ["none", "flips", "shifts", "flips_shifts"]
    require_serves_coils(CONFIG)


class Drawn:
    """A domain of ray.tune, without Ray."""

    lower = 0.0
    upper = 0.5


@pytest.mark.parametrize(
    "changes",
    [{"pattern": "points"}, {"hermitian": "tied"}, {"mixup": 0.2}, {"adversarial_weight": 0.1}],
)
def test_an_option_that_needs_magnitudes_is_refused_with_its_name(splits, changes):
    (name,) = changes
    options = {**CONFIG.options, **changes} if name != "pattern" else CONFIG.options
    config = dataclasses.replace(CONFIG, options=options, pattern=changes.get("pattern", "lines"))
    with must_be(name):
        Training(config, splits)
    with must_be(name):
        require_values_serve_coils(changes, {})
    (default,) = fitting_values()[name]
    require_values_serve_coils({name: default}, {})
    if not isinstance(default, str):
        with must_be(name):
            require_values_serve_coils({}, {name: Drawn()})


def test_commands_of_magnitude_images_are_refused(run, cohort, tmp_path):
    with pytest.raises(ValueError, match="corruptions change magnitude images"):
        robustness(run, [CONFIG.key()], cohort.table, cohort.images)
    with pytest.raises(ValueError, match="cannot be exported"):
        exported_model(run, run.read_record(CONFIG.key()))
    magnitudes = np.zeros((len(cohort.table), COLUMNS, COLUMNS), np.float32)
    np.save(tmp_path / "images.npy", magnitudes)
    positive = cohort.table.assign(label=1.0)
    asked = {"folder": run, "keys": [CONFIG.key()], "table": positive, "images_npy": tmp_path / "images.npy"}
    for scored in (evaluate, robustness, line_occlusion, partial(pointing_game, masks_npy=cohort.masks)):
        with pytest.raises(ValueError, match=r"was trained on complex images of coils, .* and these are magnitude"):
            scored(**asked)
    with pytest.raises(ValueError, match=r"was trained on complex images of coils, .* and these are magnitude"):
        next(answers_of(**asked))
    with pytest.raises(InputError, match="organs"):
        mask_source(cohort.images.parents[2] / "data", organs=True)
