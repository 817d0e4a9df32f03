"""Do the headline's numbers hold on another split of the patients?

    for split in 0 1 2 3 4; do
      python run_search.py --data ../shared/data/breast_patches --series post_1 --intensity image --space headline --split-seed $split --run runs/headline_$split
    done
    python -m docs.tables splits runs/headline_0 runs/headline_1 runs/headline_2 runs/headline_3 runs/headline_4

Cost: 30 trials for a split, about ten minutes on two cores.

Full sampling, a low rate that costs and one that does not, with the learned mask and the low-pass; three seeds, both
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
