"""The loss of classification with smoothed labels, balanced classes and mixed images, by its definition."""

import dataclasses

import numpy as np
import pytest
import torch

from benchmarks.alone import train
from tiny import write_tiny
from tune_ks.core.config import TrialConfig
from tune_ks.data.dataset import Batch, open_splits
from tune_ks.model.transforms import Fourier
from tune_ks.training import train as training
from tune_ks.training.mixup import Mixing, draw_mixing, mixed
from tune_ks.training.tasks import build_task, task_losses
from tune_ks.training.tasks.classification import balanced_weights
from tune_ks.training.training import Training

FIELDS = {"width": 0.05, "image_size": 64, "epochs": 2, "batch_size": 8, "settle": 0}
PLAIN = TrialConfig("GE", 0.25, mask="lowpass", **FIELDS)
OPTIONS = [{"label_smoothing": 0.2}, {"class_weights": "balanced"}, {"mixup": 0.4}]


@pytest.fixture(scope="module")
def splits(tmp_path_factory):
    """Fewer images with a tumour than without, so that balancing the classes changes the loss."""
    return open_splits(*write_tiny(tmp_path_factory.mktemp("tiny"), per_patient=5), "GE")


def batch_of(label, image=None):
    count = len(label)
    label = torch.tensor(label, dtype=torch.float32)
    if image is None:
        image = torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    return Batch(image, label, torch.arange(2.0 * count).view(count, 2), torch.arange(count), image[:, :0])


def plain_loss(logits, labels, smoothing, weights):
    """The mean loss by the definition in double precision, image by image; ``weights`` of the labels 0 and 1."""
    total = 0
    for logit, label in zip(logits, labels, strict=True):
        p = 1 / (1 + np.exp(-logit))
        target = (1 - smoothing) * label + smoothing / 2
        weight = (1 - label) * weights[0] + label * weights[1]
        total -= weight * (target * np.log(p) + (1 - target) * np.log(1 - p))
    return total / len(logits)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("class_weights", ["none", "balanced"])
def test_the_loss_is_that_of_the_definition(smoothing, class_weights, splits):
    config = dataclasses.replace(PLAIN, label_smoothing=smoothing, class_weights=class_weights)
    task = build_task(config)
    task.prepare(splits.train)
    logits = [-2.0, 0.5, 1.0, 3.0]
    labels = [0.0, 1.0, 0.25, 1.0]  # 0.25: a mixed label
    positives = int(splits.train.label.sum())
    n = len(splits.train)
    assert 0 < 2 * positives < n
    weights = (n / (2 * (n - positives)), n / (2 * positives)) if class_weights == "balanced" else (1, 1)
    loss = task.loss(torch.tensor(logits), batch_of(labels))
    assert loss.item() == pytest.approx(plain_loss(logits, labels, smoothing, weights), rel=1e-6)


@pytest.mark.parametrize("balanced", [False, True])
def test_the_losses_of_a_pack_are_those_of_its_members(balanced, splits):
    first = {"class_weights": "balanced"} if balanced else {}
    options = [first, {}, {"label_smoothing": 0.2}, {"label_smoothing": 0.3, **first}]
    tasks = [build_task(dataclasses.replace(PLAIN, **changes)) for changes in options]
    for task in tasks:
        task.prepare(splits.train)
    stream = torch.Generator().manual_seed(0)
    logits = torch.randn(len(tasks), 6, generator=stream, requires_grad=True)
    batches = [batch_of(torch.rand(6, generator=stream).round().tolist()) for _ in tasks]
    expected = [task.loss(*given) for task, *given in zip(tasks, logits, batches, strict=True)]
    (gradient,) = torch.autograd.grad(sum(expected), logits)
    together = task_losses(tasks, logits, batches)
    torch.testing.assert_close(torch.stack(list(together)), torch.stack(expected))
    torch.testing.assert_close(torch.autograd.grad(sum(together), logits)[0], gradient)


def test_balanced_weights_by_hand():
    assert balanced_weights(torch.tensor([0.0, 0, 0, 1])) == (4 / 6, 2)
    assert balanced_weights(torch.tensor([1.0, 1])) == (1, 0.5)


