"""Several source vendors: each invariance against its definition in exact numbers, and a training from end to end."""

import dataclasses
import math
import types

import numpy as np
import pytest
import torch

from benchmarks.alone import finish, train
from tiny import write_tiny
from tune_ks.core.config import TrialConfig
from tune_ks.core.domains import ClassPatients
from tune_ks.core.record import TrialRecord
from tune_ks.data.dataset import Batch, open_splits
from tune_ks.evaluation import finish as finish_module
from tune_ks.evaluation.write_record import make_record
from tune_ks.evaluation.yardstick_scores import SeenSplits
from tune_ks.model.classifiers import CLASSIFIERS
from tune_ks.model.classifiers.base import last_layer
from tune_ks.model.pipeline import build_pipeline
from tune_ks.training.draws import order_by_source
from tune_ks.training.invariances import INVARIANCES, build_invariance
from tune_ks.training.invariances.base import in_domains
from tune_ks.training.invariances.coral import coral_penalty
from tune_ks.training.members import config_from, require_own_options
from tune_ks.training.pack import pack_key
from tune_ks.training.tasks import build_task

COMMON = {"mask": "lowpass", "width": 0.05, "image_size": 64, "epochs": 2, "batch_size": 8, "settle": 0.5, "lr": 1e-3}
BOTH = TrialConfig("SIEMENS+GE", 1.0, **COMMON)
CHANGING = {  # invariance -> options under which the second epoch differs from the first
    "balanced": {},
    "coral": {"coral_weight": 5.0},
    "group_dro": {"dro_eta": 0.5},
    "irm": {"irm_weight": 10.0, "irm_anneal": 4},
}
SQUARES = types.SimpleNamespace(loss=lambda output, batch: (output - batch.label).square().mean())


def batch_of(*labels):
    count = len(labels)
    nothing = torch.zeros(count, 0)
    return Batch(torch.zeros(count, 1, 2, 2), torch.tensor(labels), nothing, torch.arange(count), nothing)


def of_name(name, sources="GE+SIEMENS", **options):
    return build_invariance(TrialConfig(sources, 1.0, invariance=name, **options))


def test_coral_s_penalty_is_the_difference_of_means_and_covariances():
    x = torch.tensor([[0.0, 0.0], [2.0, 0.0]])  # mean (1, 0), covariance 2 at (0, 0)
    y = torch.tensor([[0.0, 0.0], [0.0, 4.0]])  # mean (0, 2), covariance 8 at (1, 1)
    assert float(coral_penalty(x, y)) == pytest.approx((1 + 4) / 2 + (2**2 + 8**2) / 4)
    assert float(coral_penalty(x, x)) == pytest.approx(0, abs=1e-6)


def test_coral_s_inner_products_give_the_covariances_and_their_gradient():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(5, 7, generator=generator, dtype=torch.float64, requires_grad=True)
    y = torch.randn(4, 7, generator=generator, dtype=torch.float64) * 2 + 1
    plain = (x.mean(0) - y.mean(0)).square().mean() + (torch.cov(x.T) - torch.cov(y.T)).square().mean()
    fast = coral_penalty(x, y)
    assert fast.item() == pytest.approx(plain.item(), rel=1e-12)
    torch.testing.assert_close(*(torch.autograd.grad(value, x)[0] for value in (fast, plain)))


def test_coral_weighs_the_mean_over_all_pairs_of_sources():
    features = torch.tensor([[0.0], [0.0], [1.0], [1.0], [3.0], [3.0]])  # means 0, 1, 3, no covariance
    coral = of_name("coral", "GE+PHILIPS+SIEMENS", coral_weight=0.5)
    loss = coral.loss(SQUARES, torch.tensor([1.0, 1, 2, 2, 3, 3]), batch_of(*[0.0] * 6), features, step=0)
    assert float(loss) == pytest.approx((1 + 4 + 9) / 3 + 0.5 * (1 + 4 + 9) / 3)


def test_group_dro_multiplies_the_weight_of_a_source_by_the_exponential_of_its_loss():
    dro = of_name("group_dro", dro_eta=math.log(2))
    output = torch.tensor([1.0, 1, 2, 2], requires_grad=True)
    batch = batch_of(0.0, 0, 0, 0)
    assert dro.q.tolist() == [0.5, 0.5]
    loss = dro.loss(SQUARES, output, batch, None, step=0)  # losses 1 and 4: weights 1 : 8
    assert float(loss) == pytest.approx((1 + 8 * 4) / 9)
    assert dro.q.tolist() == pytest.approx([1 / 9, 8 / 9])
    loss.backward()  # the weights themselves have no gradient
    assert output.grad.tolist() == pytest.approx([1 / 9, 1 / 9, 8 / 9 * 2, 8 / 9 * 2])
    assert float(dro.loss(SQUARES, output, batch, None, step=1)) == pytest.approx((1 + 64 * 4) / 65)


