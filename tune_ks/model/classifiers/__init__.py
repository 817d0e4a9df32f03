"""C: every network by name. A member maps images (B, 1, S, S), acquisition (B, A) and condition (B, 2) to logits:
(B,) from classifiers, (B, 1, S, S) from segmenters.
"""

from tune_ks.model.classifiers import (
    alexnet,
    alexnet_adaptive,
    alexnet_film,
    alexnet_hyper,
    densenet121,
    resnet18,
    unet,
)

CLASSIFIERS = {
    "alexnet": alexnet.build,
    "alexnet_film": alexnet_film.build,
    "alexnet_hyper": alexnet_hyper.build,
    "alexnet_adaptive": alexnet_adaptive.build,
    "resnet18": resnet18.build,
    "densenet121": densenet121.build,
}
SEGMENTERS = {"unet": unet.build}
PLAIN_LAYERS = {"alexnet": alexnet.layers}  # network -> its layers in order: those that several can be trained as one
OF_TASK = {"classification": CLASSIFIERS, "segmentation": SEGMENTERS}