def test_images_and_labels_are_mixed_in_pairs_by_hand():
    batch = batch_of([0, 1, 1])
    partner = torch.tensor([1, 0, 2])
    share = torch.tensor([0.75, 0.5, 0.9])
    result = mixed(batch, Mixing(partner, share))
    assert result.label.tolist() == pytest.approx([0.25, 0.5, 1])
    for position, (other, m) in enumerate(zip(partner.tolist(), share.tolist())):
        expected = m * batch.image[position] + (1 - m) * batch.image[other]
        torch.testing.assert_close(result.image[position], expected)
    assert result[2:] == batch[2:]  # acquisition, patient and target stay


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_pairs_are_of_the_batch_and_shares_of_the_beta_distribution(alpha):
    mixing = draw_mixing(4000, alpha, np.random.default_rng(0))
    assert sorted(mixing.partner.tolist()) == list(range(4000))
    assert mixing.share.min() >= 0.5
    folded = np.random.default_rng(1).beta(alpha, alpha, 100_000)
    expected = np.maximum(folded, 1 - folded)
    assert mixing.share.mean().item() == pytest.approx(expected.mean(), abs=0.01)
    assert mixing.share.std().item() == pytest.approx(expected.std(), abs=0.01)


def test_mixing_does_not_commute_with_sampling():
    fourier = Fourier()
    batch = batch_of([0, 1, 1])
    mixing = draw_mixing(3, 1.0, np.random.default_rng(0))._replace(partner=torch.tensor([1, 2, 0]))
    mask = torch.tensor([1.0, 0, 0, 1, 1, 1, 0, 0])

    def sampled(image):
        return fourier.inverse(mask * fourier.forward(image)).abs()

    before = sampled(mixed(batch, mixing).image)
    after = mixed(batch._replace(image=sampled(batch.image)), mixing).image
    assert not torch.allclose(before, after, atol=1e-3)


def test_where_images_are_mixed_a_fixed_mask_is_applied_at_every_step(splits):
    assert Training(PLAIN, splits).trained.nothing_to_sample
    mixing = Training(dataclasses.replace(PLAIN, mixup=0.4), splits)
    assert mixing.trained is mixing.pipeline
    assert mixing.images is splits.train


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: next(iter(options)))
def test_each_changes_the_training_and_off_is_the_training_as_it_was(options, splits):
    plain = [epoch.loss for epoch in train(PLAIN, splits)]
    changed = [epoch.loss for epoch in train(dataclasses.replace(PLAIN, **options), splits)]
    assert abs(plain[0] - changed[0]) > 1e-4
    off = {name: "none" if name == "class_weights" else 0.0 for name in options}
    assert [epoch.loss for epoch in train(dataclasses.replace(PLAIN, **off), splits)] == plain


def test_the_network_is_given_the_mixed_batch(splits, monkeypatch):
    met = []
    pass_together = training.pass_together

    def watched(networks, batches, rates, unclassified):
        met.extend(batches)
        return pass_together(networks, batches, rates, unclassified)

    monkeypatch.setattr(training, "pass_together", watched)
    config = dataclasses.replace(PLAIN, sampling_rate=1.0, mixup=0.4, epochs=1)
    of_training = Training(config, splits)
    list(training.train_together([of_training], splits))
    assert len(met) == len(of_training.draws) > 2
    for batch, drawn in zip(met, of_training.draws, strict=True):
        expected = mixed(splits.train.gather(drawn.positions), drawn.mixing)
        assert torch.equal(batch.image, expected.image)
        assert torch.equal(batch.label, expected.label)
        assert ((batch.label > 0) & (batch.label < 1)).any()


def test_segmentation_cannot_mix_its_images():
    from tune_ks.training.members import config_from, require_own_options

    values = {"vendor": "GE", "sampling_rate": 1.0, "task": "segmentation", "classifier": "unet", "mixup": 0.4}
    with pytest.raises(ValueError, match="mixup is an option of the task classification, and this trial's task is seg"):
        require_own_options(config_from(values))
