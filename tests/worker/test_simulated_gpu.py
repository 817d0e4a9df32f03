"""Every member of every registry on a simulated GPU: no devices meet, and no step makes the host wait."""

import dataclasses
import itertools
from collections import Counter

import numpy as np
import pytest
import torch

from benchmarks import launches
from benchmarks.alone import finish, train
from simulated_gpu import DevicesMeet, simulated_gpu
from tape import Tape
from tiny import write_tiny
from tiny_volumes import open_volumes, write_volumes
from tune_ks.core.config import TrialConfig
from tune_ks.core.run_folder import RunFolder
from tune_ks.core.storage import storage_path
from tune_ks.data.cohort.cohort import open_cohort
from tune_ks.data.cohort.settings import CohortSettings
from tune_ks.data.cohort.table import read_table, with_splits, write_table
from tune_ks.data.cohort.target_masks import with_target_masks
from tune_ks.data.dataset import open_splits
from tune_ks.data.phantom.qsm import QsmSettings, write_qsm_phantom
from tune_ks.evaluation import finish as finish_module
from tune_ks.evaluation.corrupted_images import robustness
from tune_ks.evaluation.other_cohort import evaluate
from tune_ks.model.classifiers import MAPPERS, NO_NETWORK
from tune_ks.model.harmonisations import HARMONISATIONS
from tune_ks.model.masks import MASKS
from tune_ks.model.transforms import TRANSFORMS, fourier
from tune_ks.planning.pretrained import bring_weights, named
from tune_ks.training import train as train_module
from tune_ks.training import training as training_module
from tune_ks.training.augmentations import AUGMENTATIONS
from tune_ks.training.corruptions import CORRUPTIONS
from tune_ks.training.invariances import INVARIANCES
from tune_ks.training.members import registries
from tune_ks.training.noise import Noise
from tune_ks.training.pack import pack_key
from tune_ks.training.recorded import RecordedStep
from tune_ks.training.schedules import SCHEDULES
from tune_ks.training.styles import STYLES
from tune_ks.training.train import train_together
from tune_ks.training.training import Training
from tune_ks.worker.memory import CONTEXT_BYTES, FILLED, trainings_that_fit
from tune_ks.worker.run_pack import run_pack

FIELDS = {"width": 0.05, "image_size": 64, "epochs": 2, "batch_size": 4, "settle": 0.5, "lr": 1e-3}
ONCE = {  # where the host waits once a training, an epoch, a scored set of images, or a written file: never in a step
    "data/dataset.py:gather",  # quality, previews and yardsticks read by positions on the host
    "data/dataset.py:seen_through",
    "evaluation/finish.py:_best_network",
    "evaluation/finish.py:exported_mask",
    "evaluation/occupied.py:occupied_band",
    "evaluation/other_cohort.py:load_model",
    "evaluation/quality.py:map_quality",
    "evaluation/quality.py:reconstruction_quality",
    "evaluation/volumes.py:hausdorff_mm",
    "evaluation/volumes.py:volume_measures",
    "evaluation/write_record.py:<dictcomp>",
    "evaluation/write_record.py:_eight_bit",
    "evaluation/yardstick_scores.py:of",
    "model/harmonisations/histogram.py:fit",
    "model/harmonisations/n4.py:forward",
    "model/harmonisations/nyul.py:fit",
    "model/masks/by_distance.py:sum_by_distance",
    "model/masks/equispaced.py:select",
    "model/masks/fixed.py:first",
    "model/masks/fixed.py:prepare",
    "model/masks/poisson_disc.py:_throw",
    "model/masks/poisson_disc.py:select",
    "model/masks/poisson_disc.py:square",
    "training/adamw.py:load_state_dict",
    "training/average.py:__init__",
    "training/draws.py:_to_device",
    "training/draws.py:draw_epoch",
    "training/recorded.py:of_epoch",
    "training/scoring.py:details_together",
    "training/scoring.py:score_together",
    "training/train.py:_one_epoch",
    "training/training.py:<dictcomp>",
    "training/training.py:__init__",
    "training/training.py:_begin",
    "training/training.py:sample",
    "training/transfer.py:begin_from",
}


