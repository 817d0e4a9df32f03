"""Several trainings as one: each is what it is alone, whoever is beside it, fails, is stopped or begins later."""

import copy
import dataclasses
import itertools

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.alone import finish, train
from devices import DEVICES
from tune_ks.core.config import TrialConfig
from tune_ks.core.domains import ClassPatients
from tune_ks.evaluation.finish import finish_trainings
from tune_ks.model.classifiers import CLASSIFIERS
from tune_ks.model.classifiers.together import CONVOLUTIONS, FORMS, Together, convolve_in_groups, convolve_in_turn
from tune_ks.model.masks import MASKS, Gumbel
from tune_ks.model.masks.learned import LearnedMask
from tune_ks.model.pipeline import build_member
from tune_ks.training import pack, scoring
from tune_ks.training import train as training_module
from tune_ks.training import training as training_state
from tune_ks.training.noise import Noise
from tune_ks.training.pack import pack_key
from tune_ks.training.scoring import score
from tune_ks.training.train import TrainingFailed, train_together
from tune_ks.training.training import Training

FIELDS = {"width": 0.05, "image_size": 64, "epochs": 3, "batch_size": 8, "settle": 0.5}
FIRST = TrialConfig("GE", 0.25, temperature=1.0, lr=1e-3, augment="flips", **FIELDS)
PACK = [  # alike in their shapes, different in everything else
    FIRST,
    dataclasses.replace(FIRST, seed=1, lr=3e-3, weight_decay=0.1),
    dataclasses.replace(
        FIRST, sampling_rate=0.5, temperature=2.0, temperature_end=0.5, dropout=0.2, augment="flips_shifts"
    ),
    dataclasses.replace(FIRST, mask="loupe", temperature=None, mask_lr_multiplier=3.0, seed=2),
    dataclasses.replace(FIRST, mask="dps", rate_start=0.9, frozen="classifier.features.0"),
    dataclasses.replace(FIRST, reconstruction_weight=1.0, reconstruction_epochs=1, budget="drift"),
    dataclasses.replace(FIRST, schedule="one_cycle", clip_norm=0.5, average=0.8, seed=2),
    dataclasses.replace(
        FIRST, label_smoothing=0.1, class_weights="balanced", mixup=0.4, test_time="flips", augment="warp"
    ),
    TrialConfig("GE", 1.0, mask="lowpass", lr=1e-3, **FIELDS),
    TrialConfig("GE", 0.25, mask="variable_density", lr=1e-3, augment="flips", **FIELDS),
]
FAILING = dataclasses.replace(FIRST, lr=1e30, seed=5)


@pytest.fixture(scope="module")
def alone(splits):
    """key -> the epochs of a training by itself, and what it was worth in the end."""
    results = {}
    for config in PACK:
        epochs = list(train(config, splits, cross_domain_at=[2]))
        results[config.key()] = epochs, finish(config, splits, epochs[-1].state)
    return results


def packed(configs, splits, states=None, **options):
    """(members, key -> what each epoch was) of a pack."""
    members = [Training(config, splits, state) for config, state in zip(configs, states or [None] * len(configs))]
    epochs_of = {config.key(): [] for config in configs}
    for epochs in train_together(members, splits, cross_domain_at=[2], **options):
        for member, epoch in epochs.items():
            epochs_of[member.config.key()].append(epoch)
    return members, epochs_of


def same(trained, expected):
    """Losses and validation metrics of epochs, to float tolerance; NaN is NaN."""
    assert [epoch.number for epoch in trained] == [epoch.number for epoch in expected]
    for name in ("loss", "val", "cross"):
        values = [[getattr(epoch, name) for epoch in epochs] for epochs in (trained, expected)]
        np.testing.assert_allclose(*values, rtol=1e-4, atol=1e-5)


def test_every_member_of_a_pack_is_what_it_is_alone(splits, alone):
    assert len({pack_key(config) for config in PACK}) == 1
    members, epochs_of = packed(PACK, splits)
    outcomes = finish_trainings(PACK, splits, [member.state() for member in members])
    for member, outcome in zip(members, outcomes, strict=True):
        epochs, expected = alone[member.config.key()]
        same(epochs_of[member.config.key()], epochs)
        assert outcome.epoch == expected.epoch
        assert (outcome.mask == expected.mask).all()
        for split, vendor in itertools.product(("val", "test"), ("GE", "SIEMENS")):
            np.testing.assert_allclose(
                outcome.scores[split][vendor], expected.scores[split][vendor], rtol=1e-3, atol=1e-4
            )
        np.testing.assert_allclose(
            outcome.random_mask_scores["GE"], expected.random_mask_scores["GE"], rtol=1e-3, atol=1e-4
        )
        for name, values in epochs[-1].state["weights"].items():
            torch.testing.assert_close(member.pipeline.state_dict()[name], values, rtol=1e-3, atol=1e-4)
        for name, values in epochs[-1].state.get("average", {}).items():
            torch.testing.assert_close(member.scored.state_dict()[name], values, rtol=1e-3, atol=1e-4)
    orders = {tuple(torch.cat([drawn.positions for drawn in member.draws]).tolist()) for member in members}
    assert len(orders) == 3  # of seeds 0, 1 and 2


