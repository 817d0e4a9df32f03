"""Do the headline's numbers hold on another split of the patients?

    python run_search.py --space headline --split-seed 1 --run runs/headline_1 OPTIONS
    python -m docs.splits runs/headline_0 runs/headline_1 runs/headline_2 runs/headline_3 runs/headline_4

for --split-seed 0 to 4; OPTIONS: --data ../shared/data/breast_patches --series post_1 --intensity image

Cost: 20 trials for a split, eight minutes on two cores.

Full sampling, a low rate that costs and one that does not, with the learned mask and the low-pass; two seeds, both
vendors, the recipe of real_patches. One split tests 36 and 15 patients; five splits test each patient about once.

Expect AUCs that move by several hundredths from split to split, and differences to full sampling that move less.
Results are in docs/results.md.
"""

from search_spaces import FULL, LEARNED, RECIPE, of_64

RATES = of_64(4, 16)

SPACE = [
    {**RECIPE, **LEARNED, "sampling_rate": RATES},
    {**RECIPE, "mask": "lowpass", "sampling_rate": RATES},
    {**RECIPE, **FULL},
]
SEARCH = {"sampler": "grid", "seeds": 2}
