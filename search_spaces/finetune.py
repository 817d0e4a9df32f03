r"""Does pre-training on the phantom raise the AUC on real patches, in-domain or across vendors?

    python run_search.py --space pretrain --run runs/pretrain
    python run_search.py --data ../shared/data/breast_patches --series post_1 --intensity image --space finetune \
        --init-from runs/pretrain
    python -m docs.tables pretraining RUN

Cost: 90 trials at 64 px, about 12 minutes on two quiet cores (after the 36 trials of the space pretrain).

Both networks of the space pretrain, at its rates, both vendors, three seeds. AlexNet is trained in three ways: from
scratch; from the phantom's weights with one learning rate for all layers; and from them with the dense layers at 1e-3
and the convolutions at 1e-5 (after Graf et al., ISMRM 2023/2024). The adaptive AlexNet is trained from scratch, and
from the phantom's weights in the third way with its manifold network frozen. Each config begins from the phantom's
training of the same vendor, rate and seed, so differences to training from scratch are paired.

Expect little: a vendor has 1,000 real patches, more than the phantom has images, and the phantom's tumours are simpler.
"""

from search_spaces import of_64

COMMON = {
    "image_size": 64,
    "width": 0.125,
    "epochs": 18,
    "augment": "flips",
    "standardise": "image",
    "mask": "lowpass",
    "sampling_rate": of_64(4, 16, 64),
}
ADAPTIVE = {**COMMON, "classifier": "alexnet_adaptive", "side_dropout": 0.3}
LATE_LAYERS = {"init_from": "pretrained", "lr": 1e-3, "slow": "classifier.features", "slow_lr_multiplier": 0.01}

SPACE = [
    {**COMMON, "lr": 5e-4, "init_from": [None, "pretrained"]},
    {**COMMON, **LATE_LAYERS},
    {**ADAPTIVE, "lr": 5e-4},
    {**ADAPTIVE, **LATE_LAYERS, "frozen": "classifier.manifold"},
]
SEARCH = {"sampler": "grid", "seeds": 3}