def config_of(mask="gumbel", rate=0.25, vendor="GE", **changes):
    drawn = {"temperature": 1.0} if mask in ("gumbel", "dps") else {}
    return TrialConfig(vendor, rate, mask=mask, **{**FIELDS, **drawn, **changes})


def every_member():
    """Configs that name every member of every registry; every mask constant, falling, on points, and conditional."""
    configs = []
    augmentations = list(AUGMENTATIONS)
    for number, mask in enumerate(MASKS):
        schedule = list(SCHEDULES)[number % len(SCHEDULES)]
        configs.append(config_of(mask, augment=augmentations[number % len(augmentations)], schedule=schedule))
        told = ("alexnet_film", "alexnet_hyper")[number % 2]
        configs.append(config_of(mask, augment="warp", classifier=told, rate_from=1 / 16))
        if MASKS[mask].learned or mask == "poisson_disc":  # other fixed masks select points as they select lines
            transform = list(TRANSFORMS)[number % len(TRANSFORMS)]
            configs.append(config_of(mask, pattern="points", transform=transform, rate_start=0.9, augment="flips"))
    configs += [config_of(transform=name, augment="flips_shifts") for name in ("hadamard", "cosine")]
    styles = itertools.zip_longest(STYLES, HARMONISATIONS, fillvalue="none")
    for style, harmonise in styles:
        needed = {"corruption": "gibbs"} if style == "corruption" else {}
        if harmonise == "n4":
            needed |= {"n4_side": 16, "n4_levels": 1, "n4_iterations": 2}  # a fit takes a hundredth of the time
        configs.append(config_of("lowpass", style=style, harmonise=harmonise, **needed))
    several = [name for name in INVARIANCES if name != "none"]
    anneal = {"irm": {"irm_anneal": 1}}
    configs += [config_of(vendor="GE+SIEMENS", invariance=name, **anneal.get(name, {})) for name in several]
    learned = {"reconstruction_channels": 4, "reconstruction_weight": 1.0, "reconstruction_epochs": 1}
    configs += [config_of(reconstruction=name, **learned) for name in ("unet", "hqs_net")]
    mixed = {"reconstruction": "hyper_recon", "hyper_channels": 4, "reconstruction_weight": 1.0}
    configs.append(config_of(**mixed, mixed_losses="l1 ssim mse", loss_mix_drawn="uniform"))
    configs.append(config_of(**mixed, mixed_losses="consistency tv", loss_mix=0.25, rate_from=1 / 16))
    configs += [config_of(classifier=name) for name in ("alexnet_adaptive", "resnet18", "densenet121")]
    configs += [config_of(classifier="resnet18", mixstyle=0.5)]
    configs += [config_of(name, mask_jitter=0.2) for name in ("gumbel", "equispaced")]
    segmenter = {"task": "segmentation", "classifier": "unet"}
    everything = {"mixup": 0.4, "label_smoothing": 0.1, "class_weights": "balanced", "average": 0.8, "clip_norm": 0.5}
    return [
        *configs,
        config_of(
            "dps", classifier="alexnet_adaptive", side_dropout=0.3, rate_from=0.1, temperature_from=0.5,
            temperature_to=2.0,
        ),
        config_of(**segmenter, augment="warp", elastic=0.1, gamma=0.1, brightness=0.1, adversarial_weight=0.1),
        config_of(task="detection", classifier="centernet", test_time="flips"),
        config_of(**everything, mask_moment="shared", test_time="flips", standardise="image", augment="shifts"),
        config_of(hermitian="tied", centre_fraction=0.05, temperature_end=0.1),
        config_of("lowpass", rate=1.0, restarts=1),
        *(dataclasses.replace(config_of(task="map", classifier=name, image_size=32), vendor="SYNTHETIC")
          for name in MAPPERS),
        config_of(task="volume", classifier="cascade", views=1, image_size=32, batch_size=1, augment="flips"),
    ]  # fmt: skip


CONFIGS = every_member()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("tiny"), patients=6, per_patient=2)


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """The cohort of three vendors, of which two are trained on."""
    vendors = ("GE", "PHILIPS", "SIEMENS")
    return write_tiny(tmp_path_factory.mktemp("three"), patients=4, per_patient=2, vendors=vendors)


@pytest.fixture
def splits(tiny):
    """Opened anew, because images that lie on one simulated GPU do not lie on the next."""
    return open_splits(*tiny, "GE", tiny[1].with_name("masks.npy"))


