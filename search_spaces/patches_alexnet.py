"""What does a network say about the rates that is too weak to use the whole of k-space? The first version's recipe.

    python run_search.py --data ../shared/data/breast_patches --series post_1 --intensity image --space patches_alexnet
    python -m docs.tables rates RUN

Cost: 78 trials, about a quarter of an hour for a series on two cores.

The question of real_patches, asked with a quarter-width AlexNet at a constant learning rate, and with a mask whose
lines all start equal. Its learned mask spent 13 of 16 lines on empty k-space, and a linear model on 35 numbers beats
it at every rate above one line.

Expect a low rate to cost little, because the network does not reach what full sampling is worth. Compare with
real_patches; docs/underfit.md has both.
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
