"""MixStyle: against its equation, in training only, without a change of the network's weights or names."""

import copy

import numpy as np
import torch

from tune_ks.model.classifiers import CLASSIFIERS
from tune_ks.model.classifiers.mixstyle import with_mixed_statistics

BUILD = CLASSIFIERS["resnet18"].build


def features():
    return torch.randn(3, 2, 5, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()


def test_an_image_gets_the_mean_and_deviation_between_its_own_and_its_partner_s():
    before = features()
    partner = torch.tensor([1, 2, 0])
    kept = torch.tensor([0.25, 1.0, 0.0]).view(3, 1, 1, 1)
    after = with_mixed_statistics(before, partner, kept)
    for statistic in (torch.mean, lambda x, axes: x.std(axes, correction=0)):
        of_before = statistic(before, (-2, -1)).detach().numpy()
        expected = np.stack([0.25 * of_before[0] + 0.75 * of_before[1], of_before[1], of_before[0]])
        np.testing.assert_allclose(statistic(after, (-2, -1)).detach(), expected, atol=1e-5)
    torch.testing.assert_close(after[1], before[1], atol=1e-5, rtol=1e-5)


def test_no_gradient_passes_through_the_statistics():
    before = features()
    kept = torch.ones(3, 1, 1, 1)
    with_mixed_statistics(before, torch.tensor([1, 2, 0]), kept).square().sum().backward()
    with_gradient = features()
    with_gradient.square().sum().backward()  # the same values: the statistics are constants
    torch.testing.assert_close(before.grad, with_gradient.grad, atol=1e-4, rtol=1e-4)


def test_it_acts_in_training_only_and_the_weights_keep_their_names():
    torch.manual_seed(0)
    plain = BUILD(width=0.1, dropout=0.0)
    torch.manual_seed(0)
    mixing = BUILD(width=0.1, dropout=0.0, mixstyle=1.0)
    assert list(plain.state_dict()) == list(mixing.state_dict())
    image = torch.rand(4, 1, 40, 40, generator=torch.Generator().manual_seed(1))
    rest = (torch.zeros(4, 7), torch.zeros(4, 2))
    assert torch.equal(plain.eval()(image, *rest), mixing.eval()(image, *rest))
    copied = copy.deepcopy(mixing).train()
    assert not torch.allclose(plain.train()(image, *rest), copied(image, *rest))
    torch.manual_seed(2)
    once = copied(image, *rest)
    torch.manual_seed(2)
    assert torch.equal(copied(image, *rest), once)