@pytest.fixture(scope="module")
def volumes(tmp_path_factory):
    return write_volumes(tmp_path_factory.mktemp("volumes"))


@pytest.fixture(scope="module")
def maps(tmp_path_factory):
    place = tmp_path_factory.mktemp("maps")
    root = write_qsm_phantom(place / "phantom", QsmSettings(synthetic=12, others=6, side=32))
    cohort = with_target_masks(open_cohort(root, CohortSettings(), 32, place / "cache"), root)
    table = storage_path(place / "cohort.csv")
    write_table(table, with_splits(cohort.table, 0))
    return table, cohort.images, "SYNTHETIC", cohort.masks


class Watched:
    """The GPU, and where the host waited: within steps, and outside of them."""

    def __init__(self, gpu):
        self.gpu = gpu
        self.in_steps = Counter()
        self.steps = 0

    def outside_steps(self):
        return Counter(self.gpu.waits) - self.in_steps


@pytest.fixture
def watched(monkeypatch):
    """Steps on a simulated GPU. Its random generators are the CPU's, so Noise exchanges the CPU's state alone."""
    for module in (training_module, finish_module):
        monkeypatch.setattr(module, "Noise", lambda seed, device="cpu": Noise(seed))
    step = train_module.step
    with simulated_gpu(monkeypatch) as gpu:
        watched = Watched(gpu)

        def watched_step(*given):
            before = len(gpu.waits)
            losses = step(*given)
            watched.in_steps.update(gpu.waits[before:])
            watched.steps += 1
            return losses

        monkeypatch.setattr(train_module, "step", watched_step)
        yield watched


@pytest.fixture
def fast_scoring(monkeypatch):
    """Yardsticks and random masks take most of the time of scoring; the test of a run folder has them."""
    monkeypatch.setattr(finish_module, "yardstick_scores", lambda *given: {})
    monkeypatch.setattr(finish_module, "DRAWS", 1)


def require_patience(watched):
    assert watched.steps >= 4
    assert not watched.in_steps
    places = {place for place, _ in watched.outside_steps()}
    assert places <= ONCE, places - ONCE
    assert places


def test_the_walk_names_every_member():
    met = 0
    for field, registry in registries().items():
        assert {getattr(config, field) for config in CONFIGS} == set(registry) - set(NO_NETWORK), field
        met += len(registry)
    assert met >= 32
    assert {config.mask for config in CONFIGS if config.rate_from} == set(MASKS)
    assert len(CONFIGS) == len(set(CONFIGS))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"{config.mask}-{config.classifier}-{config.key()}")
def test_every_member_trains_and_is_scored_without_a_wait_in_a_step(
    config, splits, volumes, maps, three, watched, fast_scoring
):
    if config.task == "volume":
        splits = open_volumes(volumes)
    elif config.task == "map":
        splits = open_splits(*maps)
    elif len(config.sources) > 1:
        splits = open_splits(*three, config.vendor)
    *_, last = train(config, splits, device="cuda")
    assert all(value.device.type == "cuda" for value in last.state["weights"].values())
    finished = finish(config, splits, last.state, device="cuda")
    assert all(np.isfinite(line["loss"]) for line in finished.history)
    require_patience(watched)
    assert set(watched.gpu.autocast) == {True, False}  # bfloat16 while it trains, float32 when it scores


REPLAYED = [
    config_of(classifier="alexnet_adaptive"),
    config_of("lowpass", rate_start=0.9),
    config_of("dps", mixup=0.4, average=0.8, clip_norm=0.5, mask_moment="shared", schedule="cosine", augment="warp"),
]


@pytest.mark.parametrize("config", REPLAYED, ids=lambda config: config.mask)
def test_a_step_is_replayed_on_the_gpu_without_a_wait(config, splits, watched, monkeypatch):
    """The tape stands for the graph. All that it copies, reads and computes lies on the GPU."""
    config = dataclasses.replace(config, batch_size=2, epochs=3, settle=0.0)
    ordinary = Training(config, splits)
    list(train_together([ordinary], splits))
    take = RecordedStep._step

    def watched_take(*given):
        before = len(watched.gpu.waits)
        losses = take(*given)
        watched.in_steps.update(watched.gpu.waits[before:])
        return losses

    monkeypatch.setattr(RecordedStep, "_step", watched_take)
    recorded = RecordedStep(Tape())
    training = Training(config, splits, device="cuda")
    list(train_together([training], splits, recorded=recorded))
    losses = [[line["loss"] for line in of.history] for of in (ordinary, training)]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    assert recorded.replayed >= 3, recorded.summary
    require_patience(watched)


