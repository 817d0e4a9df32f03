"""Does any way of choosing k-space lines beat the low-pass, at the same realised rate?

    python run_search.py --space mask_families
    python run_search.py --data ../shared/data/breast_patches --series post_1 --intensity image --space mask_families

Every family at five rates k/64, one seed, both vendors as source, with full sampling: 92 trials at 64 px. Exact
counts, so every family is compared at the same realised rate. Many rates with one seed each, pooled by a curve, tell
more than few rates with many seeds; more seeds by the same command with "seeds" raised. What came is in
docs/families.md.
"""

COMMON = {
    "image_size": 64,
    "width": 0.125,
    "epochs": 30,
    "batch_size": 16,
    "lr": 5e-4,
    "augment": "flips",
    "mask_lr_multiplier": 30.0,
}
RATES = [k / 64 for k in (2, 4, 8, 16, 32)]

SPACE = [
    {**COMMON, "mask": ["gumbel", "dps"], "temperature": 1.0, "sampling_rate": RATES},
    {**COMMON, "mask": ["loupe", "loupe_straight_through"], "sampling_rate": RATES},
    {
        **COMMON,
        "mask": ["lowpass", "equispaced", "random_uniform", "variable_density", "poisson_disc"],
        "sampling_rate": RATES,
    },
    {**COMMON, "mask": "lowpass", "sampling_rate": 1.0},  # at rate 1 every family is the identity
]
SEARCH = {"sampler": "grid", "seeds": 1}
