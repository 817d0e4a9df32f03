"""Does a low rate, or a learned mask, help across vendors on real breast MRI patches?

    python run_search.py --data ../shared/data/breast_patches --series post_1 --intensity image --space real_patches

Log-spaced rates k/64 at the stored 64 px, full sampling, three seeds, learned mask against low-pass, both vendors as
source: 78 trials, about a quarter of an hour a series on two cores. The patches were resampled before they came here
and their content ends near half of Nyquist, so rates above 0.5 change next to nothing by construction and are left
out. Read the learned mask against low-pass at the same rate, and everything against the one-number baselines: what
came is in docs/results.md. (At a learning rate of 1e-3 three of the 78 trainings fell back to chance and stayed there.)
"""

COMMON = {"image_size": 64, "width": 0.25, "epochs": 18, "lr": 5e-4, "augment": "flips"}
RATES = [k / 64 for k in (1, 2, 4, 8, 16, 32)]

SPACE = [
    {**COMMON, "mask": "gumbel", "temperature": 1.0, "sampling_rate": RATES},
    {**COMMON, "mask": "lowpass", "sampling_rate": RATES},
    {**COMMON, "mask": "lowpass", "sampling_rate": 1.0},  # at rate 1 every family is the identity
]
SEARCH = {"sampler": "grid", "seeds": 3}