def test_masks_of_no_kind_are_drawn_by_each_member(splits, alone, monkeypatch):
    """As those of a new family, which need not be drawn together."""
    for family in (LearnedMask, Gumbel):
        monkeypatch.setattr(family, "kind", None)
    monkeypatch.setattr(pack, "draw_together", None)
    _, epochs_of = packed(PACK[:4], splits)
    for config in PACK[:4]:
        same(epochs_of[config.key()], alone[config.key()][0])


def test_a_small_vendor_is_not_in_the_cross_domain_mean_of_an_epoch(splits, monkeypatch):
    """As in the record that the training will write: the search must not follow a vendor of few patients."""
    sizes = {"GE": 9, "SIEMENS": 9, "SMALL": 2}
    val = {"GE": splits.val["GE"], "SIEMENS": splits.val["SIEMENS"], "SMALL": splits.val["GE"]}
    for vendor, size in sizes.items():
        val[vendor] = copy.copy(val[vendor])
        val[vendor].class_patients = lambda size=size: ClassPatients(size, size)
    metrics = {"SIEMENS": 0.75, "SMALL": 0.25}
    monkeypatch.setattr(training_module, "_measured", lambda trainings, _, vendor, *__: {trainings[0]: metrics[vendor]})
    training = Training(FIRST, splits)
    assert training_module._cross_domain([training], splits._replace(val=val), 1) == {training: 0.75}


def test_a_pack_in_parts_is_its_members_in_parts(splits):
    _, epochs_of = packed(PACK[:2], splits, parts=2)
    for config in PACK[:2]:
        same(epochs_of[config.key()], list(train(config, splits, parts=2, cross_domain_at=[2])))


def test_the_batches_that_a_member_meets_are_its_own(splits):
    """With wrong batches, dropout or mask noise the losses would differ by far more than the tolerance."""
    losses = [[epoch.loss for epoch in train(config, splits)] for config in (FIRST, PACK[1])]
    assert max(abs(loss - other) for loss, other in zip(*losses)) > 1e-3


def test_a_member_that_fails_leaves_and_the_rest_go_on(splits, alone):
    configs = [PACK[0], FAILING, PACK[3]]
    members, epochs_of = packed(configs, splits)
    *_, failure = epochs_of[FAILING.key()]
    assert isinstance(failure, TrainingFailed)
    assert str(failure).endswith("try a lower lr (now 1e+30) or a higher temperature (now 1.0)")
    assert not members[1].goes_on
    for config in (PACK[0], PACK[3]):
        same(epochs_of[config.key()], alone[config.key()][0])


def test_a_member_that_is_stopped_leaves_and_the_rest_go_on(splits, alone):
    members = [Training(config, splits) for config in PACK[:3]]
    seen = []
    for number, epochs in enumerate(train_together(members, splits), start=1):
        seen.append([member.config.key() for member in epochs])
        members[1].left = number >= 1
    keys = [config.key() for config in PACK[:3]]
    assert seen == [keys, [keys[0], keys[2]], [keys[0], keys[2]]]
    for member in (members[0], members[2]):
        last = alone[member.config.key()][0][-1].state["history"]
        assert [line["loss"] for line in member.history] == pytest.approx([line["loss"] for line in last], rel=1e-4)


def test_a_pack_goes_on_as_another_pack_or_alone(splits, alone):
    """Three configs, one epoch together; then one alone, and two in a pack with one that begins."""
    members = [Training(config, splits) for config in PACK[:3]]
    first = next(train_together(members, splits))
    states = [first[member].state for member in members]
    rest = list(train(PACK[0], splits, states[0], cross_domain_at=[2]))
    same(rest, alone[PACK[0].key()][0][1:])
    _, epochs_of = packed([*PACK[1:3], PACK[3]], splits, [*states[1:], None])
    for config, begun in zip(PACK[1:4], (1, 1, 0)):
        same(epochs_of[config.key()], alone[config.key()][0][begun:])


def test_who_can_be_packed():
    assert pack_key(FIRST) == pack_key(dataclasses.replace(FIRST, seed=9, lr=1.0, init_from="0" * 12 + "@" + "1" * 12))
    others = {"vendor": "SIEMENS", "width": 0.1, "image_size": 96, "standardise": "image", "transform": "hadamard"}
    others |= {"pattern": "points", "epochs": 9, "batch_size": 4}
    keys = {pack_key(dataclasses.replace(FIRST, **{name: value})) for name, value in others.items()}
    assert len(keys | {pack_key(FIRST)}) == len(others) + 1
    for lonely in (
        {"reconstruction": "hqs_net"},
        {"rate_from": 0.1},
        *({"classifier": c} for c in set(CLASSIFIERS) - {"alexnet"}),
    ):
        assert pack_key(dataclasses.replace(FIRST, **lonely)) is None


