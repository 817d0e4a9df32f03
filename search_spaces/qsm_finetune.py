"""Does a susceptibility network trained on random shapes need few real maps to serve another geometry?

    python run_search.py --space qsm_pretrain --run runs/qsm_pretrain
    python run_search.py --space qsm_finetune --init-from runs/qsm_pretrain --run runs/qsm_finetune
    python -m docs.tables qsm runs/qsm_finetune

Cost: 36 trials at 48 px, each a few seconds of one core (after the 12 trials of qsm_pretrain).

Each of the two head domains (CORONAL_ISO, TILTED_ANISO) trains on 54 maps; the other domains are the cross-domain ones.
The adaptive U-Net is trained from scratch, or begins from the training on SYNTHETIC of the same rate and seed, with its
filter-manifold network frozen, the decoder at the learning rate, the encoder at a hundredth of it (after Graf et al.,
ISMRM 2023 and 2024). The plain U-Net begins likewise. Low-pass at 1/8 and full sampling, three seeds. Beside each curve
stands thresholded k-space division (TKD) of the same fields.

Expect the pre-trained networks above those from scratch, in-domain and on the other geometry.
"""

from search_spaces import QSM

COMMON = {**QSM, "vendor": ["CORONAL_ISO", "TILTED_ANISO"], "epochs": 30, "lr": 1e-3}
TUNED = {"init_from": "pretrained", "slow": "classifier.encoder", "slow_lr_multiplier": 0.01}

SPACE = [
    {**COMMON, "classifier": "unet_adaptive"},
    {**COMMON, "classifier": "unet_adaptive", **TUNED, "frozen": "classifier.manifold"},
    {**COMMON, "classifier": "unet_plain", **TUNED},
]
SEARCH = {"sampler": "grid", "seeds": 3, "phantom": "qsm", "pretrained_vendor": "SYNTHETIC"}
