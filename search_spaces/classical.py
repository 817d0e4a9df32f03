"""Does a rate matter at all, to a classical method that needs no training?

    python run_search.py --space classical
    python -m docs.tables classical RUN

Cost: 34 trials of a second or two of one core: under a minute on two cores, once the phantom is written.
"""

from search_spaces import of_64

COMMON = {"classifier": "no_network", "image_size": 64, "epochs": 0}
RATES = of_64(1, 2, 3, 4, 6, 8, 16, 32)

SPACE = [
    {**COMMON, "mask": "lowpass", "sampling_rate": [*RATES, 1.0]},
    {**COMMON, "mask": "variable_density", "sampling_rate": RATES},
]
SEARCH = {"sampler": "grid", "seeds": 1}