@pytest.mark.parametrize("name", [name for name, member in CLASSIFIERS.items() if member.layers])
@pytest.mark.parametrize("convolve", [convolve_in_groups, convolve_in_turn])
@pytest.mark.parametrize("device", DEVICES)
def test_networks_together_give_what_each_gives(name, convolve, device, monkeypatch):
    config, count = dataclasses.replace(FIRST, classifier=name), 3
    networks = [build_member(config, "classifier").to(device, torch.float64).train() for _ in range(count)]
    wide = {"device": device, "dtype": torch.float64}  # a GPU multiplies float32 with fewer digits
    torch.manual_seed(0)
    image, facts = torch.rand(count, 4, 1, 64, 64, **wide), (torch.zeros(4, 7, **wide), torch.zeros(4, 2, **wide))
    expected = []
    for position, (network, images) in enumerate(zip(networks, image)):
        with Noise(position, device):
            expected.append(network(images, *facts))
    layers = [CLASSIFIERS[name].layers(network) for network in networks]
    assert {type(layer) for layer in layers[0]} <= set(FORMS)
    for kind in CONVOLUTIONS:
        monkeypatch.setitem(FORMS, kind, convolve)
    fused = Together(layers, [Noise(position, device) for position in range(count)])
    together = fused(image.flatten(0, 1), *(torch.zeros(12, size, **wide) for size in (7, 2))).reshape(count, 4)
    torch.testing.assert_close(together, torch.stack(expected))
    weights = torch.rand(count, **wide)
    for outputs, by in ((torch.stack(expected), "alone"), (together, "together")):
        (outputs.sum(1) * weights).sum().backward()
        for network in networks:
            for parameter in network.parameters():
                setattr(parameter, by, parameter.grad.clone())
                parameter.grad = None
    for parameter in itertools.chain.from_iterable(network.parameters() for network in networks):
        torch.testing.assert_close(parameter.together, parameter.alone)


def test_a_layer_without_a_form_is_refused_not_passed_by():
    with pytest.raises(KeyError, match="BatchNorm2d"):
        Together([[nn.BatchNorm2d(1)]] * 2, [Noise(0)] * 2)(
            torch.rand(4, 1, 8, 8), torch.zeros(4, 7), torch.zeros(4, 2)
        )


def test_a_stream_is_the_global_one_of_its_seed_whoever_draws_between():
    torch.manual_seed(7)
    expected = torch.rand(6)
    torch.manual_seed(99)
    outside = torch.rand(2)
    torch.manual_seed(99)
    noise, drawn, met = Noise(7), [], []
    for _ in range(2):
        met.append(torch.rand(1))
        with noise:
            drawn.append(torch.rand(3))
    assert torch.equal(torch.cat(drawn), expected)
    assert torch.equal(torch.cat(met), outside)


KNOWN = [dataclasses.replace(FIRST, mask=mask, temperature=None if mask != "dps" else 1.0) for mask in MASKS]
KNOWN += [dataclasses.replace(KNOWN[-2], rate_from=0.1), dataclasses.replace(KNOWN[4], augment="warp", rate_start=0.9)]


@pytest.mark.parametrize("config", KNOWN, ids=lambda config: f"{config.mask}-{config.rate_from}-{config.rate_start}")
def test_a_mask_that_is_known_beforehand_is_the_one_that_each_batch_would_compute(config, splits, monkeypatch):
    if config.mask == "gumbel":
        config = dataclasses.replace(config, temperature=1.0)
    training = Training(config, splits)
    for epoch in (1, 2):  # the second one is settled
        training.history = [{}] * (epoch - 1)
        training.begin_epoch()
        drawn = training.draws[0]
        mask = training.learner(drawn.rates_on_host).mask
        sampling = training.pipeline.sampling
        is_known = (epoch == 2 or not sampling.mask.random) and not training.trained.nothing_to_sample
        assert (mask is not None) == is_known
        if is_known:
            image = splits.train.gather(drawn.positions).image
            assert torch.equal(sampling(image, drawn.rates, mask).mask, sampling(image, drawn.rates).mask)
    images = splits.val["GE"]
    fast = score(training.pipeline, images, config)
    monkeypatch.setattr(scoring, "_with_mask", lambda network, device: network)
    assert np.array_equal(fast, score(training.pipeline, images, config))


def test_sampled_images_of_a_pack_share_their_memory(splits, monkeypatch):
    config = dataclasses.replace(PACK[-1], augment="none")
    monkeypatch.setattr(training_state, "SAMPLED_BYTES", 2 * 4 * len(splits.train) * 64**2)
    assert [Training(config, splits, together=count).images is splits.train for count in (1, 2, 3)] == [
        False, False, True
    ]  # fmt: skip


def test_a_released_training_holds_no_moments_even_in_a_state_from_before(splits):
    training = Training(FIRST, splits)
    epoch = next(train_together([training], splits))[training]
    assert len(epoch.state["optimizer"]["state"][0]) == 3
    training.release()
    assert epoch.state["optimizer"]["state"][0] == {}
    assert all(parameter.grad is None for parameter in training.pipeline.parameters())
    assert finish_trainings([FIRST], splits, [epoch.state | {"best": {**epoch.state["best"], "epoch": 1,
        "weights": training.pipeline.state_dict()}}])[0].epoch == 1  # fmt: skip
