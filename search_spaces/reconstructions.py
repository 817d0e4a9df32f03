"""Does a reconstruction before the classifier raise the AUC at low rates, in-domain or across vendors?

    python run_search.py --space reconstructions
    python -m docs.tables reconstructions RUN

Cost: 22 trials at 64 px with 16 channels, about 14 minutes on two quiet cores. A U-Net trial takes 1.5 minutes, an
HQS-Net trial 2.8 minutes, a zero-filled one 15 s.

The low-pass at 4/64 and 8/64 with four reconstructions: zero-filling; a U-Net trained together with the classifier; the
same U-Net trained alone for the first third of the epochs; and HQS-Net trained together with the classifier. The
learned mask at 8/64: zero-filling, and the U-Net. Full sampling. One seed, both vendors. The classifiers of one seed
start with the same weights, so differences are paired.

Expect the U-Net to raise PSNR and SSIM above zero-filling's, more so on the vendor trained on. Expect no AUC above
zero-filling's beyond the scatter of single trainings: what the classifier can learn from an image it can also learn
without the U-Net.
"""

from search_spaces import EQUAL_START, FULL, SMALL, of_64

COMMON = {**SMALL, "epochs": 30, "standardise": "image", "reconstruction_channels": 16}
LOWPASS = {**COMMON, "mask": "lowpass", "sampling_rate": of_64(4, 8)}
LEARNED_MASK = {**COMMON, **EQUAL_START, "sampling_rate": 8 / 64}
UNET = {"reconstruction": "unet", "reconstruction_weight": 10.0}  # its squared errors are near 0.01

SPACE = [
    LOWPASS,
    {**LOWPASS, **UNET, "reconstruction_epochs": [0, 10]},
    {**LOWPASS, "reconstruction": "hqs_net", "reconstruction_weight": 100.0},  # its loss is near 0.0003
    LEARNED_MASK,
    {**LEARNED_MASK, **UNET},
    {**COMMON, **FULL},  # there is nothing to reconstruct
]
SEARCH = {"sampler": "grid", "seeds": 1}
