r"""Does pre-training on the phantom help on real patches, at home or across vendors?

    python run_search.py --space pretrain --run runs/pretrain
    python run_search.py --data ../shared/data/breast_patches --series post_1 --intensity image --space finetune \
        --init-from runs/pretrain
    python benchmarks/transfer_table.py RUN

AlexNet from scratch, from the phantom's weights with every layer at the same learning rate, and from them with the
dense layers at 1e-3 and the convolutions at 1e-5 (after Graf et al., ISMRM 2023/2024); the adaptive AlexNet from
scratch, and from the phantom's weights with its manifold network frozen and the rest likewise. The rates and the
network of the space pretrain, both vendors, three seeds: 90 trials at 64 px, about 12 minutes on two quiet cores. Each
config begins from the phantom's training of the same vendor, rate and seed, so differences to scratch are paired.
Expect little: 1,000 real patches of a vendor are more than the phantom's, and its tumours are simpler than real ones.
"""

COMMON = {
    "image_size": 64,
    "width": 0.125,
    "epochs": 18,
    "augment": "flips",
    "standardise": "image",
    "mask": "lowpass",
    "sampling_rate": [k / 64 for k in (4, 16, 64)],
}
ADAPTIVE = {**COMMON, "classifier": "alexnet_adaptive", "side_dropout": 0.3}
LATE = {"init_from": "pretrained", "lr": 1e-3, "slow": "classifier.features", "slow_lr_multiplier": 0.01}

SPACE = [
    {**COMMON, "lr": 5e-4, "init_from": [None, "pretrained"]},
    {**COMMON, **LATE},
    {**ADAPTIVE, "lr": 5e-4},
    {**ADAPTIVE, **LATE, "frozen": "classifier.manifold"},
]
SEARCH = {"sampler": "grid", "seeds": 3}