def test_a_pack_of_every_mask_trains_as_on_the_cpu_without_a_wait_in_a_step(splits, watched, fast_scoring):
    configs = [config_of(mask, augment="flips") for mask in MASKS]
    configs += [config_of("lowpass", rate=1.0), config_of(augment="warp", mixup=0.4, hermitian="tied", average=0.8)]
    assert len({pack_key(config) for config in configs}) == 1
    losses = {}
    for device in ("cpu", "cuda"):
        trainings = [Training(config, splits, device=device, together=len(configs)) for config in configs]
        for _ in train_together(trainings, splits, cross_domain_at=[1]):
            pass
        scored = finish_module.finish_trainings(
            configs, splits, [training.state() for training in trainings], device=device
        )
        losses[device] = [[line["loss"] for line in training.history] for training in scored]
    np.testing.assert_allclose(losses["cuda"], losses["cpu"], rtol=1e-4)
    require_patience(watched)


@pytest.mark.parametrize("name", launches.KINDS)
def test_a_pack_of_eight_launches_at_most_twice_what_one_training_does(name, watched):
    """A loop over the members in the step, of masks, losses or optimisers, would launch three to five times as much."""
    kind = launches.KINDS[name]
    alone = launches.launched([kind.config], kind.settled, watched.gpu).total()
    together = launches.launched(launches.differing(kind.config, 8), kind.settled, watched.gpu).total()
    assert 70 <= alone < together <= 2 * alone


def test_images_that_do_not_fit_are_copied_without_a_wait(splits, watched, fast_scoring, monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device=None: (0, 0))
    list(train(config_of(), splits, device="cuda"))
    require_patience(watched)


