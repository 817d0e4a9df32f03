"""C: every classifier by name. A member maps images (B, 1, S, S), acquisition (B, A) and condition (B, 2) to logits."""

from tune_ks.classifiers import alexnet, alexnet_film, alexnet_hyper

CLASSIFIERS = {"alexnet": alexnet.build, "alexnet_film": alexnet_film.build, "alexnet_hyper": alexnet_hyper.build}
