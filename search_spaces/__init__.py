"""Search spaces. One file asks one question; what several files share is written here, once.

A file's docstring opens with the question, the command, the cost and the expected result. SPACE maps a field of
TrialConfig to a value, a list of values or (for Optuna) a domain of ray.tune. A list of such dicts is their union. A
SPACE without a vendor means every vendor of the cohort. SEARCH names the sampler, the samples, the seeds and the
objectives. Many rates with one seed each, pooled by a fitted curve, tell more than few rates with many seeds.
"""

# a small AlexNet on small images: two CPU cores train many of them in minutes
SMALL = {"image_size": 64, "width": 0.125, "batch_size": 16, "lr": 5e-4, "augment": "flips"}
# a small cohort gives a mask few steps, so the mask learns 30 times as fast as the network
LEARNED = {"mask": "gumbel", "temperature": 1.0, "mask_lr_multiplier": 30.0}
# at rate 1 every mask family keeps all of k-space, so the low-pass stands for all of them
FULL = {"mask": "lowpass", "sampling_rate": 1.0}


def of_64(*lines: int) -> list[float]:
    """Sampling rates of images that are 64 pixels wide: ``lines`` k-space lines of 64."""
    return [line / 64 for line in lines]