def test_irm_adds_the_squared_derivative_by_the_scale_of_the_output():
    """d/ds (s z)^2 = 2 z^2 at s = 1, the mean over each half of a source's images."""
    irm = of_name("irm", irm_weight=10.0, irm_anneal=3)
    output = torch.tensor([1.0, 2, 3, 4, 1, 1, 0, 0])
    batch = batch_of(*[0.0] * 8)
    penalty = ((2 * (1 + 9) / 2) * (2 * (4 + 16) / 2) + (2 * 1 / 2) * (2 * 1 / 2)) / 2
    loss = (30 / 4 + 2 / 4) / 2
    assert float(irm.loss(SQUARES, output, batch, None, step=2)) == pytest.approx(loss + penalty)
    assert float(irm.loss(SQUARES, output, batch, None, step=3)) == pytest.approx(loss + 10 * penalty)
    assert [step for step in range(6) if irm.restarts_optimiser(step)] == [3]


def test_irm_s_gradient_of_logits_is_that_of_its_equation():
    """For the cross-entropy of logits z: d/ds = mean (sigmoid(z) - t) z."""
    irm = of_name("irm", irm_weight=3.0, irm_anneal=0)
    task = build_task(BOTH)
    logit = torch.tensor([0.3, -1.2, 0.7, 2.0, -0.4, 0.9, 1.1, -2.0], dtype=torch.float64, requires_grad=True)
    label = torch.tensor([1.0, 0, 0, 1, 1, 1, 0, 0], dtype=torch.float64)
    loss = irm.loss(task, logit, batch_of(*label.tolist())._replace(label=label), None, step=0)
    slope = (logit.sigmoid() - label) * logit
    products = [slope[:4][::2].mean() * slope[:4][1::2].mean(), slope[4:][::2].mean() * slope[4:][1::2].mean()]
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(logit, label)
    expected = entropy + 3 * sum(products) / 2
    assert loss.item() == pytest.approx(expected.item())
    torch.testing.assert_close(*(torch.autograd.grad(value, logit)[0] for value in (loss, expected)))


def test_balanced_is_the_mean_over_sources_and_none_the_loss_of_the_task():
    output = torch.tensor([1.0, 1, 3, 3])
    batch = batch_of(0.0, 0, 0, 0)
    assert float(of_name("balanced").loss(SQUARES, output, batch, None, 0)) == 5
    assert float(of_name("none").loss(SQUARES, output, batch, None, 0)) == 5
    halves = in_domains(output, batch, None, 2)
    assert [half.output.tolist() for half in halves] == [[1, 1], [3, 3]]
    assert halves[1].batch.patient.tolist() == [2, 3]


def test_a_batch_holds_equally_many_images_of_each_source_and_small_ones_repeat():
    vendor = np.array(["GE"] * 3 + ["SIEMENS"] * 9)
    images = type("Images", (), {"vendor": vendor, "__len__": lambda self: len(vendor)})()
    config = dataclasses.replace(BOTH, batch_size=5)  # two of each: 12 images are three batches
    order = order_by_source(config, images, epoch=1).reshape(3, 4)
    assert (vendor[order] == ["GE", "GE", "SIEMENS", "SIEMENS"]).all()
    assert sorted(order[:, :2].flatten()[:3].tolist()) == [0, 1, 2]  # all of GE before any comes again
    assert len(set(order[:, 2:].flatten().tolist())) == 6
    assert torch.equal(order.flatten(), order_by_source(config, images, epoch=1))
    assert not torch.equal(order.flatten(), order_by_source(config, images, epoch=2))
    with pytest.raises(ValueError, match="PHILIPS is trained on, and none of the training images are of it"):
        order_by_source(dataclasses.replace(BOTH, vendor="GE+PHILIPS"), images, 1)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"vendor": "GE"}, "compares several source vendors, and this trial is trained on one, GE: name them all"),
        ({"mixup": 0.2}, "mixup makes one of two: leave mixup out"),
        ({"batch_size": 3}, "batch_size must be 4 or more, got 3"),
        (
            {"task": "volume", "classifier": "cascade", "image_size": 32, "mask": "lowpass", "temperature": None},
            "the task 'volume' is about whole volumes",
        ),
        ({"coral_weight": 1.0, "invariance": "irm"}, None),  # a default is left out
        ({"coral_weight": 2.0, "invariance": "irm"}, "coral_weight is an option of the invariance coral"),
        ({"task": "segmentation", "classifier": "unet"}, "the network 'unet' has none in a part called head"),
        ({"task": "segmentation", "classifier": "unet", "invariance": "group_dro"}, None),
        ({"invariance": "corral"}, "invariance must be one of balanced, coral, group_dro, irm, none; got 'corral'"),
        ({"vendor": "GE+GE"}, r"different names with \+ between them, got 'GE\+GE'"),
        ({"vendor": "GE+"}, r"different names with \+ between them, got 'GE\+'"),
    ],
)
def test_what_cannot_be_compared_is_one_clear_error(values, said):
    asked = {"vendor": "GE+SIEMENS", "sampling_rate": 1.0, "mask": "lowpass", "invariance": "coral", **values}
    if said is None:
        require_own_options(config_from(asked))
        return
    with pytest.raises(ValueError, match=said):
        require_own_options(config_from(asked))


