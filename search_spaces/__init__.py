"""Search spaces. One file asks one question; what several files share is written here, once.

A file's docstring opens with the question, the command, the cost and the expected result. SPACE maps a field of
TrialConfig to a value, a list of values or (for Optuna) a domain of ray.tune. A list of such dicts is their union. A
SPACE without a vendor means every vendor of the cohort. SEARCH names the sampler, the samples, the seeds and the
objectives. Many rates with one seed each, pooled by a fitted curve, tell more than few rates with many seeds.
"""

from typing import Any

# a small AlexNet on small images: two CPU cores train many of them in minutes
SMALL = {"image_size": 64, "width": 0.125, "batch_size": 16, "lr": 5e-4, "augment": "flips"}
# a network that learns real patches of 64 px: chosen on source validation images only (docs/recipe.md)
RECIPE: dict[str, Any] = {
    "classifier": "resnet18",
    "width": 0.25,
    "image_size": 64,
    "standardise": "image",
    "augment": "flips_shifts",
    "test_time": "flips",
    "epochs": 24,
    "lr": 2e-3,
    "weight_decay": 2e-2,
    "schedule": "cosine",
    "warmup": 0.1,
    "settle": 0.3,
}
# training images that are turned by any angle, zoomed, bent and of another contrast
WARPED = {"augment": "warp", "angle_deg": 180.0, "zoom": 0.2, "elastic": 0.04, "gamma": 0.3, "contrast": 0.2}
# the same network on such images, for twice as many epochs: chosen on patients that --split-seed 0 does not test
# (docs/recipe.md)
AUGMENTED = {**RECIPE, **WARPED, "epochs": 48}
# a mask that learns: it starts with nearly all lines, prefers those near DC until told otherwise, and is then thinned
# out; a line whose gradient is only noise stays where it is (docs/recipe.md)
THINNED = {
    "mask_lr_multiplier": 30.0,
    "mask_moment": "shared",
    "rate_start": 0.99,
    "rate_hold": 0.3,
    "start_slope": 6.0,
}
# LOUPE's logits are five times its parameter: at one learning rate they would move five times as far as the others'
THINNED_LOUPE = {**THINNED, "mask_lr_multiplier": 6.0}
LEARNED = {"mask": "gumbel", "temperature": 1.0, **THINNED}
# the mask of the source study, whose lines all start equal; 30 times the network's learning rate for small cohorts
EQUAL_START = {"mask": "gumbel", "temperature": 1.0, "mask_lr_multiplier": 30.0}
# at rate 1 every mask family keeps all of k-space, so the low-pass stands for all of them
FULL = {"mask": "lowpass", "sampling_rate": 1.0}
# small U-Nets that find susceptibility in small field maps (QSM); of one network only its adaptive layer differs
QSM = {
    "task": "map",
    "image_size": 48,
    "width": 0.25,
    "batch_size": 16,
    "schedule": "cosine",
    "settle": 0.3,
    "mask": "lowpass",
    "sampling_rate": [6 / 48, 1.0],
}


def of_64(*lines: int) -> list[float]:
    """Sampling rates of images that are 64 pixels wide: ``lines`` k-space lines of 64."""
    return [line / 64 for line in lines]
