"""C: every classifier by name. A member maps images (B, 1, S, S) and acquisition (B, A) to logits (B,)."""

from tune_ks.classifiers import alexnet

CLASSIFIERS = {"alexnet": alexnet.build}