def test_every_classifier_has_features_before_its_last_layer():
    for name in CLASSIFIERS:
        if name in ("alexnet", "alexnet_hyper", "resnet18"):  # densenet121 is built as resnet18 is
            pipeline = build_pipeline(dataclasses.replace(BOTH, classifier=name), 64)
            assert last_layer(pipeline.classifier).out_features == 1


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """(cohort.csv, images.npy) of three vendors."""
    folder = tmp_path_factory.mktemp("three")
    return write_tiny(folder, patients=6, per_patient=2, vendors=("GE", "PHILIPS", "SIEMENS"))


@pytest.fixture(scope="module")
def pooled(three):
    return open_splits(*three, "GE+SIEMENS")


def test_the_splits_of_two_sources_are_those_of_each(three, pooled):
    of_one = {source: open_splits(*three, source) for source in ("GE", "SIEMENS")}
    rows = [set(splits.train.rows.tolist()) for splits in of_one.values()]
    assert set(pooled.train.rows.tolist()) == rows[0] | rows[1]
    assert sorted(set(pooled.train.vendor)) == ["GE", "SIEMENS"]
    for source, splits in of_one.items():
        assert torch.equal(pooled.val[source].rows, splits.val[source].rows)
        assert torch.equal(pooled.test[source].rows, splits.test[source].rows)
    assert torch.equal(pooled.val["PHILIPS"].rows, of_one["GE"].val["PHILIPS"].rows)  # all but its test patients
    half = open_splits(*three, "GE+SIEMENS", train_share=0.5).train
    parts = [open_splits(*three, source, train_share=0.5).train.rows.tolist() for source in of_one]
    assert set(half.rows.tolist()) == {row for part in parts for row in part}
    assert 0 < len(half) < len(pooled.train)
    seen = SeenSplits("GE+SIEMENS", pooled, types.SimpleNamespace(name=()))
    assert len(seen.source_val) == len(pooled.val["GE"]) + len(pooled.val["SIEMENS"])
    assert seen.source_val.images.rows.tolist() == [
        *pooled.val["GE"].rows.tolist(),
        *pooled.val["SIEMENS"].rows.tolist(),
    ]
    with pytest.raises(ValueError, match="a training on GE\\+PHILIPS\\+SIEMENS has no other to be tested on"):
        open_splits(*three, "GE+PHILIPS+SIEMENS")
    with pytest.raises(ValueError, match="the cohort has no vendor 'TOSHIBA'"):
        open_splits(*three, "GE+TOSHIBA")


@pytest.mark.parametrize("name", CHANGING)
def test_a_training_that_is_resumed_has_the_same_bits(name, pooled):
    config = dataclasses.replace(BOTH, invariance=name, **CHANGING[name])
    assert pack_key(config) is None
    assert pack_key(BOTH) is not None
    first, last = train(config, pooled)
    (resumed,) = train(config, pooled, state=_copied(config, pooled))
    assert first.number == 1
    assert last.loss == resumed.loss
    for part, value in last.state["weights"].items():
        assert torch.equal(value, resumed.state["weights"][part]), part
    if name == "group_dro":
        assert torch.equal(last.state["invariance"]["q"], resumed.state["invariance"]["q"])
        assert last.state["invariance"]["q"].tolist() != [0.5, 0.5]


def _copied(config, splits):
    """The state after the first epoch of a training that ends there, its tensors its own."""
    epochs = train(config, splits)
    state = next(epochs).state
    epochs.close()
    return state


def test_the_record_has_the_mean_over_both_sources_and_the_other_vendor_apart(pooled, monkeypatch):
    monkeypatch.setattr(finish_module, "DRAWS", 1)
    *_, last = train(BOTH, pooled, cross_domain_at=[2])
    scored = finish(BOTH, pooled, last.state)
    record = TrialRecord.from_json(make_record(BOTH, pooled, scored, 1.0, "cpu", None).to_json())
    assert record.config.vendor == "GE+SIEMENS"
    assert record.config.sources == ("GE", "SIEMENS")
    assert record.in_domain("val") == pytest.approx((record.val["GE"] + record.val["SIEMENS"]) / 2)
    assert record.in_domain("val") == pytest.approx(last.state["best"]["val"])
    assert record.cross_domain("test") == record.test["PHILIPS"]
    assert last.cross == pytest.approx(record.val["PHILIPS"])
    assert record.others("test").counted == ("PHILIPS",)
    assert record.images["train GE"] + record.images["train SIEMENS"] == len(pooled.train)
    assert record.patients["val SIEMENS"] == ClassPatients(1, 1)
    assert set(record.yardsticks) >= {"linear_on_35_numbers"}
    assert set(INVARIANCES) == {"none", *CHANGING}
