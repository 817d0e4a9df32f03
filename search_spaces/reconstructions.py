"""Does reconstruction before the classifier raise either AUC at low rates?

    python run_search.py --space reconstructions
    python benchmarks/reconstructions_table.py RUN

The low-pass at 4/64 and 8/64: zero-filling, the U-Net trained beside the classifier or alone for the first third of
the epochs, HQS-Net beside it. The learned mask at 8/64: zero-filling, and the U-Net with the mask. Full sampling. One
seed, both vendors: 22 trials at 64 px with 16 channels, about 14 minutes on two quiet cores (a U-Net trial takes 1.5
minutes, an HQS-Net 2.8, zero-filling 15 s). The classifiers of one seed start alike, so differences are paired. Expect
a higher PSNR and SSIM than zero-filling's from the U-Net, more so on the vendor trained on. What the classifier can
tell from an image it can tell without the U-Net, so expect no AUC above zero-filling's beyond the scatter of single
trainings.
"""

COMMON = {
    "image_size": 64,
    "width": 0.125,
    "epochs": 30,
    "batch_size": 16,
    "lr": 5e-4,
    "augment": "flips",
    "standardise": "image",
    "reconstruction_channels": 16,
}
LOW = {**COMMON, "mask": "lowpass", "sampling_rate": [4 / 64, 8 / 64]}
LEARNED = {**COMMON, "mask": "gumbel", "temperature": 1.0, "mask_lr_multiplier": 30.0, "sampling_rate": 8 / 64}
UNET = {"reconstruction": "unet", "reconstruction_weight": 10.0}  # its squared errors are near 0.01

SPACE = [
    LOW,
    {**LOW, **UNET, "reconstruction_epochs": [0, 10]},
    {**LOW, "reconstruction": "hqs_net", "reconstruction_weight": 100.0},  # its loss is near 0.0003
    LEARNED,
    {**LEARNED, **UNET},
    {**COMMON, "mask": "lowpass", "sampling_rate": 1.0},  # at rate 1 there is nothing to reconstruct
]
SEARCH = {"sampler": "grid", "seeds": 1}
