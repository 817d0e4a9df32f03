"""Does a low rate, or a learned mask, raise the AUC across vendors on real breast MRI patches?

    python run_search.py --data ../shared/data/breast_patches --series post_1 --intensity image --space real_patches
    python -m docs.tables rates RUN

Cost: 78 trials, about a quarter of an hour for a series on two cores.

The learned mask and the low-pass at rates k/64 on a logarithmic scale, and full sampling; 64 px as stored, three seeds,
both vendors. The patches were resampled before they came here, and their content ends near half of Nyquist. Rates above
0.5 would therefore change next to nothing, and are left out. The learning rate is 5e-4: at 1e-3 three of the 78
trainings fell back to chance and stayed there.

Expect no gain across vendors. Compare the learned mask with the low-pass at the same rate, and both with the one-number
baselines. Results are in docs/results.md.
"""

from search_spaces import FULL, of_64

COMMON = {"image_size": 64, "width": 0.25, "epochs": 18, "lr": 5e-4, "augment": "flips"}
RATES = of_64(1, 2, 4, 8, 16, 32)

SPACE = [
    {**COMMON, "mask": "gumbel", "temperature": 1.0, "sampling_rate": RATES},
    {**COMMON, "mask": "lowpass", "sampling_rate": RATES},
    {**COMMON, **FULL},
]
SEARCH = {"sampler": "grid", "seeds": 3}
