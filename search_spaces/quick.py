"""Which rate would the tool choose on the phantom? The default search: every part of the tool, in minutes.

    python run_search.py

Cost: 26 trials, at most ten minutes on two cores, with writing the phantom.

The learned mask at rates k/64 on a logarithmic scale, the low-pass at four of these rates, and full sampling with three
seeds; both vendors. The mask's learning rate is 30 times the network's, because a cohort this small gives the mask few
steps: with the default of 10 its AUC stayed near chance. The network's learning rate is 5e-4: at 1e-3 a third to half
of the trainings with a learned mask stayed at a loss of 0.693, which is chance; at 5e-4 none of twelve did (8/64, six
seeds for each vendor).

Expect the in-domain AUC to rise with the rate and then level off. The phantom shows that the tool works; it can not
show that k-sampling does.
"""

from search_spaces import EQUAL_START, FULL, SMALL, of_64

COMMON = {**SMALL, "epochs": 60}

SPACE = [
    {**COMMON, **EQUAL_START, "sampling_rate": of_64(1, 2, 4, 8, 16, 32)},
    {**COMMON, "mask": "lowpass", "sampling_rate": of_64(2, 4, 8, 32)},
    {**COMMON, **FULL, "seed": [0, 1, 2]},
]
SEARCH = {"sampler": "grid", "seeds": 1}
