"""Which network finds susceptibility in sampled fields, in geometries that it never saw? And weights for qsm_finetune.

    python run_search.py --space qsm_pretrain --run runs/qsm_pretrain
    python -m docs.tables qsm runs/qsm_pretrain

Cost: 12 trials at 48 px, each about 50 seconds of one core: 5 minutes on two quiet cores.

Quantitative susceptibility mapping: the network undoes the dipole convolution of a field map of which a part of k-space
was kept. Random shapes in any geometry (SYNTHETIC) train it; heads in two geometries (CORONAL_ISO, TILTED_ANISO) are
the other domains. A U-Net whose kernels follow voxel size and direction of B0, after Graf et al. (ISMRM 2023), and the
same without; low-pass at 1/8 and full sampling, three seeds. The score is R2 = 1 - NRMSE^2 of each map; beside each
curve stands thresholded k-space division (TKD) of the same fields.

Expect the adaptive network above the plain one, which cannot know the geometry, both lower on heads than on random
shapes, and TKD, which knows the kernel, above networks so small where all of k-space is sampled.
"""

from search_spaces import QSM

SPACE = [
    {**QSM, "vendor": "SYNTHETIC", "classifier": ["unet_adaptive", "unet_plain"], "epochs": 30, "lr": 3e-3},
]
SEARCH = {"sampler": "grid", "seeds": 3, "phantom": "qsm"}
