"""C: every network by name.

A member maps images (B, 1, S, S), acquisition (B, A) and condition (B, 2) to logits: (B,) from classifiers,
(B, 1, S, S) from segmenters; detectors give (B, 3, S, S) maps, segmenters of volumes (B, parts, S, S), where the B
images are whole volumes, and mappers the values (B, 1, S, S) of a map. A task states from which of these its network
comes, and whether it can be answered without any (``NO_NETWORK``).
"""

from tune_ks.model.classifiers import (
    alexnet,
    alexnet_adaptive,
    alexnet_film,
    alexnet_hyper,
    cascade,
    centernet,
    densenet121,
    no_network,
    resnet18,
    unet,
    unet_adaptive,
)

CLASSIFIERS = {
    "alexnet": alexnet.MEMBER,
    "alexnet_film": alexnet_film.MEMBER,
    "alexnet_hyper": alexnet_hyper.MEMBER,
    "alexnet_adaptive": alexnet_adaptive.MEMBER,
    "resnet18": resnet18.MEMBER,
    "densenet121": densenet121.MEMBER,
}
SEGMENTERS = {"unet": unet.MEMBER}
DETECTORS = {"centernet": centernet.MEMBER}
VOLUME_SEGMENTERS = {"cascade": cascade.MEMBER}
MAPPERS = {"unet_adaptive": unet_adaptive.MEMBER, "unet_plain": unet_adaptive.PLAIN}
NO_NETWORK = {no_network.NAME: no_network.MEMBER}