@pytest.mark.parametrize("share", [1.0, 0.25])
def test_how_many_trainings_fit_is_measured_by_steps_on_the_gpu(share, splits, watched, monkeypatch):
    total = 2**33
    peaks = iter([10 * 2**20, 14 * 2**20])  # of one training, and of two
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device=None: next(peaks))
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device=None: 0)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device=None: (total, total))
    allowed = total if share == 1 else total / 4 - CONTEXT_BYTES
    expected = 1 + int((FILLED * allowed - 10 * 2**20) // (4 * 2**20))
    assert trainings_that_fit(config_of(), splits, share) == expected
    assert {place for place, _ in watched.gpu.waits} <= ONCE


def test_a_run_folder_is_written_resumed_begun_from_and_evaluated(tiny, tmp_path, watched, monkeypatch):
    folder = RunFolder(tmp_path)
    folder.cohort_csv.write_bytes(tiny[0].read_bytes())
    configs = [config_of(), config_of("lowpass")]
    stopped = list(run_pack(configs, folder, tiny[1], "cuda", lambda config, line: False))
    assert stopped == []
    assert all(folder.checkpoint(config).exists() for config in configs)
    records = [record for _, record in run_pack(configs, folder, tiny[1], "cuda", lambda config, line: True)]
    weights = named(folder, configs[0].key())
    bring_weights(folder, {weights: folder})
    begun = dataclasses.replace(configs[0], init_from=weights, seed=1)
    recorded = RecordedStep(Tape())
    ((_, record),) = run_pack([begun], folder, tiny[1], "cuda", lambda config, line: True, recorded=recorded)
    assert record.facts["recorded_steps"] == f"0 of {recorded.taken} steps replayed"  # two epochs of two steps
    assert record.facts["init_from"]["loaded"] == ["classifier", "sampling"]
    assert not any("recorded_steps" in of_pack.facts for of_pack in records)
    for written in (*records, record):
        assert len(written.history) == 2
        assert written.facts["device"] == "simulated GPU"
        assert written.facts["gpu_peak_mib"] == 3
        assert "bfloat16 in training" in written.facts["precision"]
        assert written.yardsticks
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    table = read_table(folder.cohort_csv)
    keys = [config.key() for config in configs]
    scores = evaluate(folder, keys, table, tiny[1]).scores
    saved = np.load(folder.trial(keys[0], "scores.npz"))
    of_first = scores[scores["key"] == keys[0]].set_index("row")["score"]
    np.testing.assert_allclose(of_first[saved["row"]], saved["score"], rtol=1e-5, atol=1e-6)
    some = table[table["split"] == "test"].head(2)
    assert robustness(folder, keys[:1], some, tiny[1]).scores.shape == (1, len(CORRUPTIONS), 6, 2)
    require_patience(watched)


def test_a_wait_in_a_step_is_found(splits, watched, monkeypatch):
    """As it was before: a single value that is set is copied to the GPU."""

    joined = fourier._joined

    def joined_with_a_wait(ahead, *others):
        weight = torch.full((ahead.shape[-1],), 2.0, device=ahead.device)
        weight[0] = 1
        return joined(ahead, *others)

    monkeypatch.setattr(fourier, "_joined", joined_with_a_wait)
    next(train(config_of(), splits, device="cuda"))
    assert watched.in_steps == {("model/transforms/fourier.py:backward", "copy to the GPU"): watched.steps}
    assert watched.steps == 2


WAITS = {
    "item": lambda values, on_host: values.sum().item(),
    "bool": lambda values, on_host: bool((values > 0).all()),
    "tolist": lambda values, on_host: values.tolist(),
    "cpu": lambda values, on_host: values.cpu(),
    "to": lambda values, on_host: values.to("cpu", torch.float64),
    "nonzero": lambda values, on_host: values.nonzero(),
    "truth": lambda values, on_host: values[values > 0],
    "set": lambda values, on_host: values.__setitem__(0, 1),
    "upload": lambda values, on_host: on_host.to("cuda"),
    "upload impatiently": lambda values, on_host: on_host.pin_memory().to("cuda"),
    "copy_": lambda values, on_host: values.copy_(on_host),
    "tensor": lambda values, on_host: torch.tensor([1.0], device="cuda"),
    "new_tensor": lambda values, on_host: values.new_tensor([1.0]),
}
REFUSED = {
    "add": lambda values, on_host: values + on_host,
    "index": lambda values, on_host: values[torch.tensor([0])],
    "numpy": lambda values, on_host: values.numpy(),
    "fused": lambda values, on_host: torch._foreach_mul_([values], on_host.sum()),
}
PATIENT = {
    "add": lambda values, on_host: (values + 1, values * on_host.sum()),
    "fill": lambda values, on_host: values[:1].__setitem__(slice(None), 1),
    "pinned": lambda values, on_host: on_host.pin_memory().to("cuda", non_blocking=True),
    "where": lambda values, on_host: torch.where(values > 0, values, 0.0),
    "full": lambda values, on_host: torch.full((3,), 1.0, device="cuda"),
}


@pytest.mark.parametrize("name", [*WAITS, *PATIENT])
def test_the_simulated_gpu_knows_what_waits(name, monkeypatch):
    with simulated_gpu(monkeypatch) as gpu:
        values = torch.ones(3, device="cuda")
        assert values.device == torch.device("cuda", 0)
        assert values.is_cuda
        gpu.clear()
        (WAITS | PATIENT)[name](values, torch.ones(3))
        assert len(gpu.waits) == (name in WAITS), gpu.waits


@pytest.mark.parametrize("name", REFUSED)
def test_the_simulated_gpu_refuses_tensors_of_both_devices(name, monkeypatch):
    with simulated_gpu(monkeypatch), pytest.raises(DevicesMeet):
        REFUSED[name](torch.ones(3, device="cuda"), torch.ones(3))


def test_the_simulated_gpu_follows_gradients_and_counts_launches(monkeypatch):
    with simulated_gpu(monkeypatch) as gpu:
        weight = torch.ones(3).to("cuda").requires_grad_()
        loss = (weight.view(3, 1) * 2).square().sum()
        launched = gpu.launches
        loss.backward()
        assert weight.grad.is_cuda
        assert gpu.launches > launched >= 3
        launched = gpu.launches
        torch.nn.functional.dropout(weight)
        assert gpu.launches == launched + 1
        assert not weight.grad.cpu().is_cuda
