"""Every convolution that the networks of the registries run, with an image that enters it."""

import torch
from torch import nn

from tune_ks.core.config import TrialConfig
from tune_ks.model.classifiers import CLASSIFIERS, SEGMENTERS
from tune_ks.model.pipeline import build_pipeline
from tune_ks.model.reconstructions import RECONSTRUCTIONS

NETWORKS = [
    *({"classifier": name} for name in CLASSIFIERS),
    *({"classifier": name, "task": "segmentation"} for name in SEGMENTERS),
    *({"reconstruction": name} for name in RECONSTRUCTIONS),
]
WIDTHS = (1 / 32, 1 / 16, 1 / 8, 1 / 4)


def pipeline_of(network, width):
    channels = {} if network.get("reconstruction", "zero_filled") == "zero_filled" else {"reconstruction_channels": 2}
    fields = {"image_size": 64, "width": width, "temperature": 1.0} | network | channels
    return build_pipeline(TrialConfig("GE", 0.5, **fields), 64)


def convolutions_of(networks, widths):
    """Each shape of convolution that the networks run, once: the module, and an image as it came in (4, C, H, W)."""
    shapes = set()
    for network in networks:
        for width in widths:
            for module, image in run_convolutions(pipeline_of(network, width)):
                shape = (module.weight.shape, module.weight.stride(), module.stride, image.shape, image.stride())
                if shape not in shapes:
                    shapes.add(shape)
                    yield module, image


def run_convolutions(pipeline):
    """Run the pipeline in training on four images: (convolution, its input) in the order of the forward pass."""
    met = []

    def note(module, inputs, output):
        met.append((module, inputs[0].detach()))

    for module in pipeline.train().modules():
        if isinstance(module, nn.Conv2d) and getattr(module, "weight", None) is not None:
            module.register_forward_hook(note)
    pipeline(torch.rand(4, 1, 64, 64), torch.full((4,), 0.5), torch.ones(4, 7))
    return met
